//! Planted controls: would the checker have noticed, in this very run?
//!
//! One anomaly of each kind is planted into a copy of the run's own last records and final state, and the checker,
//! from a snapshot taken before them, must name it. An anomaly that was there already does not count: a new one of
//! that kind is asked for, and its witness must hold the record that was changed. What cannot be planted (a tail
//! too short, no two agents in it) counts as missed.
//!
//! Where to look next: `verdict` makes of a missed plant an unknown.

use serde::Serialize;
use walproof_format::history::{Operation, Phase, Place, Record};
use walproof_format::ledger::{FinalState, chain, writer};

use crate::checkers::merge::{Recorded, order_key};
use crate::checkers::{Anomaly, AnomalyKind, LedgerChecker, Merge, Step, WitnessLine};

/// Whether the checker named a planted anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlantedOutcome {
    /// The kind that was planted.
    pub kind: AnomalyKind,
    /// Whether a new anomaly of that kind touches the planted record.
    pub named: bool,
    /// What was done to which record.
    pub how: String,
    /// Why nothing could be planted; that counts as missed.
    pub cannot: Option<String>,
}

impl PlantedOutcome {
    /// It was named.
    pub fn named(kind: AnomalyKind, how: impl Into<String>) -> Self {
        Self { kind, named: true, how: how.into(), cannot: None }
    }

    fn cannot(kind: AnomalyKind, why: &str) -> Self {
        Self { kind, named: false, how: String::new(), cannot: Some(why.to_owned()) }
    }
}

/// The records that were fed to the checker after the snapshot, each agent's in its own order.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    agents: Vec<Vec<Record>>,
}

impl Tail {
    /// Remember one more record, in the order in which it is fed.
    pub fn push(&mut self, record: &Record) {
        let agent = usize::from(record.agent);
        if agent >= self.agents.len() {
            self.agents.resize_with(agent + 1, Vec::new);
        }
        self.agents[agent].push(*record);
    }

    /// How many records it holds.
    pub fn record_count(&self) -> usize {
        self.agents.iter().map(Vec::len).sum()
    }

    fn at(&self, place: Spot) -> &Record {
        &self.agents[place.agent][place.index]
    }

    fn spots(&self) -> impl Iterator<Item = Spot> {
        let of_agent =
            |(agent, records): (usize, &Vec<Record>)| (0..records.len()).map(move |index| Spot { agent, index });
        self.agents.iter().enumerate().flat_map(of_agent)
    }

    /// The ordered record of the same agent before this one.
    fn before(&self, spot: Spot) -> Option<&Record> {
        self.agents[spot.agent][..spot.index].iter().rev().find(|record| order_key(record).is_some())
    }

    /// Acknowledged commits by number.
    fn commits(&self) -> Vec<Spot> {
        let mut commits: Vec<_> = self.spots().filter(|spot| self.at(*spot).is_acknowledged()).collect();
        commits.sort_by_key(|spot| self.at(*spot).number);
        commits
    }

    /// Reads that saw a commit and contradict nothing.
    fn reads(&self) -> impl Iterator<Item = Spot> {
        self.spots().filter(|spot| {
            let record = self.at(*spot);
            record.operation == Operation::Read && order_key(record).is_some() && record.number > 0
        })
    }
}

/// A record's place in the tail.
#[derive(Clone, Copy, Debug)]
struct Spot {
    agent: usize,
    index: usize,
}

/// Plant one anomaly of each kind after `before` and ask for its name.
///
/// `before` is a clone of the run's checker, `tail` what was fed to the original afterwards, `finals` what agents saw
/// at the end. One outcome for each of [`AnomalyKind::ALL`].
pub fn planted_controls(before: &LedgerChecker, tail: &Tail, finals: &[FinalState]) -> Vec<PlantedOutcome> {
    let before = before.without_anomalies();
    let untouched = Run { tail: tail.clone(), finals: finals.to_vec(), death: None };
    let known = untouched.check(&before);
    let garden = Garden { run: &untouched, known: &known, before: &before };
    AnomalyKind::ALL.iter().map(|kind| garden.try_out(*kind, &before)).collect()
}

/// What a checker is given: the tail and the end, changed or not.
#[derive(Clone)]
struct Run {
    tail: Tail,
    finals: Vec<FinalState>,
    death: Option<Record>,
}

impl Run {
    fn check(&self, before: &LedgerChecker) -> LedgerChecker {
        let mut checker = before.clone();
        let mut merge = Merge::new(self.tail.agents.iter().cloned().map(Recorded::new).collect());
        while let Step::Record(record) = merge.step() {
            checker.feed(&record);
        }
        if let Some(victim) = &self.death {
            checker.note_death(victim.agent, victim.incarnation, SIGBUS, victim.end_ns);
        }
        checker.finish(&self.finals);
        checker
    }

    fn change(&self, spot: Spot, change: impl FnOnce(&mut Record)) -> (Run, Record) {
        let mut run = self.clone();
        let record = &mut run.tail.agents[spot.agent][spot.index];
        change(record);
        let record = *record;
        (run, record)
    }
}

const SIGBUS: i32 = 7;

/// A changed run, and how to recognise the change in a witness.
struct Plant {
    run: Run,
    how: String,
    touched: Touched,
}

enum Touched {
    Record(Record),
    Final(u16),
    Death(Record),
}

impl Touched {
    fn is_in(&self, line: &WitnessLine) -> bool {
        match self {
            Touched::Record(record) => line.is_of(record),
            Touched::Final(agent) => line.agent == *agent && line.operation == "final read",
            Touched::Death(record) => line.agent == record.agent && line.operation == "death",
        }
    }
}

/// Where plants are chosen from.
struct Garden<'a> {
    run: &'a Run,
    /// The checker after the untouched run.
    known: &'a LedgerChecker,
    /// The checker from before the tail: it knows who is crippled.
    before: &'a LedgerChecker,
}

type Planted = Result<Plant, &'static str>;

impl Garden<'_> {
    fn try_out(&self, kind: AnomalyKind, before: &LedgerChecker) -> PlantedOutcome {
        match self.plant(kind) {
            Err(why) => PlantedOutcome::cannot(kind, why),
            Ok(plant) => {
                let checker = plant.run.check(before);
                let named = checker.anomalies().iter().any(|anomaly| self.is_new(anomaly, kind, &plant));
                PlantedOutcome { kind, named, how: plant.how, cannot: None }
            }
        }
    }

    fn is_new(&self, anomaly: &Anomaly, kind: AnomalyKind, plant: &Plant) -> bool {
        anomaly.kind == kind
            && anomaly.witness.iter().any(|line| plant.touched.is_in(line))
            && !self.known.anomalies().contains(anomaly)
    }

    fn plant(&self, kind: AnomalyKind) -> Planted {
        match kind {
            AnomalyKind::DoubleCommit => self.double_commit(),
            AnomalyKind::LostCommit => self.lost_commit(),
            AnomalyKind::StaleRead => self.stale_read(),
            AnomalyKind::TornRead => self.torn_read(),
            AnomalyKind::PhantomRow => self.phantom_row(),
            AnomalyKind::Regress => self.regress(),
            AnomalyKind::StructuralDamage => self.structural_damage(),
            AnomalyKind::UnexpectedError => self.unexpected_error(),
            AnomalyKind::UnexpectedDeath => self.unexpected_death(),
        }
    }

    /// Let another agent acknowledge a number at the same time, as writers do who do not see each other's locks.
    fn double_commit(&self) -> Planted {
        let commits = self.run.tail.commits();
        let mut spots =
            commits.iter().rev().flat_map(|spot| self.places_beside(*spot).map(move |place| (*spot, place)));
        let (spot, place) = spots.next().ok_or("no commit with another agent beside it")?;
        let first = *self.at(spot);
        let neighbour = self.at(place);
        let (agent, incarnation) = (neighbour.agent, neighbour.incarnation);
        let base = self.known.hash_at(first.number - 1).ok_or("the commit before is no longer remembered")?;
        let token = !first.token;
        let hash = chain(base, first.number, writer(agent, incarnation), first.counter, token);
        let second = Record { agent, incarnation, token, hash, ..first };
        let mut run = self.run.clone();
        run.tail.agents[place.agent].insert(place.index, second);
        let how = format!("let agent {agent} acknowledge what is {}", describe(&first));
        Ok(Plant { run, how, touched: Touched::Record(second) })
    }

    /// Where other agents' records first reach the number of this commit.
    fn places_beside(&self, spot: Spot) -> impl Iterator<Item = Spot> {
        let commit = *self.at(spot);
        let others = (0..self.run.tail.agents.len()).filter(move |agent| *agent != spot.agent);
        let known = commit.number > 0 && self.known.hash_at(commit.number - 1).is_some();
        others.filter(move |_| known).filter_map(move |agent| {
            let reaches = |record: &Record| order_key(record).is_some() && record.number >= commit.number;
            let index = self.run.tail.agents[agent].iter().position(reaches)?;
            Some(Spot { agent, index })
        })
    }

    /// Take the newest acknowledged commit of the tail out of what everybody saw at the end.
    fn lost_commit(&self) -> Planted {
        let state = self.run.finals.iter().find(|state| state.error.is_none()).ok_or("nobody read the end")?;
        let commits = self.run.tail.commits();
        let is_there = |spot: &&Spot| state.rows.iter().any(|row| row.token == self.at(**spot).token);
        let spot = *commits.iter().rev().find(is_there).ok_or("no commit of the tail is above the horizon")?;
        let lost = *self.at(spot);
        let mut run = self.run.clone();
        run.finals.iter_mut().for_each(|state| forget(state, &lost));
        let how = format!("took {} out of the final rows", describe(&lost));
        Ok(Plant { run, how, touched: Touched::Record(lost) })
    }

    /// Set a read back behind a commit that was acknowledged before it began.
    fn stale_read(&self) -> Planted {
        if !self.known.has_shared_clock() {
            return Err("the agents do not share a clock");
        }
        let commits = self.run.tail.commits();
        let saw_a_finished_commit = |spot: &Spot| {
            let read = self.at(*spot);
            let found = commits.binary_search_by_key(&read.number, |commit| self.at(*commit).number);
            found.is_ok_and(|index| self.at(commits[index]).end_ns < read.start_ns)
                && self.known.hash_at(read.number - 1).is_some()
        };
        let may_see_less = |spot: &Spot| self.run.tail.before(*spot).is_none_or(|b| b.number < self.at(*spot).number);
        let candidates = || self.run.tail.reads().filter(saw_a_finished_commit);
        let spot = candidates().filter(may_see_less).last().or_else(|| candidates().last());
        let spot = spot.ok_or("no read began after the commit that it saw had ended")?;
        self.set_back(spot, self.at(spot).number - 1)
    }

    /// Give a read the content of the commit before the one whose number it saw.
    fn torn_read(&self) -> Planted {
        let both_known = |spot: &Spot| {
            let number = self.at(*spot).number;
            self.known.hash_at(number).is_some() && self.known.hash_at(number - 1).is_some()
        };
        let spot = self.run.tail.reads().filter(both_known).last().ok_or("no read of a remembered commit")?;
        let hash = self.known.hash_at(self.at(spot).number - 1).ok_or("no hash")?;
        self.record(spot, |record| record.hash = hash, "put the content of the commit before into".to_owned())
    }

    /// Say that a commit on which another was built had been rolled back.
    fn phantom_row(&self) -> Planted {
        let commits = self.run.tail.commits();
        let pair = commits.windows(2).rev().find(|pair| self.at(pair[0]).number + 1 == self.at(pair[1]).number);
        let spot = pair.ok_or("no two commits one after the other")?[0];
        self.record(spot, |record| record.phase = Phase::Failed, "called rolled back".to_owned())
    }

    /// Set a read back behind what its agent had seen before.
    fn regress(&self) -> Planted {
        let may_go_back = |spot: &Spot| {
            let before = self.run.tail.before(*spot);
            before.is_some_and(|before| before.number > 0 && self.known.hash_at(before.number - 1).is_some())
        };
        let spot = self.run.tail.reads().filter(may_go_back).last().ok_or("no read after another transaction")?;
        let before = self.run.tail.before(spot).map_or(0, |before| before.number);
        self.set_back(spot, before - 1)
    }

    fn structural_damage(&self) -> Planted {
        let mut run = self.run.clone();
        let state = run.finals.iter_mut().find(|state| state.error.is_none()).ok_or("nobody read the end")?;
        state.integrity.push("planted: Tree 2 page 5: btreeInitPage() returns error code 11".to_owned());
        let how = format!("put a line into the integrity_check of agent {}", state.agent);
        let touched = Touched::Final(state.agent);
        Ok(Plant { run, how, touched })
    }

    fn unexpected_error(&self) -> Planted {
        let is_whole = |spot: &Spot| !self.before.is_crippled(self.at(*spot));
        let spot = self.run.tail.reads().filter(is_whole).last().ok_or("no read")?;
        let fail = |record: &mut Record| {
            record.phase = Phase::Failed;
            record.extended_code = 522;
            record.place = Some(Place::ReadLedger);
        };
        self.record(spot, fail, "put IOERR_SHORT_READ 522 into".to_owned())
    }

    fn unexpected_death(&self) -> Planted {
        let spot = self.run.tail.spots().last().ok_or("no record")?;
        let victim = *self.at(spot);
        let run = Run { death: Some(victim), ..self.run.clone() };
        let how = format!("let agent {} die of SIGBUS", victim.agent);
        Ok(Plant { run, how, touched: Touched::Death(victim) })
    }

    fn at(&self, spot: Spot) -> &Record {
        self.run.tail.at(spot)
    }

    fn set_back(&self, spot: Spot, number: u64) -> Planted {
        let hash = self.known.hash_at(number).ok_or("its commit is no longer remembered")?;
        let back = |record: &mut Record| (record.number, record.hash) = (number, hash);
        self.record(spot, back, format!("set back to {number}"))
    }

    fn record(&self, spot: Spot, change: impl FnOnce(&mut Record), how: String) -> Planted {
        let how = format!("{how} {}", describe(self.at(spot)));
        let (run, record) = self.run.change(spot, change);
        Ok(Plant { run, how, touched: Touched::Record(record) })
    }
}

/// Take one commit out of what an agent saw at the end.
fn forget(state: &mut FinalState, lost: &Record) {
    state.rows.retain(|row| row.token != lost.token);
    if state.number == lost.number {
        let newest = state.rows.iter().max_by_key(|row| row.number).copied();
        let (number, hash) = newest.map_or((state.horizon_number, state.horizon_hash), |row| (row.number, row.hash));
        (state.number, state.hash) = (number, hash);
    }
}

fn describe(record: &Record) -> String {
    let life = record.incarnation;
    format!("the {} at {} of agent {} (life {life})", record.operation.word(), record.number, record.agent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::CheckerOptions;
    use crate::checkers::sound_history::{Shape, SoundHistory};

    /// A checker fed with the first part of a sound history, the rest of it, and its end.
    fn run(seed: u64, agents: u16, before: usize, after: usize) -> (LedgerChecker, Tail, Vec<FinalState>) {
        let mut history = SoundHistory::new(Shape { seed, agents, writes_per_mille: 500, trouble_per_million: 20_000 });
        let mut first = Tail::default();
        (0..before).for_each(|_| first.push(&history.next_record()));
        let mut tail = Tail::default();
        (0..after).for_each(|_| tail.push(&history.next_record()));
        let mut checker = LedgerChecker::new(CheckerOptions::default());
        let mut merge = Merge::new(first.agents.into_iter().map(Recorded::new).collect());
        while let Step::Record(record) = merge.step() {
            checker.feed(&record);
        }
        (checker, tail, history.finish())
    }

    fn names_everything(seed: u64, agents: u16) {
        let (before, tail, finals) = run(seed, agents, 2_000, 2_000);
        for outcome in planted_controls(&before, &tail, &finals) {
            assert!(outcome.named, "seed {seed}: {outcome:?}");
        }
    }

    #[test]
    fn every_planted_anomaly_is_named_in_two_hundred_runs() {
        for seed in 0..200 {
            names_everything(seed, 2 + (seed % 7) as u16);
        }
    }

    #[test]
    fn one_planted_anomaly_does_not_turn_into_many() {
        for seed in 0..100 {
            let (before, tail, finals) = run(seed, 3, 1_000, 2_000);
            let untouched = Run { tail, finals, death: None };
            let known = untouched.check(&before);
            let garden = Garden { run: &untouched, known: &known, before: &before };
            for kind in AnomalyKind::ALL {
                let plant = garden.plant(*kind).unwrap_or_else(|why| panic!("{why}"));
                let checker = plant.run.check(&before);
                let found: Vec<_> = checker.anomalies().iter().map(|anomaly| &anomaly.summary).collect();
                assert!(checker.anomaly_count() <= 6, "seed {seed}: {}: {found:#?}", plant.how);
            }
        }
    }

    #[test]
    fn nothing_can_be_planted_into_nothing_and_that_is_missed() {
        let (before, _, _) = run(1, 3, 100, 0);
        for outcome in planted_controls(&before, &Tail::default(), &[]) {
            assert!(!outcome.named && outcome.cannot.is_some(), "{outcome:?}");
        }
    }

    #[test]
    fn an_anomaly_that_was_there_does_not_count_as_named() {
        let (mut before, tail, mut finals) = run(3, 3, 2_000, 2_000);
        before.note_death(0, 0, 11, 5);
        finals[0].integrity.push("was there".to_owned());
        let outcomes = planted_controls(&before, &tail, &finals);
        assert!(outcomes.iter().all(|outcome| outcome.named), "{outcomes:#?}");
        let untouched = Run { tail, finals, death: None };
        let known = untouched.check(&before.without_anomalies());
        let garden = Garden { run: &untouched, known: &known, before: &before };
        let plant = garden.structural_damage().unwrap_or_else(|why| panic!("{why}"));
        assert!(known.anomalies().iter().all(|old| !garden.is_new(old, AnomalyKind::StructuralDamage, &plant)));
    }
}
