//! What is remembered of the looks before: since when something holds, series for plots and trends, counters.
//!
//! Memory is bounded: a series has a fixed number of points, and what is not seen any more is forgotten.
//! What it must not do: judge.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use walproof_format::sqlite::lock_bytes::Lock;

use super::Thresholds;
use super::moment::{Moment, Runs, Watched};

/// A point of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Point {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
    /// Milliseconds since the watch began.
    pub elapsed_ms: u64,
    /// Size of the `-wal`; 0: there is none.
    pub wal_bytes: u64,
    /// mxFrame.
    pub max_frame: Option<u32>,
    /// nBackfill.
    pub backfilled_frames: Option<u32>,
    /// Somebody held WAL_WRITE_LOCK.
    pub writing: bool,
    /// Somebody held WAL_CKPT_LOCK.
    pub checkpointing: bool,
    /// Openers that held a WAL_READ_LOCK.
    pub readers: u32,
    /// Free bytes.
    pub free_bytes: Option<u64>,
    /// Transactions so far, by [`Counters::commits`].
    pub commits: u64,
}

/// What was counted of a database since the watch began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Transactions, by the change counter of the wal-index. What happened while the index was not readable is not in it.
    pub commits: u64,
    /// Times the log was begun anew: its salts changed.
    pub wal_resets: u64,
    /// Looks at which nBackfill had grown.
    pub checkpoints: u64,
    /// Frames that checkpoints were seen to copy.
    pub frames_backfilled: u64,
    /// Openers that came.
    pub opened: u64,
    /// Openers that went.
    pub closed: u64,
}

/// What is remembered of one database.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DatabasePast {
    /// Points, oldest first.
    pub series: VecDeque<Point>,
    /// Counts.
    pub counters: Counters,
    /// When nBackfill or the generation last moved, or nothing waited, on the clock of `elapsed_ms`.
    pub checkpoint_moved_ms: u64,
    /// Its last index.
    #[serde(skip)]
    last: Option<super::moment::IndexSeen>,
}

/// Who holds or does what since when: (database, pid, started, what).
type Since<W> = BTreeMap<(String, u32, u64, W), u64>;

/// Everything that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Past {
    databases: BTreeMap<String, DatabasePast>,
    locks: Since<Lock>,
    halted: Since<String>,
}

impl Past {
    /// Takes a moment in.
    pub fn take(&mut self, moment: &Moment, thresholds: &Thresholds) {
        for watched in &moment.databases {
            let past = self.databases.entry(watched.path.clone()).or_default();
            past.take(watched, moment, thresholds);
        }
        self.databases.retain(|path, _| moment.databases.iter().any(|watched| watched.path == *path));
        self.since(moment);
    }

    fn since(&mut self, moment: &Moment) {
        let (mut locks, mut halted) = (Since::new(), Since::new());
        for watched in &moment.databases {
            for opener in &watched.openers {
                let key = |what| (watched.path.clone(), opener.pid, opener.started_ticks, what);
                for held in opener.locks.iter().flatten() {
                    let key = (watched.path.clone(), opener.pid, opener.started_ticks, held.lock);
                    let since = self.locks.get(&key).copied().unwrap_or(moment.elapsed_ms);
                    locks.insert(key, since);
                }
                if opener.runs != Runs::Freely {
                    let key = key(word(&opener.runs).to_owned());
                    let since = self.halted.get(&key).copied().unwrap_or(moment.elapsed_ms);
                    halted.insert(key, since);
                }
            }
        }
        (self.locks, self.halted) = (locks, halted);
    }

    /// What is remembered of a database.
    pub fn database(&self, path: &str) -> Option<&DatabasePast> {
        self.databases.get(path)
    }

    /// Since when an opener has been seen to hold a lock at every look, on the clock of `elapsed_ms`. It may have let go
    /// in between.
    pub fn lock_since_ms(&self, database: &str, pid: u32, started_ticks: u64, lock: Lock) -> Option<u64> {
        self.locks.get(&(database.to_owned(), pid, started_ticks, lock)).copied()
    }

    /// Since when an opener has not run, in the same way.
    pub fn halted_since_ms(&self, database: &str, pid: u32, started_ticks: u64, runs: &Runs) -> Option<u64> {
        self.halted.get(&(database.to_owned(), pid, started_ticks, word(runs).to_owned())).copied()
    }
}

const fn word(runs: &Runs) -> &'static str {
    match runs {
        Runs::Freely => "freely",
        Runs::Frozen => "frozen",
        Runs::Stopped => "stopped",
        Runs::InKernel { .. } => "in-kernel",
        Runs::Zombie => "zombie",
    }
}

impl DatabasePast {
    fn take(&mut self, watched: &Watched, moment: &Moment, thresholds: &Thresholds) {
        self.count(watched, moment);
        let holds = |lock| watched.openers.iter().any(|opener| opener.holds(lock));
        let reads = |opener: &&super::moment::WatchedOpener| {
            opener.locks.iter().flatten().any(|held| held.lock.read_mark().is_some() && !held.exclusive)
        };
        self.series.push_back(Point {
            unix_ms: moment.unix_ms,
            elapsed_ms: moment.elapsed_ms,
            wal_bytes: watched.wal.as_ref().map_or(0, |wal| wal.size_bytes),
            max_frame: watched.index.as_ref().map(|index| index.max_frame),
            backfilled_frames: watched.index.as_ref().map(|index| index.backfilled_frames),
            writing: holds(Lock::Write),
            checkpointing: holds(Lock::Checkpoint),
            readers: u32::try_from(watched.openers.iter().filter(reads).count()).unwrap_or(u32::MAX),
            free_bytes: watched.free_bytes,
            commits: self.counters.commits,
        });
        while self.series.len() > thresholds.points_max {
            self.series.pop_front();
        }
    }

    fn count(&mut self, watched: &Watched, moment: &Moment) {
        let Some(index) = &watched.index else { return };
        let counters = &mut self.counters;
        if let Some(last) = &self.last {
            let more = index.change_counter.wrapping_sub(last.change_counter);
            // Backwards: it was made anew.
            counters.commits += if more < u32::MAX / 2 { u64::from(more) } else { 0 };
            let anew = index.salts != last.salts;
            counters.wal_resets += u64::from(anew);
            let copied = index.backfilled_frames.saturating_sub(if anew { 0 } else { last.backfilled_frames });
            counters.checkpoints += u64::from(copied > 0);
            counters.frames_backfilled += u64::from(copied);
        }
        let moved = self
            .last
            .as_ref()
            .is_none_or(|last| last.backfilled_frames != index.backfilled_frames || last.salts != index.salts);
        if moved || watched.frames_waiting() == Some(0) {
            self.checkpoint_moved_ms = moment.elapsed_ms;
        }
        self.last = Some(index.clone());
    }
}
