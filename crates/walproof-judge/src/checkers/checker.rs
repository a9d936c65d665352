//! The checker of a run, whatever its workload: one ledger, or one for each key.
//!
//! Where to look next: `ledger` and `keyed` for the two, `merge` for the order of the first.

use walproof_format::history::Record;
use walproof_format::ledger::FinalState;
use walproof_format::protocol::{REGISTER, Workload};

use super::anomaly::{Anomaly, AnomalyKind};
use super::conduct::Conduct;
use super::exposures::Exposures;
use super::keyed::{KeyedChecker, KeyedMerge};
use super::ledger::{CheckerOptions, LedgerChecker};
use super::merge::{Merge, Source, Step};
use super::power_cut::PowerLoss;

/// The checker of a run.
#[derive(Clone, Debug)]
pub enum Checker {
    /// Of a workload with one ledger.
    Ledger(Box<LedgerChecker>),
    /// Of a workload with a ledger for each key.
    Keyed(KeyedChecker, bool),
}

/// The merge that belongs to it.
pub enum RunMerge<S> {
    /// By number.
    Ledger(Merge<S>),
    /// By key, number and time.
    Keyed(KeyedMerge<S>),
}

impl<S: Source> RunMerge<S> {
    /// The next record in the order that the checker wants.
    #[inline]
    pub fn step(&mut self) -> Step {
        match self {
            Self::Ledger(merge) => merge.step(),
            Self::Keyed(merge) => merge.step(),
        }
    }

    /// The sources, in the order given.
    pub fn sources_mut(&mut self) -> &mut [S] {
        match self {
            Self::Ledger(merge) => merge.sources_mut(),
            Self::Keyed(merge) => merge.sources_mut(),
        }
    }
}

impl Checker {
    /// The checker that a workload needs.
    pub fn of(workload: &Workload, options: CheckerOptions) -> Self {
        Self::starting_at(workload, options, &[])
    }

    /// The same for a history whose beginning is gone: number and chain hash of each ledger before what is left.
    pub fn starting_at(workload: &Workload, options: CheckerOptions, bases: &[(u64, u64)]) -> Self {
        if !workload.is_keyed() {
            let (first_number, first_hash) =
                bases.first().copied().unwrap_or((options.first_number, options.first_hash));
            return Self::Ledger(Box::new(LedgerChecker::new(CheckerOptions { first_number, first_hash, ..options })));
        }
        let noun = if workload.name == REGISTER { "register" } else { "ledger of agent" };
        Self::Keyed(KeyedChecker::new(&options, workload.key_count(), bases, noun), options.shared_clock)
    }

    /// The merge in whose order it is to be fed.
    pub fn merge<S: Source>(&self, sources: Vec<S>) -> RunMerge<S> {
        match self {
            Self::Ledger(_) => RunMerge::Ledger(Merge::new(sources)),
            Self::Keyed(_, shared_clock) => RunMerge::Keyed(KeyedMerge::new(sources, *shared_clock)),
        }
    }

    /// The next record.
    #[inline]
    pub fn feed(&mut self, record: &Record) {
        match self {
            Self::Ledger(checker) => checker.feed(record),
            Self::Keyed(checker, _) => checker.feed(record),
        }
    }

    /// As [`LedgerChecker::note_pause`].
    pub fn note_pause(&mut self, start_ns: u64, end_ns: u64) {
        match self {
            Self::Ledger(checker) => checker.note_pause(start_ns, end_ns),
            Self::Keyed(checker, _) => checker.note_pause(start_ns, end_ns),
        }
    }

    /// As [`LedgerChecker::note_crippled`].
    pub fn note_crippled(&mut self, agent: u16, incarnation: u16) {
        match self {
            Self::Ledger(checker) => checker.note_crippled(agent, incarnation),
            Self::Keyed(checker, _) => checker.note_crippled(agent, incarnation),
        }
    }

    /// As [`LedgerChecker::note_power_cut`].
    pub fn note_power_cut(&mut self, loss: PowerLoss) {
        match self {
            Self::Ledger(checker) => checker.note_power_cut(loss),
            Self::Keyed(checker, _) => checker.note_power_cut(loss),
        }
    }

    /// Whether a power cut's consequences have not shown yet in some ledger.
    pub fn awaits_consequences(&self) -> bool {
        self.ledgers().iter().any(LedgerChecker::awaits_consequences)
    }

    /// Who failed how; `None`: nobody was crippled.
    pub fn conduct(&self) -> Option<Conduct> {
        match self {
            Self::Ledger(checker) => checker.conduct(),
            Self::Keyed(checker, _) => checker.conduct(),
        }
    }

    /// As [`LedgerChecker::note_death`].
    pub fn note_death(&mut self, agent: u16, incarnation: u16, signal: i32, at_ns: u64) {
        match self {
            Self::Ledger(checker) => checker.note_death(agent, incarnation, signal, at_ns),
            Self::Keyed(checker, _) => checker.note_death(agent, incarnation, signal, at_ns),
        }
    }

    /// All agents have ended: the last account.
    pub fn finish(&mut self, finals: &[FinalState]) {
        match self {
            Self::Ledger(checker) => checker.finish(finals),
            Self::Keyed(checker, _) => checker.finish(finals),
        }
    }

    /// The checkers of all ledgers, by key.
    pub fn ledgers(&self) -> &[LedgerChecker] {
        match self {
            Self::Ledger(checker) => std::slice::from_ref(checker),
            Self::Keyed(checker, _) => checker.ledgers(),
        }
    }

    /// Number and chain hash of the newest accepted commit of each ledger.
    pub fn tips(&self) -> Vec<(u64, u64)> {
        self.ledgers().iter().map(LedgerChecker::tip).collect()
    }

    /// Anomalies so far: the first 64 of each kind of each ledger.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        match self {
            Self::Ledger(checker) => checker.anomalies().to_vec(),
            Self::Keyed(checker, _) => checker.anomalies(),
        }
    }

    /// Whether there is an anomaly of this sort among those kept.
    pub fn any(&self, mut sort: impl FnMut(&Anomaly) -> bool) -> bool {
        self.ledgers().iter().any(|ledger| ledger.anomalies().iter().any(&mut sort))
    }

    /// How many anomalies of a kind there were, kept or not.
    pub fn count(&self, kind: AnomalyKind) -> u64 {
        self.ledgers().iter().map(|ledger| ledger.count(kind)).sum()
    }

    /// How many anomalies there were, kept or not.
    pub fn anomaly_count(&self) -> u64 {
        self.ledgers().iter().map(LedgerChecker::anomaly_count).sum()
    }

    /// The first moment at which some anomaly could be proved from the records so far.
    pub fn first_provable_ns(&self) -> Option<u64> {
        self.ledgers().iter().filter_map(LedgerChecker::first_provable_ns).min()
    }

    /// What was tried so far.
    pub fn exposures(&self) -> Exposures {
        match self {
            Self::Ledger(checker) => checker.exposures().clone(),
            Self::Keyed(checker, _) => checker.exposures(),
        }
    }
}
