//! Watching: moments in, alarms out.
//!
//! What this room is: [`moment`] is one look as plain data, [`past`] what is remembered of the looks before (with
//! [`trend`] and [`comings`]), [`alarms`] the slice of what is worth waking somebody for. [`Watching`] puts them together,
//! and has the patience that an alarm asks for: found once is often chance, and so is not found once. The same moments
//! give the same alarms: a recorded watch can be judged again.
//!
//! What it must not do: look at anything; raise an alarm from what was not seen.
//! Where to look next: `walproof_lab::watch` for the looks, the `watch` command for what people see of it.

pub mod alarms;
pub mod comings;
pub mod moment;
pub mod past;
pub mod trend;

use std::collections::BTreeMap;

use serde::Serialize;

use alarms::{ALARMS, Alarm, Found, Level, Patience, Seen};
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
    /// When it suffers: it has stood for this long, and ten times as many frames wait.
    pub pinned_long_ms: u64,
    /// A `-wal` of this size is worth a word.
    pub wal_bytes: u64,
    /// A checkpoint that has not moved for this long does not follow.
    pub wal_stands_ms: u64,
    /// A disk that is full within this time is worth an alarm.
    pub full_within_ms: u64,
    /// Storage that has not answered for this long.
    pub silent_ms: u64,
    /// A process that has been in one place of the kernel for this long.
    pub stuck_ms: u64,
    /// When it is hardly chance.
    pub stuck_long_ms: u64,
    /// A write transaction that has gone on for this long.
    pub held_ms: u64,
    /// When others must have given up by now.
    pub held_long_ms: u64,
    /// A wal-index that was not believed for this long.
    pub doubted_ms: u64,
    /// So many restarts of a container.
    pub restarts: usize,
    /// Within this time.
    pub restarts_within_ms: u64,
    /// An alarm about something that happened stays for this long.
    pub stays_ms: u64,
    /// An alarm goes off when it was not found for this long.
    pub quiet_ms: u64,
    /// Who holds another file than the one that has lain there for this long is not about to close it.
    pub settled_ms: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            points_max: 3600,
            frozen_holder_ms: 500,
            pinned_ms: 1000,
            pinned_frames: 1000,
            pinned_long_ms: 30_000,
            wal_bytes: 256 << 20,
            wal_stands_ms: 10_000,
            full_within_ms: 60 * 60 * 1000,
            silent_ms: 1000,
            stuck_ms: 1000,
            stuck_long_ms: 10_000,
            held_ms: 1000,
            held_long_ms: 30_000,
            doubted_ms: 1000,
            restarts: 4,
            restarts_within_ms: 10 * 60 * 1000,
            stays_ms: 60_000,
            quiet_ms: 1500,
            settled_ms: 100,
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
    /// Alarms that went on, or got worse.
    pub raised: Vec<Raised>,
    /// Alarms that went off, as they were last.
    pub cleared: Vec<Raised>,
}

/// What an alarm is and what it is about.
type Key = (&'static str, String);

/// Something that was found at every look since.
#[derive(Clone, Copy, Debug)]
struct Streak {
    began_ms: u64,
    began_unix_ms: u64,
    looks: u32,
    opener_looks: u32,
    openers_looked_ms: Option<u64>,
}

/// A watch that goes on.
#[derive(Clone, Debug)]
pub struct Watching {
    past: Past,
    thresholds: Thresholds,
    active: Vec<Raised>,
    streaks: BTreeMap<Key, Streak>,
    /// When what is on was found last.
    found_ms: BTreeMap<Key, u64>,
    latest: Moment,
}

impl Watching {
    /// Nothing was seen yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            past: Past::default(),
            thresholds,
            active: Vec::new(),
            streaks: BTreeMap::new(),
            found_ms: BTreeMap::new(),
            latest: Moment::default(),
        }
    }

    /// Takes a moment in.
    pub fn observe(&mut self, moment: Moment) -> Changes {
        self.past.take(&moment, &self.thresholds);
        let now = self.judge(&moment);
        self.latest = moment;
        let same = |a: &Raised, b: &Raised| a.alarm == b.alarm && a.about == b.about;
        let was = |new: &&Raised| self.active.iter().any(|old| same(old, new) && old.level >= new.level);
        let raised = now.iter().filter(|new| !was(new)).cloned().collect();
        let cleared = self.active.iter().filter(|old| !now.iter().any(|new| same(old, new))).cloned().collect();
        self.active = now;
        self.found_ms.retain(|(alarm, about), _| self.active.iter().any(|on| on.alarm == *alarm && on.about == *about));
        Changes { raised, cleared }
    }

    fn judge(&mut self, moment: &Moment) -> Vec<Raised> {
        let seen = Seen { moment, past: &self.past, thresholds: &self.thresholds };
        let found: Vec<Found> = ALARMS.iter().flat_map(|alarm| (alarm.look)(&seen)).collect();
        let before = std::mem::take(&mut self.streaks);
        let mut now: BTreeMap<Key, Raised> = BTreeMap::new();
        for Found { mut raised, patience } in found {
            let key = (raised.alarm, raised.about.clone());
            if self.streaks.contains_key(&key) {
                continue;
            }
            let streak = Streak::goes_on(before.get(&key), moment, raised.since_unix_ms);
            raised.since_unix_ms = raised.since_unix_ms.min(streak.began_unix_ms);
            let old = self.active.iter().find(|old| old.alarm == key.0 && old.about == key.1);
            raised.since_unix_ms = old.map_or(raised.since_unix_ms, |old| old.since_unix_ms.min(raised.since_unix_ms));
            if old.is_some() || streak.is_enough(patience, moment) {
                self.found_ms.insert(key.clone(), moment.elapsed_ms);
                now.insert(key.clone(), raised);
            }
            self.streaks.insert(key, streak);
        }
        for old in self.active.iter().filter(|old| self.stays(old, moment)) {
            now.entry((old.alarm, old.about.clone())).or_insert_with(|| old.clone());
        }
        let mut now: Vec<Raised> = now.into_values().collect();
        now.sort_by(|a, b| b.level.cmp(&a.level).then(a.since_unix_ms.cmp(&b.since_unix_ms)));
        now
    }

    /// What was not found at one look is not over yet; of a database that does not answer nothing new is known.
    fn stays(&self, old: &Raised, moment: &Moment) -> bool {
        let watched = old.database.as_ref().and_then(|path| moment.database(path));
        if watched.is_some_and(|watched| watched.silent_ms.is_some()) {
            return true;
        }
        let gone = old.database.is_some() && watched.is_none();
        let found = self.found_ms.get(&(old.alarm, old.about.clone())).copied().unwrap_or_default();
        !gone && moment.elapsed_ms.saturating_sub(found) < self.thresholds.quiet_ms
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

impl Streak {
    fn goes_on(before: Option<&Self>, moment: &Moment, since_unix_ms: u64) -> Self {
        let began = Self {
            began_ms: moment.elapsed_ms,
            began_unix_ms: since_unix_ms,
            looks: 0,
            opener_looks: 0,
            openers_looked_ms: None,
        };
        let mut streak = before.copied().unwrap_or(began);
        let openers_looked_ms = Some(moment.openers_seen_ms());
        streak.looks = streak.looks.saturating_add(1);
        streak.opener_looks =
            streak.opener_looks.saturating_add(u32::from(streak.openers_looked_ms != openers_looked_ms));
        streak.openers_looked_ms = openers_looked_ms;
        streak
    }

    fn is_enough(&self, patience: Patience, moment: &Moment) -> bool {
        let lasts = moment.elapsed_ms.saturating_sub(self.began_ms);
        lasts >= patience.ms && self.looks >= patience.looks && self.opener_looks >= patience.opener_looks
    }
}

/// An alarm by its name.
pub fn find(name: &str) -> Option<&'static Alarm> {
    ALARMS.iter().find(|alarm| alarm.name == name).copied()
}
