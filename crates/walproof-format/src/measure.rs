//! What lab and agent say to each other about measuring: [`Measure`] asks, [`Measured`] answers, [`Histogram`] is how
//! a thousand durations travel in a line.
//!
//! The lab sends a script, a list of [`Step`]s, and the agent carries out the calls in that order, over and over,
//! until the time of the slice is over. Which calls a commit of SQLite consists of stands in
//! `walproof_judge::storage::predict`, and nowhere else.
//!
//! All durations are nanoseconds of CLOCK_MONOTONIC, taken by the agent around one call.
//!
//! Where to look next: `walproof-agent/src/measure/` carries this out, `walproof_lab::probes::storage` asks.

use serde::{Deserialize, Serialize};

/// What the lab asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "measure", rename_all = "kebab-case")]
pub enum Measure {
    /// Makes the scratch files of [`Measure::Calls`].
    LayOut {
        /// Bytes of a page.
        page_bytes: u32,
    },
    /// Repeats a script of system calls.
    Calls {
        /// The calls, in order.
        script: Vec<Step>,
        /// The slice: no repetition begins after it, in milliseconds.
        for_ms: u32,
        /// Repetitions at most.
        repetitions_max: u32,
        /// Frames written to the log before each repetition, untimed: what a sync in the script then has to write.
        frames_before: u32,
    },
    /// Makes the scratch database of a journal mode and a page size, when it is not there, and opens it.
    OpenDatabase(Settings),
    /// Commits with SQLite, one small transaction after another.
    Commits {
        /// How.
        settings: Settings,
        /// The slice: no transaction begins after it, in milliseconds.
        for_ms: u32,
        /// Transactions at most.
        commits_max: u32,
        /// In WAL mode: one checkpoint in the end. Where the log is nearly full there is one in any case.
        checkpoint: bool,
    },
    /// Point reads with SQLite, each in a transaction of its own.
    Reads {
        /// How.
        settings: Settings,
        /// The slice: no read begins after it, in milliseconds.
        for_ms: u32,
    },
    /// A page written and synced, and a lock taken and let go, with a pause after each pair.
    Glance {
        /// How long, in milliseconds.
        for_ms: u32,
        /// The pause, in milliseconds.
        pause_ms: u32,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "measured", rename_all = "kebab-case")]
pub enum Measured {
    /// The files are there.
    Ready,
    /// Of [`Measure::Calls`].
    Calls(CallTimes),
    /// Of [`Measure::Commits`].
    Commits(CommitTimes),
    /// Of [`Measure::Reads`].
    Reads {
        /// A read each.
        latency: Histogram,
    },
    /// Of [`Measure::Glance`].
    Glance(Glance),
}

/// How SQLite is set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Settings {
    /// SQLite's word: `wal`, `delete`, `truncate`, `persist`.
    pub journal_mode: String,
    /// SQLite's word: `off`, `normal`, `full`, `extra`.
    pub synchronous: String,
    /// Bytes.
    pub page_bytes: u32,
    /// `PRAGMA mmap_size`, in bytes; 0: none.
    pub mmap_bytes: u64,
    /// `PRAGMA cache_size`, in KiB.
    pub cache_kib: u32,
}

/// One call of a script, several times in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub call: CallKind,
    /// How often.
    pub times: u16,
}

/// Durations of one kind of call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallTime {
    /// Which.
    pub call: CallKind,
    /// How long.
    pub latency: Histogram,
}

/// What a slice of [`Measure::Calls`] gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallTimes {
    /// Whole repetitions.
    pub repetitions: u32,
    /// By kind, each once.
    pub calls: Vec<CallTime>,
}

impl CallTimes {
    /// What is known of a kind.
    pub fn of(&self, call: CallKind) -> Option<&Histogram> {
        self.calls.iter().find(|time| time.call == call).map(|time| &time.latency)
    }

    /// Adds what another slice gave.
    pub fn merge(&mut self, other: &Self) {
        self.repetitions += other.repetitions;
        for time in &other.calls {
            match self.calls.iter_mut().find(|known| known.call == time.call) {
                Some(known) => known.latency.merge(&time.latency),
                None => self.calls.push(time.clone()),
            }
        }
    }
}

/// What a slice of [`Measure::Commits`] gave. Everything but `latency` leaves out the checkpoint at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommitTimes {
    /// A commit each, the first one after a checkpoint left out.
    pub latency: Histogram,
    /// Inside SQLite's calls of its VFS during these commits.
    pub inside: Vec<GroupTime>,
    /// The first commit after a checkpoint, which begins the log anew; `None`: there was none.
    pub restart_ns: Option<u64>,
    /// A checkpoint, and how many different pages it copied; `None`: there was none.
    pub checkpoint: Option<CheckpointTime>,
}

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointTime {
    /// How long it took.
    pub ns: u64,
    /// Pages copied into the database.
    pub pages: u32,
    /// Inside SQLite's calls of its VFS meanwhile.
    pub inside: Vec<GroupTime>,
}

/// SQLite's calls of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTime {
    /// Which.
    pub group: CallGroup,
    /// How many.
    pub count: u64,
    /// All of them together, in nanoseconds.
    pub total_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
}

/// What a glance saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Glance {
    /// pwrite of a page and fdatasync, together.
    pub write_sync: Histogram,
    /// fcntl F_SETLK and the unlock, together.
    pub lock: Histogram,
    /// Pairs of calls that took longer than [`SLOW_NS`].
    pub slow: Vec<SlowCall>,
    /// Calls that failed: which, and the error number.
    pub failed: Vec<(String, i32)>,
}

/// From here on a call is told by itself: 100 ms.
pub const SLOW_NS: u64 = 100_000_000;

/// A call that took long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlowCall {
    /// `write+fdatasync` or `lock`.
    pub call: String,
    /// How long, in nanoseconds.
    pub ns: u64,
}

macro_rules! call_kinds {
    ($($kind:ident $word:literal $group:ident $what:literal,)*) => {
        /// A system call, on the scratch file that SQLite would make it on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum CallKind {
            $(#[doc = $what] $kind,)*
        }

        impl CallKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The word in reports.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            /// What it does.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$kind => $what,)* }
            }

            /// Which of SQLite's calls it is part of.
            pub const fn group(self) -> CallGroup {
                match self { $(Self::$kind => CallGroup::$group,)* }
            }
        }
    };
}

call_kinds! {
    Lock "lock" Lock "fcntl F_SETLK of a byte range, which nobody else holds",
    Unlock "unlock" Lock "fcntl F_SETLK with F_UNLCK",
    StatJournal "stat-journal" Stat "stat of the journal by name, whether it is there or not",
    StatLog "stat-log" Stat "stat of the log by name, which is not there in rollback modes",
    StatDatabase "stat-database" Stat "stat of the database by name",
    SizeDatabase "size-database" Stat "fstat of the open database",
    ReadHeader "read-header" Read "pread of 16 bytes of the database's header",
    ReadPage "read-page" Read "pread of a page of the database",
    ReadFrame "read-frame" Read "pread of a page from the log",
    ReadJournalEnd "read-journal-end" Read "pread of 8 bytes beyond the end of the journal",
    OpenJournal "open-journal" Open "open with O_CREAT, fstat and, for root, fchown of the journal",
    CloseJournal "close-journal" Close "close of the journal",
    WriteJournalHeader "write-journal-header" Write "pwrite of the journal's header of 512 bytes",
    WriteJournalNumber "write-journal-number" Write "pwrite of 4 bytes at the end of the journal",
    WriteJournalPage "write-journal-page" Write "pwrite of a page at the end of the journal",
    WriteJournalCount "write-journal-count" Write "pwrite of 12 bytes over the journal's header",
    ZeroJournalHeader "zero-journal-header" Write "pwrite of 28 zero bytes over the journal's header",
    SyncJournal "sync-journal" Sync "fsync of the journal after pages were written to it",
    SyncJournalHeader "sync-journal-header" Sync "fsync of the journal after its header alone was written",
    SyncJournalEnd "sync-journal-end" Sync "fsync of the journal after it was cut or zeroed",
    SyncDirectory "sync-directory" Sync "open, fsync and close of the directory after the journal was synced",
    SyncDirectoryAfterUnlink "sync-directory-after-unlink" Delete "open, fsync and close of the directory after an unlink",
    TruncateJournal "truncate-journal" Truncate "ftruncate of the journal to nothing",
    TruncateDatabase "truncate-database" Truncate "ftruncate of the database to the size that it has",
    UnlinkJournal "unlink-journal" Delete "unlink of the journal",
    WriteDatabasePage "write-database-page" Write "pwrite over a page of the database",
    SyncDatabase "sync-database" Sync "fsync of the database after pages were written over",
    WriteFrameHeader "write-frame-header" Write "pwrite of 24 bytes over an old frame of the log",
    WriteFrame "write-frame" Write "pwrite of a page over an old frame of the log",
    WriteLogHeader "write-log-header" Write "pwrite of 32 bytes over the log's header",
    SyncLog "sync-log" Sync "fsync of the log after a frame was written over",
    SyncLogHeader "sync-log-header" Sync "fsync of the log after its header was written over",
    SyncLogForCheckpoint "sync-log-for-checkpoint" Sync "fsync of the log before a checkpoint copies",
    OverwritePage "overwrite-page" Write "pwrite over a page",
    AppendPage "append-page" Write "pwrite of a page at the end of a file",
    FdatasyncOverwritten "fdatasync-overwritten" Sync "fdatasync after a page was written over",
    FsyncOverwritten "fsync-overwritten" Sync "fsync after a page was written over",
    FsyncAppended "fsync-appended" Sync "fsync after a page was appended",
    MapFault "map-fault" Map "first store into a fresh page of a shared mapping",
    OpenFile "open-file" Open "open of a file that is there",
    CloseFile "close-file" Close "close of a file",
    CreateFile "create-file" Open "open with O_CREAT and O_EXCL",
    UnlinkFile "unlink-file" Delete "unlink",
    AccessFile "access-file" Stat "access of a file that is there",
}

/// SQLite's calls of its VFS, in groups that the system calls of a script fall into as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallGroup {
    /// xLock, xUnlock, xCheckReservedLock, xShmLock.
    Lock,
    /// xAccess, xFileSize, xFileControl.
    Stat,
    /// xRead, xFetch.
    Read,
    /// xWrite.
    Write,
    /// xSync, the directory's included.
    Sync,
    /// xOpen.
    Open,
    /// xClose.
    Close,
    /// xDelete, the directory's sync included.
    Delete,
    /// xTruncate.
    Truncate,
    /// xShmMap, xShmUnmap.
    Map,
}

impl CallGroup {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Lock,
        Self::Stat,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Open,
        Self::Close,
        Self::Delete,
        Self::Truncate,
        Self::Map,
    ];

    /// The word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Open => "open",
            Self::Close => "close",
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Map => "map",
        }
    }
}

/// Parts of a power of two that are told apart: a percentile is at most a 16th too high.
const PARTS: u64 = 16;

/// Durations in log-linear buckets: exact below 16, then 16 buckets for each power of two. Two of them can be merged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many.
    count: u64,
    /// All together.
    sum_ns: u64,
    /// The longest.
    max_ns: u64,
    /// Bucket and count, sorted, no empty ones.
    buckets: Vec<(u16, u64)>,
}

impl Histogram {
    /// Adds a duration.
    pub fn record(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
        self.add(bucket(ns), 1);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        other.buckets.iter().for_each(|&(bucket, count)| self.add(bucket, count));
    }

    fn add(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |&(known, _)| known) {
            Ok(index) => self.buckets[index].1 = self.buckets[index].1.saturating_add(count),
            Err(index) => self.buckets.insert(index, (bucket, count)),
        }
    }

    /// How many durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All together, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The longest, in nanoseconds.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// Their mean in nanoseconds; 0 when there are none.
    pub fn mean_ns(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_ns as f64 / self.count as f64 }
    }

    /// The smallest bound that this share of them (0 to 1) does not exceed, in nanoseconds; 0 when there are none.
    pub fn percentile_ns(&self, share: f64) -> u64 {
        let rank = ((share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for &(bucket, count) in &self.buckets {
            seen = u64::saturating_add(seen, count);
            if seen >= rank {
                return highest(bucket).min(self.max_ns);
            }
        }
        self.max_ns
    }

    /// The usual ones.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.count,
            mean_ns: self.mean_ns().round() as u64,
            p50_ns: self.percentile_ns(0.5),
            p90_ns: self.percentile_ns(0.9),
            p99_ns: self.percentile_ns(0.99),
            p999_ns: self.percentile_ns(0.999),
            max_ns: self.max_ns,
        }
    }

    /// How many fall into each power of two, from the lowest to the highest that any falls into: exponent and count.
    pub fn octaves(&self) -> Vec<(u32, u64)> {
        let mut octaves: Vec<(u32, u64)> = Vec::new();
        for &(bucket, count) in &self.buckets {
            let exponent = highest(bucket).max(1).ilog2();
            match octaves.last_mut() {
                Some((last, total)) if *last == exponent => *total = total.saturating_add(count),
                _ => octaves.push((exponent, count)),
            }
        }
        octaves
    }
}

/// What a distribution is told by. All in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many durations.
    pub count: u64,
    /// Their mean.
    pub mean_ns: u64,
    /// Half of them are not longer.
    pub p50_ns: u64,
    /// 90 % are not longer.
    pub p90_ns: u64,
    /// 99 % are not longer.
    pub p99_ns: u64,
    /// 99.9 % are not longer.
    pub p999_ns: u64,
    /// None is longer.
    pub max_ns: u64,
}

fn bucket(ns: u64) -> u16 {
    if ns < PARTS {
        return ns as u16;
    }
    let exponent = ns.ilog2();
    let part = (ns >> (exponent - 4)) & (PARTS - 1);
    (u64::from(exponent - 3) * PARTS + part) as u16
}

/// The highest duration that falls into a bucket; any number is one, also one that came over the line damaged.
fn highest(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < PARTS {
        return bucket;
    }
    let exponent = bucket / PARTS + 3;
    let part = bucket % PARTS;
    let above = u128::from(PARTS + part + 1) << exponent.min(100).saturating_sub(4);
    u64::try_from(above - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::mix;

    /// Durations of all magnitudes.
    fn made_up(seed: u64, count: u64) -> Vec<u64> {
        (0..count).map(|index| mix(seed ^ mix(index)) >> (mix(index) % 60)).collect()
    }

    fn of(durations: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        durations.iter().for_each(|&ns| histogram.record(ns));
        histogram
    }

    #[test]
    fn every_duration_lies_in_its_bucket_and_buckets_are_in_order() {
        for ns in made_up(1, 4000).into_iter().chain(0..2000).chain([u64::MAX]) {
            let own = bucket(ns);
            assert!(ns <= highest(own), "{ns}");
            assert!(own == 0 || ns > highest(own - 1), "{ns}");
            assert!((highest(own) - ns) as f64 <= ns as f64 / 16.0 + 1.0, "{ns}: at most a 16th too high");
        }
    }

    #[test]
    fn percentiles_are_at_most_a_16th_above_the_exact_ones() {
        for seed in 0..40 {
            let mut durations = made_up(seed, 1 + seed * 37);
            let histogram = of(&durations);
            durations.sort_unstable();
            for share in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
                let rank = ((share * durations.len() as f64).ceil() as usize).max(1);
                let (exact, told) = (durations[rank - 1], histogram.percentile_ns(share));
                assert!(told >= exact && told as f64 <= exact as f64 * (1.0 + 1.0 / 16.0) + 1.0, "{share} of {seed}");
            }
            assert_eq!(histogram.percentile_ns(1.0), *durations.last().expect("some"));
        }
    }

    #[test]
    fn merging_is_recording_all_in_any_order() {
        for seed in 0..20 {
            let (one, other) = (made_up(seed, 200), made_up(seed + 100, 77));
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let mut turned = of(&other);
            turned.merge(&of(&one));
            let both = of(&[one, other].concat());
            assert_eq!(merged, both);
            assert_eq!(turned, both);
            assert_eq!(both.octaves().iter().map(|(_, count)| count).sum::<u64>(), both.count());
        }
    }

    #[test]
    fn nothing_measured_is_zero_and_no_panic() {
        assert_eq!(Histogram::default().percentiles(), Percentiles::default());
        assert_eq!(Histogram::default().percentile_ns(f64::NAN), 0);
    }

    #[test]
    fn requests_and_results_survive_the_line() {
        let script: Vec<Step> = CallKind::ALL.iter().map(|&call| Step { call, times: 2 }).collect();
        let ask = Measure::Calls { script, for_ms: 40, repetitions_max: 9, frames_before: 64 };
        let line = serde_json::to_string(&ask).expect("serializes");
        assert_eq!(serde_json::from_str::<Measure>(&line).expect("parses"), ask);
        let calls = vec![CallTime { call: CallKind::SyncLog, latency: of(&made_up(3, 500)) }];
        let told = Measured::Calls(CallTimes { repetitions: 500, calls });
        let line = serde_json::to_string(&told).expect("serializes");
        assert_eq!(serde_json::from_str::<Measured>(&line).expect("parses"), told);
    }

    #[test]
    fn a_damaged_histogram_is_no_panic() {
        let damaged = r#"{"count":3,"sum_ns":1,"max_ns":7,"buckets":[[65535,1],[2,18446744073709551615]]}"#;
        let histogram: Histogram = serde_json::from_str(damaged).expect("parses");
        let _ = (histogram.mean_ns(), histogram.octaves());
        assert!(highest(u16::MAX) == u64::MAX);
    }

    #[test]
    fn words_are_those_on_the_line() {
        for &call in CallKind::ALL {
            assert_eq!(serde_json::to_string(&call).expect("serializes"), format!("\"{}\"", call.word()));
        }
        for group in CallGroup::ALL {
            assert_eq!(serde_json::to_string(&group).expect("serializes"), format!("\"{}\"", group.word()));
        }
    }
}
