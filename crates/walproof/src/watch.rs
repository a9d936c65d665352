//! `walproof watch`: a monitor of live databases that harms nothing.
//!
//! `walproof_lab::watch` looks, `walproof_judge::watch` remembers and raises alarms; here is the loop and what people see
//! of it: each [`Output`] is shown every moment. `watch/plain.rs` writes lines for people, `watch/lines.rs` JSON lines.
//! What it must not do: look at a database itself; keep what `Watching` keeps already.

mod lines;
mod plain;

use std::sync::atomic::Ordering;
use std::time::Instant;

use walproof_judge::watch::{Changes, Thresholds, Watching};
use walproof_lab::collect::live::LiveTarget;
use walproof_lab::error::LabError;
use walproof_lab::watch::{WatchSettings, Watcher};

use crate::arguments::WatchFlags;
use crate::interrupt;

/// Something that shows a watch.
trait Output {
    /// After every look. `false`: it wants to end (somebody pressed `q`).
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError>;
}

/// Runs it; exit code 0, or 1 when an alarm of level critical was raised.
pub fn run(flags: &WatchFlags) -> Result<i32, LabError> {
    let interrupted = interrupt::install();
    let mut outputs = outputs(flags)?;
    let settings = WatchSettings { targets: targets(flags), every: flags.every, trace: flags.trace, tracefs: None };
    let mut watcher = Watcher::start(settings)?;
    let mut watching = Watching::new(Thresholds::default());
    let end = flags.time.map(|time| Instant::now() + time);
    while !interrupted.load(Ordering::Relaxed) && end.is_none_or(|end| Instant::now() < end) {
        let changes = watching.observe(watcher.next_moment());
        for output in &mut outputs {
            if !output.show(&watching, &changes)? {
                return Ok(0);
            }
        }
    }
    Ok(0)
}

fn targets(flags: &WatchFlags) -> Vec<LiveTarget> {
    let mut targets: Vec<LiveTarget> = flags.targets.iter().map(|text| target(text)).collect();
    if flags.host {
        targets.push(LiveTarget::Host);
    }
    targets
}

fn target(text: &str) -> LiveTarget {
    LiveTarget::parse(text).unwrap_or_else(|| LiveTarget::Path(text.into()))
}

fn outputs(flags: &WatchFlags) -> Result<Vec<Box<dyn Output>>, LabError> {
    Ok(vec![if flags.json { Box::new(lines::Lines) } else { Box::new(plain::Plain) }])
}
