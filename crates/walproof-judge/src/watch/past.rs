//! What is remembered of the looks before: since when something holds, series for plots and trends, counters.
//!
//! Memory is bounded: a series has a fixed number of points, lists are cut, and what is not seen any more is forgotten.
//! Counters start at zero with the watch, never go back, and are lower bounds: what happened and was undone between two
//! looks is not in them. Of a database whose storage does not answer nothing is taken in: it tells the same as before.
//!
//! What it must not do: judge.
//! Where to look next: `trend.rs` for rates and dates, `comings.rs` for containers that come and go.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use walproof_format::sqlite::lock_bytes::Lock;
use walproof_format::sqlite::wal::FRAME_HEADER_SIZE;
use walproof_format::sqlite::wal_header::WAL_HEADER_SIZE;

use super::Thresholds;
use super::comings::{Comings, ContainerPast};
use super::moment::{Event, IndexSeen, Moment, Runs, Watched, WatchedOpener};
use crate::sharing::live::JournalFamilyWord;

/// Refusals that are remembered one by one.
const REFUSALS_MAX: usize = 32;
/// Changes of the family of journal modes that are remembered.
const FAMILY_CHANGES_MAX: usize = 16;

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
    /// Transactions, by the change counter of the wal-index. Recovery sets that to zero: commits between the last look
    /// and a recovery are not in it.
    pub commits: u64,
    /// Times the log was begun anew: its salts changed.
    pub wal_resets: u64,
    /// Looks at which nBackfill had grown, or the log had been begun anew after it was copied.
    pub checkpoints: u64,
    /// Frames that checkpoints were seen to copy.
    pub frames_backfilled: u64,
    /// Openers that came.
    pub opened: u64,
    /// Openers that went.
    pub closed: u64,
}

/// How a lock was held, by the kernel's trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HoldStats {
    /// Times it was taken and let go.
    pub count: u64,
    /// All of them together, in microseconds.
    pub total_us: u64,
    /// The longest, in microseconds.
    pub longest_us: u64,
    /// Who held it the longest: its process and container.
    pub longest_by: Option<(u32, Option<String>)>,
}

/// A lock that was asked for and not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// When, on the clock of `elapsed_ms`.
    pub elapsed_ms: u64,
    /// Which lock.
    pub lock: Lock,
    /// Who asked.
    pub pid: u32,
    /// The name of its container.
    pub container: Option<String>,
    /// How often, in that look.
    pub times: u64,
}

/// What is remembered of one database.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DatabasePast {
    /// Points, oldest first.
    pub series: VecDeque<Point>,
    /// Counts.
    pub counters: Counters,
    /// How long locks were held, where the kernel's trace is read.
    pub holds: BTreeMap<Lock, HoldStats>,
    /// How often a lock was refused, in the same way.
    pub refused: BTreeMap<Lock, u64>,
    /// The last refusals, oldest first.
    pub refusals: VecDeque<Refusal>,
    /// When nBackfill or the generation last moved, or nothing waited, on the clock of `elapsed_ms`.
    pub checkpoint_moved_ms: u64,
    /// [`Counters::commits`] at that time.
    pub commits_when_checkpoint_moved: u64,
    /// Bytes that the `-wal` has at least, by the index of the look before, where it is of this generation still.
    #[serde(skip)]
    pub log_promised_bytes: Option<u64>,
    /// Since when the index has not been believed at any look; `None`: it is, or there is none.
    pub index_doubted_since_ms: Option<u64>,
    /// Since when database, `-wal` and `-shm` are the files that lie there now, or are not there.
    #[serde(skip)]
    files: [Option<(Option<FileId>, u64)>; 3],
    /// When the family of journal modes changed, oldest first, on the clock of `elapsed_ms`.
    pub family_changes_ms: VecDeque<u64>,
    /// Grows whenever something was committed, in any journal mode.
    #[serde(skip)]
    changes: u64,
    #[serde(skip)]
    family: Option<JournalFamilyWord>,
    #[serde(skip)]
    change_counter: Option<u32>,
    /// Its last index, and the `-shm` that it was read from.
    #[serde(skip)]
    last: Option<(IndexSeen, Option<FileId>)>,
    /// There was a look without a `-shm` since.
    #[serde(skip)]
    shm_was_gone: bool,
}

type FileId = ((u32, u32), u64);

/// (database, pid, started, what).
type Of<W> = (String, u32, u64, W);

/// A lock that an opener was seen to hold at every look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hold {
    since_ms: u64,
    /// The read mark that it is about.
    mark: Option<u32>,
    /// [`DatabasePast::changes`], for locks of writers.
    changes: Option<u64>,
}

/// Everything that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Past {
    databases: BTreeMap<String, DatabasePast>,
    locks: BTreeMap<Of<Lock>, Hold>,
    halted: BTreeMap<Of<String>, u64>,
    comings: Comings,
}

impl Past {
    /// Takes a moment in.
    pub fn take(&mut self, moment: &Moment, thresholds: &Thresholds) {
        for watched in &moment.databases {
            let past = self.databases.entry(watched.path.clone()).or_default();
            if watched.silent_ms.is_none() {
                past.take(watched, moment, thresholds);
            }
        }
        self.databases.retain(|path, _| moment.databases.iter().any(|watched| watched.path == *path));
        for event in &moment.events {
            if let Some(past) = database_of(event).and_then(|path| self.databases.get_mut(path)) {
                past.event(event, moment.elapsed_ms);
            }
        }
        self.comings.take(moment);
        self.since(moment);
    }

    fn since(&mut self, moment: &Moment) {
        let (mut locks, mut halted) = (BTreeMap::new(), BTreeMap::new());
        for watched in &moment.databases {
            let changes = self.databases.get(&watched.path).map(|past| past.changes);
            for opener in &watched.openers {
                for held in opener.locks.iter().flatten() {
                    let key = (watched.path.clone(), opener.pid, opener.started_ticks, held.lock);
                    let hold = hold(watched, held.lock, changes, moment.elapsed_ms);
                    // Another mark, or a commit, is another transaction.
                    let before =
                        self.locks.get(&key).filter(|old| old.mark == hold.mark && old.changes == hold.changes);
                    let hold = before.copied().unwrap_or(hold);
                    locks.insert(key, hold);
                }
                if opener.runs != Runs::Freely {
                    let key = (watched.path.clone(), opener.pid, opener.started_ticks, word(&opener.runs));
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

    /// What is remembered of a container.
    pub fn container(&self, name: &str) -> Option<&ContainerPast> {
        self.comings.container(name)
    }

    /// What is remembered of all containers, by name.
    pub fn containers(&self) -> impl Iterator<Item = (&str, &ContainerPast)> {
        self.comings.containers()
    }

    /// Since when an opener has been seen to hold a lock at every look, on the clock of `elapsed_ms`: for a read lock at
    /// the same mark, for a writer's lock without a commit. It may have let go in between.
    pub fn lock_since_ms(&self, database: &str, pid: u32, started_ticks: u64, lock: Lock) -> Option<u64> {
        Some(self.locks.get(&(database.to_owned(), pid, started_ticks, lock))?.since_ms)
    }

    /// Since when an opener has not run, in the same way; in the kernel: at the same place.
    pub fn halted_since_ms(&self, database: &str, pid: u32, started_ticks: u64, runs: &Runs) -> Option<u64> {
        self.halted.get(&(database.to_owned(), pid, started_ticks, word(runs))).copied()
    }
}

fn hold(watched: &Watched, lock: Lock, changes: Option<u64>, now_ms: u64) -> Hold {
    let mark = lock.read_mark().and_then(|at| watched.index.as_ref()?.read_marks[at]);
    let writes = matches!(lock, Lock::Write | Lock::Reserved | Lock::Pending);
    Hold { since_ms: now_ms, mark, changes: changes.filter(|_| writes) }
}

fn word(runs: &Runs) -> String {
    match runs {
        Runs::Freely => "freely".to_owned(),
        Runs::Frozen => "frozen".to_owned(),
        Runs::Stopped => "stopped".to_owned(),
        Runs::InKernel { at } => format!("in-kernel {}", at.as_deref().unwrap_or_default()),
        Runs::Zombie => "zombie".to_owned(),
    }
}

fn database_of(event: &Event) -> Option<&str> {
    match event {
        Event::Opened { database, .. }
        | Event::Closed { database, .. }
        | Event::LockHeld { database, .. }
        | Event::LockRefused { database, .. } => Some(database),
        Event::OutOfMemory { .. } | Event::OutOfMemoryElsewhere { .. } => None,
    }
}

impl DatabasePast {
    fn take(&mut self, watched: &Watched, moment: &Moment, thresholds: &Thresholds) {
        self.count(watched, moment);
        self.header(watched, moment.elapsed_ms);
        self.files(watched, moment.elapsed_ms);
        let doubted = watched.index.is_none() && watched.index_damage.is_some();
        self.index_doubted_since_ms = doubted.then(|| self.index_doubted_since_ms.unwrap_or(moment.elapsed_ms));
        let holds = |lock| watched.openers.iter().any(|opener| opener.holds(lock));
        let reads = |opener: &&WatchedOpener| {
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
        self.shm_was_gone |= watched.shm.is_none() && watched.index.is_none();
        self.log_promised_bytes = None;
        let Some(index) = &watched.index else { return };
        let shm = watched.shm.as_ref().map(|shm| (shm.device, shm.inode));
        let goes_on = |(last, last_shm): &&(IndexSeen, Option<FileId>)| {
            last.salts == index.salts && last.max_frame <= index.max_frame && *last_shm == shm
        };
        let before = self.last.as_ref().filter(goes_on).map(|(last, _)| u64::from(last.max_frame));
        let frame_bytes = u64::from(index.page_size_bytes) + FRAME_HEADER_SIZE as u64;
        self.log_promised_bytes = before.map(|frames| WAL_HEADER_SIZE as u64 + frames * frame_bytes);
        let mut moved = true;
        if let Some((last, last_shm)) = self.last.take() {
            let anew = self.shm_was_gone || last_shm != shm;
            let before = self.counters.commits;
            self.counters.add(&last, index, anew);
            self.changes = self.changes.wrapping_add(u64::from(self.counters.commits != before || anew));
            moved = last.backfilled_frames != index.backfilled_frames || last.salts != index.salts;
        }
        if moved || watched.frames_waiting() == Some(0) {
            self.checkpoint_moved_ms = moment.elapsed_ms;
            self.commits_when_checkpoint_moved = self.counters.commits;
        }
        self.shm_was_gone = false;
        self.last = Some((index.clone(), shm));
    }

    fn header(&mut self, watched: &Watched, now_ms: u64) {
        let Some(header) = &watched.header else { return };
        // In WAL mode the database's own counter moves with checkpoints, not with commits.
        if watched.index.is_none() && header.change_counter != self.change_counter {
            self.changes = self.changes.wrapping_add(1);
        }
        self.change_counter = header.change_counter;
        if self.family.is_some() && header.family.is_some() && header.family != self.family {
            self.family_changes_ms.push_back(now_ms);
            cut(&mut self.family_changes_ms, FAMILY_CHANGES_MAX);
        }
        self.family = header.family.or(self.family);
    }

    fn files(&mut self, watched: &Watched, now_ms: u64) {
        for (known, file) in self.files.iter_mut().zip([&watched.file, &watched.wal, &watched.shm]) {
            let is = file.as_ref().map(|file| (file.device, file.inode));
            *known = known.filter(|known| known.0 == is).or(Some((is, now_ms)));
        }
    }

    /// Since when the same file has lain there (`db`, `wal` or `shm`), or none has, on the clock of `elapsed_ms`.
    pub fn named_since_ms(&self, which: &str) -> Option<u64> {
        let at = ["db", "wal", "shm"].iter().position(|one| *one == which)?;
        Some(self.files[at]?.1)
    }

    fn event(&mut self, event: &Event, elapsed_ms: u64) {
        match event {
            Event::Opened { .. } => self.counters.opened += 1,
            Event::Closed { .. } => self.counters.closed += 1,
            Event::LockHeld { lock, pid, container, held_us, total_us, times, .. } => {
                let stats = self.holds.entry(*lock).or_default();
                stats.count = stats.count.saturating_add(*times);
                stats.total_us = stats.total_us.saturating_add(*total_us);
                if stats.longest_by.is_none() || *held_us > stats.longest_us {
                    (stats.longest_us, stats.longest_by) = (*held_us, Some((*pid, container.clone())));
                }
            }
            Event::LockRefused { lock, pid, container, times, .. } => {
                let count = self.refused.entry(*lock).or_default();
                *count = count.saturating_add(*times);
                let (lock, pid, container, times) = (*lock, *pid, container.clone(), *times);
                self.refusals.push_back(Refusal { elapsed_ms, lock, pid, container, times });
                cut(&mut self.refusals, REFUSALS_MAX);
            }
            Event::OutOfMemory { .. } | Event::OutOfMemoryElsewhere { .. } => {}
        }
    }

    /// The size of the `-wal` at the last look.
    pub fn wal_bytes(&self) -> Option<u64> {
        Some(self.series.back()?.wal_bytes)
    }

    /// Commits since the checkpoint last moved.
    pub fn commits_since_checkpoint(&self) -> u64 {
        self.counters.commits.saturating_sub(self.commits_when_checkpoint_moved)
    }

    /// When something was last committed, as far as the points go back, on the clock of `elapsed_ms`: the first point
    /// that has as many commits as the last one.
    pub fn commits_stood_since_ms(&self) -> Option<u64> {
        let commits = self.series.back()?.commits;
        let first = self.series.partition_point(|point| point.commits < commits);
        Some(self.series.get(first)?.elapsed_ms)
    }
}

impl Counters {
    fn add(&mut self, last: &IndexSeen, index: &IndexSeen, shm_anew: bool) {
        let more = index.change_counter.wrapping_sub(last.change_counter);
        // Backwards, or of another file: the index was made anew, and counts from zero.
        let began_anew = shm_anew || more > u32::MAX / 2;
        self.commits = self.commits.saturating_add(u64::from(if began_anew { index.change_counter } else { more }));
        let log_anew = index.salts != last.salts;
        self.wal_resets += u64::from(log_anew);
        // A log is begun anew only after all of it was copied.
        let rest = if log_anew && !began_anew { last.max_frame.saturating_sub(last.backfilled_frames) } else { 0 };
        let copied = index.backfilled_frames.saturating_sub(if log_anew { 0 } else { last.backfilled_frames });
        let copied = u64::from(rest) + u64::from(copied);
        self.checkpoints += u64::from(copied > 0);
        self.frames_backfilled = self.frames_backfilled.saturating_add(copied);
    }
}

fn cut<T>(list: &mut VecDeque<T>, count_max: usize) {
    while list.len() > count_max {
        list.pop_front();
    }
}
