//! After a power cut: what may be gone, and what may not.
//!
//! The rule. All agents were dead when the power was cut, so every record belongs before or after the cut. What SQLite
//! had promised to keep ([`PowerLoss`]) must be there: going back behind it is a lost commit. Above that the chain may
//! go on from an earlier commit, and only from there: the state after the cut must be one of the old chain's, with
//! nothing left out of it and nothing added but commits that had no answer. What vanished must stay away.
//! The first record after the cut that shows a state settles where that was; from then on the usual rules hold.
//!
//! Where to look next: `ledger.rs` for these, `merge.rs` for the barrier that keeps before and after apart.

use walproof_format::history::Record;

use super::anomaly::AnomalyKind;
use super::ledger::{LedgerChecker, latest, line, name};
use super::past::{ATTEMPTS_MAX, Standing, built_on};
use crate::finding::Certainty;
use crate::verdict::JournalMode;

/// What a power cut may take of what was acknowledged, as SQLite documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerLoss {
    /// Nothing: WAL at FULL and EXTRA, DELETE at EXTRA, TRUNCATE and PERSIST at FULL and EXTRA.
    Nothing,
    /// The newest commit: its journal was deleted (or cut, or its header zeroed) and that was not synced, so it may come
    /// back and roll the commit back. DELETE at NORMAL and FULL, TRUNCATE and PERSIST at NORMAL.
    NewestCommit,
    /// Everything after the last complete checkpoint: WAL at NORMAL syncs the log only then.
    SinceCheckpoint,
}

impl PowerLoss {
    /// What may go in a journal mode at a level of `PRAGMA synchronous`; `None`: at OFF nothing at all is promised.
    pub fn of(mode: JournalMode, synchronous: &str) -> Option<Self> {
        match (mode, synchronous.to_ascii_lowercase().as_str()) {
            (_, "off") | (JournalMode::Memory | JournalMode::Off, _) => None,
            (JournalMode::Wal, "normal") => Some(Self::SinceCheckpoint),
            (JournalMode::Wal, _) | (_, "extra") => Some(Self::Nothing),
            (JournalMode::Truncate | JournalMode::Persist, "full") => Some(Self::Nothing),
            _ => Some(Self::NewestCommit),
        }
    }
}

/// A cut whose consequences have not shown yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// The newest commit that must have survived.
    promised: u64,
}

impl LedgerChecker {
    /// The power was cut while everybody was dead: all records so far are from before, all others from after.
    pub fn note_power_cut(&mut self, loss: PowerLoss) {
        let tip = self.past.tip().record.number;
        let promised = match loss {
            // The usual rules are the right ones.
            PowerLoss::Nothing => return,
            PowerLoss::NewestCommit => tip.saturating_sub(1),
            PowerLoss::SinceCheckpoint => self.past.newest_acknowledged_until(self.checkpointed_ns),
        };
        // Of two cuts with nothing between them the first one's promise holds for both.
        let promised = self.cut.map_or(promised, |cut| cut.promised.min(promised));
        self.cut = Some(Cut { promised });
    }

    /// Whether a power cut's consequences have not shown yet.
    pub fn awaits_consequences(&self) -> bool {
        self.cut.is_some()
    }

    /// `seen_by` shows this state, the first one after a cut.
    #[cold]
    pub(super) fn settle_cut(&mut self, number: u64, hash: u64, seen_by: &Record) {
        let Some(cut) = self.cut.take() else { return };
        // A state that the old chain does not explain is judged by the usual rules, against the old tip.
        let Some(base) = self.survived(number, hash) else { return };
        if base < cut.promised {
            self.broken_promise(base, cut.promised, seen_by);
        }
        self.past.rewind(base);
        self.forget_orders_above(base);
    }

    /// The commit of the old chain that this state stands on, with nothing in between but attempts without an answer.
    fn survived(&self, number: u64, hash: u64) -> Option<u64> {
        let (mut number, mut hash) = (number, hash);
        for _ in 0..ATTEMPTS_MAX {
            if self.past.get(number).is_some_and(|commit| commit.record.hash == hash) {
                return Some(number);
            }
            let maybe = self.attempt_without_answer(number, hash)?;
            (number, hash) = (number.checked_sub(1)?, built_on(&maybe));
        }
        None
    }

    fn broken_promise(&mut self, base: u64, promised: u64, seen_by: &Record) {
        let promised = (base + 1..=promised).filter_map(|number| self.past.get(number));
        let lost: Vec<Record> =
            promised.filter(|commit| commit.standing == Standing::Acknowledged).map(|commit| commit.record).collect();
        let Some(newest) = lost.last() else { return };
        let provable_ns = latest(&[*newest, *seen_by]);
        self.found.add(AnomalyKind::LostCommit, Certainty::Proven, provable_ns, || {
            let summary = format!(
                "a power cut took {} commits that had to survive it, the newest of them {}",
                lost.len(),
                name(newest)
            );
            let mut witness: Vec<_> = lost.iter().rev().take(8).map(|lost| line(lost, "was durable")).collect();
            witness.push(line(seen_by, "shows what is left"));
            (summary, witness)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_those_of_the_documentation() {
        let of = |mode, synchronous| PowerLoss::of(mode, synchronous);
        assert_eq!(of(JournalMode::Wal, "FULL"), Some(PowerLoss::Nothing));
        assert_eq!(of(JournalMode::Wal, "normal"), Some(PowerLoss::SinceCheckpoint));
        assert_eq!(of(JournalMode::Delete, "full"), Some(PowerLoss::NewestCommit));
        assert_eq!(of(JournalMode::Delete, "extra"), Some(PowerLoss::Nothing));
        assert_eq!(of(JournalMode::Truncate, "full"), Some(PowerLoss::Nothing));
        assert_eq!(of(JournalMode::Persist, "normal"), Some(PowerLoss::NewestCommit));
        assert_eq!(of(JournalMode::Delete, "off"), None);
    }
}
