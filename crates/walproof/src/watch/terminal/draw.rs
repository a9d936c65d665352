//! The picture: a pure function of what is watched and what was chosen.
//!
//! From top to bottom: head, alarms, databases, the chosen one, its plot, its openers, events, what was not seen, keys.
//! Where lines are few, what weighs least is left out; whatever has the keys can have the whole screen.
//! What it must not do: ask a clock; let a path or a command speak to the terminal.
//! Where to look next: `layout.rs` for how lines are shared out, `plot.rs`, `openers.rs`, `page.rs`.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};
use walproof_judge::render::harmless;
use walproof_judge::watch::alarms::Level;
use walproof_judge::watch::moment::Watched;
use walproof_judge::watch::{Raised, Watching};

use super::layout::{Paint, Wants, cells, cut, cut_left, flow, share, wrap};
use super::view::{Panel, View};
use super::{openers, page, plot};
use crate::watch::account::{self, Tone, part};
use crate::watch::words;

/// Cells before what is told of a database.
const LABEL: usize = 9;
/// A look that is older than this is said to be.
const STALE_MS: u64 = 3000;
/// Notes of the watch itself that are shown.
pub const NOTES_MAX: usize = 2;

/// A part of the picture: its head, its lines, and how many of them it wants.
struct Piece {
    title: Line<'static>,
    body: Body,
    wants: Wants,
    /// Who is served first.
    rank: usize,
}

enum Body {
    /// Lines, from this one on.
    Lines(Vec<Line<'static>>, usize),
    /// The plot of the chosen database.
    Plot,
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, watching: &Watching, view: &View) {
    let area = frame.area();
    let paint = Paint { colour: view.colour };
    let buffer = frame.buffer_mut();
    let mut top = vec![head(watching, view, area.width)];
    top.extend(
        view.notes
            .iter()
            .take(NOTES_MAX)
            .map(|note| Line::styled(cut(&format!(" {}", harmless(note)), area.width.into()), paint.of(Tone::Loud))),
    );
    let above = u16::try_from(top.len()).unwrap_or(1).min(area.height);
    Paragraph::new(top).render(Rect { height: above, ..area }, buffer);
    let middle = Rect { y: area.y + above, height: area.height.saturating_sub(above + 1), ..area };
    match page::lines(watching, view, middle.width) {
        Some(lines) => page::draw(lines, view.scrolled, middle, buffer),
        None => pieces(watching, view, middle, buffer),
    }
    if area.height > above {
        let keys = Line::styled(cut(KEYS, area.width.into()), paint.of(Tone::Dim));
        Paragraph::new(keys).render(Rect { y: area.bottom() - 1, height: 1, ..area }, buffer);
    }
    obey_nobody(buffer);
}

const KEYS: &str = " q quit  Tab panel  ↑↓ choose  Enter open  Esc back  p pause  +/- time  ? keys";

/// Whatever came in from paths and commands, no cell may hold what a terminal obeys.
fn obey_nobody(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let clean = harmless(cell.symbol());
        if clean != cell.symbol() {
            cell.set_symbol(&clean);
        }
    }
}

fn head(watching: &Watching, view: &View, width: u16) -> Line<'static> {
    let (moment, paint) = (watching.latest(), Paint { colour: view.colour });
    let name = Span::styled(" walproof watch ", Style::new().add_modifier(Modifier::BOLD));
    let mut spans = vec![name];
    if view.paused {
        spans.push(Span::styled(" PAUSED ", Style::new().add_modifier(Modifier::REVERSED)));
    }
    let alarms = watching.active();
    let many = |level: Level| alarms.iter().filter(|alarm| alarm.level == level).count();
    for level in [Level::Critical, Level::Warning, Level::Notice] {
        if many(level) > 0 {
            spans.push(Span::styled(format!(" {} {} ", many(level), level.word()), badge(level, paint)));
        }
    }
    if alarms.is_empty() {
        spans.push(Span::raw(" no alarm "));
    }
    let databases = moment.databases.len();
    let age = view.now_unix_ms.saturating_sub(moment.unix_ms);
    let look = match moment.unix_ms {
        0 => " the first look is on its way".to_owned(),
        _ if age > STALE_MS && !view.paused => format!("last look {} ago", words::lasts(age)),
        time => format!("{} UTC", words::clock(time)),
    };
    let plural = if databases == 1 { "" } else { "s" };
    let taken: usize = spans.iter().map(Span::width).sum();
    let right = format!("{databases} database{plural}   {look} ");
    let right = if taken + cells(&right) > width.into() { format!("{look} ") } else { right };
    let gap = usize::from(width).saturating_sub(taken + cells(&right));
    let tone = if age > STALE_MS && !view.paused { Tone::Loud } else { Tone::Plain };
    spans.push(Span::raw(" ".repeat(gap)));
    spans.push(Span::styled(right, paint.of(tone)));
    Line::from(spans)
}

fn badge(level: Level, paint: Paint) -> Style {
    let base = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
    match (level, paint.colour) {
        (Level::Critical, true) => base.fg(Color::Red),
        (Level::Warning, true) => base.fg(Color::Yellow),
        (Level::Notice, true) => base.fg(Color::Cyan),
        _ => base,
    }
}

/// `── name ─────`.
fn title(name: &str, focused: bool, paint: Paint, width: u16) -> Line<'static> {
    let width = usize::from(width);
    let name = cut(&format!(" {name} "), width.saturating_sub(3));
    let rest = width.saturating_sub(2 + cells(&name));
    let style = match focused {
        true => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        false => Style::new().add_modifier(Modifier::BOLD),
    };
    let rule = paint.of(Tone::Dim);
    Line::from(vec![Span::styled("──", rule), Span::styled(name, style), Span::styled("─".repeat(rest), rule)])
}

/// All pieces, each with its share of the lines.
fn pieces(watching: &Watching, view: &View, area: Rect, buffer: &mut Buffer) {
    let mut all = all_pieces(watching, view, area);
    if view.whole && all.iter().any(|(panel, _)| *panel == Some(view.focus)) {
        all.retain(|(panel, _)| *panel == Some(view.focus));
        all.iter_mut().for_each(|(_, piece)| piece.wants = Wants { least: 1, best: area.height });
    }
    let mut by_rank: Vec<usize> = (0..all.len()).collect();
    by_rank.sort_by_key(|at| all[*at].1.rank);
    let wants: Vec<Wants> = by_rank.iter().map(|at| all[*at].1.wants).collect();
    let mut shares = vec![0; all.len()];
    by_rank.iter().zip(share(area.height, &wants)).for_each(|(at, lines)| shares[*at] = lines);
    let mut y = area.y;
    for ((_, piece), lines) in all.into_iter().zip(shares) {
        if lines > 0 {
            piece.draw(watching, view, Rect { y, height: lines, ..area }, buffer);
        }
        y += lines;
    }
}

fn all_pieces(watching: &Watching, view: &View, area: Rect) -> Vec<(Option<Panel>, Piece)> {
    let paint = Paint { colour: view.colour };
    let is = |panel| view.focus == panel;
    let mut all = Vec::new();
    let lines = |title, lines: Vec<Line<'static>>, from, least: u16, best: u16, rank| {
        let have = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(1);
        let wants = Wants { least: least.min(have), best: best.min(have) };
        Piece { title, body: Body::Lines(lines, from), wants, rank }
    };
    let a_third = (area.height / 3).max(6);
    let alarms = watching.active();
    if !alarms.is_empty() {
        let (text, chosen) = alarm_lines(watching, view, area.width);
        let from = if is(Panel::Alarms) { chosen } else { 0 };
        let head = title(&format!("alarms ({})", alarms.len()), is(Panel::Alarms), paint, area.width);
        all.push((Some(Panel::Alarms), lines(head, text, from, 4, a_third, 0)));
    }
    let databases = &watching.latest().databases;
    if databases.len() > 1 {
        let place = view.place(watching);
        let head = title(&format!("databases ({})", databases.len()), is(Panel::Databases), paint, area.width);
        let from = place.saturating_sub(2);
        all.push((
            Some(Panel::Databases),
            lines(head, database_lines(watching, view, area.width), from, 3, a_third, 3),
        ));
    }
    if let Some(watched) = view.chosen(watching) {
        all.extend(chosen_pieces(watching, view, watched, area));
    } else {
        let text = "no database is seen yet; it is looked for at every look";
        all.push((None, lines(title("databases", false, paint, area.width), vec![Line::raw(text)], 0, 2, 2, 1)));
    }
    let events = event_lines(view, area.width);
    let head = title("events", is(Panel::Events), paint, area.width);
    let mut events = lines(head, events, usize::MAX, 3, a_third + 2, 5);
    if let (true, Body::Lines(all, from)) = (is(Panel::Events), &mut events.body) {
        all.truncate(all.len().saturating_sub(view.scrolled).max(1));
        *from = usize::MAX;
    }
    all.push((Some(Panel::Events), events));
    let not_seen = account::not_seen(watching);
    if !not_seen.is_empty() {
        let head = title(&format!("not seen ({})", not_seen.len()), is(Panel::NotSeen), paint, area.width);
        let from = if is(Panel::NotSeen) { view.scrolled } else { 0 };
        let text = not_seen.iter().flat_map(|what| flow(paint, "", 1, &[part(what, Tone::Loud)], area.width.into()));
        all.push((Some(Panel::NotSeen), lines(head, text.collect(), from, 2, 6, 2)));
    }
    all
}

fn chosen_pieces(watching: &Watching, view: &View, watched: &Watched, area: Rect) -> Vec<(Option<Panel>, Piece)> {
    let paint = Paint { colour: view.colour };
    let width = usize::from(area.width);
    let lines = |text: &Vec<Line<'static>>| u16::try_from(text.len()).unwrap_or(u16::MAX).saturating_add(1);
    let mode = words::mode(watched);
    let path = cut_left(&harmless(&watched.path), width.saturating_sub(mode.len() + 9));
    // Where there is one database alone it is the one that keys choose.
    let focused = view.focus == Panel::Databases && watching.latest().databases.len() < 2;
    let text: Vec<Line<'static>> = account::rows(watching, watched)
        .iter()
        .flat_map(|row| flow(paint, &format!(" {}", row.label), LABEL + 1, &row.parts, width))
        .collect();
    let wants = Wants { least: lines(&text).min(5), best: lines(&text) };
    let head = title(&format!("{path} ── {mode}"), focused, paint, area.width);
    let told = Piece { title: head, body: Body::Lines(text, 0), wants, rank: 1 };

    let head = title(&plot::title(view), false, paint, area.width);
    let plotted = Piece {
        title: head,
        body: Body::Plot,
        wants: Wants { least: plot::LINES_LEAST, best: plot::LINES_MOST },
        rank: 6,
    };

    let text = openers::lines(watching, watched, paint, area.width);
    let focused = view.focus == Panel::Openers;
    let head = title(&format!("openers ({})", watched.openers.len()), focused, paint, area.width);
    let from = if focused { openers::first_line(watched, view.scrolled, area.width) } else { 0 };
    let wants = Wants { least: lines(&text).min(4), best: lines(&text) };
    let openers = Piece { title: head, body: Body::Lines(text, from), wants, rank: 4 };
    vec![(None, told), (None, plotted), (Some(Panel::Openers), openers)]
}

impl Piece {
    fn draw(self, watching: &Watching, view: &View, area: Rect, buffer: &mut Buffer) {
        Paragraph::new(self.title).render(Rect { height: 1, ..area }, buffer);
        let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
        match self.body {
            Body::Plot => plot::draw(watching, view, below, buffer),
            Body::Lines(lines, from) => {
                let height = usize::from(below.height);
                let from = from.min(lines.len().saturating_sub(height));
                let rest = lines.len().saturating_sub(from + height);
                let shown: Vec<Line<'static>> = lines.into_iter().skip(from).take(height).collect();
                Paragraph::new(shown).render(below, buffer);
                if rest > 0 && below.width > 12 {
                    let more = format!(" {rest} more ");
                    let at = area.right().saturating_sub(u16::try_from(cells(&more)).unwrap_or(0) + 1);
                    buffer.set_string(at, area.y, more, Paint { colour: view.colour }.of(Tone::Dim));
                }
            }
        }
    }
}

/// Each alarm in a line, the chosen one in full; and the line of the chosen one.
fn alarm_lines(watching: &Watching, view: &View, width: u16) -> (Vec<Line<'static>>, usize) {
    let paint = Paint { colour: view.colour };
    let mut lines = Vec::new();
    let mut chosen = 0;
    let room = usize::from(width).saturating_sub(3).max(1);
    for (number, alarm) in watching.active().iter().enumerate() {
        let is = number == view.alarm.min(watching.active().len() - 1);
        if is {
            chosen = lines.len();
        }
        lines.push(alarm_line(watching, alarm, is && view.focus == Panel::Alarms, view, width));
        if is {
            let says = wrap(&harmless(&alarm.says), room).into_iter().map(|text| Line::raw(format!("   {text}")));
            lines.extend(says);
            let tried = wrap(&harmless(&format!("try: {}", alarm.try_this)), room);
            lines.extend(tried.into_iter().map(|text| Line::styled(format!("   {text}"), paint.of(Tone::Dim))));
        }
    }
    (lines, chosen)
}

fn alarm_line(watching: &Watching, alarm: &Raised, marked: bool, view: &View, width: u16) -> Line<'static> {
    let paint = Paint { colour: view.colour };
    let lasts = words::lasts(watching.latest().unix_ms.saturating_sub(alarm.since_unix_ms));
    let mark = if marked { ">" } else { " " };
    let level = Span::styled(format!(" {} ", alarm.level.word().to_uppercase()), badge(alarm.level, paint));
    let name = Span::styled(format!(" {}", alarm.alarm), Style::new().add_modifier(Modifier::BOLD));
    let since = format!("  since {} ({lasts})", words::clock(alarm.since_unix_ms));
    let taken = 1 + level.width() + name.width() + cells(&since);
    let about = [alarm.container.clone(), alarm.database.clone()].into_iter().flatten().collect::<Vec<_>>().join("  ");
    let about = cut_left(&harmless(&about), usize::from(width).saturating_sub(taken + 3));
    Line::from(vec![
        Span::raw(mark),
        level,
        name,
        Span::raw(since),
        Span::styled(format!("  {about}"), paint.of(Tone::Dim)),
    ])
}

fn database_lines(watching: &Watching, view: &View, width: u16) -> Vec<Line<'static>> {
    let paint = Paint { colour: view.colour };
    let place = view.place(watching);
    let line = |(number, watched): (usize, &Watched)| {
        let wal = watched.wal.as_ref().map(|wal| words::bytes(wal.size_bytes)).unwrap_or_default();
        let waiting = watched.frames_waiting().map(|frames| format!("{} waiting", words::count(frames.into())));
        let past = watching.past().database(&watched.path);
        let rate = past.and_then(words::commits_per_second).map(|rate| format!("{rate:.1}/s"));
        let openers = format!("{} open", watched.openers.len());
        let right =
            format!("{:>10} {:>16} {:>10} {openers:>8} ", wal, waiting.unwrap_or_default(), rate.unwrap_or_default());
        let room = usize::from(width).saturating_sub(2);
        let right = if room < 60 { format!("{wal:>10} ") } else { right };
        let room = room.saturating_sub(cells(&right));
        let path = cut_left(&harmless(&watched.path), room);
        let alarmed = watching.active().iter().filter(|alarm| alarm.database.as_ref() == Some(&watched.path));
        let style = match alarmed.map(|alarm| alarm.level).max() {
            Some(Level::Critical) => paint.of(Tone::Bad),
            Some(Level::Warning) => paint.of(Tone::Loud),
            _ => Style::new(),
        };
        let mark = if number == place { "> " } else { "  " };
        let gap = " ".repeat(room.saturating_sub(cells(&path)));
        Line::from(vec![Span::raw(mark), Span::styled(path, style), Span::raw(gap), Span::raw(right)])
    };
    watching.latest().databases.iter().enumerate().map(line).collect()
}

fn event_lines(view: &View, width: u16) -> Vec<Line<'static>> {
    let paint = Paint { colour: view.colour };
    let line = |(time, text): &(u64, String)| {
        let tone = if text.starts_with("raised") { Tone::Loud } else { Tone::Plain };
        let clock = Span::styled(format!(" {} ", words::clock(*time)), paint.of(Tone::Dim));
        Line::from(vec![clock, Span::styled(cut(text, usize::from(width).saturating_sub(11)), paint.of(tone))])
    };
    let lines: Vec<Line<'static>> = view.events.iter().map(line).collect();
    if lines.is_empty() { vec![Line::styled(" none yet", paint.of(Tone::Dim))] } else { lines }
}
