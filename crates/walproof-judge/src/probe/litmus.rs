//! Races on shared memory: how often something changed, how often it was wrong, and what follows.
//!
//! None wrong in `n` changes means under 3/n at 95 %, if changes were independent; none in none means nothing.

use serde::{Deserialize, Serialize};
use walproof_format::probe_step::LitmusTest;

use super::table::{Reason, breaks};
use crate::finding::Certainty;
use crate::verdict::{Bound, JournalMode, VerdictKind};

/// What one race gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LitmusCount {
    /// Which.
    pub test: LitmusTest,
    /// Changes of the other party, or rounds, that were seen.
    pub observed: u64,
    /// How many of them no shared memory of one kernel could have shown.
    pub wrong: u64,
}

impl LitmusCount {
    /// How rare a wrong one would have to be to stay hidden; `None` when some were wrong, or too little was seen.
    pub fn bound(&self) -> Option<Bound> {
        if self.wrong > 0 { None } else { Bound::none_in(self.observed, "change") }
    }
}

/// What follows for a journal mode.
pub(super) fn reasons(counts: &[LitmusCount], acting: &str, looking: &str, mode: JournalMode) -> Vec<Reason> {
    let wrong = counts.iter().filter(|count| count.wrong > 0);
    wrong.filter_map(|count| reason(count, acting, looking, mode)).collect()
}

fn reason(count: &LitmusCount, acting: &str, looking: &str, mode: JournalMode) -> Option<Reason> {
    let LitmusCount { test, observed, wrong } = count;
    let seen = format!("{wrong} of {observed} changes, race `{}`", test.name());
    match test {
        LitmusTest::WriteAgainstReopen => {
            Some(breaks(format!("{looking} reads old content again after newer content of {acting} ({seen})")))
        }
        // SQLite writes nothing by write() that it reads through a mapping unless mmap_size is set.
        LitmusTest::WriteAgainstMap => Some(Reason {
            kind: VerdictKind::Risky,
            text: format!(
                "{looking} sees writes of {acting} undone in its mapping ({seen}): no `PRAGMA mmap_size` here"
            ),
            certainty: Certainty::Measured,
        }),
        _ if mode == JournalMode::Wal => {
            Some(breaks(format!("{looking} sees stores of {acting} out of order or torn ({seen})")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{PairFacts, decide};

    fn decides(test: LitmusTest, wrong: u64, mode: JournalMode) -> VerdictKind {
        let mut pair = PairFacts::sound();
        pair.b_to_a.litmus = vec![LitmusCount { test, observed: 1000, wrong }];
        decide(&pair, mode).kind
    }

    #[test]
    fn stores_out_of_order_break_wal_only() {
        assert_eq!(decides(LitmusTest::MessagePassing, 1, JournalMode::Wal), VerdictKind::Unsafe);
        assert_eq!(decides(LitmusTest::MessagePassing, 1, JournalMode::Delete), VerdictKind::Safe);
        assert_eq!(decides(LitmusTest::Header, 0, JournalMode::Wal), VerdictKind::Safe);
    }

    #[test]
    fn writes_that_come_undone_break_both() {
        assert_eq!(decides(LitmusTest::WriteAgainstReopen, 1, JournalMode::Wal), VerdictKind::Unsafe);
        assert_eq!(decides(LitmusTest::WriteAgainstReopen, 1, JournalMode::Delete), VerdictKind::Unsafe);
        assert_eq!(decides(LitmusTest::WriteAgainstMap, 1, JournalMode::Wal), VerdictKind::Risky);
    }

    #[test]
    fn nothing_seen_bounds_nothing() {
        let count = |observed, wrong| LitmusCount { test: LitmusTest::Coherence, observed, wrong };
        assert!(count(0, 0).bound().is_none());
        assert!(count(1000, 1).bound().is_none());
        assert_eq!(count(1000, 0).bound().map(|bound| bound.rate_max), Some(0.003));
    }
}
