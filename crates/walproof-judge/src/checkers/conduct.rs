//! Who failed how: one side crippled, the other one healthy.
//!
//! A nemesis cripples some lives on purpose. Their errors are what was asked for, and no anomaly; what they do to the
//! healthy side is the question. Memory is bounded: two sides, a few error codes each, and of each agent only the
//! crippled lives whose records are still to come.
//!
//! What it must not do: excuse damage. CORRUPT and NOTADB of a crippled life stay anomalies, and so does its death by
//! a signal that nobody sent.

use serde::Serialize;
use walproof_format::history::{Phase, Record};
use walproof_format::sqlite::error_code;

use super::anomaly::AnomalyKind;

/// Different error codes counted for one side; more are counted together under 0.
const CODES_MAX: usize = 48;

/// So many waits in vain of one agent, with no success between them, are BUSY for ever. One is what applications try again:
/// rollback modes on a busy disk show it with nobody crippled.
const IN_A_ROW: usize = 3;

/// Rows of vain waits that are remembered; more of them say nothing new.
const ROWS_MAX: usize = 64;

/// How the sides failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manner {
    /// Nobody failed.
    NotAtAll,
    /// The crippled side got errors, or could do nothing; the others went on.
    LoudlyAlone,
    /// The healthy side got errors as well, or waited in vain, and nothing was lost.
    LoudlyTogether,
    /// Something was lost, doubled, stale, torn, or is damaged in the end: an error did not stop it.
    Silently,
}

impl Manner {
    /// The words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotAtAll => "not at all",
            Self::LoudlyAlone => "loudly and alone",
            Self::LoudlyTogether => "loudly and together",
            Self::Silently => "silently",
        }
    }
}

/// Who failed how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conduct {
    /// The answer.
    pub manner: Manner,
    /// The lives that were crippled.
    pub crippled: Side,
    /// All others.
    pub healthy: Side,
}

/// One side, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Operations that returned success.
    pub successes: u64,
    /// Acknowledged commits.
    pub commits: u64,
    /// Statements that waited for a lock until their patience ended. Shorter waits were broken off by the lab.
    pub gave_up_waiting: u64,
    /// Times that an agent gave up waiting three times in a row: BUSY for ever. On the healthy side only when none of
    /// them got in meanwhile: else it is bad luck.
    pub shut_out: u64,
    /// Deaths by a signal that nobody sent.
    pub deaths: u64,
    /// Errors other than BUSY, by code.
    pub errors: Vec<CodeCount>,
}

/// How often a code came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// SQLite's extended result code; 0: others.
    pub code: u32,
    /// Its name.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

impl Side {
    /// Errors other than BUSY, of all codes.
    pub fn error_count(&self) -> u64 {
        self.errors.iter().map(|error| error.count).sum()
    }

    fn add(&mut self, other: &Side) {
        self.successes += other.successes;
        self.commits += other.commits;
        self.gave_up_waiting += other.gave_up_waiting;
        self.shut_out += other.shut_out;
        self.deaths += other.deaths;
        for error in &other.errors {
            match self.errors.iter_mut().find(|known| known.code == error.code) {
                Some(known) => known.count += error.count,
                None => self.errors.push(error.clone()),
            }
        }
    }

    fn failed(&self) -> bool {
        self.shut_out + self.deaths + self.error_count() > 0
    }

    fn note(&mut self, record: &Record, patience_ns: u64) {
        let waited_ns = record.end_ns.saturating_sub(record.start_ns);
        match record.phase {
            Phase::Done => {
                self.successes += 1;
                self.commits += u64::from(record.is_write());
            }
            Phase::Busy if waited_ns >= patience_ns => self.gave_up_waiting += 1,
            Phase::Busy => {}
            Phase::Failed | Phase::Unsettled => self.count(record.extended_code),
            Phase::Began | Phase::Committing => {}
        }
    }

    fn count(&mut self, code: u32) {
        let full = self.errors.len() >= CODES_MAX;
        let known = self.errors.iter().any(|error| error.code == code);
        let code = if known || !full { code } else { 0 };
        match self.errors.iter_mut().find(|error| error.code == code) {
            Some(error) => error.count += 1,
            None => self.errors.push(CodeCount { code, name: error_code::name(code), count: 1 }),
        }
    }
}

/// Healthy agents that waited in vain three times in a row, while nobody healthy committed. When one of their own kind
/// gets in meanwhile, it is bad luck, which is `fairness.rs`'s. Records of different agents do not come in order of
/// time, so a commit may take back what was noted before it.
#[derive(Clone, Debug, Default)]
struct VainWaits {
    /// Of each agent, the waits since its last success: start and end.
    since_success: Vec<Vec<(u64, u64)>>,
    /// Rows that a success ended.
    ended: Vec<Vec<(u64, u64)>>,
    /// Whether anybody waits; almost always nobody does.
    any: bool,
    /// When somebody healthy committed last.
    commit_ns: u64,
}

impl VainWaits {
    #[inline]
    fn note(&mut self, record: &Record, patience_ns: u64) {
        let waited = record.phase == Phase::Busy && record.end_ns.saturating_sub(record.start_ns) >= patience_ns;
        let commit = record.phase == Phase::Done && record.is_write();
        if commit {
            self.commit_ns = self.commit_ns.max(record.end_ns);
        }
        if waited || self.any {
            self.note_rare(record, waited, commit);
        }
    }

    #[cold]
    fn note_rare(&mut self, record: &Record, waited: bool, commit: bool) {
        let agent = usize::from(record.agent);
        if agent >= self.since_success.len() {
            self.since_success.resize(agent + 1, Vec::new());
        }
        if waited {
            let row = &mut self.since_success[agent];
            if self.commit_ns > record.start_ns {
                row.clear();
            } else if row.len() < IN_A_ROW {
                row.push((record.start_ns, record.end_ns));
            }
        }
        if record.phase == Phase::Done {
            let row = std::mem::take(&mut self.since_success[agent]);
            if row.len() >= IN_A_ROW && self.ended.len() < ROWS_MAX {
                self.ended.push(row);
            }
        }
        if commit {
            let meanwhile = |wait: &(u64, u64)| wait.0 < record.end_ns && record.end_ns <= wait.1;
            self.since_success.iter_mut().filter(|row| row.iter().any(meanwhile)).for_each(Vec::clear);
            self.ended.retain(|row| !row.iter().any(meanwhile));
        }
        self.any = !self.ended.is_empty() || self.since_success.iter().any(|row| !row.is_empty());
    }

    /// How often somebody was shut out.
    fn rows(&self) -> u64 {
        (self.ended.len() + self.since_success.iter().filter(|row| row.len() >= IN_A_ROW).count()) as u64
    }
}

/// Both sides, while records come.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    crippled: Side,
    healthy: Side,
    lives: u64,
    /// The final account found the database damaged.
    damaged: bool,
    /// Healthy agents that waited in vain.
    vain: VainWaits,
    /// Of each crippled agent, waits in vain since its last success.
    in_a_row: Vec<u8>,
    /// Of each agent the crippled lives that may still have records, in order.
    to_come: Vec<Vec<u16>>,
}

impl Sides {
    /// What several checkers counted of one run, each its own records; all knew the same crippled lives.
    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Sides>) -> Self {
        let mut sum = Self::default();
        for sides in all {
            sum.lives = sum.lives.max(sides.lives);
            sum.damaged |= sides.damaged;
            sum.crippled.add(&sides.crippled);
            sum.healthy.add(&sides.healthy);
            sum.healthy.shut_out += sides.vain.rows();
        }
        sum
    }

    /// This life is crippled. Comes before its first record.
    pub(super) fn cripple(&mut self, agent: u16, life: u16) {
        let index = usize::from(agent);
        if index >= self.to_come.len() {
            self.to_come.resize(index + 1, Vec::new());
        }
        self.lives += 1;
        self.to_come[index].push(life);
    }

    /// Whether this life is crippled.
    pub(super) fn is_crippled(&self, agent: u16, life: u16) -> bool {
        self.to_come.get(usize::from(agent)).is_some_and(|lives| lives.contains(&life))
    }

    /// Counts a record. An agent's records come life after life: what is known of earlier ones is forgotten.
    #[inline]
    pub(super) fn note(&mut self, record: &Record, patience_ns: u64) {
        if self.lives == 0 && record.phase == Phase::Done {
            self.healthy.successes += 1;
            self.healthy.commits += u64::from(record.is_write());
            self.vain.note(record, patience_ns);
            return;
        }
        let crippled = match self.to_come.get_mut(usize::from(record.agent)) {
            Some(lives) => {
                lives.retain(|life| *life >= record.incarnation);
                lives.first() == Some(&record.incarnation)
            }
            None => false,
        };
        let side = if crippled { &mut self.crippled } else { &mut self.healthy };
        let agent = usize::from(record.agent);
        if agent >= self.in_a_row.len() {
            self.in_a_row.resize(agent + 1, 0);
        }
        side.note(record, patience_ns);
        match (crippled, record.phase) {
            (true, Phase::Done) => self.in_a_row[agent] = 0,
            (true, Phase::Busy) if record.end_ns.saturating_sub(record.start_ns) >= patience_ns => {
                self.in_a_row[agent] = self.in_a_row[agent].saturating_add(1);
                self.crippled.shut_out += u64::from(usize::from(self.in_a_row[agent]) == IN_A_ROW);
            }
            (true, _) => {}
            (false, _) => self.vain.note(record, patience_ns),
        }
    }

    /// The final account found the database damaged.
    pub(super) fn note_damage(&mut self) {
        self.damaged = true;
    }

    /// Counts a death by a signal that nobody sent.
    pub(super) fn note_death(&mut self, agent: u16, life: u16) {
        let crippled = self.is_crippled(agent, life);
        let side = if crippled { &mut self.crippled } else { &mut self.healthy };
        side.deaths += 1;
    }

    /// The answer, given how often each kind of anomaly was found; `None`: nobody was crippled.
    pub(super) fn conduct(&self, count: impl Fn(AnomalyKind) -> u64) -> Option<Conduct> {
        if self.lives == 0 {
            return None;
        }
        let loud = [AnomalyKind::UnexpectedError, AnomalyKind::UnexpectedDeath];
        let lost = AnomalyKind::ALL.iter().filter(|kind| !loud.contains(kind)).any(|kind| count(*kind) > 0);
        let silent = self.damaged || lost;
        let mut healthy = self.healthy.clone();
        healthy.shut_out += self.vain.rows();
        let manner = match (silent, healthy.failed(), self.crippled.failed() || self.crippled.successes == 0) {
            (true, _, _) => Manner::Silently,
            (_, true, _) => Manner::LoudlyTogether,
            (_, _, true) => Manner::LoudlyAlone,
            _ => Manner::NotAtAll,
        };
        Some(Conduct { manner, crippled: self.crippled.clone(), healthy })
    }
}

#[cfg(test)]
mod tests {
    use walproof_format::history::Operation;

    use super::*;

    const PATIENCE_NS: u64 = 100;
    const SHMMAP: u32 = 5386;

    fn record(agent: u16, incarnation: u16, phase: Phase, extended_code: u32) -> Record {
        let operation = Operation::Write;
        Record { agent, incarnation, phase, extended_code, operation, start_ns: 10, end_ns: 20, ..Record::BLANK }
    }

    /// Agent 1 is crippled in life 1; it fails there, or not, and agent 0 fails, or not.
    fn story(crippled: Record, healthy: Record) -> Sides {
        let mut sides = Sides::default();
        sides.note(&record(1, 0, Phase::Done, 0), PATIENCE_NS);
        sides.cripple(1, 1);
        sides.note(&crippled, PATIENCE_NS);
        sides.note(&healthy, PATIENCE_NS);
        sides
    }

    fn ends(sides: &Sides, silent: bool, expected: Manner) {
        let lost = |kind| u64::from(silent && kind == AnomalyKind::LostCommit);
        assert_eq!(sides.conduct(lost).map(|conduct| conduct.manner), Some(expected));
    }

    #[test]
    fn each_outcome_has_its_story() {
        let done = |agent, life| record(agent, life, Phase::Done, 0);
        let failed = |agent, life| record(agent, life, Phase::Failed, SHMMAP);
        ends(&story(done(1, 1), done(0, 0)), false, Manner::NotAtAll);
        ends(&story(failed(1, 1), done(0, 0)), false, Manner::LoudlyAlone);
        ends(&story(failed(1, 1), failed(0, 0)), false, Manner::LoudlyTogether);
        ends(&story(failed(1, 1), done(0, 0)), true, Manner::Silently);
    }

    #[test]
    fn a_side_that_could_do_nothing_has_failed() {
        ends(&story(record(1, 1, Phase::Began, 0), record(0, 0, Phase::Done, 0)), false, Manner::LoudlyAlone);
    }

    #[test]
    fn who_waits_in_vain_three_times_in_a_row_is_shut_out() {
        let waited = Record { start_ns: 30, end_ns: 500, ..record(0, 0, Phase::Busy, 5) };
        let mut sides = story(record(1, 1, Phase::Began, 0), waited);
        sides.note(&record(1, 1, Phase::Done, 0), PATIENCE_NS);
        sides.note(&waited, PATIENCE_NS);
        ends(&sides, false, Manner::NotAtAll);
        sides.note(&record(0, 0, Phase::Busy, 5), PATIENCE_NS); // called away by the lab
        ends(&sides, false, Manner::NotAtAll);
        sides.note(&waited, PATIENCE_NS);
        ends(&sides, false, Manner::LoudlyTogether);
    }

    /// Agent 0 waits three times in vain; agent 2, healthy as well, commits at these times, told before or afterwards.
    fn unlucky(commits: &[u64], told_before: bool) -> Manner {
        let mut sides = story(record(1, 1, Phase::Done, 0), record(0, 0, Phase::Done, 0));
        let tell = |sides: &mut Sides| {
            for &end_ns in commits {
                sides.note(&Record { end_ns, ..record(2, 0, Phase::Done, 0) }, PATIENCE_NS);
            }
        };
        if told_before {
            tell(&mut sides);
        }
        for start_ns in [510, 1010, 1510] {
            let waited = Record { start_ns, end_ns: start_ns + 490, ..record(0, 0, Phase::Busy, 5) };
            sides.note(&waited, PATIENCE_NS);
        }
        if !told_before {
            tell(&mut sides);
        }
        sides.conduct(|_| 0).expect("somebody is crippled").manner
    }

    #[test]
    fn who_waits_while_others_of_its_kind_commit_is_unlucky_in_whatever_order_it_is_told() {
        for told_before in [true, false] {
            assert_eq!(unlucky(&[600, 1_100, 1_600], told_before), Manner::NotAtAll);
            assert_eq!(unlucky(&[1_600], told_before), Manner::NotAtAll);
            assert_eq!(unlucky(&[500], told_before), Manner::LoudlyTogether);
        }
        assert_eq!(unlucky(&[2_100], false), Manner::LoudlyTogether);
    }

    #[test]
    fn a_success_between_two_waits_is_no_shutting_out() {
        let waited = Record { start_ns: 30, end_ns: 500, ..record(0, 0, Phase::Busy, 5) };
        let mut sides = story(record(1, 1, Phase::Done, 0), waited);
        for _ in 0..9 {
            sides.note(&waited, PATIENCE_NS);
            sides.note(&record(0, 0, Phase::Done, 0), PATIENCE_NS);
        }
        ends(&sides, false, Manner::NotAtAll);
    }

    #[test]
    fn damage_in_the_end_is_not_loud() {
        let mut sides = story(record(1, 1, Phase::Failed, SHMMAP), record(0, 0, Phase::Done, 0));
        sides.note_damage();
        ends(&sides, false, Manner::Silently);
    }

    #[test]
    fn the_life_after_is_healthy_again_and_forgotten() {
        let mut sides = story(record(1, 1, Phase::Failed, SHMMAP), record(0, 0, Phase::Done, 0));
        assert!(sides.is_crippled(1, 1));
        sides.note(&record(1, 2, Phase::Failed, SHMMAP), PATIENCE_NS);
        ends(&sides, false, Manner::LoudlyTogether);
        assert!(!sides.is_crippled(1, 1) && sides.to_come[1].is_empty());
    }

    #[test]
    fn nobody_crippled_is_no_conduct() {
        assert_eq!(Sides::default().conduct(|_| 0), None);
    }
}
