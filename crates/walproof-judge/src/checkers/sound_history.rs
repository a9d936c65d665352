//! Histories of a sound database, made up: what the checker must pass without a word, and what benchmarks feed it.
//!
//! A simulation in virtual time. Commits take effect one at a time, each inside the interval of its transaction;
//! agents are killed in every phase, their unanswered commits land at once, late or never; connections are closed
//! and opened, writers meet BUSY, folds shorten the ledger. The same shape gives the same history.
//!
//! What it must not do: put anything into a history that a correct SQLite could not.

use std::collections::VecDeque;

use walproof_format::history::{FLAG_FRESH_CONNECTION, FLAG_SPILLED, Operation, Phase, Place, Record};
use walproof_format::ledger::{FinalState, GENESIS, LedgerRow, chain, mix, writer};

use super::past::NOBODY;

/// What the history is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Where all chance comes from.
    pub seed: u64,
    /// How many agents.
    pub agents: u16,
    /// Of a thousand transactions, how many write.
    pub writes_per_mille: u64,
    /// Of a million transactions, how many are trouble: a kill, BUSY, a COMMIT without an answer.
    pub trouble_per_million: u64,
}

/// A history in the making; its records come in the simulation's order, which is each agent's own order.
#[derive(Clone, Debug)]
pub struct SoundHistory {
    shape: Shape,
    random: Random,
    agents: Vec<Agent>,
    /// When the last transaction took effect.
    clock_ns: u64,
    number: u64,
    hash: u64,
    wal_frames: u32,
    rows: VecDeque<LedgerRow>,
    horizon: (u64, u64),
    /// A commit of a dead writer that nobody has seen yet: it may still land.
    late: Option<LedgerRow>,
    landed: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Agent {
    time_ns: u64,
    life: u16,
    counter: u32,
    connected: bool,
    fresh: bool,
}

/// Rows above the horizon at which a write becomes a fold, and how many it leaves.
const ROWS_BEFORE_FOLD: usize = 400;
const ROWS_AFTER_FOLD: usize = 100;

impl SoundHistory {
    /// A history of this shape, before its first record.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            random: Random(mix(shape.seed)),
            agents: vec![Agent { time_ns: 1, ..Agent::default() }; usize::from(shape.agents)],
            clock_ns: 1,
            number: 0,
            hash: GENESIS,
            wal_frames: 0,
            rows: VecDeque::new(),
            horizon: (0, GENESIS),
            late: None,
            landed: 0,
        }
    }

    /// The next record.
    pub fn next_record(&mut self) -> Record {
        let agent = self.whose_turn();
        if !self.agents[agent].connected {
            return self.open(agent);
        }
        if self.random.below(1_000_000) < self.shape.trouble_per_million {
            return self.trouble(agent);
        }
        match self.random.below(100_000) {
            dice if dice % 1000 == 7 => self.checkpoint(agent),
            dice if dice % 1000 == 8 => self.close(agent),
            dice if dice / 100 < self.shape.writes_per_mille => self.write(agent),
            _ => self.read(agent),
        }
    }

    /// How many commits without an answer have landed.
    pub fn landed(&self) -> u64 {
        self.landed
    }

    /// What every agent sees when all have stopped.
    pub fn finish(&mut self) -> Vec<FinalState> {
        self.settle_late();
        let start_ns = self.agents.iter().map(|agent| agent.time_ns).max().unwrap_or(0) + 1_000_000;
        let state = |agent| FinalState {
            journal_mode: "wal".to_owned(),
            agent,
            start_ns,
            number: self.number,
            hash: self.hash,
            horizon_number: self.horizon.0,
            horizon_hash: self.horizon.1,
            horizon_count: self.horizon.0,
            cells_agree: true,
            rows: self.rows.iter().copied().collect(),
            ..FinalState::default()
        };
        (0..self.shape.agents).map(state).collect()
    }

    fn whose_turn(&self) -> usize {
        let times = self.agents.iter().map(|agent| agent.time_ns);
        times.enumerate().min_by_key(|(_, time_ns)| *time_ns).map_or(0, |(agent, _)| agent)
    }

    // Transactions.

    fn read(&mut self, agent: usize) -> Record {
        if self.late.is_some() && self.random.below(3) == 0 {
            self.settle_late();
        }
        let start_ns = self.start(agent);
        let end_ns = self.take_effect(agent, start_ns);
        let (number, hash) = (self.number, self.hash);
        Record { number, hash, ..self.record(agent, Operation::Read, Phase::Done, start_ns, end_ns) }
    }

    fn write(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let attempt = self.attempt(agent, start_ns);
        let end_ns = self.take_effect(agent, start_ns);
        self.commit(&attempt);
        let operation = if self.fold() { Operation::Fold } else { Operation::Write };
        let flags = attempt.flags | if self.random.below(500) == 0 { FLAG_SPILLED } else { 0 };
        Record { end_ns, operation, phase: Phase::Done, flags, wal_frames: self.wal_frames, ..attempt }
    }

    /// A write that has read the head and not called COMMIT yet.
    fn attempt(&mut self, agent: usize, start_ns: u64) -> Record {
        self.settle_late();
        self.agents[agent].counter += 1;
        let counter = self.agents[agent].counter;
        let who = writer(agent as u16, self.agents[agent].life);
        let token = self.random.draw();
        let number = self.number + 1;
        let hash = chain(self.hash, number, who, counter, token);
        let record = self.record(agent, Operation::Write, Phase::Began, start_ns, 0);
        Record { number, token, hash, counter, ..record }
    }

    fn commit(&mut self, attempt: &Record) {
        self.number = attempt.number;
        self.hash = attempt.hash;
        self.rows.push_back(row(attempt));
        self.wal_frames += 3 + self.random.below(5) as u32;
        if self.wal_frames > 1000 {
            self.wal_frames = 3 + self.random.below(5) as u32;
        }
    }

    fn fold(&mut self) -> bool {
        let fold = self.rows.len() > ROWS_BEFORE_FOLD;
        while fold && self.rows.len() > ROWS_AFTER_FOLD {
            let Some(row) = self.rows.pop_front() else { break };
            self.horizon = (row.number, row.hash);
        }
        fold
    }

    // Trouble.

    fn trouble(&mut self, agent: usize) -> Record {
        match self.random.below(8) {
            0 => self.killed_before_the_head_was_read(agent),
            1 => self.killed_before_commit(agent),
            2 | 3 => self.killed_in_commit(agent),
            4 => self.unsettled(agent),
            5 => self.failed(agent),
            6 => self.killed_between_transactions(agent),
            _ => self.busy(agent),
        }
    }

    fn killed_before_the_head_was_read(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let attempt = Record { number: 0, hash: 0, ..self.attempt(agent, start_ns) };
        self.take_effect(agent, start_ns);
        self.die(agent);
        attempt
    }

    fn killed_before_commit(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let attempt = self.attempt(agent, start_ns);
        self.take_effect(agent, start_ns);
        self.die(agent);
        attempt
    }

    fn killed_in_commit(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let attempt = self.attempt(agent, start_ns);
        self.take_effect(agent, start_ns);
        self.leave_open(&attempt);
        self.die(agent);
        Record { phase: Phase::Committing, ..attempt }
    }

    fn unsettled(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let attempt = self.attempt(agent, start_ns);
        let end_ns = self.take_effect(agent, start_ns);
        self.leave_open(&attempt);
        Record { phase: Phase::Unsettled, end_ns, extended_code: 5, place: Some(Place::Commit), ..attempt }
    }

    fn failed(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let attempt = self.attempt(agent, start_ns);
        let end_ns = self.take_effect(agent, start_ns);
        Record { phase: Phase::Failed, end_ns, extended_code: 517, place: Some(Place::Change), ..attempt }
    }

    fn killed_between_transactions(&mut self, agent: usize) -> Record {
        self.die(agent);
        self.open(agent)
    }

    fn busy(&mut self, agent: usize) -> Record {
        let start_ns = self.start(agent);
        let end_ns = start_ns + 5_000;
        self.agents[agent].time_ns = end_ns;
        let record = self.record(agent, Operation::Write, Phase::Busy, start_ns, end_ns);
        Record { extended_code: 5, place: Some(Place::Begin), ..record }
    }

    /// An unanswered commit: it landed, it lands late, or it never will.
    fn leave_open(&mut self, attempt: &Record) {
        match self.random.below(3) {
            0 => self.land(attempt),
            1 => self.late = Some(row(attempt)),
            _ => {}
        }
    }

    fn land(&mut self, attempt: &Record) {
        self.landed += 1;
        self.commit(attempt);
    }

    fn settle_late(&mut self) {
        let Some(late) = self.late.take() else { return };
        if self.random.below(2) == 0 {
            self.land(&Record {
                number: late.number,
                hash: late.hash,
                token: late.token,
                counter: late.counter,
                ..NOBODY
            });
            if let Some(row) = self.rows.back_mut() {
                row.writer = late.writer;
            }
        }
    }

    fn die(&mut self, agent: usize) {
        let agent = &mut self.agents[agent];
        *agent = Agent { time_ns: agent.time_ns + 20_000, life: agent.life + 1, ..Agent::default() };
    }

    // Connections.

    fn open(&mut self, agent: usize) -> Record {
        self.agents[agent].connected = true;
        self.agents[agent].fresh = true;
        self.short(agent, Operation::Open)
    }

    fn close(&mut self, agent: usize) -> Record {
        self.agents[agent].connected = false;
        self.short(agent, Operation::Close)
    }

    fn checkpoint(&mut self, agent: usize) -> Record {
        self.short(agent, Operation::Checkpoint)
    }

    fn short(&mut self, agent: usize, operation: Operation) -> Record {
        let start_ns = self.start(agent);
        let end_ns = start_ns + 1 + self.random.below(3000);
        self.agents[agent].time_ns = end_ns;
        self.record(agent, operation, Phase::Done, start_ns, end_ns)
    }

    // Time.

    fn start(&mut self, agent: usize) -> u64 {
        self.agents[agent].time_ns + self.random.below(500)
    }

    /// Take effect after everything before and inside the own interval; the end of that interval.
    fn take_effect(&mut self, agent: usize, start_ns: u64) -> u64 {
        self.clock_ns = self.clock_ns.max(start_ns) + 1 + self.random.below(100);
        let slow = if self.random.below(64) == 0 { 30_000 } else { 400 };
        let end_ns = self.clock_ns + self.random.below(slow);
        self.agents[agent].time_ns = end_ns;
        end_ns
    }

    fn record(&mut self, agent: usize, operation: Operation, phase: Phase, start_ns: u64, end_ns: u64) -> Record {
        let fresh = matches!(operation, Operation::Read | Operation::Write) && self.agents[agent].fresh;
        self.agents[agent].fresh &= !fresh;
        Record {
            start_ns,
            end_ns,
            agent: agent as u16,
            incarnation: self.agents[agent].life,
            operation,
            phase,
            flags: if fresh { FLAG_FRESH_CONNECTION } else { 0 },
            ..NOBODY
        }
    }
}

fn row(attempt: &Record) -> LedgerRow {
    LedgerRow {
        number: attempt.number,
        writer: writer(attempt.agent, attempt.incarnation),
        counter: attempt.counter,
        token: attempt.token,
        hash: attempt.hash,
    }
}

/// splitmix64: small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit` (which is not 0).
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(limit)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckerOptions, Exposures, LedgerChecker, Merge, Next, Source, Step};
    use super::*;
    use crate::checkers::merge::Recorded;

    /// A source that is not always there.
    struct Slow(Recorded, Random);

    impl Source for Slow {
        fn next(&mut self) -> Next {
            if self.1.below(3) == 0 { Next::Pending } else { self.0.next() }
        }
    }

    fn shape(seed: u64) -> Shape {
        let agents = 1 + (seed % 8) as u16;
        Shape { seed, agents, writes_per_mille: 100 + seed % 800, trouble_per_million: 5_000 + seed % 7 * 30_000 }
    }

    fn recorded(shape: Shape, count: usize) -> (Vec<Vec<Record>>, Vec<FinalState>, u64) {
        let mut history = SoundHistory::new(shape);
        let mut agents = vec![Vec::new(); usize::from(shape.agents)];
        for _ in 0..count {
            let record = history.next_record();
            agents[usize::from(record.agent)].push(record);
        }
        let finals = history.finish();
        (agents, finals, history.landed())
    }

    /// Check, and see that there is nothing to say.
    fn passes<S: Source>(sources: Vec<S>, finals: &[FinalState], seed: u64) -> Exposures {
        let mut checker = LedgerChecker::new(CheckerOptions::default());
        let mut merge = Merge::new(sources);
        loop {
            match merge.step() {
                Step::Record(record) => checker.feed(&record),
                Step::Pending | Step::Barrier => {}
                Step::Ended => break,
            }
        }
        checker.finish(finals);
        assert_eq!(checker.anomaly_count(), 0, "seed {seed}: {:#?}", checker.anomalies().first());
        checker.exposures().clone()
    }

    #[test]
    fn a_sound_history_gives_no_anomaly_offline_and_online() {
        for seed in 0..600 {
            let (agents, finals, landed) = recorded(shape(seed), 3_000);
            let offline = passes(agents.iter().cloned().map(Recorded::new).collect(), &finals, seed);
            let slow =
                |(index, records): (usize, &Vec<Record>)| Slow(Recorded::new(records.clone()), Random(index as u64));
            let online = passes(agents.iter().enumerate().map(slow).collect(), &finals, seed);
            assert_eq!(offline.maybes_landed, landed, "seed {seed}");
            assert_eq!(offline, online, "seed {seed}");
        }
    }

    /// One field of one record set to a small, a large or a neighbouring value.
    fn damage(record: &mut Record, random: &mut Random) {
        let value = match random.below(4) {
            0 => 0,
            1 => u64::MAX,
            2 => random.draw(),
            _ => record.number.wrapping_add(random.below(5)).wrapping_sub(2),
        };
        match random.below(9) {
            0 => record.number = value,
            1 => record.hash = value,
            2 => record.start_ns = value,
            3 => record.end_ns = value,
            4 => record.token = value,
            5 => record.flags = value as u16,
            6 => record.phase = Phase::ALL[random.below(6) as usize],
            7 => record.operation = Operation::ALL[random.below(6) as usize],
            _ => record.extended_code = value as u32,
        }
    }

    #[test]
    fn damaged_histories_are_judged_without_panic() {
        for seed in 0..400 {
            let (mut agents, finals, _) = recorded(shape(seed), 500);
            let mut random = Random(seed);
            for _ in 0..1 + seed % 20 {
                let agent = random.below(agents.len() as u64) as usize;
                let index = random.below(agents[agent].len() as u64) as usize;
                damage(&mut agents[agent][index], &mut random);
            }
            let mut checker = LedgerChecker::new(CheckerOptions::default());
            let mut merge = Merge::new(agents.into_iter().map(Recorded::new).collect());
            while let Step::Record(record) = merge.step() {
                checker.feed(&record);
            }
            checker.finish(&finals);
        }
    }

    #[test]
    fn a_long_sound_history_passes_the_ring() {
        let (agents, finals, _) = recorded(shape(503), 300_000);
        let exposures = passes(agents.into_iter().map(Recorded::new).collect(), &finals, 503);
        assert!(exposures.commits > 2 * super::super::past::RING_SIZE as u64 / 3, "{exposures:?}");
    }

    #[test]
    fn every_sort_of_thing_happens_in_it() {
        let (agents, finals, _) = recorded(shape(6), 100_000);
        let seen = passes(agents.into_iter().map(Recorded::new).collect(), &finals, 6);
        for count in [seen.commits, seen.reads, seen.hand_overs, seen.wal_resets, seen.reopens, seen.closes] {
            assert!(count > 0, "{seen:?}");
        }
        for count in [seen.kills_inside_transaction, seen.overlapping_reads, seen.folds, seen.spilled, seen.busy] {
            assert!(count > 0, "{seen:?}");
        }
        assert!(seen.checkpoints > 0 && seen.maybes_landed > 0 && seen.maybes_not_landed > 0, "{seen:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_history() {
        assert_eq!(recorded(shape(5), 2_000).0, recorded(shape(5), 2_000).0);
    }
}
