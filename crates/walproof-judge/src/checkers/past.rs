//! What the checker remembers of the past: a ring of the last accepted commits, and the attempts beside them.
//!
//! Memory is bounded: the ring holds [`RING_SIZE`] commits or, where there are several ledgers, its share of
//! them; each list of attempts [`ATTEMPTS_MAX`].

use std::collections::VecDeque;

use walproof_format::history::{Phase, Record};
use walproof_format::ledger::{chain, writer};

/// How many accepted commits are remembered, of all ledgers together.
pub const RING_SIZE: usize = 65_536;
/// How many attempts of each sort are remembered.
pub(super) const ATTEMPTS_MAX: usize = 4_096;

/// Why a commit is taken to be in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No commit: the state before the first one.
    Genesis,
    /// The application was told so.
    Acknowledged,
    /// Nobody was told, and the chain shows that it landed.
    Landed,
    /// It should not be there, and the chain shows that it is.
    Phantom,
}

/// A commit in the order that the chain gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    pub(super) record: Record,
    pub(super) standing: Standing,
    /// Another transaction was told that it has this number.
    pub(super) contested: bool,
}

/// The ring of accepted commits; its newest is the tip.
#[derive(Clone, Debug)]
pub(super) struct Past {
    ring: Vec<Commit>,
    tip: Commit,
}

impl Past {
    /// A past that begins after commit `number` with this chain hash.
    pub(super) fn new(number: u64, hash: u64, ring_size: usize) -> Self {
        let record = Record { number, hash, ..NOBODY };
        let tip = Commit { record, standing: Standing::Genesis, contested: false };
        let unused = Commit { record: Record { number: u64::MAX, ..NOBODY }, ..tip };
        let mut past = Self { ring: vec![unused; ring_size.next_power_of_two()], tip };
        past.push(tip);
        past
    }

    #[inline]
    pub(super) fn tip(&self) -> &Commit {
        &self.tip
    }

    /// Make this the newest commit.
    #[inline]
    pub(super) fn push(&mut self, commit: Commit) {
        let slot = self.slot(commit.record.number);
        self.ring[slot] = commit;
        self.tip = commit;
    }

    /// The accepted commit of a number, when the ring still holds it.
    pub(super) fn get(&self, number: u64) -> Option<&Commit> {
        if number == self.tip.record.number {
            return Some(&self.tip);
        }
        Some(&self.ring[self.slot(number)])
            .filter(|commit| commit.record.number == number && number < self.tip.record.number)
    }

    #[inline]
    fn slot(&self, number: u64) -> usize {
        number as usize & (self.ring.len() - 1)
    }

    /// Mark a number as claimed by two.
    pub(super) fn contest(&mut self, number: u64) {
        let slot = self.slot(number);
        self.ring[slot].contested = true;
        if number == self.tip.record.number {
            self.tip.contested = true;
        }
    }

    /// Put another commit in the place of one of the same number.
    pub(super) fn replace(&mut self, commit: Commit) {
        let slot = self.slot(commit.record.number);
        self.ring[slot] = commit;
        if commit.record.number == self.tip.record.number {
            self.tip = commit;
        }
    }

    /// Everything after this commit is gone.
    pub(super) fn rewind(&mut self, number: u64) {
        let Some(commit) = self.get(number).copied() else { return };
        let tip = self.tip.record.number;
        for gone in number.saturating_add(1).max(tip.saturating_sub(self.ring.len() as u64 - 1))..=tip {
            let slot = self.slot(gone);
            self.ring[slot].record.number = u64::MAX;
        }
        self.tip = commit;
    }

    /// The newest commit that was acknowledged by then; the oldest one that is remembered when there is none.
    pub(super) fn newest_acknowledged_until(&self, end_ns: u64) -> u64 {
        let tip = self.tip.record.number;
        let remembered = tip.saturating_sub(self.ring.len() as u64 - 1)..=tip;
        let by_then = |commit: &&Commit| commit.standing == Standing::Acknowledged && commit.record.end_ns <= end_ns;
        let newest = remembered.rev().filter_map(|number| self.get(number)).find(by_then);
        newest.map_or(0, |commit| commit.record.number)
    }

    /// The newest `count_max` acknowledged commits above `number`, oldest first, and how many there are.
    pub(super) fn acknowledged_above(&self, number: u64, count_max: usize) -> (Vec<Record>, u64) {
        let tip = self.tip.record.number;
        let from = number.saturating_add(1).max(tip.saturating_sub(self.ring.len() as u64 - 1));
        let lost = || (from..=tip).filter_map(|n| self.get(n)).filter(|c| c.standing == Standing::Acknowledged);
        (lost().take(count_max).map(|commit| commit.record).collect(), lost().count() as u64)
    }
}

/// The last attempts of one sort.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts(VecDeque<Record>);

impl Attempts {
    pub(super) fn push(&mut self, record: Record) {
        if self.0.len() == ATTEMPTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(record);
    }

    /// The attempt that would have left this hash at this number. One that died before it wrote down its number is
    /// found by what it must have been built on.
    pub(super) fn leaving(&self, number: u64, hash: u64, base: &Record) -> Option<Record> {
        let built_on_base = |record: &Record| {
            number == base.number.wrapping_add(1)
                && chain(base.hash, number, writer(record.agent, record.incarnation), record.counter, record.token)
                    == hash
        };
        let found = self.0.iter().rev().find(|r| (r.number == number && r.hash == hash) || built_on_base(r))?;
        Some(Record { number, hash, ..*found })
    }

    pub(super) fn with_token(&self, token: u64) -> Option<Record> {
        self.0.iter().rev().find(|record| record.token == token).copied()
    }
}

/// The chain hash that a write was built on: the chain turned back.
pub(super) fn built_on(record: &Record) -> u64 {
    let who = (u64::from(writer(record.agent, record.incarnation)) << 32) | u64::from(record.counter);
    let hash = unmix(record.hash) ^ record.token;
    let hash = unmix(hash) ^ who;
    hash ^ walproof_format::ledger::mix(record.number)
}

/// The inverse of [`walproof_format::ledger::mix`].
const fn unmix(value: u64) -> u64 {
    let mut x = value ^ (value >> 31) ^ (value >> 62);
    x = x.wrapping_mul(0x3196_42b2_d24d_8ec3);
    x = x ^ (x >> 27) ^ (x >> 54);
    x = x.wrapping_mul(0x96de_1b17_3f11_9089);
    x = x ^ (x >> 30) ^ (x >> 60);
    x.wrapping_sub(0x9e37_79b9_7f4a_7c15)
}

/// A record of nobody, to be filled in.
pub(super) const NOBODY: Record = Record { agent: u16::MAX, phase: Phase::Done, ..Record::BLANK };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_turns_back() {
        let mut record = Record { number: 9, token: 77, counter: 3, agent: 2, incarnation: 5, ..NOBODY };
        record.hash = chain(0xfeed, 9, writer(2, 5), 3, 77);
        assert_eq!(built_on(&record), 0xfeed);
    }

    #[test]
    fn the_ring_forgets_the_oldest_only() {
        let mut past = Past::new(0, 1, RING_SIZE);
        for number in 1..=RING_SIZE as u64 {
            let record = Record { number, ..NOBODY };
            past.push(Commit { record, standing: Standing::Acknowledged, contested: false });
        }
        assert!(past.get(0).is_none());
        assert!(past.get(1).is_some());
        assert!(past.get(RING_SIZE as u64 + 1).is_none());
    }
}
