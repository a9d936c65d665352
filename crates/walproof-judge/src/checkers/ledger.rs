//! The streaming checker of the ledger workload: one walk in commit order, constant time a record, bounded memory.
//!
//! The story of a record. Commits must chain: `hash(n) = chain(hash(n - 1), n, writer, counter, token)`. A commit
//! that does not follow the tip is explained by attempts nobody had an answer of ("maybe": they may have landed), or
//! else by attempts that must not be there (phantom), or it shows that something acknowledged was left out (lost).
//! A read must show the hash accepted at its number. Within an agent numbers never fall. Across agents the
//! real-time rule holds: whoever ended before another began comes before it in commit order. Walking in commit
//! order it is enough to remember the latest beginning among strictly earlier transactions: nobody may end before
//! it. Readers of one snapshot commute, so theirs counts from the next commit on. A maybe that landed counts by
//! its beginning; its end is infinite, since recovery may have published it.
//!
//! After an anomaly the checker goes on with the side that goes on, so that one cause is not reported for ever.
//!
//! Where to look next: `merge` gives the order, `past` is the memory, `finals` the last account.

use walproof_format::history::{FLAG_FOLD_REFUSED, FLAG_IN_TRANSACTION, FLAG_SPILLED, Operation, Phase, Place, Record};
use walproof_format::ledger::{self, FinalState, chain, writer};
use walproof_format::protocol::CheckpointMode;
use walproof_format::sqlite::error_code;

use super::anomaly::{Anomaly, AnomalyKind, WitnessLine};
use super::conduct::{Conduct, Sides};
use super::exposures::Exposures;
use super::found::Found;
use super::merge::{FLAGS_TORN, order_key};
use super::past::{ATTEMPTS_MAX, Attempts, Commit, NOBODY, Past, RING_SIZE, Standing, built_on};
use super::power_cut::Cut;
use crate::finding::Certainty;

/// What must be known before the first record.
#[derive(Clone, Debug)]
pub struct CheckerOptions {
    /// Whether all agents read one CLOCK_MONOTONIC; without it the real-time rule is off.
    pub shared_clock: bool,
    /// Commit number in the head row before the first record.
    pub first_number: u64,
    /// Chain hash in the head row before the first record.
    pub first_hash: u64,
    /// The workload's invariants by name: a record tells which one does not hold by its place in this list.
    pub invariants: Vec<String>,
    /// How long a statement that ends BUSY has waited when nobody broke its waiting off.
    pub patience_ns: u64,
    /// How many commits to remember.
    pub ring_size: usize,
}

impl Default for CheckerOptions {
    fn default() -> Self {
        Self {
            shared_clock: true,
            first_number: 0,
            first_hash: ledger::GENESIS,
            invariants: Vec::new(),
            patience_ns: 1_900_000_000,
            ring_size: RING_SIZE,
        }
    }
}

/// Walks a history in commit order. A clone is a snapshot of constant size.
#[derive(Clone, Debug)]
pub struct LedgerChecker {
    options: CheckerOptions,
    pub(super) past: Past,
    /// Attempts without an answer, above the tip.
    maybes: Vec<Record>,
    /// The smallest number among `maybes`.
    maybe_lowest: u64,
    /// Maybes whose number another commit took.
    pub(super) not_landed: Attempts,
    /// Attempts that promised to leave nothing: died before COMMIT, or rolled back.
    pub(super) unpromised: Attempts,
    /// Acknowledged commits whose number another commit has as well.
    pub(super) rivals: Attempts,
    agents: Vec<AgentState>,
    real_time: RealTime,
    overlap: Overlap,
    /// Times in which the lab had stopped an agent.
    pauses: Vec<(u64, u64)>,
    /// PROTOCOL errors that a pause, told of later, may excuse.
    protocol_errors: Vec<Record>,
    /// Who is crippled, and how both sides fare.
    pub(super) sides: Sides,
    /// A power cut after which nobody has shown a state yet.
    pub(super) cut: Option<Cut>,
    /// When the newest complete checkpoint began: what was acknowledged before is synced.
    pub(super) checkpointed_ns: u64,
    pub(super) found: Found,
    pub(super) exposures: Exposures,
}

#[derive(Clone, Copy, Debug)]
struct AgentState {
    last: Option<Record>,
    opens: u64,
}

/// Latest beginnings among transactions earlier in commit order.
#[derive(Clone, Copy, Debug)]
struct RealTime {
    /// Of everything strictly before the snapshot at the tip.
    newest: Record,
    /// Of the readers of the tip.
    newest_reader: Record,
}

/// The latest ends of reads of the tip's snapshot, by two different agents.
#[derive(Clone, Copy, Debug, Default)]
struct Overlap {
    latest: (u16, u64),
    latest_of_others: u64,
}

/// Pauses remembered; more are counted as covering everything after.
const PAUSES_MAX: usize = 65_536;
/// PROTOCOL errors that wait for their excuse.
const PROTOCOL_ERRORS_MAX: usize = 1_024;
/// How far a stale read looks ahead for the commit it should have seen.
const STALE_LOOK_AHEAD: u64 = 64;

impl LedgerChecker {
    /// A checker before the first record.
    pub fn new(options: CheckerOptions) -> Self {
        Self {
            past: Past::new(options.first_number, options.first_hash, options.ring_size),
            options,
            maybes: Vec::new(),
            maybe_lowest: u64::MAX,
            not_landed: Attempts::default(),
            unpromised: Attempts::default(),
            rivals: Attempts::default(),
            agents: Vec::new(),
            real_time: RealTime { newest: NOBODY, newest_reader: NOBODY },
            overlap: Overlap::default(),
            pauses: Vec::new(),
            protocol_errors: Vec::new(),
            sides: Sides::default(),
            cut: None,
            checkpointed_ns: 0,
            found: Found::default(),
            exposures: Exposures::default(),
        }
    }

    /// The next record in the order of [`super::Merge`].
    #[inline]
    pub fn feed(&mut self, record: &Record) {
        self.exposures.records += 1;
        self.exposures.last_record_ns = self.exposures.last_record_ns.max(record.end_ns);
        self.sides.note(record, self.options.patience_ns);
        if record.flags & (FLAGS_TORN | FLAG_FOLD_REFUSED | FLAG_SPILLED) != 0 {
            self.flags(record);
        }
        match order_key(record) {
            Some(_) if record.operation == Operation::Read => self.read(record),
            Some(_) => self.commit(record),
            None => self.aside(record),
        }
    }

    /// The lab had stopped some agent from `start_ns` to `end_ns`. May come late.
    pub fn note_pause(&mut self, start_ns: u64, end_ns: u64) {
        if self.pauses.len() == PAUSES_MAX
            && let Some(last) = self.pauses.last_mut()
        {
            last.1 = last.1.max(end_ns);
            return;
        }
        self.pauses.push((start_ns, end_ns));
    }

    /// This life of an agent is crippled on purpose: its errors are no anomalies. Must come before its first record.
    pub fn note_crippled(&mut self, agent: u16, incarnation: u16) {
        self.sides.cripple(agent, incarnation);
    }

    /// Whether this record is of a life that was crippled, as far as this checker still remembers.
    pub fn is_crippled(&self, record: &Record) -> bool {
        self.sides.is_crippled(record.agent, record.incarnation)
    }

    /// Who failed how; `None`: nobody was crippled.
    pub fn conduct(&self) -> Option<Conduct> {
        self.sides.conduct(|kind| self.found.count(kind))
    }

    /// An agent died by a signal that the lab did not send: an anomaly on a crippled side as well.
    pub fn note_death(&mut self, agent: u16, incarnation: u16, signal: i32, at_ns: u64) {
        self.sides.note_death(agent, incarnation);
        self.found.add(AnomalyKind::UnexpectedDeath, Certainty::Measured, at_ns, || {
            let record = Record { agent, incarnation, start_ns: at_ns, operation: Operation::Close, ..NOBODY };
            let what = format!("died of {}", signal_name(signal));
            let line = WitnessLine { operation: "death", phase: "died", sql: "", ..line(&record, what) };
            (format!("agent {agent} died of {}, which walproof did not send", signal_name(signal)), vec![line])
        });
    }

    /// All agents have ended: the last account. `finals` is what agents saw when they opened the database again.
    pub fn finish(&mut self, finals: &[FinalState]) {
        for state in finals {
            self.account(state);
        }
        for record in std::mem::take(&mut self.protocol_errors) {
            if !self.is_excused(&record) {
                self.report_error(&record);
            }
        }
        self.drop_maybes(u64::MAX);
    }

    /// Anomalies so far: the first 64 of each kind, in the order in which they were found.
    pub fn anomalies(&self) -> &[Anomaly] {
        self.found.kept()
    }

    /// How many anomalies of a kind there were, kept or not.
    pub fn count(&self, kind: AnomalyKind) -> u64 {
        self.found.count(kind)
    }

    /// How many anomalies there were, kept or not.
    pub fn anomaly_count(&self) -> u64 {
        self.found.total()
    }

    /// The first moment at which some anomaly could be proved from the records so far.
    pub fn first_provable_ns(&self) -> Option<u64> {
        self.found.first_ns()
    }

    /// What was tried so far.
    pub fn exposures(&self) -> &Exposures {
        &self.exposures
    }

    /// Number and chain hash of the newest accepted commit.
    pub fn tip(&self) -> (u64, u64) {
        let tip = &self.past.tip().record;
        (tip.number, tip.hash)
    }

    /// Whether the real-time rule is on.
    pub fn has_shared_clock(&self) -> bool {
        self.options.shared_clock
    }

    /// The same memory with no anomaly in it: what `controls` start from.
    pub fn without_anomalies(&self) -> Self {
        Self { found: Found::default(), ..self.clone() }
    }

    /// The chain hash accepted at a number, when it is still remembered.
    pub fn hash_at(&self, number: u64) -> Option<u64> {
        self.past.get(number).map(|commit| commit.record.hash)
    }

    // Commits.

    #[inline]
    fn commit(&mut self, record: &Record) {
        if self.cut.is_some() {
            self.settle_cut(record.number.wrapping_sub(1), built_on(record), record);
        }
        self.count_commit(record);
        self.own_order(record);
        let tip = &self.past.tip().record;
        let who = writer(record.agent, record.incarnation);
        let follows = record.number == tip.number.wrapping_add(1)
            && chain(tip.hash, record.number, who, record.counter, record.token) == record.hash;
        if follows {
            self.accept(record, Standing::Acknowledged);
        } else if record.number <= tip.number {
            self.second_commit(record);
        } else {
            self.commit_off_the_chain(record);
        }
    }

    #[inline]
    fn count_commit(&mut self, record: &Record) {
        let exposures = &mut self.exposures;
        exposures.commits += 1;
        let second = record.end_ns / 1_000_000_000;
        if second > exposures.last_second {
            exposures.last_second = second;
            exposures.seconds_with_commits += 1;
        }
        exposures.folds += u64::from(record.operation == Operation::Fold);
        let agent = usize::from(record.agent);
        if agent >= exposures.commits_by_agent.len() {
            exposures.commits_by_agent.resize(agent + 1, 0);
        }
        exposures.commits_by_agent[agent] += 1;
        let first = exposures.first_commit_ns.unwrap_or(u64::MAX);
        exposures.first_commit_ns = Some(first.min(record.end_ns));
    }

    /// Put a commit on top of the tip.
    #[inline]
    fn accept(&mut self, record: &Record, standing: Standing) {
        self.count_hand_over(record);
        if self.real_time.newest_reader.start_ns > self.real_time.newest.start_ns {
            self.real_time.newest = self.real_time.newest_reader;
        }
        self.real_time.newest_reader.start_ns = 0;
        self.past.push(Commit { record: *record, standing, contested: false });
        if self.maybe_lowest <= record.number {
            self.drop_maybes(record.number);
        }
        if standing == Standing::Acknowledged && record.end_ns < self.real_time.newest.start_ns {
            self.stale(record);
        }
        if record.start_ns > self.real_time.newest.start_ns {
            self.real_time.newest = *record;
        }
    }

    #[inline]
    fn count_hand_over(&mut self, record: &Record) {
        let tip = &self.past.tip().record;
        let exposures = &mut self.exposures;
        exposures.hand_overs += u64::from(tip.agent != record.agent && tip.agent != NOBODY.agent);
        let both_known = tip.wal_frames != 0 && record.wal_frames != 0;
        exposures.wal_resets += u64::from(both_known && record.wal_frames <= tip.wal_frames);
        let read_end_ns =
            if self.overlap.latest.0 == record.agent { self.overlap.latest_of_others } else { self.overlap.latest.1 };
        exposures.overlapping_reads += u64::from(read_end_ns >= record.start_ns && read_end_ns != 0);
        self.overlap = Overlap::default();
    }

    /// An acknowledged commit whose number was given before.
    #[cold]
    fn second_commit(&mut self, record: &Record) {
        let first = self.past.get(record.number).copied();
        self.rivals.push(*record);
        match first.map(|first| first.standing) {
            Some(Standing::Phantom) => {
                let commit = Commit { record: *record, standing: Standing::Acknowledged, contested: false };
                return self.past.replace(commit);
            }
            Some(_) => self.past.contest(record.number),
            None => {}
        }
        let number = record.number;
        let first = first.map(|first| first.record).filter(|first| first.agent != NOBODY.agent);
        let provable_ns = latest(&[*record, first.unwrap_or(*record)]);
        self.found.add(AnomalyKind::DoubleCommit, Certainty::Proven, provable_ns, || {
            let mut witness: Vec<_> = first.iter().map(|first| line(first, "had this number first")).collect();
            witness.push(line(record, "was told that it committed under the same number"));
            let other = first.map_or("somebody else".to_owned(), |first| name(&first));
            (format!("commit number {number} belongs to {other} and to {}", name(record)), witness)
        });
    }

    /// An acknowledged commit above the tip that does not follow it.
    #[cold]
    fn commit_off_the_chain(&mut self, record: &Record) {
        match self.path_to(record.number - 1, built_on(record)) {
            Some(path) => self.walk(path, record),
            None => self.left_out(record),
        }
        self.accept(record, Standing::Acknowledged);
    }

    /// A commit was built on something that no attempt explains.
    fn left_out(&mut self, record: &Record) {
        let tip = *self.past.tip();
        let (number, tip_number) = (record.number, tip.record.number);
        if number > tip_number + 1 {
            let summary = format!(
                "{} has number {number}, but commits {} to {} are in nobody's history",
                name(record),
                tip_number + 1,
                number - 1
            );
            self.lost(Certainty::Suspected, &[tip.record], record, "counted commits that nobody made", summary);
        } else if tip.standing == Standing::Genesis {
            let summary = format!("{} was not built on the empty ledger", name(record));
            self.phantom(&[], record, "was built on something unknown", summary);
        } else {
            let summary = format!("{} was not built on {}", name(record), name(&tip.record));
            self.lost(Certainty::Proven, &[tip.record], record, "left it out", summary);
        }
    }

    // Paths: which attempts lead from the tip to a state that somebody saw.

    /// The attempts that lead from the tip (or from what stands in its place) to `hash` at `number`.
    ///
    /// The chain can be turned back, so each step has one possible predecessor and the search is linear.
    pub(super) fn path_to(&self, number: u64, hash: u64) -> Option<Path> {
        let tip = &self.past.tip().record;
        let (mut number, mut hash) = (number, hash);
        let mut steps = Vec::new();
        while number > tip.number {
            if steps.len() > ATTEMPTS_MAX {
                return None;
            }
            let maybe = self.maybes.iter().find(|maybe| maybe.number == number && maybe.hash == hash);
            let step = match maybe {
                Some(maybe) => (*maybe, Standing::Landed),
                None => (self.unpromised.leaving(number, hash, tip)?, Standing::Phantom),
            };
            steps.push(step);
            hash = built_on(&step.0);
            number -= 1;
        }
        steps.reverse();
        let base = self.base(number, hash)?;
        Some(Path { base, steps })
    }

    fn base(&self, number: u64, hash: u64) -> Option<Base> {
        let tip = &self.past.tip().record;
        if number != tip.number {
            return None;
        }
        if hash == tip.hash {
            return Some(Base::Tip);
        }
        let nobody = Record { number: u64::MAX - 1, ..NOBODY };
        let before = self.past.get(number.wrapping_sub(1)).map_or(nobody, |commit| commit.record);
        let rival = self.rivals.leaving(number, hash, &nobody).map(Base::Rival);
        let maybe =
            || self.not_landed.leaving(number, hash, &nobody).map(|record| Base::Instead(record, Standing::Landed));
        let other =
            || self.unpromised.leaving(number, hash, &before).map(|record| Base::Instead(record, Standing::Phantom));
        rival.or_else(maybe).or_else(other)
    }

    /// Accept the attempts of a path, and say what is wrong with them. `seen_by` is who shows that they are there.
    pub(super) fn walk(&mut self, path: Path, seen_by: &Record) {
        match path.base {
            Base::Tip => {}
            Base::Rival(record) => {
                self.rivals.push(self.past.tip().record);
                let standing = if record.phase == Phase::Done { Standing::Acknowledged } else { Standing::Landed };
                self.past.replace(Commit { record, standing, contested: true });
            }
            Base::Instead(record, standing) => self.take_the_place_of_the_tip(&record, standing, seen_by),
        }
        for (record, standing) in path.steps {
            self.land(&record, standing, seen_by);
        }
    }

    fn land(&mut self, record: &Record, standing: Standing, seen_by: &Record) {
        if standing == Standing::Phantom {
            self.phantom_attempt(record, seen_by);
        } else {
            self.exposures.maybes_landed += 1;
            self.maybes.retain(|maybe| maybe.token != record.token || maybe.number != record.number);
        }
        self.accept(record, standing);
    }

    fn take_the_place_of_the_tip(&mut self, record: &Record, standing: Standing, seen_by: &Record) {
        let tip = *self.past.tip();
        if standing == Standing::Phantom {
            self.phantom_attempt(record, seen_by);
        }
        let summary = format!("{} stands where {} was acknowledged", name(record), name(&tip.record));
        self.lost(Certainty::Proven, &[tip.record, *record], seen_by, "shows that it is gone", summary);
        self.rivals.push(tip.record);
        self.past.replace(Commit { record: *record, standing, contested: true });
    }

    // Reads.

    #[inline]
    fn read(&mut self, record: &Record) {
        self.exposures.reads += 1;
        if self.cut.is_some() {
            self.settle_cut(record.number, record.hash, record);
        }
        let tip = &self.past.tip().record;
        if record.number < tip.number {
            return self.read_of_the_past(record);
        }
        if (record.number > tip.number || record.hash != tip.hash) && !self.explain_read(record) {
            return;
        }
        self.own_order(record);
        if record.end_ns < self.real_time.newest.start_ns {
            self.stale(record);
        }
        if record.start_ns > self.real_time.newest_reader.start_ns {
            self.real_time.newest_reader = *record;
        }
        self.overlap.note(record);
    }

    /// A read of something else than the tip; whether its number can be believed.
    #[cold]
    fn explain_read(&mut self, record: &Record) -> bool {
        let tip = *self.past.tip();
        if record.number == tip.record.number {
            self.other_content(record, &tip);
            return true;
        }
        if let Some(path) = self.path_to(record.number, record.hash) {
            self.walk(path, record);
            return true;
        }
        let attempted = self.maybes.iter().find(|maybe| maybe.number == record.number).copied();
        if attempted.is_some() || record.hash == tip.record.hash {
            self.torn(record, &attempted.unwrap_or(tip.record));
        } else {
            let summary = format!("{} shows a commit that nobody tried to make", name(record));
            self.phantom(&[], record, "saw it", summary);
        }
        false
    }

    /// A read below the tip: its agent fell back, or the merge would have brought it earlier.
    #[cold]
    fn read_of_the_past(&mut self, record: &Record) {
        self.own_order(record);
        let Some(commit) = self.past.get(record.number).copied() else { return };
        if commit.record.hash != record.hash {
            self.other_content(record, &commit);
        }
        if !self.options.shared_clock {
            return;
        }
        let unseen = (1..=STALE_LOOK_AHEAD)
            .filter_map(|ahead| self.past.get(record.number.saturating_add(ahead)))
            .find(|next| next.standing == Standing::Acknowledged && next.record.end_ns < record.start_ns);
        if let Some(unseen) = unseen.map(|commit| commit.record) {
            self.report_stale(&unseen, record);
        }
    }

    /// A read shows another hash than the one accepted at its number.
    fn other_content(&mut self, record: &Record, accepted: &Commit) {
        let nobody = Record { number: u64::MAX - 1, ..NOBODY };
        let (number, hash) = (record.number, record.hash);
        if self.rivals.leaving(number, hash, &nobody).is_some() {
            return;
        }
        if let Some(maybe) = self.not_landed.leaving(number, hash, &nobody) {
            return self.maybe_beside_a_commit(record, &maybe, accepted);
        }
        let before = self.past.get(number.wrapping_sub(1)).map_or(nobody, |commit| commit.record);
        if let Some(attempt) = self.unpromised.leaving(number, hash, &before) {
            return self.phantom_attempt(&attempt, record);
        }
        if !accepted.contested {
            self.torn(record, &accepted.record);
        }
    }

    fn torn(&mut self, record: &Record, commit: &Record) {
        let number = record.number;
        self.found.add(AnomalyKind::TornRead, Certainty::Proven, latest(&[*record, *commit]), || {
            let mut witness = vec![line(record, format!("saw hash {:016x} under number {number}", record.hash))];
            let whose = format!("has number {} and hash {:016x}", commit.number, commit.hash);
            witness.extend(known(commit).map(|commit| line(commit, whose)));
            (format!("{} shows content that is not that of commit {number}", name(record)), witness)
        });
    }

    fn maybe_beside_a_commit(&mut self, record: &Record, maybe: &Record, accepted: &Commit) {
        self.rivals.push(*maybe);
        self.past.contest(record.number);
        let provable_ns = latest(&[*record, *maybe, accepted.record]);
        self.found.add(AnomalyKind::DoubleCommit, Certainty::Proven, provable_ns, || {
            let summary = format!("commit number {} was acknowledged once and seen another time", record.number);
            let witness = vec![
                line(&accepted.record, "has this number"),
                line(maybe, "had no answer and has this number too"),
                line(record, "saw the second one"),
            ];
            (summary, witness)
        });
    }

    // Order of one agent, and of all.

    #[inline]
    fn own_order(&mut self, record: &Record) {
        let last = &mut self.agent(record.agent).last;
        let before = last.replace(*record);
        if let Some(before) = before
            && (record.number < before.number
                || (record.number == before.number && record.operation != Operation::Read))
        {
            self.regress(&before, record);
        }
    }

    #[cold]
    fn regress(&mut self, before: &Record, record: &Record) {
        self.found.add(AnomalyKind::Regress, Certainty::Proven, latest(&[*before, *record]), || {
            let summary =
                format!("agent {} was at commit {} and went back to {}", record.agent, before.number, record.number);
            (summary, vec![line(before, "was here"), line(record, "and afterwards here")])
        });
    }

    /// Something earlier in commit order began after `record` had ended.
    #[cold]
    fn stale(&mut self, record: &Record) {
        let late = self.real_time.newest;
        // Named once: without this everybody who ended before that beginning would be reported as well.
        self.real_time.newest = NOBODY;
        if self.options.shared_clock {
            self.report_stale(record, &late);
        }
    }

    fn report_stale(&mut self, ended: &Record, late: &Record) {
        self.found.add(AnomalyKind::StaleRead, Certainty::Proven, latest(&[*ended, *late]), || {
            let gap_ns = late.start_ns.saturating_sub(ended.end_ns);
            let summary = format!(
                "{} began {gap_ns} ns after {} had ended and did not see commit {}",
                name(late),
                name(ended),
                ended.number
            );
            (summary, vec![line(ended, "ended first"), line(late, "began later and saw less")])
        });
    }

    // What stands outside the order.

    /// A complete checkpoint: what was acknowledged before it began is synced.
    pub(super) fn note_checkpoint(&mut self, record: &Record) {
        self.checkpointed_ns = self.checkpointed_ns.max(record.start_ns);
    }

    fn aside(&mut self, record: &Record) {
        match (record.operation, record.phase) {
            (_, Phase::Busy) => self.exposures.busy += 1,
            (Operation::Write | Operation::Fold, Phase::Began | Phase::Committing) => self.cut_short(record),
            (Operation::Write | Operation::Fold, Phase::Unsettled) => {
                self.maybe(record);
                self.error(record);
            }
            (operation, Phase::Failed | Phase::Unsettled) => {
                if matches!(operation, Operation::Write | Operation::Fold) {
                    self.unpromised.push(*record);
                }
                self.error(record);
            }
            (Operation::Open, Phase::Done) => self.count_open(record),
            (Operation::Close, Phase::Done) => self.exposures.closes += 1,
            (Operation::Checkpoint, Phase::Done) => self.checkpoint(record),
            (Operation::Read, Phase::Done) => self.exposures.reads += 1,
            _ => {}
        }
    }

    fn checkpoint(&mut self, record: &Record) {
        self.exposures.checkpoints += 1;
        // PASSIVE says success also when it left frames behind.
        if record.counter != CheckpointMode::Passive as u32 {
            self.note_checkpoint(record);
        }
    }

    /// A write that a kill cut short.
    fn cut_short(&mut self, record: &Record) {
        // Whoever died while it still waited for BEGIN left nothing to recover.
        let inside = record.phase == Phase::Committing || record.flags & (FLAG_IN_TRANSACTION | FLAG_SPILLED) != 0;
        self.exposures.kills_inside_transaction += u64::from(inside);
        match record.phase {
            Phase::Committing => self.maybe(record),
            _ => self.unpromised.push(*record),
        }
    }

    fn maybe(&mut self, record: &Record) {
        let tip = self.past.tip().record.number;
        if (record.number > tip || self.cut.is_some()) && self.maybes.len() < ATTEMPTS_MAX {
            self.maybe_lowest = self.maybe_lowest.min(record.number);
            return self.maybes.push(*record);
        }
        if self.past.get(record.number).is_none_or(|commit| commit.record.token != record.token) {
            self.exposures.maybes_not_landed += 1;
            self.not_landed.push(*record);
        }
    }

    /// An attempt that had no answer and would have left this state.
    pub(super) fn attempt_without_answer(&self, number: u64, hash: u64) -> Option<Record> {
        self.maybes.iter().find(|maybe| maybe.number == number && maybe.hash == hash).copied()
    }

    /// What agents saw above this number is gone: they may see it again.
    pub(super) fn forget_orders_above(&mut self, number: u64) {
        for agent in &mut self.agents {
            agent.last = agent.last.filter(|last| last.number <= number);
        }
    }

    /// The numbers up to this one are taken: maybes that are still waiting for one of them have not landed.
    #[cold]
    fn drop_maybes(&mut self, number: u64) {
        for maybe in self.maybes.extract_if(.., |maybe| maybe.number <= number) {
            self.exposures.maybes_not_landed += 1;
            self.not_landed.push(maybe);
        }
        self.maybe_lowest = self.maybes.iter().map(|maybe| maybe.number).min().unwrap_or(u64::MAX);
    }

    fn count_open(&mut self, record: &Record) {
        let agent = self.agent(record.agent);
        agent.opens += 1;
        let again = agent.opens > 1;
        self.exposures.opens += 1;
        self.exposures.reopens += u64::from(again);
    }

    #[inline]
    fn agent(&mut self, agent: u16) -> &mut AgentState {
        let index = usize::from(agent);
        if index >= self.agents.len() {
            self.agents.resize(index + 1, AgentState { last: None, opens: 0 });
        }
        &mut self.agents[index]
    }

    // Errors and flags.

    fn error(&mut self, record: &Record) {
        match error_code::primary(record.extended_code) {
            0 => {}
            error_code::BUSY => self.exposures.busy += 1,
            primary if self.is_asked_for(primary, record) => self.exposures.errors += 1,
            error_code::PROTOCOL => {
                self.exposures.errors += 1;
                if self.protocol_errors.len() < PROTOCOL_ERRORS_MAX {
                    self.protocol_errors.push(*record);
                }
            }
            _ => {
                self.exposures.errors += 1;
                self.report_error(record);
            }
        }
    }

    /// The error of a crippled life, unless it tells of damage.
    fn is_asked_for(&self, primary: u32, record: &Record) -> bool {
        !matches!(primary, error_code::CORRUPT | error_code::NOTADB) && self.is_crippled(record)
    }

    fn is_excused(&self, record: &Record) -> bool {
        let end_ns = record.end_ns.max(record.start_ns);
        self.pauses.iter().any(|(from, to)| record.start_ns <= *to && *from <= end_ns)
    }

    fn report_error(&mut self, record: &Record) {
        let primary = error_code::primary(record.extended_code);
        let damage = matches!(primary, error_code::CORRUPT | error_code::NOTADB);
        let certainty = if damage { Certainty::Suspected } else { Certainty::Measured };
        self.found.add(AnomalyKind::UnexpectedError, certainty, latest(&[*record]), || {
            let code = error_code::quoted(record.extended_code);
            let place = record.place.map_or("an unknown statement", Place::word);
            let means = error_code::meaning(record.extended_code);
            let summary =
                format!("agent {} got {code} at {place} of a {}: {means}", record.agent, record.operation.word());
            (summary, vec![line(record, "got the error")])
        });
    }

    #[cold]
    fn flags(&mut self, record: &Record) {
        self.exposures.spilled += u64::from(record.flags & FLAG_SPILLED != 0 && record.is_write());
        if record.flags & FLAGS_TORN != 0 {
            let invariants = &self.options.invariants;
            self.found.add(AnomalyKind::TornRead, Certainty::Proven, latest(&[*record]), || {
                let what = torn_parts(record, invariants);
                (format!("{} saw {what}", name(record)), vec![line(record, what)])
            });
        }
        if record.flags & FLAG_FOLD_REFUSED != 0 {
            let summary = format!("{} found other rows to fold than the horizon promised", name(record));
            self.lost(Certainty::Suspected, &[], record, "refused to fold", summary);
        }
    }

    // Words of the two anomalies that are reported from several places.

    pub(super) fn lost(&mut self, certainty: Certainty, lost: &[Record], by: &Record, role: &str, summary: String) {
        let provable_ns = latest(lost).max(latest(&[*by]));
        self.found.add(AnomalyKind::LostCommit, certainty, provable_ns, || {
            let mut witness: Vec<_> = lost.iter().filter_map(known).map(|lost| line(lost, promise(lost))).collect();
            witness.push(line(by, role));
            (summary, witness)
        });
    }

    fn phantom_attempt(&mut self, attempt: &Record, seen_by: &Record) {
        let summary = format!("{} is in the database, though {}", name(attempt), promise(attempt));
        self.phantom(&[*attempt], seen_by, "shows that it is there", summary);
    }

    fn phantom(&mut self, attempts: &[Record], seen_by: &Record, role: &str, summary: String) {
        let provable_ns = latest(attempts).max(latest(&[*seen_by]));
        self.found.add(AnomalyKind::PhantomRow, Certainty::Proven, provable_ns, || {
            let mut witness: Vec<_> = attempts.iter().map(|attempt| line(attempt, promise(attempt))).collect();
            witness.push(line(seen_by, role));
            (summary, witness)
        });
    }
}

/// How a state that somebody saw came about.
pub(super) struct Path {
    base: Base,
    steps: Vec<(Record, Standing)>,
}

enum Base {
    /// On the tip.
    Tip,
    /// On an acknowledged commit with the tip's number; that there are two has been reported.
    Rival(Record),
    /// On an attempt that stands in the tip's place.
    Instead(Record, Standing),
}

impl Overlap {
    #[inline]
    fn note(&mut self, record: &Record) {
        let (agent, end_ns) = self.latest;
        if record.agent == agent {
            self.latest.1 = end_ns.max(record.end_ns);
        } else if record.end_ns > end_ns {
            self.latest_of_others = end_ns;
            self.latest = (record.agent, record.end_ns);
        } else {
            self.latest_of_others = self.latest_of_others.max(record.end_ns);
        }
    }
}

pub(super) fn line(record: &Record, role: impl Into<String>) -> WitnessLine {
    WitnessLine::of_record(record, role)
}

/// The record, unless it stands for nobody.
pub(super) fn known(record: &Record) -> Option<&Record> {
    (record.agent != NOBODY.agent).then_some(record)
}

/// The record in a sentence.
pub(super) fn name(record: &Record) -> String {
    match (known(record), record.is_write()) {
        (None, _) => format!("the state at {}", record.number),
        (_, true) => format!("commit {} of agent {} (token {:016x})", record.number, record.agent, record.token),
        (_, false) => format!("the {} at {} of agent {}", record.operation.word(), record.number, record.agent),
    }
}

/// What an attempt promised.
fn promise(record: &Record) -> &'static str {
    match record.phase {
        Phase::Done => "it was told that it committed",
        Phase::Began => "it never called COMMIT",
        Phase::Failed | Phase::Busy => "it was told that nothing was committed",
        Phase::Committing | Phase::Unsettled => "it called COMMIT and had no answer",
    }
}

/// End of the last of these records; where one has no end its beginning counts.
pub(super) fn latest(records: &[Record]) -> u64 {
    records.iter().map(|record| record.end_ns.max(record.start_ns)).max().unwrap_or(0)
}

fn torn_parts(record: &Record, invariants: &[String]) -> String {
    use walproof_format::history::{FLAG_CELLS_DISAGREE, FLAG_INVARIANT_BROKEN, FLAG_LEDGER_DISAGREES};
    match record.flags {
        flags if flags & FLAG_LEDGER_DISAGREES != 0 => "a head row that is not the newest ledger row".to_owned(),
        flags if flags & FLAG_CELLS_DISAGREE != 0 => "cells that do not belong to the head row".to_owned(),
        flags if flags & FLAG_INVARIANT_BROKEN != 0 => {
            let name = usize::try_from(record.counter).ok().and_then(|index| invariants.get(index));
            format!(
                "a snapshot in which `{}` does not hold",
                name.map_or("an invariant of the workload", String::as_str)
            )
        }
        _ => "ledger rows that are not contiguous or do not chain".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    format!("{name} ({signal})")
}

#[cfg(test)]
mod tests {
    use walproof_format::history::{FLAG_CELLS_DISAGREE, FLAG_INVARIANT_BROKEN, FLAG_LEDGER_DISAGREES};
    use walproof_format::ledger::LedgerRow;

    use super::super::found::KEPT_BY_KIND_MAX;
    use super::super::power_cut::PowerLoss;
    use super::*;
    use AnomalyKind::{
        DoubleCommit, LostCommit, PhantomRow, Regress, StaleRead, StructuralDamage, TornRead, UnexpectedDeath,
        UnexpectedError,
    };

    /// A database in a few words: who commits on top of what. Every record takes 10 ns, one after another.
    struct Story {
        checker: LedgerChecker,
        time_ns: u64,
        token: u64,
    }

    impl Story {
        fn new() -> Self {
            Self { checker: LedgerChecker::new(CheckerOptions::default()), time_ns: 100, token: 0 }
        }

        fn record(&mut self, agent: u16, operation: Operation, phase: Phase) -> Record {
            self.time_ns += 20;
            let (start_ns, end_ns) = (self.time_ns, self.time_ns + 10);
            Record { start_ns, end_ns, agent, operation, phase, ..NOBODY }
        }

        /// An attempt of `agent` on top of `base`, not fed.
        fn attempt(&mut self, agent: u16, base: &Record, phase: Phase) -> Record {
            self.token += 1;
            let (number, token, counter) = (base.number + 1, self.token, self.token as u32);
            let hash = chain(base.hash, number, writer(agent, 0), counter, token);
            Record { number, token, counter, hash, ..self.record(agent, Operation::Write, phase) }
        }

        fn write(&mut self, agent: u16, base: &Record) -> Record {
            let record = self.attempt(agent, base, Phase::Done);
            self.feed(record)
        }

        fn maybe(&mut self, agent: u16, base: &Record) -> Record {
            let record = self.attempt(agent, base, Phase::Committing);
            self.feed(record)
        }

        fn read(&mut self, agent: u16, of: &Record) -> Record {
            let record =
                Record { number: of.number, hash: of.hash, ..self.record(agent, Operation::Read, Phase::Done) };
            self.feed(record)
        }

        fn fails(&mut self, operation: Operation, extended_code: u32) -> Record {
            let place = Some(Place::Commit);
            let record = Record { extended_code, place, ..self.record(0, operation, Phase::Failed) };
            self.feed(record)
        }

        fn feed(&mut self, record: Record) -> Record {
            self.checker.feed(&record);
            record
        }

        fn state(&self, rows: &[Record]) -> FinalState {
            let head = rows.last().copied().unwrap_or(empty());
            let row = |record: &Record| LedgerRow {
                number: record.number,
                writer: writer(record.agent, record.incarnation),
                counter: record.counter,
                token: record.token,
                hash: record.hash,
            };
            FinalState {
                start_ns: self.time_ns + 1000,
                number: head.number,
                hash: head.hash,
                horizon_hash: ledger::GENESIS,
                cells_agree: true,
                rows: rows.iter().map(row).collect(),
                ..FinalState::default()
            }
        }

        fn ends(mut self, states: &[FinalState]) -> Self {
            self.checker.finish(states);
            self
        }

        /// Exactly these anomalies, in this order.
        fn shows(&self, kinds: &[AnomalyKind]) {
            let found: Vec<_> = self.checker.anomalies().iter().map(|anomaly| anomaly.kind).collect();
            assert_eq!(found, kinds, "{:#?}", self.checker.anomalies());
        }

        fn names(&self, record: &Record) {
            let named = |anomaly: &Anomaly| anomaly.witness.iter().any(|line| line.is_of(record));
            assert!(self.checker.anomalies().iter().any(named), "{:#?}", self.checker.anomalies());
        }
    }

    fn empty() -> Record {
        Record { hash: ledger::GENESIS, ..NOBODY }
    }

    /// Three acknowledged commits by agents 0, 1, 0.
    fn three() -> (Story, [Record; 3]) {
        let mut story = Story::new();
        let one = story.write(0, &empty());
        let two = story.write(1, &one);
        let three = story.write(0, &two);
        (story, [one, two, three])
    }

    #[test]
    fn a_sound_story_shows_nothing() {
        let (mut story, rows) = three();
        story.read(1, &rows[2]);
        let state = story.state(&rows);
        let story = story.ends(&[state]);
        story.shows(&[]);
        assert_eq!((story.checker.exposures().commits, story.checker.exposures().hand_overs), (3, 2));
    }

    #[test]
    fn one_number_for_two_is_one_double_commit_whichever_side_goes_on() {
        for side in 0..2 {
            let (mut story, [.., three]) = three();
            let sides = [story.write(0, &three), story.write(1, &three)];
            let next = story.write(1, &sides[side]);
            story.write(0, &next);
            story.shows(&[DoubleCommit]);
            story.names(&sides[0]);
            story.names(&sides[1]);
        }
    }

    #[test]
    fn a_split_brain_gives_double_commits_and_no_derived_anomaly() {
        let (mut story, [.., three]) = three();
        let (mut left, mut right) = (three, three);
        for _ in 0..1000 {
            left = story.write(0, &left);
            right = story.write(1, &right);
            story.read(0, &left);
            story.read(1, &right);
        }
        story.shows(&[DoubleCommit; KEPT_BY_KIND_MAX]);
        assert_eq!(story.checker.count(DoubleCommit), 1000);
    }

    #[test]
    fn a_commit_built_on_something_else_loses_the_acknowledged_one_once() {
        let (mut story, [_, two, three]) = three();
        let unseen = story.attempt(1, &two, Phase::Done);
        let four = story.write(1, &unseen);
        story.write(0, &four);
        story.shows(&[LostCommit]);
        story.names(&three);
        story.names(&four);
    }

    #[test]
    fn a_commit_that_took_the_place_of_an_acknowledged_one_loses_it() {
        let (mut story, [_, two, three]) = three();
        let instead = Story { checker: story.checker.clone(), ..Story::new() }.attempt(1, &two, Phase::Committing);
        let instead =
            story.feed(Record { token: 99, hash: chain(two.hash, 3, writer(1, 0), instead.counter, 99), ..instead });
        story.write(1, &instead);
        story.shows(&[LostCommit]);
        story.names(&three);
        story.names(&instead);
    }

    #[test]
    fn a_gap_that_nobody_explains_is_a_loss_and_the_chain_goes_on() {
        let (mut story, [.., three]) = three();
        let four = story.attempt(1, &three, Phase::Done);
        let five = story.attempt(1, &four, Phase::Done);
        let six = story.write(0, &five);
        story.write(0, &six);
        story.shows(&[LostCommit]);
        story.names(&six);
    }

    #[test]
    fn the_chain_settles_maybes() {
        let (mut story, [.., three]) = three();
        story.maybe(0, &three);
        let landed = story.maybe(1, &three);
        let above = story.maybe(2, &landed);
        story.maybe(0, &landed);
        let last = story.write(0, &above);
        story.read(1, &last);
        story.shows(&[]);
        let exposures = story.checker.exposures();
        assert_eq!(
            (exposures.maybes_landed, exposures.maybes_not_landed, exposures.kills_inside_transaction),
            (2, 2, 4)
        );
    }

    #[test]
    fn the_end_settles_the_last_maybe_either_way() {
        for lands in [false, true] {
            let (mut story, rows) = three();
            let maybe = story.maybe(1, &rows[2]);
            let mut rows = rows.to_vec();
            rows.extend(lands.then_some(maybe));
            let state = story.state(&rows);
            let story = story.ends(&[state.clone(), state]);
            story.shows(&[]);
            assert_eq!(story.checker.exposures().maybes_landed, u64::from(lands));
        }
    }

    #[test]
    fn what_died_before_commit_must_not_be_built_on() {
        for known in [true, false] {
            let (mut story, [.., three]) = three();
            let attempt = story.attempt(1, &three, Phase::Began);
            // A kill before the head was read leaves neither number nor hash.
            let left = if known { attempt } else { Record { number: 0, hash: 0, ..attempt } };
            story.feed(left);
            let five = story.write(0, &attempt);
            story.write(1, &five);
            story.shows(&[PhantomRow]);
            story.names(&left);
        }
    }

    #[test]
    fn what_was_rolled_back_must_not_be_seen() {
        let (mut story, [.., three]) = three();
        let rolled_back = story.attempt(1, &three, Phase::Failed);
        story.feed(rolled_back);
        story.read(0, &rolled_back);
        story.write(2, &three);
        story.shows(&[PhantomRow]);
        story.names(&rolled_back);
    }

    #[test]
    fn a_read_above_all_attempts_is_a_phantom() {
        let (mut story, [.., three]) = three();
        let nobody = story.attempt(1, &three, Phase::Done);
        let read = story.read(0, &nobody);
        story.shows(&[PhantomRow]);
        story.names(&read);
    }

    #[test]
    fn a_read_of_other_content_is_torn() {
        let (mut story, [_, two, three]) = three();
        let read = story.read(1, &Record { hash: two.hash, ..three });
        story.shows(&[TornRead]);
        story.names(&read);
    }

    #[test]
    fn flags_are_torn_reads_and_refused_folds_are_losses() {
        let (mut story, [.., three]) = three();
        for flags in [FLAG_CELLS_DISAGREE, FLAG_LEDGER_DISAGREES, FLAG_INVARIANT_BROKEN] {
            let record = Record { flags, number: u64::MAX, ..story.record(1, Operation::Read, Phase::Done) };
            story.feed(record);
        }
        let fold =
            Record { operation: Operation::Fold, flags: FLAG_FOLD_REFUSED, ..story.attempt(0, &three, Phase::Done) };
        story.feed(fold);
        story.shows(&[TornRead, TornRead, TornRead, LostCommit]);
        assert_eq!(story.checker.anomalies()[3].certainty, Certainty::Suspected);
    }

    #[test]
    fn going_back_is_a_regress_and_a_stale_read() {
        let (mut story, [one, _, three]) = three();
        story.read(1, &three);
        let back = story.read(1, &one);
        story.read(1, &three);
        story.shows(&[Regress, StaleRead]);
        story.names(&back);
    }

    #[test]
    fn an_older_file_put_back_is_not_torn() {
        let (mut story, [one, ..]) = three();
        story.read(0, &one);
        let again = story.write(0, &one);
        let next = story.write(0, &again);
        let fourth = story.write(0, &next);
        story.read(0, &fourth);
        story.write(1, &fourth);
        let found = story.checker.anomalies();
        assert!(found.iter().all(|anomaly| matches!(anomaly.kind, Regress | StaleRead | DoubleCommit)), "{found:#?}");
    }

    #[test]
    fn a_read_that_misses_a_finished_commit_is_stale_once() {
        for shared_clock in [true, false] {
            let options = CheckerOptions { shared_clock, ..CheckerOptions::default() };
            let mut story = Story { checker: LedgerChecker::new(options), ..Story::new() };
            let one = story.write(0, &empty());
            let two = story.attempt(0, &one, Phase::Done);
            let three = story.attempt(0, &two, Phase::Done);
            let late = story.read(1, &one); // in commit order before `two`, which ended before this began
            story.feed(two);
            story.feed(three);
            story.shows(if shared_clock { &[StaleRead] } else { &[] });
            if shared_clock {
                story.names(&late);
                story.names(&two);
            }
        }
    }

    #[test]
    fn a_maybe_that_landed_has_no_end_but_a_beginning() {
        let mut story = Story::new();
        let one = story.write(0, &empty());
        let maybe = story.attempt(1, &one, Phase::Committing);
        story.read(2, &one); // began after the maybe did, did not see it: recovery may publish it later
        story.feed(maybe);
        let three = story.write(0, &maybe);
        story.shows(&[]);
        let late = story.attempt(1, &three, Phase::Committing);
        let early = Record { start_ns: 10, end_ns: 20, ..story.attempt(2, &late, Phase::Done) };
        story.feed(late);
        story.feed(early);
        story.shows(&[StaleRead]);
    }

    #[test]
    fn errors_are_named_and_busy_is_none() {
        let mut story = Story::new();
        for busy in [5, 261, 517, 773] {
            story.fails(Operation::Write, busy);
        }
        story.shows(&[]);
        story.fails(Operation::Write, 5898);
        story.fails(Operation::Read, 11);
        story.shows(&[UnexpectedError, UnexpectedError]);
        let found = story.checker.anomalies();
        assert!(found[0].summary.contains("IOERR_DELETE_NOENT 5898 at commit of a write"), "{}", found[0].summary);
        assert_eq!((found[0].certainty, found[1].certainty), (Certainty::Measured, Certainty::Suspected));
    }

    #[test]
    fn a_crippled_life_may_fail_and_may_not_find_damage() {
        let mut story = Story::new();
        story.checker.note_crippled(0, 0);
        story.fails(Operation::Write, error_code::IOERR_SHMMAP);
        story.fails(Operation::Read, error_code::PROTOCOL);
        story.ends(&[]).shows(&[]);
        let mut story = Story::new();
        story.checker.note_crippled(0, 0);
        story.fails(Operation::Read, error_code::CORRUPT);
        story.shows(&[UnexpectedError]);
    }

    #[test]
    fn protocol_is_excused_by_a_pause_that_is_told_of_later() {
        for (pause, expected) in
            [(Some((0, 1000)), &[][..]), (Some((1, 2)), &[UnexpectedError]), (None, &[UnexpectedError])]
        {
            let mut story = Story::new();
            story.fails(Operation::Read, error_code::PROTOCOL);
            story.shows(&[]);
            if let Some((start_ns, end_ns)) = pause {
                story.checker.note_pause(start_ns, end_ns);
            }
            story.ends(&[]).shows(expected);
        }
    }

    #[test]
    fn a_death_is_named() {
        let mut story = Story::new();
        story.checker.note_death(1, 2, 7, 77);
        story.shows(&[UnexpectedDeath]);
        let anomaly = &story.checker.anomalies()[0];
        assert!(anomaly.summary.contains("SIGBUS (7)"));
        assert_eq!((anomaly.witness[0].agent, anomaly.witness[0].life, anomaly.provable_ns), (1, 2, 77));
    }

    /// Three commits, a power cut, and what comes after it.
    fn after_a_cut(loss: PowerLoss, then: impl FnOnce(&mut Story, &[Record; 3])) -> Story {
        let (mut story, rows) = three();
        story.read(1, &rows[2]);
        story.checker.note_power_cut(loss);
        then(&mut story, &rows);
        story
    }

    #[test]
    fn a_power_cut_may_take_a_suffix_where_nothing_more_is_promised() {
        let goes_on = |story: &mut Story, rows: &[Record; 3]| {
            story.read(1, &rows[0]);
            let two = story.write(1, &rows[0]);
            story.write(0, &two);
        };
        after_a_cut(PowerLoss::SinceCheckpoint, goes_on).shows(&[]);
        after_a_cut(PowerLoss::NewestCommit, goes_on).shows(&[LostCommit]);
        let kinds = |story: Story| story.checker.anomalies().iter().map(|anomaly| anomaly.kind).collect::<Vec<_>>();
        assert!(kinds(after_a_cut(PowerLoss::Nothing, goes_on)).contains(&DoubleCommit));
        let one_back = |story: &mut Story, rows: &[Record; 3]| {
            story.write(1, &rows[1]);
        };
        after_a_cut(PowerLoss::NewestCommit, one_back).shows(&[]);
        let nothing_gone = |story: &mut Story, rows: &[Record; 3]| {
            story.write(1, &rows[2]);
        };
        after_a_cut(PowerLoss::SinceCheckpoint, nothing_gone).shows(&[]);
    }

    #[test]
    fn what_was_checkpointed_survives_a_power_cut() {
        for (mode, expected) in [(CheckpointMode::Truncate, &[LostCommit][..]), (CheckpointMode::Passive, &[])] {
            let mut story = Story::new();
            let one = story.write(0, &empty());
            let two = story.write(1, &one);
            let checkpoint = story.record(0, Operation::Checkpoint, Phase::Done);
            story.feed(Record { counter: mode as u32, ..checkpoint });
            story.write(0, &two);
            story.checker.note_power_cut(PowerLoss::SinceCheckpoint);
            story.write(1, &one);
            story.shows(expected);
        }
    }

    #[test]
    fn after_a_power_cut_only_a_state_of_the_old_chain_may_be_there() {
        after_a_cut(PowerLoss::SinceCheckpoint, |story, rows| {
            let unseen = story.attempt(1, &rows[0], Phase::Done);
            story.write(2, &unseen);
        })
        .shows(&[DoubleCommit]); // the old chain's number, with another past
        after_a_cut(PowerLoss::SinceCheckpoint, |story, rows| {
            let two = story.write(1, &rows[0]);
            story.read(0, &rows[1]); // it had vanished
            story.write(0, &two);
        })
        .shows(&[TornRead]);
    }

    #[test]
    fn a_maybe_after_a_power_cut_settles_as_any_other() {
        after_a_cut(PowerLoss::SinceCheckpoint, |story, rows| {
            let maybe = story.maybe(1, &rows[0]);
            story.maybe(0, &rows[0]);
            story.write(0, &maybe);
        })
        .shows(&[]);
    }

    #[test]
    fn the_end_shows_what_a_power_cut_took() {
        for (loss, expected) in [(PowerLoss::SinceCheckpoint, &[][..]), (PowerLoss::Nothing, &[LostCommit])] {
            let story = after_a_cut(loss, |_, _| ());
            let (_, rows) = three();
            let state = story.state(&rows[..2]);
            story.ends(&[state]).shows(expected);
        }
    }

    /// What one final look shows after three sound commits.
    fn at_the_end(change: impl FnOnce(&mut FinalState, &[Record; 3]), kinds: &[AnomalyKind]) -> Story {
        let (story, rows) = three();
        let mut state = story.state(&rows);
        change(&mut state, &rows);
        let story = story.ends(&[state]);
        story.shows(kinds);
        story
    }

    #[test]
    fn the_end_is_accounted_for() {
        let two_only = |state: &mut FinalState, rows: &[Record; 3]| {
            state.rows.truncate(2);
            (state.number, state.hash) = (2, rows[1].hash);
        };
        at_the_end(two_only, &[LostCommit]).names(&three().1[2]);
        at_the_end(|state, rows| state.rows.retain(|row| row.token != rows[1].token), &[LostCommit])
            .names(&three().1[1]);
        at_the_end(|state, _| state.rows.truncate(2), &[LostCommit]).names(&three().1[2]);
        at_the_end(|state, _| state.rows[1].token = 99, &[LostCommit, PhantomRow]).names(&three().1[1]);
        at_the_end(|state, _| state.rows.push(state.rows[1]), &[PhantomRow]);
        at_the_end(|state, _| state.rows[1].hash += 1, &[TornRead]);
        at_the_end(|state, _| state.hash += 1, &[LostCommit]).names(&three().1[2]);
        at_the_end(|state, _| state.cells_agree = false, &[TornRead]);
        at_the_end(|state, _| state.broken.push("total-is-constant".to_owned()), &[TornRead]);
        at_the_end(|state, _| state.integrity.push("page 5 is wrong".to_owned()), &[StructuralDamage]);
        at_the_end(|state, _| state.error = Some((11, "malformed".to_owned())), &[UnexpectedError]);
    }

    #[test]
    fn the_horizon_is_accounted_for() {
        let fold = |state: &mut FinalState, rows: &[Record; 3]| {
            (state.horizon_number, state.horizon_hash, state.horizon_count) = (2, rows[1].hash, 2);
            state.rows.drain(..2);
        };
        at_the_end(fold, &[]);
        at_the_end(|state, rows| (fold(state, rows), state.horizon_count = 1).1, &[LostCommit]);
        at_the_end(|state, rows| (fold(state, rows), state.horizon_hash += 1).1, &[LostCommit]).names(&three().1[1]);
    }

    #[test]
    fn an_end_with_what_never_committed_is_a_phantom() {
        let (mut story, rows) = three();
        let attempt = story.attempt(1, &rows[2], Phase::Began);
        story.feed(attempt);
        let state = story.state(&[&rows[..], &[attempt]].concat());
        let story = story.ends(&[state]);
        story.shows(&[PhantomRow]);
        story.names(&attempt);
    }

    #[test]
    fn ends_that_disagree_show_what_the_other_side_lost() {
        let (mut story, rows) = three();
        let left = story.write(0, &rows[2]);
        let right = story.write(1, &rows[2]);
        let more = story.write(1, &right);
        let states = [story.state(&[&rows[..], &[left]].concat()), story.state(&[&rows[..], &[right, more]].concat())];
        let story = story.ends(&states);
        story.shows(&[DoubleCommit, LostCommit]);
        story.names(&more);
    }

    #[test]
    fn damage_in_any_field_is_judged_without_panic() {
        for extreme in [0, 1, u64::MAX - 1, u64::MAX] {
            let (mut story, rows) = three();
            let record = Record { number: extreme, ..story.attempt(1, &rows[2], Phase::Done) };
            story.feed(record);
            story.feed(Record { phase: Phase::Committing, ..record });
            story.read(0, &record);
            let mut state = story.state(&rows);
            (state.number, state.horizon_number) = (extreme, extreme / 2);
            state.rows[1].number = extreme;
            story.ends(&[state]);
        }
    }
}
