//! Watching: moments in, alarms out.
//!
//! What this room is: [`moment`] is one look as plain data, [`past`] what is remembered of the looks before, [`alarms`]
//! the slice of what is worth waking somebody for. [`Watching`] puts them together. The same moments give the same
//! alarms: a recorded watch can be judged again.
//!
//! What it must not do: look at anything; raise an alarm from what was not seen.
//! Where to look next: `walproof_lab::watch` for the looks, the `watch` command for what people see of it.

pub mod alarms;
pub mod comings;
pub mod moment;
pub mod past;
pub mod trend;

use serde::Serialize;

use alarms::{ALARMS, Alarm, Level, Seen};
use moment::Moment;
use past::Past;

/// How much is remembered and when alarms are raised.
#[derive(Clone, Debug)]
pub struct Thresholds {
    /// Points of a series that are kept for each database.
    pub points_max: usize,
    /// A lock that others need, held by a process that cannot run, for this long.
    pub frozen_holder_ms: u64,
    /// A checkpoint that stands still while frames wait, for this long.
    pub pinned_ms: u64,
    /// And while at least so many frames wait.
    pub pinned_frames: u32,
    /// A `-wal` of this size is worth a word.
    pub wal_bytes: u64,
    /// A disk that is full within this time is worth an alarm.
    pub full_within_ms: u64,
    /// Storage that has not answered for this long.
    pub silent_ms: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            points_max: 3600,
            frozen_holder_ms: 500,
            pinned_ms: 1000,
            pinned_frames: 1000,
            wal_bytes: 256 << 20,
            full_within_ms: 60 * 60 * 1000,
            silent_ms: 1000,
        }
    }
}

/// An alarm that is on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Raised {
    /// Its name in the slice.
    pub alarm: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is about: one alarm for each of these at a time.
    pub about: String,
    /// The database's path; `None`: it is about a container or the machine.
    pub database: Option<String>,
    /// The name of the container that does it, or suffers it.
    pub container: Option<String>,
    /// The process.
    pub pid: Option<u32>,
    /// Since when, as far as was seen: milliseconds since 1970.
    pub since_unix_ms: u64,
    /// One sentence that names who and what.
    pub says: String,
    /// What was seen that shows it: the witness.
    pub witness: Vec<String>,
    /// What to do.
    pub try_this: String,
}

/// What one moment changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Alarms that went on.
    pub raised: Vec<Raised>,
    /// Alarms that went off, as they were last.
    pub cleared: Vec<Raised>,
}

/// A watch that goes on.
#[derive(Clone, Debug)]
pub struct Watching {
    past: Past,
    thresholds: Thresholds,
    active: Vec<Raised>,
    latest: Moment,
}

impl Watching {
    /// Nothing was seen yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self { past: Past::default(), thresholds, active: Vec::new(), latest: Moment::default() }
    }

    /// Takes a moment in.
    pub fn observe(&mut self, moment: Moment) -> Changes {
        self.past.take(&moment, &self.thresholds);
        let now = self.judge(&moment);
        self.latest = moment;
        let same = |a: &Raised, b: &Raised| a.alarm == b.alarm && a.about == b.about;
        let raised = now.iter().filter(|new| !self.active.iter().any(|old| same(old, new))).cloned().collect();
        let cleared = self.active.iter().filter(|old| !now.iter().any(|new| same(old, new))).cloned().collect();
        self.active = now;
        Changes { raised, cleared }
    }

    fn judge(&self, moment: &Moment) -> Vec<Raised> {
        let seen = Seen { moment, past: &self.past, thresholds: &self.thresholds };
        let mut now: Vec<Raised> = ALARMS.iter().flat_map(|alarm| (alarm.look)(&seen)).collect();
        for alarm in &mut now {
            let before = self.active.iter().find(|old| old.alarm == alarm.alarm && old.about == alarm.about);
            alarm.since_unix_ms = before.map_or(alarm.since_unix_ms, |old| old.since_unix_ms.min(alarm.since_unix_ms));
        }
        now.sort_by(|a, b| b.level.cmp(&a.level).then(a.since_unix_ms.cmp(&b.since_unix_ms)));
        now
    }

    /// Alarms that are on, worst first.
    pub fn active(&self) -> &[Raised] {
        &self.active
    }

    /// The last moment.
    pub fn latest(&self) -> &Moment {
        &self.latest
    }

    /// What is remembered.
    pub fn past(&self) -> &Past {
        &self.past
    }
}

/// An alarm by its name.
pub fn find(name: &str) -> Option<&'static Alarm> {
    ALARMS.iter().find(|alarm| alarm.name == name).copied()
}
