//! Settings of SQLite that are compared, what each promises over a power loss, and which of them nobody beats.
//!
//! Promises are those of SQLite's documentation and of its source, on storage whose syncs are true, by one party alone:
//!
//! | journal mode | OFF | NORMAL | FULL | EXTRA |
//! |---|---|---|---|---|
//! | WAL | may corrupt | may lose the last commits | keeps commits | as FULL |
//! | DELETE | may corrupt | may corrupt, rarely | may lose the last commit: the unlink is not synced | keeps commits |
//! | TRUNCATE | may corrupt | may corrupt, rarely | keeps commits: the cut is synced | as FULL |
//! | PERSIST | may corrupt | may corrupt, rarely | keeps commits: the zeroed header is synced | as FULL |
//!
//! "Rarely": at NORMAL the journal is synced once, its header together with its pages; "a very small (though non-zero)
//! chance that a power failure at just the wrong time could corrupt the database" (<https://sqlite.org/pragma.html>).
//!
//! What it must not do: put a setting on the front that may corrupt, or say that a setting makes sharing safe.

use serde::{Deserialize, Serialize};
use walproof_format::measure::Settings;

use super::JournalMode;

/// `PRAGMA synchronous`, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Synchronous {
    /// No syncs.
    Off,
    /// At the most critical moments.
    Normal,
    /// SQLite's default.
    Full,
    /// The directory is synced after the journal was removed, too.
    Extra,
}

impl Synchronous {
    /// SQLite's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Full => "full",
            Self::Extra => "extra",
        }
    }

    /// By SQLite's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Off, Self::Normal, Self::Full, Self::Extra].into_iter().find(|level| level.word() == word)
    }
}

/// What is promised over a power loss, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// The database may be damaged.
    MayCorrupt,
    /// The database may be damaged, with a very small chance.
    MayCorruptRarely,
    /// Consistent; the last acknowledged commits may be gone.
    MayLoseLast,
    /// Every acknowledged commit is there.
    KeepsCommits,
}

impl Promise {
    /// Of a journal mode at a level.
    pub fn of(mode: JournalMode, synchronous: Synchronous) -> Self {
        use Synchronous::*;
        match (mode, synchronous) {
            (_, Off) => Self::MayCorrupt,
            (JournalMode::Wal, Normal) => Self::MayLoseLast,
            (_, Normal) => Self::MayCorruptRarely,
            (JournalMode::Delete, Full) => Self::MayLoseLast,
            _ => Self::KeepsCommits,
        }
    }

    /// Whether it may stand on the front.
    pub fn is_sound(self) -> bool {
        self >= Self::MayLoseLast
    }

    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MayCorrupt => "may corrupt",
            Self::MayCorruptRarely => "may corrupt, rarely",
            Self::MayLoseLast => "may lose the last",
            Self::KeepsCommits => "keeps commits",
        }
    }
}

/// SQLite's default page size.
pub const PAGE_BYTES: u32 = 4096;
/// SQLite's default cache, in KiB.
pub const CACHE_KIB: u32 = 2000;
/// SQLite's default `wal_autocheckpoint`.
pub const AUTOCHECKPOINT_FRAMES: u32 = 1000;
/// The values of `wal_autocheckpoint` that are compared.
pub const AUTOCHECKPOINTS: [u32; 3] = [100, AUTOCHECKPOINT_FRAMES, 10_000];

/// Defaults but for these two.
pub fn plain(mode: JournalMode, synchronous: Synchronous) -> Settings {
    Settings {
        journal_mode: mode.word().to_owned(),
        synchronous: synchronous.word().to_owned(),
        page_bytes: PAGE_BYTES,
        mmap_bytes: 0,
        cache_kib: CACHE_KIB,
    }
}

/// Every journal mode at every level that makes a difference in it; those first that most people run.
pub fn modes() -> Vec<(JournalMode, Synchronous)> {
    use JournalMode::{Delete, Persist, Truncate, Wal};
    use Synchronous::*;
    vec![
        (Wal, Full),
        (Delete, Full),
        (Wal, Normal),
        (Delete, Extra),
        (Wal, Off),
        (Delete, Off),
        (Truncate, Full),
        (Persist, Full),
        (Truncate, Off),
        (Persist, Off),
        (Delete, Normal),
        (Truncate, Normal),
        (Persist, Normal),
    ]
}

/// One setting changed at a time, in WAL mode at its two sound levels.
pub fn variants() -> Vec<Settings> {
    let changes: [fn(&mut Settings); 4] = [
        |settings| settings.page_bytes = 1024,
        |settings| settings.page_bytes = 16_384,
        |settings| settings.mmap_bytes = 64 << 20,
        |settings| settings.cache_kib = 16_000,
    ];
    let of_level = |level| {
        changes.map(|change| {
            let mut settings = plain(JournalMode::Wal, level);
            change(&mut settings);
            settings
        })
    };
    [of_level(Synchronous::Full), of_level(Synchronous::Normal)].concat()
}

/// One way to set SQLite, and what was measured with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The settings.
    pub settings: Settings,
    /// `PRAGMA wal_autocheckpoint`; `None`: rollback mode.
    pub wal_autocheckpoint: Option<u32>,
    /// What it promises.
    pub promise: Promise,
    /// Measured.
    pub commits_per_s: f64,
    /// Lower and upper quartile of the rounds.
    pub commits_per_s_quartiles: (f64, f64),
    /// Half of the point reads took no longer, in nanoseconds.
    pub read_p50_ns: u64,
    /// Mean of the point reads, in nanoseconds.
    pub read_mean_ns: f64,
    /// Commits and reads that this rests on.
    pub samples: (u64, u64),
    /// Whether no other one is better in something and worse in nothing.
    pub on_front: bool,
}

impl Candidate {
    /// The pragmas that differ from SQLite's defaults, as one types them.
    pub fn pragmas(&self) -> String {
        let Settings { journal_mode, synchronous, page_bytes, mmap_bytes, cache_kib } = &self.settings;
        let mut words = vec![format!("journal_mode={journal_mode}"), format!("synchronous={synchronous}")];
        if *page_bytes != PAGE_BYTES {
            words.push(format!("page_size={page_bytes}"));
        }
        if *mmap_bytes != 0 {
            words.push(format!("mmap_size={mmap_bytes}"));
        }
        if *cache_kib != CACHE_KIB {
            words.push(format!("cache_size=-{cache_kib}"));
        }
        if let Some(frames) = self.wal_autocheckpoint.filter(|frames| *frames != AUTOCHECKPOINT_FRAMES) {
            words.push(format!("wal_autocheckpoint={frames}"));
        }
        words.join(" ")
    }
}

/// Figures count as equal within so much of either, also where rounds agree better.
const EQUAL: f64 = 0.05;

/// A figure with what its rounds leave open: one is better than another where they do not overlap.
#[derive(Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
}

impl Span {
    fn of(figure: f64, (low, high): (f64, f64)) -> Self {
        Self { low: low.min(figure * (1.0 - EQUAL)), high: high.max(figure * (1.0 + EQUAL)) }
    }

    fn is_above(self, other: Self) -> bool {
        self.low > other.high
    }
}

/// How two candidates compare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Against {
    /// Better in something, worse in nothing.
    Beats,
    /// Better in nothing, worse in nothing.
    Equals,
    /// Worse in something.
    Neither,
}

fn against(one: &Candidate, other: &Candidate) -> Against {
    let commits = |of: &Candidate| Span::of(of.commits_per_s, of.commits_per_s_quartiles);
    let reads = |of: &Candidate| Span::of(of.read_mean_ns, (of.read_mean_ns, of.read_mean_ns));
    let is_better = |one: &Candidate, other: &Candidate| {
        one.promise > other.promise || commits(one).is_above(commits(other)) || reads(other).is_above(reads(one))
    };
    match (is_better(one, other), is_better(other, one)) {
        (_, true) => Against::Neither,
        (true, false) => Against::Beats,
        (false, false) => Against::Equals,
    }
}

/// Marks those that nobody beats: in commits a second, in the mean of reads, in the promise. Of equals the earlier one,
/// which is the plainer one, stands for all. Whom nobody beats is found first: "beats" has no circles, since promises
/// are ranked and spans that do not overlap are, but with "equals and comes earlier" mixed in it would have.
pub fn mark_front(candidates: &mut [Candidate]) {
    let sound: Vec<usize> = (0..candidates.len()).filter(|&index| candidates[index].promise.is_sound()).collect();
    let is_beaten =
        |index: usize| sound.iter().any(|&by| against(&candidates[by], &candidates[index]) == Against::Beats);
    let unbeaten: Vec<usize> = sound.iter().copied().filter(|&index| !is_beaten(index)).collect();
    let mut front: Vec<usize> = Vec::new();
    for index in unbeaten {
        if front.iter().all(|&kept| against(&candidates[kept], &candidates[index]) != Against::Equals) {
            front.push(index);
        }
    }
    (0..candidates.len()).for_each(|index| candidates[index].on_front = front.contains(&index));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(mode: JournalMode, synchronous: Synchronous, commits_per_s: f64, read_mean_ns: f64) -> Candidate {
        Candidate {
            settings: plain(mode, synchronous),
            wal_autocheckpoint: None,
            promise: Promise::of(mode, synchronous),
            commits_per_s,
            commits_per_s_quartiles: (commits_per_s, commits_per_s),
            read_p50_ns: read_mean_ns as u64,
            read_mean_ns,
            samples: (1, 1),
            on_front: false,
        }
    }

    fn front(mut candidates: Vec<Candidate>) -> Vec<usize> {
        mark_front(&mut candidates);
        (0..candidates.len()).filter(|&index| candidates[index].on_front).collect()
    }

    #[test]
    fn promises_are_those_of_sqlite() {
        use JournalMode::{Delete, Truncate, Wal};
        use Synchronous::*;
        assert_eq!(Promise::of(Wal, Full), Promise::KeepsCommits);
        assert_eq!(Promise::of(Wal, Normal), Promise::MayLoseLast);
        assert_eq!(Promise::of(Delete, Full), Promise::MayLoseLast);
        assert_eq!(Promise::of(Delete, Extra), Promise::KeepsCommits);
        assert_eq!(Promise::of(Truncate, Full), Promise::KeepsCommits);
        assert_eq!(Promise::of(Delete, Normal), Promise::MayCorruptRarely);
    }

    #[test]
    fn what_may_corrupt_is_never_on_the_front_however_fast() {
        let slow = candidate(JournalMode::Delete, Synchronous::Full, 10.0, 1e6);
        for (mode, level) in modes().into_iter().filter(|(mode, level)| !Promise::of(*mode, *level).is_sound()) {
            assert_eq!(front(vec![candidate(mode, level, 1e6, 1.0), slow.clone()]), [1], "{}", level.word());
        }
        assert_eq!(front(vec![candidate(JournalMode::Wal, Synchronous::Off, 1e6, 1.0)]), [0; 0]);
    }

    #[test]
    fn who_is_better_in_one_thing_and_worse_in_none_beats() {
        let keeps = candidate(JournalMode::Wal, Synchronous::Full, 900.0, 5e3);
        let loses = candidate(JournalMode::Wal, Synchronous::Normal, 20_000.0, 5e3);
        let beaten = candidate(JournalMode::Delete, Synchronous::Extra, 200.0, 9e3);
        assert_eq!(front(vec![beaten, keeps, loses]), [1, 2]);
    }

    #[test]
    fn a_noisy_difference_beats_nobody_and_the_plainer_one_stands_for_both() {
        let one = candidate(JournalMode::Wal, Synchronous::Full, 1000.0, 5000.0);
        let same = candidate(JournalMode::Wal, Synchronous::Full, 1001.0, 5001.0);
        assert_eq!(front(vec![one, same]), [0]);
        assert_eq!(front(vec![]), [0; 0]);
    }

    #[test]
    fn a_front_is_never_empty_where_something_is_sound() {
        for seed in 0..200u64 {
            let draw = |index: u64| (walproof_format::ledger::mix(seed * 100 + index) % 1000) as f64 + 1.0;
            let some = modes().into_iter().enumerate();
            let made =
                some.map(|(index, (mode, level))| candidate(mode, level, draw(index as u64), draw(50 + index as u64)));
            assert!(!front(made.collect()).is_empty());
        }
    }

    #[test]
    fn rounds_that_do_not_agree_make_nobody_better() {
        let plain = candidate(JournalMode::Wal, Synchronous::Full, 1000.0, 5000.0);
        let faster = candidate(JournalMode::Wal, Synchronous::Full, 1500.0, 5000.0);
        assert_eq!(front(vec![plain.clone(), faster.clone()]), [1]);
        let unsteady = Candidate { commits_per_s_quartiles: (900.0, 2000.0), ..faster };
        assert_eq!(front(vec![plain, unsteady]), [0]);
    }

    #[test]
    fn pragmas_name_what_differs_from_the_defaults() {
        let mut candidate = candidate(JournalMode::Wal, Synchronous::Normal, 1.0, 1.0);
        candidate.wal_autocheckpoint = Some(AUTOCHECKPOINT_FRAMES);
        assert_eq!(candidate.pragmas(), "journal_mode=wal synchronous=normal");
        candidate.settings.page_bytes = 1024;
        candidate.wal_autocheckpoint = Some(100);
        assert_eq!(candidate.pragmas(), "journal_mode=wal synchronous=normal page_size=1024 wal_autocheckpoint=100");
    }
}
