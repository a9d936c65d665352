//! Alarms: what is worth waking somebody for, one file with its page for each.
//!
//! What this room is: the [`ALARMS`] slice. An alarm is a pure function of the last moment and what is remembered. To add
//! one: `alarms/NAME.rs`, `alarms/NAME.md`, two lines here, and `fixtures/watch/NAME/` with a record that raises it and a
//! sound one that does not. It names the bad situation, says who does it in which container, shows what was seen, and
//! says what to do.
//!
//! What it must not do: rise from what was not seen; rise from what one unlucky look may show ([`Patience`]).
//! Where to look next: `storage_silent.rs` as a small example, `split_generation.rs` as one that compares files.

mod database_replaced;
mod deleted_sidecar_held;
mod disk_filling;
mod file_cut_off;
mod frozen_lock_holder;
mod index_damaged;
mod journal_mode_flapping;
mod missing_locks;
mod out_of_memory_kill;
mod pinned_checkpoint;
mod restart_loop;
mod split_generation;
mod storage_silent;
mod stuck_in_kernel;
mod wal_grows;
mod write_lock_held_long;

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::lock_bytes::Lock;

use super::moment::{Moment, Watched, WatchedOpener};
use super::past::{DatabasePast, Past};
use super::{Raised, Thresholds};
use crate::sharing::live::{LiveFile, LiveHeld};

/// All alarms, by name.
pub static ALARMS: &[&Alarm] = &[
    &database_replaced::ALARM,
    &deleted_sidecar_held::ALARM,
    &disk_filling::ALARM,
    &file_cut_off::ALARM,
    &frozen_lock_holder::ALARM,
    &index_damaged::ALARM,
    &journal_mode_flapping::ALARM,
    &missing_locks::ALARM,
    &out_of_memory_kill::ALARM,
    &pinned_checkpoint::ALARM,
    &restart_loop::ALARM,
    &split_generation::ALARM,
    &storage_silent::ALARM,
    &stuck_in_kernel::ALARM,
    &wal_grows::ALARM,
    &write_lock_held_long::ALARM,
];

/// Something worth an alarm.
#[derive(Debug)]
pub struct Alarm {
    /// Kebab-case name.
    pub name: &'static str,
    /// What it is, in one line.
    pub line: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// Finds it.
    pub look: fn(&Seen<'_>) -> Vec<Found>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing; nothing suffers.
    Notice,
    /// Something suffers, or will soon; nothing is lost.
    Warning,
    /// Acknowledged data are being lost or damaged, or are about to be.
    Critical,
}

impl Level {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What must be found at every look, and how often, before an alarm is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For so long.
    pub ms: u64,
    /// At so many looks.
    pub looks: u32,
    /// At so many looks for openers, which are rarer.
    pub opener_looks: u32,
}

impl Patience {
    /// One look shows it: what is remembered bears it out.
    pub const NONE: Self = Self { ms: 0, looks: 1, opener_looks: 1 };
    /// Whoever closes a file last may be put aside while it has no name.
    pub const TWICE: Self = Self { ms: 0, looks: 2, opener_looks: 1 };
}

/// An alarm that is found, and raised once it has lasted.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The alarm.
    pub raised: Raised,
    /// How long it must last.
    pub patience: Patience,
}

impl From<Raised> for Found {
    fn from(raised: Raised) -> Self {
        Self { raised, patience: Patience::NONE }
    }
}

/// What an alarm looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The last moment, which the past has taken in already.
    pub moment: &'a Moment,
    /// What is remembered.
    pub past: &'a Past,
    /// When alarms are raised.
    pub thresholds: &'a Thresholds,
}

impl<'a> Seen<'a> {
    /// A time of the watch's own clock as milliseconds since 1970.
    pub fn unix_ms(&self, elapsed_ms: u64) -> u64 {
        self.moment.unix_ms.saturating_sub(self.moment.elapsed_ms.saturating_sub(elapsed_ms))
    }

    /// For how long something has gone on.
    fn lasts_ms(&self, since_ms: u64) -> u64 {
        self.moment.elapsed_ms.saturating_sub(since_ms)
    }

    /// Databases whose storage answers, with what is remembered of them.
    fn databases(&self) -> impl Iterator<Item = (&'a Watched, &'a DatabasePast)> {
        let (moment, past) = (self.moment, self.past);
        let there = moment.databases.iter().filter(|watched| watched.silent_ms.is_none());
        there.filter_map(move |watched| Some((watched, past.database(&watched.path)?)))
    }

    /// An alarm about a database, without words.
    fn of_database(&self, alarm: &Alarm, level: Level, watched: &Watched) -> Raised {
        Raised {
            alarm: alarm.name,
            level,
            about: watched.path.clone(),
            database: Some(watched.path.clone()),
            container: None,
            pid: None,
            since_unix_ms: self.moment.unix_ms,
            says: String::new(),
            witness: Vec::new(),
            try_this: String::new(),
        }
    }

    /// An alarm about what an opener does, without words.
    fn of_opener(&self, alarm: &Alarm, level: Level, watched: &Watched, opener: &WatchedOpener) -> Raised {
        let about = format!("{} pid {} {}", watched.path, opener.pid, opener.started_ticks);
        Raised { about, ..self.by(self.of_database(alarm, level, watched), opener) }
    }

    /// The same, done by an opener.
    fn by(&self, raised: Raised, opener: &WatchedOpener) -> Raised {
        let container = self.moment.container_of(opener).map(|one| one.container.name.clone());
        Raised { container, pid: Some(opener.pid), ..raised }
    }

    /// Whether the file that lies there had its name long enough before openers were looked at.
    fn is_settled(&self, past: &DatabasePast, which: &str) -> bool {
        let since = past.named_since_ms(which);
        since.is_some_and(|since| self.moment.openers_seen_ms() >= since.saturating_add(self.thresholds.settled_ms))
    }

    /// Who else was refused one of these locks a moment ago, or waits for one, in words.
    fn kept_out(&self, watched: &Watched, past: &DatabasePast, holder: u32, locks: &[Lock]) -> Vec<String> {
        let others = || watched.openers.iter().filter(move |other| other.pid != holder);
        let waits = others().filter(|other| other.waits_for.iter().any(|lock| locks.contains(lock)));
        let mut said: Vec<String> = waits.map(|other| format!("{} waits for it", self.moment.who(other))).collect();
        for other in others() {
            let refusals = past.refusals.iter().filter(|one| one.pid == other.pid && locks.contains(&one.lock));
            let times: u64 = refusals.filter(|one| self.lasts_ms(one.elapsed_ms) <= 5_000).map(|one| one.times).sum();
            if times > 0 {
                said.push(format!("{} was refused it {times} times in the last 5 s", self.moment.who(other)));
            }
        }
        said
    }
}

/// What the locks of a holder of a lost file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    /// It holds locks: SQLite works with it.
    Firm,
    /// It holds none.
    None,
    /// Its locks cannot be seen.
    Unseen,
}

impl Grip {
    fn of(opener: &WatchedOpener) -> Self {
        match opener.locks.as_deref() {
            Some([]) => Self::None,
            Some(_) => Self::Firm,
            None => Self::Unseen,
        }
    }

    /// How bad it is that a sidecar is lost to others. An idle connection of WAL mode holds locks; a child that inherited
    /// descriptors by `fork` does not.
    const fn level_of_sidecar(self) -> Level {
        match self {
            Self::Firm => Level::Critical,
            Self::Unseen => Level::Warning,
            Self::None => Level::Notice,
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Firm => "it holds locks of the database: SQLite works with it",
            Self::Unseen => "its locks cannot be seen, so it is not known whether SQLite works with it",
            Self::None => "it holds no lock of the database: it inherited its descriptors by `fork`, or lost its locks",
        }
    }
}

/// Whether a file is the one that is held.
fn is_held(file: &LiveFile, held: &LiveHeld) -> bool {
    (file.device, file.inode) == (held.device, held.inode)
}

/// Whether an opener has the database open in the directory that was looked into: then what lies beside it there is what
/// it would find. Not so for a file that is mounted by itself, or that has several names.
fn is_same_place(watched: &Watched, opener: &WatchedOpener) -> bool {
    let Some(file) = &watched.file else { return false };
    let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
    let whole = opener.mount.as_ref().is_some_and(|mount| !mount.is_file);
    whole
        && file.link_count == 1
        && last(&watched.path) == last(&opener.path)
        && opener.held.iter().any(|held| held.which == "db" && is_held(file, held))
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}

/// A time for people.
fn span(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([size(9), size(2048), size(300 << 20)], ["9 bytes", "2.0 KiB", "300.0 MiB"]);
        assert_eq!([span(1500), span(61_000), span(3_600_000)], ["1.5 s", "61 s", "60 min"]);
    }

    #[test]
    fn alarms_stand_in_order() {
        assert!(ALARMS.iter().map(|alarm| alarm.name).is_sorted());
    }

    #[test]
    fn pages_say_what_one_needs_at_night() {
        let headings = [
            "What it detects",
            "Why it matters for SQLite",
            "What was looked at, and what cannot be seen",
            "What to do",
            "What not to do",
            "How sure we are",
            "References",
        ];
        for alarm in ALARMS {
            let found: Vec<&str> = alarm.explain.lines().filter_map(|line| line.strip_prefix("## ")).collect();
            assert_eq!(found, headings, "{}", alarm.name);
        }
    }
}
