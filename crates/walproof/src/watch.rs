//! `walproof watch`: a monitor of live databases that harms nothing.
//!
//! `walproof_lab::watch` looks, `walproof_judge::watch` remembers and raises alarms; here is the loop and what people see
//! of it: each [`Output`] is shown every moment. `watch/terminal.rs` is the view in a terminal, `watch/plain.rs` writes
//! lines for people, `watch/lines.rs` JSON lines, `watch/once.rs` one report; `watch/alerts.rs` tells others of alarms.
//! What it must not do: look at a database itself; keep what `Watching` keeps already; let whoever is shown it hold up
//! the looking.
//! Where to look next: `watch/looker.rs` for the thread that looks, docs/watch.md for what users are told.

mod account;
mod alerts;
mod lines;
mod looker;
mod notes;
mod once;
mod paper;
mod plain;
mod serve;
mod targets;
mod terminal;
mod words;

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use walproof_judge::watch::alarms::Level;
use walproof_judge::watch::moment::Watched;
use walproof_judge::watch::{Changes, Thresholds, Watching};
use walproof_lab::error::LabError;
use walproof_lab::watch::{WatchSettings, Watcher};

use crate::arguments::{WatchFlags, WatchThresholds};
use crate::interrupt;
use looker::{Looker, News};
use notes::Notes;

/// How long `--once` looks: alarms that wait for a while have time to rise.
const ONCE: Duration = Duration::from_secs(2);
/// And how often, at least.
const ONCE_EVERY: Duration = Duration::from_millis(500);
/// Between looks, keys are asked for this often; where there are none, only whether it is to end.
const BETWEEN_KEYS: Duration = Duration::from_millis(40);
const BETWEEN: Duration = Duration::from_millis(200);
/// How long openers may take to be found at first.
const BEGIN_MAX_MS: u64 = 10_000;
/// Rates need two looks.
const LOOKS_MIN: u32 = 2;

/// Where `--serve` serves when it is not told.
pub const SERVED_AT: &str = serve::DEFAULT;

/// Something that shows a watch.
trait Output {
    /// After every look. `false`: it wants to end (somebody pressed `q`).
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError>;

    /// Between looks, many times a second: whoever listens to people answers here.
    fn between(&mut self, _watching: &Watching) -> Result<bool, LabError> {
        Ok(true)
    }

    /// When the watch has ended: what is still to be said. `by_hand`: somebody waits for it to end.
    fn end(&mut self, _watching: &Watching, _by_hand: bool) -> Result<(), LabError> {
        Ok(())
    }
}

/// What came of a watch.
#[derive(Debug, Default)]
struct Outcome {
    worst: Option<Level>,
    seen: bool,
    looks: u32,
    /// Openers were looked for, or that takes too long.
    begun: bool,
}

/// Runs it; exit codes as `--help` says.
pub fn run(flags: &WatchFlags) -> Result<i32, LabError> {
    // Before anything is taken that must be given back.
    let interrupted = interrupt::install();
    let notes = Notes::new(!in_terminal(flags));
    let targets = targets::of(&flags.targets, flags.host, &notes)?;
    let every = if flags.once { flags.every.min(ONCE_EVERY) } else { flags.every };
    let settings = WatchSettings { targets, every, trace: flags.trace, tracefs: None };
    let looker = Looker::start(Watcher::start(settings)?);
    let mut watching = Watching::new(thresholds(&flags.thresholds));
    let mut outputs = outputs(flags, &notes)?;
    let mut outcome = Outcome::default();
    let goes_on = || !interrupted.load(Ordering::Relaxed);
    let by_hand = follow(flags, &goes_on, &looker, &mut watching, &mut outputs, &mut outcome);
    // Whoever has the terminal gives it back first, whatever went wrong.
    let hand = *by_hand.as_ref().unwrap_or(&true);
    let ended = outputs.iter_mut().map(|output| output.end(&watching, hand)).fold(Ok(()), Result::and);
    drop(outputs);
    let by_hand = by_hand?;
    ended?;
    Ok(if by_hand { 0 } else { outcome.code(flags.fail_on) })
}

/// Looks and shows until somebody or something ends it; whether it was somebody.
fn follow(
    flags: &WatchFlags,
    wanted: &dyn Fn() -> bool,
    looker: &Looker,
    watching: &mut Watching,
    outputs: &mut [Box<dyn Output>],
    outcome: &mut Outcome,
) -> Result<bool, LabError> {
    let between = if in_terminal(flags) { BETWEEN_KEYS } else { BETWEEN };
    let time = flags.time.or(flags.once.then_some(ONCE));
    let mut end: Option<Instant> = None;
    while end.is_none_or(|end| Instant::now() < end || outcome.looks < LOOKS_MIN) {
        // What counts is time in which something could be seen.
        if end.is_none() && outcome.begun {
            end = time.map(|time| Instant::now() + time);
        }
        let mut goes_on = wanted();
        match looker.news(between) {
            News::Moment(moment) => {
                let changes = watching.observe(*moment);
                outcome.take(watching);
                for output in outputs.iter_mut() {
                    goes_on &= output.show(watching, &changes)?;
                }
            }
            News::Nothing => {}
            News::Ended => {
                return Err(LabError::new("cannot look any more", "the thread that looks ended", "report this"));
            }
        }
        for output in outputs.iter_mut() {
            goes_on &= output.between(watching)?;
        }
        if !goes_on {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Outcome {
    fn take(&mut self, watching: &Watching) {
        self.looks += 1;
        let moment = watching.latest();
        self.begun |= moment.openers_looked_ms > 0 || moment.elapsed_ms >= BEGIN_MAX_MS;
        self.worst = self.worst.max(watching.active().iter().map(|alarm| alarm.level).max());
        let is_seen = |watched: &Watched| watched.silent_ms.is_none() && watched.shows_a_database();
        self.seen |= watching.latest().databases.iter().any(is_seen);
    }

    fn code(&self, fail_on: Level) -> i32 {
        match self.worst {
            Some(worst) if worst >= fail_on => 1,
            _ if !self.seen => 3,
            _ => 0,
        }
    }
}

fn thresholds(flags: &WatchThresholds) -> Thresholds {
    let mut thresholds = Thresholds::default();
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    if let Some(bytes) = flags.wal_max {
        thresholds.wal_bytes = bytes;
    }
    if let Some(time) = flags.full_within {
        thresholds.full_within_ms = ms(time);
    }
    if let Some(time) = flags.pinned_after {
        thresholds.pinned_ms = ms(time);
        thresholds.pinned_long_ms = thresholds.pinned_long_ms.max(ms(time));
    }
    thresholds
}

/// Whether somebody sits at a terminal that can show a view.
fn in_terminal(flags: &WatchFlags) -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let asked = !(flags.json || flags.plain || flags.once);
    // Keys come from the controlling terminal when standard input is something else.
    asked && !dumb && std::io::stdout().is_terminal() && std::fs::File::open("/dev/tty").is_ok()
}

/// The terminal stands first: it is given back before anything else is waited for.
fn outputs(flags: &WatchFlags, notes: &Notes) -> Result<Vec<Box<dyn Output>>, LabError> {
    let told = flags.alerts.exec.is_some() || flags.alerts.webhook.is_some();
    // Before a view takes the terminal: a port that is taken is told in lines.
    let serving = flags.serve.as_deref().map(|address| serve::Serve::start(address, flags, notes)).transpose()?;
    // Without a reader it goes on for whoever else is told.
    let others = told || serving.is_some();
    let mut outputs: Vec<Box<dyn Output>> = vec![match () {
        () if flags.once => Box::new(once::Once::new(flags.json)),
        () if flags.json => Box::new(lines::Lines::start(others)?),
        () if in_terminal(flags) => Box::new(terminal::Terminal::start(notes.clone())?),
        () => Box::new(plain::Plain::start(others)?),
    }];
    if told {
        outputs.push(Box::new(alerts::Alerts::start(&flags.alerts, notes.clone(), in_terminal(flags))?));
    }
    outputs.extend(serving.map(|serve| Box::new(serve) as Box<dyn Output>));
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_what_came_of_it() {
        let outcome = |worst, seen| Outcome { worst, seen, looks: 2, begun: true }.code(Level::Warning);
        assert_eq!(outcome(None, true), 0);
        assert_eq!(outcome(Some(Level::Notice), true), 0);
        assert_eq!(outcome(Some(Level::Warning), true), 1);
        assert_eq!(outcome(Some(Level::Critical), false), 1);
        assert_eq!(outcome(None, false), 3);
    }
}
