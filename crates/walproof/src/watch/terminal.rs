//! The view in a terminal: keys in, pictures out, and the terminal given back whole.
//!
//! `terminal/view.rs` is what the person chose, `terminal/draw.rs` the picture, a pure function of watch and choice.
//! Given back at `q`, at Ctrl-C, at signals, when something fails and when the program panics; Ctrl-Z gives it back for
//! a while.
//! What it must not do: look at anything; write to the terminal but through ratatui.

mod draw;
mod layout;
mod openers;
mod page;
mod plot;
#[cfg(test)]
mod tests;
mod view;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::{cursor, execute};
use walproof_judge::watch::{Changes, Watching};
use walproof_lab::error::LabError;

use super::Output;
use super::notes::Notes;
use view::{Does, View};

/// Pictures are no nearer than this.
const PICTURE: Duration = Duration::from_millis(80);
/// And no farther than this: the view says how old the last look is.
const PICTURE_MAX: Duration = Duration::from_secs(1);

/// Set by SIGCONT: whoever stopped us may have taken the terminal.
static CONTINUED: AtomicBool = AtomicBool::new(false);

/// The terminal, while it is ours.
pub struct Terminal {
    screen: Option<DefaultTerminal>,
    view: View,
    notes: Notes,
    /// What is shown while the display is paused; the watch goes on.
    kept: Option<Box<Watching>>,
    drawn: Option<Instant>,
    due: bool,
}

impl Terminal {
    /// Takes the terminal.
    pub fn start(notes: Notes) -> Result<Self, LabError> {
        note_continued();
        let colour = std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let taken = ratatui::try_init().inspect_err(|_| ratatui::restore());
        let screen = taken.map_err(|error| {
            LabError::new("cannot use the terminal", error, "`--plain` for lines, `--json` for JSON")
        })?;
        Ok(Self { screen: Some(screen), view: View::new(colour), notes, kept: None, drawn: None, due: true })
    }

    fn give_back(&mut self) {
        if self.screen.take().is_some() {
            let _ = ratatui::try_restore();
            let _ = execute!(io::stdout(), cursor::Show);
        }
    }

    fn take_again(&mut self) -> io::Result<()> {
        // Not `ratatui::try_init`: its panic hook is there already.
        ratatui::crossterm::terminal::enable_raw_mode()?;
        execute!(io::stdout(), ratatui::crossterm::terminal::EnterAlternateScreen)?;
        let mut screen = ratatui::Terminal::new(ratatui::backend::CrosstermBackend::new(io::stdout()))?;
        screen.clear()?;
        self.screen = Some(screen);
        self.due = true;
        Ok(())
    }

    /// Gives the terminal back until somebody brings us to the fore again.
    fn suspend(&mut self) -> io::Result<()> {
        self.give_back();
        // SAFETY: raising a signal has no preconditions; the default action stops this process alone.
        unsafe { libc::raise(libc::SIGTSTP) };
        CONTINUED.store(false, Ordering::Relaxed);
        self.take_again()
    }

    /// Answers keys; `false`: it is to end.
    fn keys(&mut self, watching: &Watching) -> io::Result<bool> {
        while event::poll(Duration::ZERO)? {
            let does = match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    self.view.key(key, self.kept.as_deref().unwrap_or(watching))
                }
                Event::Resize(..) => Does::Draw,
                _ => Does::Nothing,
            };
            match does {
                Does::Nothing => {}
                Does::Draw => self.due = true,
                Does::Pause => {
                    self.kept = self.view.paused.then(|| Box::new(watching.clone()));
                    self.due = true;
                }
                Does::Suspend => self.suspend()?,
                Does::End => return Ok(false),
            }
        }
        Ok(true)
    }

    fn draw(&mut self, watching: &Watching) -> io::Result<()> {
        let age = self.drawn.map_or(PICTURE_MAX, |drawn| drawn.elapsed());
        if age < PICTURE || !(self.due || age >= PICTURE_MAX) {
            return Ok(());
        }
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.view.now_unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(0);
        self.view.notes = self.notes.all();
        let shown = self.kept.as_deref().unwrap_or(watching);
        if let Some(screen) = &mut self.screen {
            let size = screen.size()?;
            let above = 2 + u16::try_from(self.view.notes.len().min(draw::NOTES_MAX)).unwrap_or(0);
            self.view.keep_in_range(shown, size.width, size.height.saturating_sub(above));
            let view = &self.view;
            screen.draw(|frame| draw::draw(frame, shown, view))?;
        }
        (self.drawn, self.due) = (Some(Instant::now()), false);
        Ok(())
    }

    fn step(&mut self, watching: &Watching) -> io::Result<bool> {
        if CONTINUED.swap(false, Ordering::Relaxed) {
            self.give_back();
            self.take_again()?;
        }
        let goes_on = self.keys(watching)?;
        if goes_on {
            self.draw(watching)?;
        }
        Ok(goes_on)
    }
}

impl Output for Terminal {
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError> {
        self.view.remember(watching.latest(), changes);
        self.due |= !self.view.paused;
        Ok(true)
    }

    fn between(&mut self, watching: &Watching) -> Result<bool, LabError> {
        let gone = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof)
                || matches!(error.raw_os_error(), Some(libc::EIO | libc::ENXIO))
        };
        match self.step(watching) {
            Ok(goes_on) => Ok(goes_on),
            // A terminal that went away is somebody who left.
            Err(error) if gone(&error) => Ok(false),
            Err(error) => {
                Err(LabError::new("cannot use the terminal", error, "`--plain` for lines, `--json` for JSON"))
            }
        }
    }

    fn end(&mut self, _: &Watching, _: bool) -> Result<(), LabError> {
        self.give_back();
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn note_continued() {
    extern "C" fn note(_: libc::c_int) {
        CONTINUED.store(true, Ordering::Relaxed);
    }
    // SAFETY: sigaction is plain data, all zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: a valid action; the handler only stores to an atomic.
    unsafe { libc::sigaction(libc::SIGCONT, &action, std::ptr::null_mut()) };
}
