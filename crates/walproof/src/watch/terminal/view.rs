//! What the person at the terminal chose, and what the view itself remembers: events.
//!
//! What it must not do: ask a clock, read a key by itself. Keys come in as data.

use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use walproof_judge::watch::moment::{Moment, Watched};
use walproof_judge::watch::{Changes, Raised, Watching};

use super::page;
use crate::watch::{account, words};

/// Events that are remembered.
const EVENTS_MAX: usize = 500;
/// Pages are no longer; whoever scrolls beyond the end is brought back by [`View::keep_in_range`].
const PAGE_LINES_MAX: usize = 10_000;
/// Widths of the plot in time.
pub const WINDOWS_MS: [u64; 5] = [30_000, 120_000, 600_000, 1_800_000, 7_200_000];

/// A part of the view that keys may speak to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// Alarms that are on.
    Alarms,
    /// All databases.
    Databases,
    /// Openers of the chosen one.
    Openers,
    /// What happened.
    Events,
    /// What was not seen.
    NotSeen,
}

/// All, in the order in which Tab goes through them.
pub const PANELS: [Panel; 5] = [Panel::Databases, Panel::Alarms, Panel::Openers, Panel::Events, Panel::NotSeen];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing.
    Nothing,
    /// Another picture.
    Draw,
    /// The display stands still, or goes on.
    Pause,
    /// The terminal is wanted for a while.
    Suspend,
    /// The end.
    End,
}

/// What was chosen.
#[derive(Clone, Debug)]
pub struct View {
    /// The database by its path; `None`: the first.
    pub database: Option<String>,
    /// Where keys go.
    pub focus: Panel,
    /// The panel has the whole screen.
    pub whole: bool,
    /// The alarm that is chosen.
    pub alarm: usize,
    /// The page of this alarm is shown.
    pub page: Option<Raised>,
    /// The keys are shown.
    pub help: bool,
    /// Lines that were scrolled, of whatever is shown in whole; of events from the last one upward.
    pub scrolled: usize,
    /// The display stands still.
    pub paused: bool,
    /// Index of [`WINDOWS_MS`].
    pub window: usize,
    /// Events, oldest first.
    pub events: VecDeque<(u64, String)>,
    /// What the watch says of itself.
    pub notes: Vec<String>,
    /// The time, as milliseconds since 1970; 0: not known.
    pub now_unix_ms: u64,
    /// Colours may be used.
    pub colour: bool,
}

impl View {
    /// At the beginning.
    pub fn new(colour: bool) -> Self {
        Self {
            database: None,
            focus: Panel::Databases,
            whole: false,
            alarm: 0,
            page: None,
            help: false,
            scrolled: 0,
            paused: false,
            window: 1,
            events: VecDeque::new(),
            notes: Vec::new(),
            now_unix_ms: 0,
            colour,
        }
    }

    /// The database that is shown.
    pub fn chosen<'a>(&self, watching: &'a Watching) -> Option<&'a Watched> {
        let databases = &watching.latest().databases;
        let chosen = self.database.as_ref().and_then(|path| databases.iter().find(|one| one.path == *path));
        chosen.or_else(|| databases.first())
    }

    /// Its place.
    pub fn place(&self, watching: &Watching) -> usize {
        let chosen = self.chosen(watching).map(|one| one.path.as_str());
        watching.latest().databases.iter().position(|one| Some(one.path.as_str()) == chosen).unwrap_or(0)
    }

    /// Takes events of a look in.
    pub fn remember(&mut self, moment: &Moment, changes: &Changes) {
        let of_note = moment.events.iter().filter(|event| words::is_of_note(event)).map(words::event);
        let told = |what: &str, alarm: &Raised| {
            account::part(
                format!("{what} {} {}: {}", alarm.level.word(), alarm.alarm, alarm.says),
                account::Tone::Plain,
            )
            .text
        };
        let raised = changes.raised.iter().map(|alarm| told("raised", alarm));
        let cleared = changes.cleared.iter().map(|alarm| told("cleared", alarm));
        let all: Vec<String> = of_note.chain(raised).chain(cleared).collect();
        // Whoever reads older ones goes on reading them.
        if self.scrolled > 0 && self.focus == Panel::Events {
            self.scrolled += all.len();
        }
        self.events.extend(all.into_iter().map(|text| (moment.unix_ms, text)));
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    /// Alarms come and go under the finger, and windows change their size.
    pub fn keep_in_range(&mut self, watching: &Watching, width: u16, height: u16) {
        self.alarm = self.alarm.min(watching.active().len().saturating_sub(1));
        if let Some(lines) = page::lines(watching, self, width) {
            self.scrolled = self.scrolled.min(page::scrolled_max(lines.len(), height));
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, watching: &Watching) -> Does {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Does::End,
            KeyCode::Char('z') if control => return Does::Suspend,
            KeyCode::Char('q') => return Does::End,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => (self.help, self.scrolled) = (!self.help, 0),
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                return Does::Pause;
            }
            KeyCode::Char('+' | '=') => self.window = self.window.saturating_sub(1),
            KeyCode::Char('-') => self.window = (self.window + 1).min(WINDOWS_MS.len() - 1),
            KeyCode::Esc | KeyCode::Backspace => self.back(),
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.turn(1, watching),
            KeyCode::BackTab | KeyCode::Left => self.turn(PANELS.len() - 1, watching),
            KeyCode::Enter => self.enter(watching),
            KeyCode::Up | KeyCode::Char('k') => self.go(-1, watching),
            KeyCode::Down | KeyCode::Char('j') => self.go(1, watching),
            KeyCode::PageUp => self.go(-10, watching),
            KeyCode::PageDown => self.go(10, watching),
            KeyCode::Home => self.go(isize::MIN, watching),
            KeyCode::End => self.go(isize::MAX, watching),
            _ => return Does::Nothing,
        }
        Does::Draw
    }

    fn back(&mut self) {
        if self.help {
            self.help = false;
        } else if self.page.take().is_none() {
            self.whole = false;
        }
        self.scrolled = 0;
    }

    /// To the next panel that is there.
    fn turn(&mut self, by: usize, watching: &Watching) {
        if self.help || self.page.is_some() {
            return;
        }
        let there = |panel: &Panel| match panel {
            Panel::Alarms => !watching.active().is_empty(),
            Panel::NotSeen => !account::not_seen(watching).is_empty(),
            Panel::Databases | Panel::Openers | Panel::Events => true,
        };
        let at = PANELS.iter().position(|panel| *panel == self.focus).unwrap_or(0);
        let mut next = (1..=PANELS.len()).map(|turns| PANELS[(at + by * turns) % PANELS.len()]);
        self.focus = next.find(there).unwrap_or(self.focus);
        self.scrolled = 0;
    }

    fn enter(&mut self, watching: &Watching) {
        if self.help || self.page.is_some() {
            return self.back();
        }
        self.scrolled = 0;
        if self.focus == Panel::Alarms {
            self.page = watching.active().get(self.alarm).cloned();
        } else {
            self.whole = !self.whole;
        }
    }

    fn go(&mut self, by: isize, watching: &Watching) {
        let moved = |at: usize, last: usize| at.saturating_add_signed(by).min(last);
        if self.help || self.page.is_some() {
            self.scrolled = moved(self.scrolled, PAGE_LINES_MAX);
            return;
        }
        match self.focus {
            Panel::Alarms => self.alarm = moved(self.alarm, watching.active().len().saturating_sub(1)),
            Panel::Databases => {
                let databases = &watching.latest().databases;
                let at = moved(self.place(watching), databases.len().saturating_sub(1));
                self.database = databases.get(at).map(|one| one.path.clone());
            }
            Panel::Openers => {
                let last = self.chosen(watching).map_or(0, |one| one.openers.len().saturating_sub(1));
                self.scrolled = moved(self.scrolled, last);
            }
            Panel::NotSeen => {
                self.scrolled = moved(self.scrolled, account::not_seen(watching).len().saturating_sub(1));
            }
            // The last one stands at the bottom.
            Panel::Events => {
                let by = if by == isize::MIN { isize::MAX } else { -by };
                self.scrolled = self.scrolled.saturating_add_signed(by).min(self.events.len().saturating_sub(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use walproof_judge::watch::Thresholds;

    fn press(view: &mut View, watching: &Watching, code: KeyCode) -> Does {
        view.key(KeyEvent::new(code, KeyModifiers::NONE), watching)
    }

    fn two_databases() -> Watching {
        let mut watching = Watching::new(Thresholds::default());
        let one = |path: &str| Watched { path: path.to_owned(), ..Watched::default() };
        watching.observe(Moment { databases: vec![one("/a.db"), one("/b.db")], ..Moment::default() });
        watching
    }

    #[test]
    fn arrows_choose_a_database_and_stay_within() {
        let (watching, mut view) = (two_databases(), View::new(true));
        let chosen = |view: &View| view.chosen(&watching).expect("one").path.clone();
        assert_eq!(chosen(&view), "/a.db");
        press(&mut view, &watching, KeyCode::Down);
        assert_eq!(chosen(&view), "/b.db");
        press(&mut view, &watching, KeyCode::Down);
        assert_eq!(chosen(&view), "/b.db");
        press(&mut view, &watching, KeyCode::Home);
        assert_eq!(chosen(&view), "/a.db");
    }

    #[test]
    fn tab_goes_through_the_panels_that_are_there() {
        let (watching, mut view) = (two_databases(), View::new(true));
        let mut turned = |code| {
            press(&mut view, &watching, code);
            view.focus
        };
        assert_eq!([turned(KeyCode::Tab), turned(KeyCode::Tab)], [Panel::Openers, Panel::Events]);
        assert_eq!([turned(KeyCode::Tab), turned(KeyCode::BackTab)], [Panel::Databases, Panel::Events]);
    }

    #[test]
    fn keys_end_pause_and_suspend() {
        let (watching, mut view) = (two_databases(), View::new(true));
        assert_eq!(press(&mut view, &watching, KeyCode::Char('p')), Does::Pause);
        assert!(view.paused);
        assert_eq!(press(&mut view, &watching, KeyCode::Char('q')), Does::End);
        let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
        assert_eq!(view.key(control('c'), &watching), Does::End);
        assert_eq!(view.key(control('z'), &watching), Does::Suspend);
        assert_eq!(press(&mut view, &watching, KeyCode::F(9)), Does::Nothing);
    }

    #[test]
    fn events_scroll_upward_and_are_bounded() {
        let (watching, mut view) = (two_databases(), View::new(true));
        let kills = |kills| walproof_judge::watch::moment::Event::OutOfMemory { container: "c".into(), kills };
        let events: Vec<_> = (0..EVENTS_MAX as u64 + 7).map(kills).collect();
        view.remember(&Moment { events, ..Moment::default() }, &Changes::default());
        assert_eq!(view.events.len(), EVENTS_MAX);
        view.focus = Panel::Events;
        press(&mut view, &watching, KeyCode::Up);
        assert_eq!(view.scrolled, 1);
        press(&mut view, &watching, KeyCode::Home);
        assert_eq!(view.scrolled, EVENTS_MAX - 1);
        press(&mut view, &watching, KeyCode::End);
        assert_eq!(view.scrolled, 0);
    }
}
