//! Histories with several ledgers and no row that all of them share: one checker for each key, each fed in its own
//! commit order.
//!
//! **The merge.** A read or commit of key k may be handed over when nothing that is still to come belongs before it.
//! An agent that has no record of k at hand might have one later, and may never have one. So the merge goes by time:
//! of every agent it knows how far it has read, by the beginning of the newest record. Let `floor` be the least of
//! these. The record of k that comes first in k's own commit order among those at hand is handed over when it ended
//! before `floor`. For whatever comes later began at or after `floor`, since an agent does one thing after another: so
//! it began after the record had returned. If it stands before the record in commit order all the same (it read or
//! took a smaller number), that is an anomaly, and the checker names it: it is told of such records in any case. If it
//! is an attempt without an answer, it read the head after the record had returned; nobody can have built the record
//! on it. And all attempts that the record may be built on began before it ended, so they have been handed over:
//! records outside the order go at once.
//!
//! Always the agent that was read least far is read next. So what waits here is what lies inside the longest
//! transaction that is at hand, and does not grow with the run. An agent whose next record is not there yet holds
//! everything up, as it does in [`super::Merge`].
//!
//! Where agents share no clock their times cannot be compared: a record then waits until all others have one of its
//! key at hand, or have ended.
//!
//! **The checker.** Every rule of the ledger, the real-time rule too, holds for each key by itself: what is
//! serializable in real time as a whole is so in each of its parts. What only shows between two keys is not seen.

use std::collections::VecDeque;

use walproof_format::history::{Operation, Phase, Record};
use walproof_format::ledger::FinalState;

use super::anomaly::{Anomaly, AnomalyKind};
use super::conduct::{Conduct, Sides};
use super::exposures::Exposures;
use super::ledger::{CheckerOptions, LedgerChecker};
use super::merge::{Next, Source, Step, order_key};
use super::past::RING_SIZE;
use super::power_cut::PowerLoss;

/// A ledger remembers at least so many commits.
const RING_SIZE_MIN: usize = 1_024;

/// The merge of several commit orders; its state survives [`Step::Pending`].
#[derive(Clone, Debug)]
pub struct KeyedMerge<S> {
    sources: Vec<S>,
    streams: Vec<Stream>,
    keys: Vec<Waiting>,
    shared_clock: bool,
}

/// What came of asking an agent.
enum Asked {
    /// This is the merge's answer.
    Go(Step),
    /// More is known than before.
    Known,
}

/// How far an agent was read.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Beginning of the newest record.
    until_ns: u64,
    waiting: usize,
    ended: bool,
    /// What it does next stands outside commit order, as far as was known when it was asked last.
    idle: bool,
    /// Its next record comes after everything that anybody did before a power cut.
    barrier: bool,
}

impl Stream {
    /// Whether it may still have records that come before those at hand.
    fn open(&self) -> bool {
        !self.ended && !self.idle && !self.barrier
    }
}

/// What waits of one key.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// By agent, each in its own order.
    queues: Vec<VecDeque<Record>>,
    /// Whose record comes first, and when it ended.
    first: Option<(usize, u64)>,
}

impl Waiting {
    fn find_first(&mut self) {
        let heads = self.queues.iter().enumerate().filter_map(|(agent, queue)| Some((agent, queue.front()?)));
        let first = heads.min_by_key(|(_, record)| order_key(record));
        self.first = first.map(|(agent, record)| (agent, record.end_ns));
    }
}

impl<S: Source> KeyedMerge<S> {
    /// A merge of one source for each agent.
    pub fn new(sources: Vec<S>, shared_clock: bool) -> Self {
        let streams = vec![Stream::default(); sources.len()];
        Self { sources, streams, keys: Vec::new(), shared_clock }
    }

    /// The sources, in the order given.
    pub fn sources_mut(&mut self) -> &mut [S] {
        &mut self.sources
    }

    /// The next record.
    pub fn step(&mut self) -> Step {
        self.streams.iter_mut().for_each(|stream| stream.idle = false);
        loop {
            if let Some(key) = self.ready() {
                match self.ask_the_idle() {
                    Some(Asked::Go(step)) => return step,
                    Some(Asked::Known) => continue,
                    None => {}
                }
                if let Some(record) = self.release(key) {
                    return Step::Record(record);
                }
                continue;
            }
            let Some(agent) = self.least_read() else { return self.nobody_left() };
            if let Asked::Go(step) = self.ask(agent) {
                return step;
            }
        }
    }

    /// Asks an agent for its next record.
    fn ask(&mut self, agent: usize) -> Asked {
        match self.sources[agent].next() {
            Next::Pending => return Asked::Go(Step::Pending),
            Next::Idle => self.streams[agent].idle = true,
            Next::Barrier => self.streams[agent].barrier = true,
            Next::Ended => self.streams[agent].ended = true,
            Next::Record(record) => {
                let stream = &mut self.streams[agent];
                stream.until_ns = stream.until_ns.max(record.start_ns);
                if order_key(&record).is_none() {
                    return Asked::Go(Step::Record(record));
                }
                self.wait(agent, record);
            }
        }
        Asked::Known
    }

    /// Whoever was idle is asked once more before a record goes: it may have got work since, and have done it before
    /// that record. If it is idle still, whatever it does later begins after that record had ended. `None`: all of them
    /// still are.
    fn ask_the_idle(&mut self) -> Option<Asked> {
        for agent in 0..self.streams.len() {
            if !self.streams[agent].idle {
                continue;
            }
            self.streams[agent].idle = false;
            match self.ask(agent) {
                Asked::Known if self.streams[agent].idle => {}
                other => return Some(other),
            }
        }
        None
    }

    /// Nobody has a record that could come first: all have ended, or the idle alone are left, or all stand at a barrier.
    fn nobody_left(&mut self) -> Step {
        if self.streams.iter().any(|stream| stream.idle) {
            return Step::Pending;
        }
        let mut passed = false;
        for stream in self.streams.iter_mut().filter(|stream| stream.barrier) {
            stream.barrier = false;
            passed = true;
        }
        if passed { Step::Barrier } else { Step::Ended }
    }

    fn least_read(&self) -> Option<usize> {
        let open = self.streams.iter().enumerate().filter(|(_, stream)| stream.open());
        let far = |stream: &Stream| if self.shared_clock { stream.until_ns } else { stream.waiting as u64 };
        open.min_by_key(|(_, stream)| far(stream)).map(|(agent, _)| agent)
    }

    fn wait(&mut self, agent: usize, record: Record) {
        let key = usize::from(record.key);
        if key >= self.keys.len() {
            let queues = vec![VecDeque::new(); self.sources.len()];
            self.keys.resize(key + 1, Waiting { queues, first: None });
        }
        self.streams[agent].waiting += 1;
        let waiting = &mut self.keys[key];
        waiting.queues[agent].push_back(record);
        if waiting.queues[agent].len() == 1 {
            waiting.find_first();
        }
    }

    /// The key of a record that may go.
    fn ready(&self) -> Option<usize> {
        let open = self.streams.iter().filter(|stream| stream.open());
        let floor_ns = open.map(|stream| stream.until_ns).min();
        let (shared_clock, streams) = (self.shared_clock, &self.streams);
        let may_go = |waiting: &Waiting| match (waiting.first, floor_ns) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some((_, end_ns)), Some(floor_ns)) if shared_clock => end_ns < floor_ns,
            _ => waiting.queues.iter().zip(streams).all(|(queue, stream)| !stream.open() || !queue.is_empty()),
        };
        self.keys.iter().position(may_go)
    }

    fn release(&mut self, key: usize) -> Option<Record> {
        let waiting = &mut self.keys[key];
        let (agent, _) = waiting.first?;
        let record = waiting.queues[agent].pop_front()?;
        waiting.find_first();
        self.streams[agent].waiting -= 1;
        Some(record)
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.streams.iter().map(|stream| stream.waiting).sum()
    }
}

/// One [`LedgerChecker`] for each key.
#[derive(Clone, Debug)]
pub struct KeyedChecker {
    ledgers: Vec<LedgerChecker>,
    /// What a key is called in a sentence.
    noun: String,
    across: Across,
}

/// What is counted over all keys together: between two commits of different agents the write lock was handed over,
/// whatever their keys. Only commits that come in order of time are compared, so nothing is counted twice.
#[derive(Clone, Copy, Debug, Default)]
struct Across {
    last: Option<(u16, u64)>,
    hand_overs: u64,
    last_second: u64,
    seconds_with_commits: u64,
}

impl KeyedChecker {
    /// A checker of so many keys; `bases` are number and chain hash of each before its first record, where they are
    /// not those of the empty ledger.
    pub fn new(options: &CheckerOptions, keys: u8, bases: &[(u64, u64)], noun: impl Into<String>) -> Self {
        let keys = usize::from(keys.max(1));
        let ring_size = (RING_SIZE / keys).max(RING_SIZE_MIN);
        let ledger = |key| {
            let (first_number, first_hash) =
                bases.get(key).copied().unwrap_or((options.first_number, options.first_hash));
            LedgerChecker::new(CheckerOptions { ring_size, first_number, first_hash, ..options.clone() })
        };
        Self { ledgers: (0..keys).map(ledger).collect(), noun: noun.into(), across: Across::default() }
    }

    /// The next record in the order of [`KeyedMerge`]. A key that there is not is damage; the first ledger's checker
    /// has no place for it and says so.
    pub fn feed(&mut self, record: &Record) {
        if record.is_acknowledged() {
            self.across.note(record);
        }
        if record.operation == Operation::Checkpoint && record.phase == Phase::Done {
            self.ledgers.iter_mut().for_each(|ledger| ledger.note_checkpoint(record));
        }
        let key = usize::from(record.key);
        let key = if key < self.ledgers.len() { key } else { 0 };
        self.ledgers[key].feed(record);
    }

    /// As [`LedgerChecker::note_pause`].
    pub fn note_pause(&mut self, start_ns: u64, end_ns: u64) {
        self.ledgers.iter_mut().for_each(|ledger| ledger.note_pause(start_ns, end_ns));
    }

    /// As [`LedgerChecker::note_crippled`].
    pub fn note_crippled(&mut self, agent: u16, incarnation: u16) {
        self.ledgers.iter_mut().for_each(|ledger| ledger.note_crippled(agent, incarnation));
    }

    /// As [`LedgerChecker::note_power_cut`]. Where the newest commit may go, each ledger's own may: which of them was the
    /// newest of all is not known for sure.
    pub fn note_power_cut(&mut self, loss: PowerLoss) {
        self.ledgers.iter_mut().for_each(|ledger| ledger.note_power_cut(loss));
    }

    /// Who failed how, over all keys.
    pub fn conduct(&self) -> Option<Conduct> {
        Sides::sum(self.ledgers.iter().map(|ledger| &ledger.sides)).conduct(|kind| self.count(kind))
    }

    /// As [`LedgerChecker::note_death`].
    pub fn note_death(&mut self, agent: u16, incarnation: u16, signal: i32, at_ns: u64) {
        self.ledgers[0].note_death(agent, incarnation, signal, at_ns);
    }

    /// All agents have ended: the last account, of each ledger by itself.
    pub fn finish(&mut self, finals: &[FinalState]) {
        for (key, ledger) in self.ledgers.iter_mut().enumerate() {
            ledger.finish(&finals_of(finals, key as u8));
        }
    }

    /// All anomalies that were kept, by the moment at which they could be proved, with the key in words.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        let mut all: Vec<Anomaly> = (self.ledgers.iter().enumerate())
            .flat_map(|(key, ledger)| {
                let named = move |anomaly: &Anomaly| Anomaly {
                    summary: format!("{} {key}: {}", self.noun, anomaly.summary),
                    ..anomaly.clone()
                };
                ledger.anomalies().iter().map(named)
            })
            .collect();
        all.sort_by_key(|anomaly| anomaly.provable_ns);
        all
    }

    /// What was tried, over all keys.
    pub fn exposures(&self) -> Exposures {
        let mut sum = Exposures::default();
        self.ledgers.iter().for_each(|ledger| sum.add(ledger.exposures()));
        sum.hand_overs = self.across.hand_overs;
        sum.seconds_with_commits = self.across.seconds_with_commits;
        sum
    }

    /// How many anomalies of a kind there were.
    pub fn count(&self, kind: AnomalyKind) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.count(kind)).sum()
    }

    /// The checkers by key.
    pub fn ledgers(&self) -> &[LedgerChecker] {
        &self.ledgers
    }
}

/// What agents saw of one ledger in the end. What belongs to the file as a whole stands with the first one; a state
/// that could not be read tells of no ledger but that.
pub fn finals_of(finals: &[FinalState], key: u8) -> Vec<FinalState> {
    let of_one = |state: &FinalState| {
        if key == 0 {
            return Some(FinalState { others: Vec::new(), ..state.clone() });
        }
        state.others.iter().find(|other| other.key == key).cloned()
    };
    finals.iter().filter_map(of_one).collect()
}

impl Across {
    fn note(&mut self, record: &Record) {
        let second = record.end_ns / 1_000_000_000;
        if second > self.last_second {
            self.last_second = second;
            self.seconds_with_commits += 1;
        }
        if self.last.is_none_or(|(_, end_ns)| record.end_ns > end_ns) {
            self.hand_overs += u64::from(self.last.is_some_and(|(agent, _)| agent != record.agent));
            self.last = Some((record.agent, record.end_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::Recorded;
    use super::super::sound_history::{Random, Shape, SoundHistory};
    use super::*;

    /// Several sound histories told in turns by the same agents: each key by itself is sound, and each agent does one
    /// thing after another.
    fn interleaved(seed: u64, agents: u16, keys: u8, count: usize) -> (Vec<Vec<Record>>, Vec<FinalState>) {
        let shape = |key| Shape {
            seed: seed * 256 + u64::from(key),
            agents,
            writes_per_mille: 200 + seed % 600,
            trouble_per_million: 5_000 + seed % 5 * 30_000,
        };
        let mut histories: Vec<SoundHistory> = (0..keys).map(|key| SoundHistory::new(shape(key))).collect();
        let mut told = vec![Vec::new(); usize::from(agents)];
        let mut random = Random(seed);
        // Each key has stretches of time of its own; moving a later stretch away keeps its order to the earlier one.
        let (mut now_ns, mut shifts) = (0u64, vec![0u64; usize::from(keys)]);
        for _ in 0..count / 40 {
            let key = random.below(keys.into()) as usize;
            let stretch: Vec<Record> = (0..40).map(|_| histories[key].next_record()).collect();
            let first_ns = stretch.iter().map(|record| record.start_ns).min().unwrap_or(0);
            shifts[key] = shifts[key].max((now_ns + 1).saturating_sub(first_ns));
            for record in stretch {
                let moved = |ns: u64| if ns == 0 { 0 } else { ns + shifts[key] };
                let (start_ns, end_ns) = (moved(record.start_ns), moved(record.end_ns));
                now_ns = now_ns.max(end_ns).max(start_ns);
                told[usize::from(record.agent)].push(Record { start_ns, end_ns, key: key as u8, ..record });
            }
        }
        let states: Vec<Vec<FinalState>> = histories.iter_mut().map(SoundHistory::finish).collect();
        let of_agent = |agent: usize| {
            let of_key = |key: usize| FinalState { key: key as u8, ..states[key][agent].clone() };
            FinalState { others: (1..states.len()).map(of_key).collect(), ..of_key(0) }
        };
        (told, (0..usize::from(agents)).map(of_agent).collect())
    }

    /// A source that is not always there.
    struct Slow(Recorded, Random);

    impl Source for Slow {
        fn next(&mut self) -> Next {
            if self.1.below(3) == 0 { Next::Pending } else { self.0.next() }
        }
    }

    fn slow(records: &[Vec<Record>]) -> Vec<Slow> {
        let one = |(index, records): (usize, &Vec<Record>)| Slow(Recorded::new(records.clone()), Random(index as u64));
        records.iter().enumerate().map(one).collect()
    }

    fn checked(records: &[Vec<Record>], finals: &[FinalState], keys: u8, shared_clock: bool) -> (KeyedChecker, usize) {
        let options = CheckerOptions { shared_clock, ..CheckerOptions::default() };
        let mut checker = KeyedChecker::new(&options, keys, &[], "register");
        let mut merge = KeyedMerge::new(slow(records), shared_clock);
        let mut most = 0;
        loop {
            match merge.step() {
                Step::Record(record) => checker.feed(&record),
                Step::Pending | Step::Barrier => {}
                Step::Ended => break,
            }
            most = most.max(merge.waiting());
        }
        checker.finish(finals);
        (checker, most)
    }

    #[test]
    fn a_sound_history_of_many_keys_gives_no_anomaly_with_or_without_a_shared_clock() {
        for seed in 0..150 {
            let (agents, keys) = (1 + (seed % 8) as u16, 1 + (seed % 7) as u8);
            let (records, finals) = interleaved(seed, agents, keys, 3_000);
            let count: usize = records.iter().map(Vec::len).sum();
            for shared_clock in [true, false] {
                let (checker, _) = checked(&records, &finals, keys, shared_clock);
                assert!(checker.anomalies().is_empty(), "seed {seed}: {:#?}", checker.anomalies().first());
                assert_eq!(checker.exposures().records, count as u64, "seed {seed}");
            }
        }
    }

    #[test]
    fn what_waits_does_not_grow_with_the_history() {
        let most = |count| {
            let (records, finals) = interleaved(7, 8, 5, count);
            checked(&records, &finals, 5, true).1
        };
        let (short, long) = (most(4_000), most(40_000));
        assert!(long <= short.max(64) * 3, "{short} waited, then {long}");
    }

    /// One change to one key's records, and what must come of it.
    fn changed(change: impl Fn(&mut Vec<Vec<Record>>), kind: AnomalyKind) {
        for seed in 0..20 {
            let (mut records, finals) = interleaved(seed, 4, 4, 3_000);
            change(&mut records);
            let (checker, _) = checked(&records, &finals, 4, true);
            assert!(checker.count(kind) > 0, "seed {seed}: {:#?}", checker.anomalies().first());
        }
    }

    fn acknowledged(records: &[Vec<Record>]) -> (usize, usize) {
        let of = |(agent, all): (usize, &Vec<Record>)| {
            let from = all.len() / 2;
            let index = all[from..].iter().position(|record| record.is_acknowledged() && record.number > 3)?;
            Some((agent, from + index))
        };
        records.iter().enumerate().find_map(of).expect("somebody commits")
    }

    #[test]
    fn a_read_set_back_in_one_key_is_stale() {
        let set_back = |records: &mut Vec<Vec<Record>>| {
            let all: Vec<Record> = records.iter().flatten().copied().collect();
            let found = (0..records.len()).rev().find_map(|agent| {
                let index = records[agent].iter().rposition(|read| {
                    let read_number = read.operation == walproof_format::history::Operation::Read && read.number > 3;
                    let before =
                        all.iter().any(|c| c.is_acknowledged() && c.key == read.key && c.number + 1 == read.number);
                    let ended = all.iter().any(|c| {
                        c.is_acknowledged() && c.key == read.key && c.number == read.number && c.end_ns < read.start_ns
                    });
                    read_number && before && ended
                })?;
                Some((agent, index))
            });
            let (agent, index) = found.expect("somebody reads what is finished");
            let read = records[agent][index];
            let before = all.iter().find(|c| c.is_acknowledged() && c.key == read.key && c.number + 1 == read.number);
            let before = *before.expect("checked");
            (records[agent][index].number, records[agent][index].hash) = (before.number, before.hash);
        };
        changed(set_back, AnomalyKind::StaleRead);
    }

    #[test]
    fn a_commit_taken_out_of_one_key_is_lost_and_one_told_twice_is_double() {
        let forget = |records: &mut Vec<Vec<Record>>| {
            let (agent, index) = acknowledged(records);
            records[agent].remove(index);
        };
        changed(forget, AnomalyKind::LostCommit);
        let twice = |records: &mut Vec<Vec<Record>>| {
            let (agent, index) = acknowledged(records);
            let record = records[agent][index];
            let other = (agent + 1) % records.len();
            let at = records[other].iter().position(|r| r.start_ns > record.start_ns).unwrap_or(records[other].len());
            records[other].insert(at, Record { agent: other as u16, token: !record.token, ..record });
        };
        changed(twice, AnomalyKind::DoubleCommit);
    }

    #[test]
    fn an_agent_that_falls_back_in_one_key_has_regressed() {
        let fall_back = |records: &mut Vec<Vec<Record>>| {
            let (agent, index) = acknowledged(records);
            let record = records[agent][index];
            let earlier = records[agent][..index].iter().rfind(|r| r.is_acknowledged() && r.key == record.key);
            let Some(earlier) = earlier.copied() else { return };
            let read = walproof_format::history::Operation::Read;
            let (start_ns, end_ns) = (record.end_ns, record.end_ns);
            records[agent].insert(index + 1, Record { operation: read, start_ns, end_ns, ..earlier });
        };
        changed(fall_back, AnomalyKind::Regress);
    }
}
