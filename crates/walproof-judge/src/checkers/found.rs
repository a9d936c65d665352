//! The anomalies found so far: the first of each kind in full, the rest counted.

use super::anomaly::{Anomaly, AnomalyKind, WitnessLine};
use crate::finding::Certainty;

/// How many anomalies of one kind are kept with their witness.
pub(super) const KEPT_BY_KIND_MAX: usize = 64;

/// A bounded list of anomalies.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    kept: Vec<Anomaly>,
    kept_by_kind: [usize; AnomalyKind::ALL.len()],
    counts: [u64; AnomalyKind::ALL.len()],
    first_ns: Option<u64>,
}

impl Found {
    /// Count one more; its words are made only when it is kept.
    #[cold]
    pub(super) fn add(
        &mut self,
        kind: AnomalyKind,
        certainty: Certainty,
        provable_ns: u64,
        words: impl FnOnce() -> (String, Vec<WitnessLine>),
    ) {
        self.counts[kind.index()] += 1;
        self.first_ns = Some(self.first_ns.map_or(provable_ns, |first| first.min(provable_ns)));
        if self.kept_by_kind[kind.index()] < KEPT_BY_KIND_MAX {
            self.kept_by_kind[kind.index()] += 1;
            let (summary, witness) = words();
            self.kept.push(Anomaly { kind, summary, witness, provable_ns, certainty });
        }
    }

    pub(super) fn kept(&self) -> &[Anomaly] {
        &self.kept
    }

    pub(super) fn count(&self, kind: AnomalyKind) -> u64 {
        self.counts[kind.index()]
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn first_ns(&self) -> Option<u64> {
        self.first_ns
    }
}
