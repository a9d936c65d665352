//! The merge: the records of all agents in commit order, one at a time, without looking ahead.
//!
//! Acknowledged writes and successful reads come by (number, writes before reads). Everything else (opens, closes,
//! checkpoints, failures, writes that a kill cut short) stands outside that order and is handed over as soon as it
//! is at the head of its agent. So whoever may have written commit n is known before anybody's record of n + 1.
//!
//! Within one agent the numbers of a sound history never fall. A record that falls all the same is handed over at
//! once, because its key is then the smallest of all heads: it delays nobody.
//!
//! Online, an agent whose next record is not there yet holds the merge up, since that record could come first; unless
//! it is known to do nothing that has a place in commit order, as an agent that only checkpoints.

use walproof_format::history::{
    FLAG_CELLS_DISAGREE, FLAG_CHAIN_BROKEN, FLAG_INVARIANT_BROKEN, FLAG_LEDGER_DISAGREES, Operation, Phase, Record,
};

/// What a source answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The agent's next record, in its own order.
    Record(Record),
    /// Nothing yet; ask again later.
    Pending,
    /// Nothing yet, and what comes next stands outside commit order: nobody has to wait for it.
    Idle,
    /// The agent's next record comes after everything that anybody did before their own barrier of this count.
    Barrier,
    /// Nothing, for ever.
    Ended,
}

/// The records of one agent in its own order, its lives one after another.
///
/// A record in phase `Began` or `Committing` may be handed over only when its life is known to be over: until then
/// the agent may still change it, and the answer is [`Next::Pending`].
pub trait Source {
    /// The next record.
    fn next(&mut self) -> Next;
}

/// What the merge answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next record of all.
    Record(Record),
    /// Some agent's next record is not there yet.
    Pending,
    /// All agents that have not ended stand at a barrier: what comes now comes after it.
    Barrier,
    /// All agents have ended.
    Ended,
}

/// The k-way merge; its state survives [`Step::Pending`].
#[derive(Clone, Debug)]
pub struct Merge<S> {
    sources: Vec<S>,
    heads: Vec<Head>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    key: u64,
    record: Record,
}

/// Key of a head that waits to be filled: the smallest, so that one scan finds it first.
const KEY_EMPTY: u64 = 0;
/// Key of a head that waits at a barrier: larger than that of any record.
const KEY_BARRIER: u64 = u64::MAX - 1;
/// Key of a head whose agent has ended: the largest.
const KEY_ENDED: u64 = u64::MAX;

impl<S: Source> Merge<S> {
    /// A merge of one source for each agent.
    pub fn new(sources: Vec<S>) -> Self {
        let heads = sources.iter().map(|_| Head { key: KEY_EMPTY, record: Record::BLANK }).collect();
        Self { sources, heads }
    }

    /// The sources, in the order given.
    pub fn sources_mut(&mut self) -> &mut [S] {
        &mut self.sources
    }

    /// The next record in commit order.
    #[inline]
    pub fn step(&mut self) -> Step {
        let (mut pending, mut idle) = (false, false);
        let mut best = usize::MAX;
        let mut best_key = KEY_BARRIER;
        for index in 0..self.heads.len() {
            if self.heads[index].key == KEY_EMPTY {
                match self.sources[index].next() {
                    Next::Pending => {
                        pending = true;
                        continue;
                    }
                    Next::Idle => {
                        idle = true;
                        continue;
                    }
                    Next::Ended => self.heads[index].key = KEY_ENDED,
                    Next::Barrier => self.heads[index].key = KEY_BARRIER,
                    Next::Record(record) => match order_key(&record) {
                        None => return Step::Record(record),
                        Some(key) => self.heads[index] = Head { key, record },
                    },
                }
            }
            if self.heads[index].key < best_key {
                best_key = self.heads[index].key;
                best = index;
            }
        }
        match (pending, best) {
            (true, _) => Step::Pending,
            (false, usize::MAX) if idle => Step::Pending,
            (false, usize::MAX) => self.pass_barrier(),
            (false, best) => {
                if idle && let Some(instead) = self.ask_the_idle() {
                    return instead;
                }
                self.heads[best].key = KEY_EMPTY;
                Step::Record(self.heads[best].record)
            }
        }
    }
}

impl<S: Source> Merge<S> {
    /// Asks those who were idle once more, now that all heads are there: whoever got work after its head was filled
    /// may have committed before it. `None`: they still are idle.
    #[cold]
    fn ask_the_idle(&mut self) -> Option<Step> {
        for index in 0..self.heads.len() {
            if self.heads[index].key != KEY_EMPTY {
                continue;
            }
            match self.sources[index].next() {
                Next::Idle => {}
                Next::Pending => return Some(Step::Pending),
                Next::Ended => self.heads[index].key = KEY_ENDED,
                Next::Barrier => self.heads[index].key = KEY_BARRIER,
                Next::Record(record) => match order_key(&record) {
                    None => return Some(Step::Record(record)),
                    Some(key) => {
                        self.heads[index] = Head { key, record };
                        return Some(self.step());
                    }
                },
            }
        }
        None
    }
}

impl<S> Merge<S> {
    /// Nobody has a record left: whoever stands at a barrier passes it.
    #[cold]
    fn pass_barrier(&mut self) -> Step {
        let mut passed = false;
        for head in self.heads.iter_mut().filter(|head| head.key == KEY_BARRIER) {
            head.key = KEY_EMPTY;
            passed = true;
        }
        if passed { Step::Barrier } else { Step::Ended }
    }
}

/// The place of a record in commit order; `None`: it stands outside and comes at once.
///
/// A read that contradicts itself stands outside too: its number may be anything.
#[inline]
pub fn order_key(record: &Record) -> Option<u64> {
    let is_read = match (record.operation, record.phase) {
        (Operation::Write | Operation::Fold, Phase::Done) => 0,
        (Operation::Read, Phase::Done) if record.flags & FLAGS_TORN == 0 => 1,
        _ => return None,
    };
    // From 1, below KEY_BARRIER: the three keys that mean something else.
    Some(record.number.min(u64::MAX / 2 - 2) * 2 + is_read + 1)
}

/// Flags of a transaction that saw parts of different commits.
pub const FLAGS_TORN: u16 = FLAG_LEDGER_DISAGREES | FLAG_CELLS_DISAGREE | FLAG_CHAIN_BROKEN | FLAG_INVARIANT_BROKEN;

/// A source over records already in memory.
#[derive(Clone, Debug)]
pub struct Recorded {
    records: std::vec::IntoIter<Record>,
}

impl Recorded {
    /// The records of one agent in its own order.
    pub fn new(records: Vec<Record>) -> Self {
        Self { records: records.into_iter() }
    }
}

impl Source for Recorded {
    fn next(&mut self) -> Next {
        self.records.next().map_or(Next::Ended, Next::Record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(agent: u16, number: u64) -> Record {
        Record { agent, number, operation: Operation::Write, phase: Phase::Done, ..Record::BLANK }
    }

    fn read(agent: u16, number: u64) -> Record {
        Record { agent, number, operation: Operation::Read, phase: Phase::Done, ..Record::BLANK }
    }

    fn maybe(agent: u16, number: u64) -> Record {
        Record { phase: Phase::Committing, ..write(agent, number) }
    }

    /// A source that says `Pending` before each record.
    struct Slow(Recorded, bool);

    impl Source for Slow {
        fn next(&mut self) -> Next {
            self.1 = !self.1;
            if self.1 { Next::Pending } else { self.0.next() }
        }
    }

    fn merges<S: Source>(mut merge: Merge<S>, expected: &[(u16, u64)]) {
        let mut seen = Vec::new();
        loop {
            match merge.step() {
                Step::Record(record) => seen.push((record.agent, record.number)),
                Step::Pending | Step::Barrier => {}
                Step::Ended => break,
            }
        }
        assert_eq!(seen, expected);
    }

    fn recorded(agents: &[&[Record]]) -> Merge<Recorded> {
        Merge::new(agents.iter().map(|records| Recorded::new(records.to_vec())).collect())
    }

    #[test]
    fn writes_come_before_reads_of_the_same_number() {
        merges(recorded(&[&[read(0, 1), read(0, 2)], &[write(1, 1), write(1, 2)]]), &[(1, 1), (0, 1), (1, 2), (0, 2)]);
    }

    #[test]
    fn what_has_no_order_comes_at_once() {
        merges(recorded(&[&[write(0, 1), write(0, 3)], &[maybe(1, 2)]]), &[(1, 2), (0, 1), (0, 3)]);
    }

    #[test]
    fn a_record_that_falls_back_delays_nobody() {
        merges(recorded(&[&[write(0, 5), read(0, 2), write(0, 7)], &[write(1, 6)]]), &[(0, 5), (0, 2), (1, 6), (0, 7)]);
    }

    #[test]
    fn a_slow_agent_changes_nothing_in_the_order() {
        let slow = |records: &[Record]| Slow(Recorded::new(records.to_vec()), false);
        let sources = vec![slow(&[write(0, 1), write(0, 3)]), slow(&[write(1, 2), read(1, 3)])];
        merges(Merge::new(sources), &[(0, 1), (1, 2), (0, 3), (1, 3)]);
    }

    /// A source with barriers between its parts.
    struct Parts(std::collections::VecDeque<Next>);

    impl Source for Parts {
        fn next(&mut self) -> Next {
            self.0.pop_front().unwrap_or(Next::Ended)
        }
    }

    #[test]
    fn what_comes_after_a_barrier_comes_after_all_that_was_before() {
        let parts = |parts: &[&[Record]]| {
            let one = |part: &&[Record]| part.iter().map(|record| Next::Record(*record)).collect::<Vec<_>>();
            Parts(parts.iter().map(one).collect::<Vec<_>>().join(&Next::Barrier).into())
        };
        let sources = vec![
            parts(&[&[write(0, 1), write(0, 5)], &[maybe(0, 3), write(0, 4)]]),
            parts(&[&[write(1, 2), write(1, 9)], &[read(1, 2)]]),
            parts(&[&[read(2, 7)]]), // it never came back
        ];
        let expected = [(0, 1), (1, 2), (0, 5), (2, 7), (1, 9), (0, 3), (1, 2), (0, 4)];
        merges(Merge::new(sources), &expected);
    }

    #[test]
    fn nobody_passes_an_agent_that_has_not_answered() {
        struct Never;
        impl Source for Never {
            fn next(&mut self) -> Next {
                Next::Pending
            }
        }
        assert_eq!(Merge::new(vec![Never]).step(), Step::Pending);
    }

    /// Idle before each of its records, as an agent that mostly checkpoints.
    struct Resting(Recorded, bool);

    impl Source for Resting {
        fn next(&mut self) -> Next {
            self.1 = !self.1;
            if self.1 { Next::Idle } else { self.0.next() }
        }
    }

    #[test]
    fn an_idle_agent_delays_nobody_and_is_asked_again_before_anybody_passes() {
        struct Idle;
        impl Source for Idle {
            fn next(&mut self) -> Next {
                Next::Idle
            }
        }
        enum Either {
            Idle(Idle),
            Recorded(Recorded),
        }
        impl Source for Either {
            fn next(&mut self) -> Next {
                match self {
                    Self::Idle(idle) => idle.next(),
                    Self::Recorded(recorded) => recorded.next(),
                }
            }
        }
        let one = Either::Recorded(Recorded::new(vec![write(1, 1)]));
        let mut merge = Merge::new(vec![Either::Idle(Idle), one]);
        assert_eq!(merge.step(), Step::Record(write(1, 1)));
        assert_eq!(merge.step(), Step::Pending, "it may come back");
        let resting = |records: &[Record]| Resting(Recorded::new(records.to_vec()), false);
        let sources = vec![resting(&[write(0, 1), write(0, 3)]), resting(&[write(1, 2), read(1, 3)])];
        merges(Merge::new(sources), &[(0, 1), (1, 2), (0, 3), (1, 3)]);
    }

    #[test]
    fn the_largest_number_is_still_a_record() {
        merges(recorded(&[&[read(0, u64::MAX)]]), &[(0, u64::MAX)]);
    }
}
