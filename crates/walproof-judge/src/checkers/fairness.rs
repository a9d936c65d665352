//! Who got how many turns at the write lock, and how long they waited: what busy handling does to agents.
//!
//! No anomaly: SQLite promises nobody a turn. Starvation is a finding of its own, about the way the agents wait.
//!
//! Bounded: a histogram on a log scale, one small line for each agent, and the waits whose rivals are still awaited.

use serde::Serialize;
use walproof_format::history::{Phase, Place, Record};

/// Commits of the others that make an agent without any a starved one.
const COMMITS_OF_OTHERS_MIN: u64 = 100;
/// Waits in vain that are still compared with the commits of others; older ones have been seen by then.
const OPEN_MAX: usize = 256;

/// Counts turns and waits. Takes records in the order of the merge.
#[derive(Clone, Debug)]
pub struct Fairness {
    busy_timeout_us: u64,
    agents: Vec<Turns>,
    waits: Histogram,
    /// Waits in vain during which nobody else has been seen to commit yet: agent, beginning, end.
    open: Vec<(u16, u64, u64)>,
    pauses: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Turns {
    attempts: u64,
    commits: u64,
    longest_wait_us: u64,
    timed_out: u64,
    /// Of these, while others committed and nobody was stopped.
    starved: u64,
    last_commit_ns: u64,
}

/// What came of it; field names are the report's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FairnessReport {
    /// Commits of the writer that had fewest, divided by those of the writer that had most; `None`: under two writers.
    pub slowest_over_fastest: Option<f64>,
    /// Commits of each agent, by agent number.
    pub commits_by_agent: Vec<u64>,
    /// How long BEGIN IMMEDIATE waited, in microseconds.
    pub wait_us: WaitPercentiles,
    /// Writes that gave up after the whole busy timeout.
    pub timed_out: u64,
    /// Agents that others kept from committing.
    pub starved: Vec<Starvation>,
}

/// Of all writes that got the lock or gave up; each the upper edge of a bucket at most 7 % wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "percentiles, named as usual")]
pub struct WaitPercentiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// One agent that others kept from committing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Starvation {
    /// Which agent.
    pub agent: u16,
    /// Writes that gave up after the whole busy timeout while others committed.
    pub timed_out: u64,
    /// Its longest wait, in microseconds.
    pub longest_wait_us: u64,
    /// Its commits.
    pub commits: u64,
    /// One sentence.
    pub summary: String,
}

impl Fairness {
    /// Before the first record; the timeout is the workload's.
    pub fn new(busy_timeout_ms: u32) -> Self {
        Self {
            busy_timeout_us: u64::from(busy_timeout_ms) * 1000,
            agents: Vec::new(),
            waits: Histogram::default(),
            open: Vec::new(),
            pauses: Vec::new(),
        }
    }

    /// The next record.
    #[inline]
    pub fn feed(&mut self, record: &Record) {
        if !record.is_write() {
            return;
        }
        let agent = usize::from(record.agent);
        if agent >= self.agents.len() {
            self.agents.resize(agent + 1, Turns::default());
        }
        let turns = &mut self.agents[agent];
        turns.attempts += 1;
        let wait_us = record.wait.us();
        turns.longest_wait_us = turns.longest_wait_us.max(wait_us);
        if record.phase == Phase::Done {
            turns.commits += 1;
            turns.last_commit_ns = turns.last_commit_ns.max(record.end_ns);
            self.waits.add(wait_us);
            if !self.open.is_empty() {
                self.others_commit(record.agent, record.end_ns);
            }
        } else if record.phase == Phase::Busy && record.place == Some(Place::Begin) {
            self.in_vain(record);
        }
    }

    /// The lab had stopped some agent from `start_ns` to `end_ns`: whoever waited then is not starved.
    pub fn note_pause(&mut self, start_ns: u64, end_ns: u64) {
        self.open.retain(|(_, from, to)| *to < start_ns || *from > end_ns);
        if self.pauses.len() == OPEN_MAX {
            self.pauses.remove(0);
        }
        self.pauses.push((start_ns, end_ns));
    }

    /// A write that never got the lock. One that gave up early was called by the lab.
    #[cold]
    fn in_vain(&mut self, record: &Record) {
        let wait_us = record.wait.us();
        if wait_us < self.busy_timeout_us - self.busy_timeout_us / 20 {
            return;
        }
        self.waits.add(wait_us);
        let turns = &mut self.agents[usize::from(record.agent)];
        turns.timed_out += 1;
        let (from, to) = (record.start_ns, record.end_ns);
        if self.pauses.iter().any(|(start, end)| *start <= to && from <= *end) {
            return;
        }
        let mut others = self.agents.iter().enumerate().filter(|(agent, _)| *agent != usize::from(record.agent));
        if others.any(|(_, other)| (from..to).contains(&other.last_commit_ns)) {
            self.agents[usize::from(record.agent)].starved += 1;
        } else if self.open.len() < OPEN_MAX {
            self.open.push((record.agent, from, to));
        }
    }

    #[cold]
    fn others_commit(&mut self, agent: u16, end_ns: u64) {
        let starved = self.open.extract_if(.., |(who, from, to)| *who != agent && (*from..*to).contains(&end_ns));
        for (who, ..) in starved {
            self.agents[usize::from(who)].starved += 1;
        }
        self.open.retain(|(_, _, to)| *to + 10_000_000_000 > end_ns);
    }

    /// What came of it so far.
    pub fn report(&self) -> FairnessReport {
        let writers = || self.agents.iter().filter(|turns| turns.attempts > 0).map(|turns| turns.commits);
        let ratio = match (writers().min(), writers().max()) {
            (Some(slowest), Some(fastest)) if fastest > 0 && writers().count() > 1 => {
                Some(slowest as f64 / fastest as f64)
            }
            _ => None,
        };
        FairnessReport {
            slowest_over_fastest: ratio,
            commits_by_agent: self.agents.iter().map(|turns| turns.commits).collect(),
            wait_us: self.waits.percentiles(self.agents.iter().map(|turns| turns.longest_wait_us).max().unwrap_or(0)),
            timed_out: self.agents.iter().map(|turns| turns.timed_out).sum(),
            starved: (0..self.agents.len()).filter_map(|agent| self.starvation(agent)).collect(),
        }
    }

    fn starvation(&self, agent: usize) -> Option<Starvation> {
        let turns = self.agents[agent];
        let others: u64 = self.agents.iter().map(|turns| turns.commits).sum::<u64>() - turns.commits;
        let nothing = turns.attempts > 0 && turns.commits == 0 && others >= COMMITS_OF_OTHERS_MIN;
        let summary = if nothing {
            format!(
                "agent {agent} tried to write {} times and never committed; others did {others} times",
                turns.attempts
            )
        } else if turns.starved > 0 {
            format!(
                "agent {agent} waited in vain for the whole busy timeout {} times while others committed",
                turns.starved
            )
        } else {
            return None;
        };
        let (timed_out, longest_wait_us, commits) = (turns.starved, turns.longest_wait_us, turns.commits);
        Some(Starvation { agent: agent as u16, timed_out, longest_wait_us, commits, summary })
    }
}

/// Counts on a log scale: exact below 16, then 16 buckets to every doubling.
#[derive(Clone, Debug)]
struct Histogram {
    counts: Vec<u64>,
}

const STEPS: u64 = 16;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; bucket(u64::from(u32::MAX)) + 1] }
    }
}

impl Histogram {
    #[inline]
    fn add(&mut self, us: u64) {
        self.counts[bucket(us.min(u64::from(u32::MAX)))] += 1;
    }

    fn percentiles(&self, max: u64) -> WaitPercentiles {
        let at = |share: f64| self.at(share).min(max);
        WaitPercentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max }
    }

    /// The upper edge of the bucket in which this share is reached.
    fn at(&self, share: f64) -> u64 {
        let rank = (self.counts.iter().sum::<u64>() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = |(_, count): &(usize, &u64)| {
            seen += **count;
            seen >= rank
        };
        self.counts.iter().enumerate().find(reached).map_or(0, |(index, _)| upper_edge(index as u64))
    }
}

#[inline]
fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let doublings = u64::from(us.ilog2() - STEPS.ilog2());
    (STEPS * doublings + (us >> doublings)) as usize
}

fn upper_edge(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use walproof_format::history::{Operation, Wait};

    use super::*;

    fn write(agent: u16, phase: Phase, start_ms: u64, wait_ms: u64) -> Record {
        let (start_ns, end_ns) = (start_ms * 1_000_000, (start_ms + wait_ms) * 1_000_000 + 1000);
        let place = (phase == Phase::Busy).then_some(Place::Begin);
        let wait = Wait::from_us(wait_ms * 1000);
        Record { agent, start_ns, end_ns, phase, place, wait, operation: Operation::Write, ..Record::BLANK }
    }

    fn fed(records: &[Record]) -> FairnessReport {
        let mut fairness = Fairness::new(2_000);
        records.iter().for_each(|record| fairness.feed(record));
        fairness.report()
    }

    #[test]
    fn buckets_hold_what_falls_into_them() {
        for us in (0..5_000).chain([70_000, 2_000_000, u64::from(u32::MAX)]) {
            let edge = upper_edge(bucket(us) as u64);
            assert!(edge >= us && edge - us <= us / 15 + 1, "{us} in a bucket up to {edge}");
        }
    }

    #[test]
    fn percentiles_and_shares_are_those_of_the_records() {
        let mut records: Vec<_> = (0..90).map(|at| write(0, Phase::Done, at, 1)).collect();
        records.extend((0..10).map(|at| write(1, Phase::Done, at, 500)));
        let report = fed(&records);
        assert_eq!(report.commits_by_agent, [90, 10]);
        assert!((report.slowest_over_fastest.expect("two writers") - 10.0 / 90.0).abs() < 1e-9);
        assert!((1_000..1_070).contains(&report.wait_us.p50) && report.wait_us.p99 >= 500_000 - 500, "{report:?}");
        assert!(report.starved.is_empty());
    }

    #[test]
    fn who_never_commits_beside_others_starves() {
        let mut records: Vec<_> = (0..100).map(|at| write(0, Phase::Done, at, 1)).collect();
        records.push(write(1, Phase::Failed, 3, 1));
        assert_eq!(fed(&records).starved.iter().map(|starved| starved.agent).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_wait_in_vain_counts_only_while_others_commit_and_nobody_is_stopped() {
        let own = write(1, Phase::Done, 0, 1);
        let in_vain = write(1, Phase::Busy, 1_000, 2_000);
        assert!(fed(&[own, write(0, Phase::Done, 10, 1), in_vain, write(0, Phase::Done, 5_000, 1)]).starved.is_empty());
        assert_eq!(fed(&[own, in_vain, write(0, Phase::Done, 2_000, 1)]).starved.len(), 1);
        assert_eq!(fed(&[own, write(0, Phase::Done, 2_000, 1), in_vain]).starved.len(), 1);
        let mut paused = Fairness::new(2_000);
        [own, in_vain].iter().for_each(|record| paused.feed(record));
        paused.note_pause(1_500_000_000, 1_600_000_000);
        paused.feed(&write(0, Phase::Done, 2_000, 1));
        assert!(paused.report().starved.is_empty());
    }

    #[test]
    fn an_agent_that_the_lab_calls_has_not_waited_in_vain() {
        let report = fed(&[write(0, Phase::Busy, 0, 300), write(1, Phase::Done, 100, 1)]);
        assert_eq!(report.timed_out, 0);
    }
}
