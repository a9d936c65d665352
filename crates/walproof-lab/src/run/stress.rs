//! One stress: agents work on a ground, the plan strikes, the checker looks on; in the end everything is counted.
//!
//! The control, the planted controls and the main run all go through here: what catches the one catches the other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use walproof_format::ledger::FinalState;
use walproof_format::protocol::{Command, Reply, Workload};
use walproof_judge::checkers::{Anomaly, AnomalyKind, CheckerOptions, Conduct, Exposures, FairnessReport};
use walproof_judge::verdict::is_loud;

use crate::clock::monotonic_ns;
use crate::collect::storage;
use crate::collect::usage::{Meter, Usage};
use crate::error::LabError;
use crate::run::chaos;
use crate::run::fleet::{ANSWER_TIMEOUT, Fleet, describe};
use crate::run::plan::Plan;
use crate::run::record::{Keep, KeptTail, Recorder};
use crate::run::saved::Manifest;
use crate::runtimes::Exit;

/// How many times as long as asked a stress may last until every writer has committed often enough.
const LONGER_MAX: u32 = 6;
/// How often the supervisor looks.
const TICK: Duration = Duration::from_millis(10);
/// How much longer than the busy timeout an agent may leave the checker waiting before it is killed and replaced: in a
/// broken world SQLite retries for 10 s inside one call before it says PROTOCOL. Longer than any pause of the plan.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long an agent may take to read everything back.
const FINAL_TIMEOUT: Duration = Duration::from_secs(60);

/// How a stress is to be done.
pub struct StressOptions<'a> {
    /// What strikes when, and for how long.
    pub plan: &'a Plan,
    /// Folder of the histories on the host.
    pub history: &'a Path,
    /// Folder that the world laid out.
    pub scratch: &'a Path,
    /// Whether segments that were read stay.
    pub keep_history: bool,
    /// Whether to go on after the first anomaly.
    pub keep_going: bool,
    /// How long to go on after the first anomaly otherwise: time for a fuller story. After errors alone,
    /// [`AFTER_ERRORS_ALONE`] times as long.
    pub grace: Duration,
    /// Commits that every writer must have made before the stress ends, at most [`LONGER_MAX`] times as long as asked.
    pub commits_min: u64,
    /// After so long a loud no is enough: the stress ends with it.
    pub loud_is_enough_after: Option<Duration>,
    /// Whether agents share CLOCK_MONOTONIC.
    pub shared_clock: bool,
    /// Whether everything is read back and counted in the end.
    pub account: bool,
    /// Whether the storage was asked to fail: errors end nothing early then.
    pub storage_fails: bool,
    /// Set by Ctrl-C.
    pub interrupted: &'a AtomicBool,
}

/// Where a stress stands.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Since it began.
    pub elapsed: Duration,
    /// Acknowledged commits checked.
    pub commits: u64,
    /// SIGKILLs.
    pub kills: u32,
    /// SIGSTOPs.
    pub pauses: u32,
    /// Anomalies found.
    pub anomalies: u64,
}

/// What came of a stress.
pub struct StressEnd {
    /// Anomalies, the first of each kind.
    pub anomalies: Vec<Anomaly>,
    /// How many of each kind.
    pub counts: Vec<(AnomalyKind, u64)>,
    /// What was tried.
    pub exposures: Exposures,
    /// What was done to whom.
    pub tally: TallyCount,
    /// Who got a turn at the write lock, and how long they waited.
    pub fairness: FairnessReport,
    /// CLOCK_MONOTONIC of that moment.
    pub caught_ns: Option<u64>,
    /// Time from the first commit to the moment at which the first anomaly could be proved.
    pub caught_after: Option<Duration>,
    /// Time from the first commit to the moment at which it was announced.
    pub announced_after: Option<Duration>,
    /// What `PRAGMA journal_mode` answered.
    pub journal_modes: Vec<String>,
    /// Who failed how; `None`: nobody was crippled.
    pub conduct: Option<Conduct>,
    /// What was seen in the end.
    pub finals: Vec<FinalState>,
    /// What the planted controls need; `None`: nobody worked.
    pub kept: Option<KeptTail>,
    /// SQLite would not even create the database: its extended code, and its words.
    pub first_refusal: Option<(u32, String)>,
    /// What could not be looked at, and why.
    pub not_seen: Vec<String>,
    /// What the run took while agents worked.
    pub usage: Usage,
    /// The least that was free on the storage while agents worked, in bytes.
    pub lowest_free_bytes: Option<u64>,
    /// CLOCK_MONOTONIC when the stress began.
    pub began_ns: u64,
    /// How long agents worked.
    pub worked: Duration,
}

/// [`crate::run::fleet::Tally`] as numbers.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "named as in `Tally`, where each is described")]
pub struct TallyCount {
    pub kills: u32,
    pub kills_inside_spilled: u32,
    pub pauses: u32,
    pub last_closes: u32,
    pub recoveries: u32,
    pub replaced: u32,
    pub missed: u32,
    pub starved: u32,
    #[serde(skip)]
    pub first_kill_ns: Option<u64>,
}

/// Creates the database and starts everybody, idle. `Some`: SQLite would not even create it.
pub fn prepare(fleet: &Fleet<'_>) -> Result<Option<Reply>, LabError> {
    match fleet.create_database()? {
        Err(refusal) => Ok(Some(refusal)),
        Ok(_) => fleet.start_everybody().map(|()| None),
    }
}

/// Lets a prepared fleet work, strikes it, looks on, counts.
pub fn stress<'f>(
    fleet: &'f Fleet<'f>,
    options: &StressOptions<'_>,
    mut watch: impl FnMut(&Progress),
) -> Result<StressEnd, LabError> {
    let began_ns = monotonic_ns();
    fleet.agents().try_for_each(|agent| fleet.run(agent))?;
    let agents = options.plan.agents;
    let checker = checker_options(fleet.workload(), options.shared_clock);
    let keep = Keep::of(options.keep_history, options.plan.stress_ms);
    let mut recorder = Recorder::new(options.history, &fleet.lives, agents, keep, fleet.workload(), checker);
    let stop = AtomicBool::new(false);
    let (mut watched, working_since) = (Watched::default(), Instant::now());
    let blind = std::thread::scope(|scope| {
        let chaos = scope.spawn(|| chaos::carry_out(options.plan, fleet, &stop));
        let ended = watch_over(fleet, options, &mut recorder, &mut watched, &mut watch);
        stop.store(true, Ordering::Relaxed);
        fleet.set_stopping(true);
        let failures = chaos.join().unwrap_or_default();
        ended.map(|()| failures)
    })?;
    let worked = working_since.elapsed();
    fleet.set_stopping(false);
    let mut not_seen: Vec<String> = blind.into_iter().map(|error| error.what).collect();
    not_seen.extend(fleet.make_everybody_whole().err().map(|error| error.what));
    not_seen.append(&mut watched.other_ends);
    let finals =
        if options.account { ask_finals_unless(fleet, options.interrupted, &mut not_seen) } else { Vec::new() };
    note_events(fleet, &mut recorder, &mut watched);
    not_seen.append(&mut watched.other_ends);
    fleet.disband();
    while !recorder.advance() {}
    note_events(fleet, &mut recorder, &mut watched);
    not_seen.append(&mut watched.other_ends);
    if keep != Keep::Nothing {
        let manifest = Manifest::new(agents, fleet.workload(), options.shared_clock, recorder.bases(), &finals);
        manifest
            .with_events(std::mem::take(&mut watched.pauses), std::mem::take(&mut watched.deaths))
            .with_strikes(recorder.crippled().to_vec(), recorder.power_cuts())
            .write(options.history)?;
    }
    let kept = recorder.kept_tail();
    let checker = &mut recorder.checker;
    checker.finish(&finals);
    let first = checker.exposures().first_commit_ns.unwrap_or(began_ns);
    let since_first = |ns: u64| Duration::from_nanos(ns.saturating_sub(first));
    Ok(StressEnd {
        anomalies: checker.anomalies(),
        counts: AnomalyKind::ALL.iter().map(|&kind| (kind, checker.count(kind))).filter(|(_, n)| *n > 0).collect(),
        exposures: checker.exposures(),
        tally: tally(fleet),
        fairness: recorder.fairness.report(),
        caught_ns: checker.first_provable_ns(),
        caught_after: checker.first_provable_ns().map(since_first),
        announced_after: watched
            .announced_ns
            .or_else(|| (checker.anomaly_count() > 0).then(monotonic_ns))
            .map(since_first),
        journal_modes: journal_modes(&finals),
        conduct: checker.conduct(),
        first_refusal: None,
        finals,
        kept: Some(kept),
        not_seen,
        usage: watched.meter.read(),
        lowest_free_bytes: watched.lowest_free_bytes,
        began_ns,
        worked,
    })
}

fn checker_options(workload: &Workload, shared_clock: bool) -> CheckerOptions {
    CheckerOptions {
        shared_clock,
        invariants: walproof_agent::workloads::invariants(workload),
        patience_ns: u64::from(workload.busy_timeout_ms) * 900_000,
        ..Default::default()
    }
}

/// What was noticed while looking on.
#[derive(Default)]
struct Watched {
    announced_ns: Option<u64>,
    other_ends: Vec<String>,
    lowest_free_bytes: Option<u64>,
    meter: Meter,
    /// What the checker was told besides records.
    pauses: Vec<(u64, u64)>,
    deaths: Vec<(u16, u16, i32, u64)>,
}

impl Watched {
    /// For a saved history; as many as the checker remembers.
    fn note_pause(&mut self, start_ns: u64, end_ns: u64) {
        if self.pauses.len() < 65_536 {
            self.pauses.push((start_ns, end_ns));
        }
    }

    fn note_space(&mut self, database: &Path) {
        let free = database.parent().and_then(storage::free_bytes);
        self.lowest_free_bytes = match (self.lowest_free_bytes, free) {
            (Some(lowest), Some(free)) => Some(lowest.min(free)),
            (lowest, free) => lowest.or(free),
        };
    }
}

/// An error that SQLite gives (a key that is there already, a page that is malformed) may stand alone for a while, until
/// somebody reads what it did to the data: one run in some dozens of a broken world saw no more within the usual time.
const AFTER_ERRORS_ALONE: u32 = 5;

/// Looks on until the time is over, an anomaly has had its grace, or somebody pressed Ctrl-C.
fn watch_over(
    fleet: &Fleet<'_>,
    options: &StressOptions<'_>,
    recorder: &mut Recorder<'_>,
    watched: &mut Watched,
    watch: &mut impl FnMut(&Progress),
) -> Result<(), LabError> {
    let began = Instant::now();
    let time = Duration::from_millis(options.plan.stress_ms);
    let patience = PATIENCE + Duration::from_millis(fleet.workload().busy_timeout_ms.into());
    let (mut first_anomaly, mut first_of_data): (Option<Instant>, Option<Instant>) = (None, None);
    let short = |recorder: &Recorder<'_>| {
        began.elapsed() < time * LONGER_MAX && fewest_commits(fleet, recorder) < options.commits_min
    };
    while (began.elapsed() < time || short(recorder)) && !options.interrupted.load(Ordering::Relaxed) {
        let left = time.saturating_sub(began.elapsed());
        std::thread::sleep(if left.is_zero() { TICK } else { TICK.min(left) });
        fleet.reap()?;
        note_events(fleet, recorder, watched);
        watched.note_space(&fleet.ground().database);
        watched.meter.look(fleet, options.scratch, options.history);
        recorder.advance();
        recorder.silent(patience).into_iter().try_for_each(|agent| fleet.replace_silent(agent))?;
        let anomalies = recorder.checker.anomaly_count();
        // A loud no ends nothing early: it is no damage, and something may follow.
        let speaks =
            |anomaly: &Anomaly| !(is_loud(anomaly) || options.storage_fails && is_of_the_storage(anomaly.kind));
        if anomalies > 0 && recorder.checker.any(speaks) {
            first_anomaly.get_or_insert_with(Instant::now);
            watched.announced_ns.get_or_insert_with(monotonic_ns);
            if recorder.checker.any(|anomaly| speaks(anomaly) && !is_of_the_storage(anomaly.kind)) {
                first_of_data.get_or_insert_with(Instant::now);
            }
        }
        watch(&Progress {
            elapsed: began.elapsed(),
            commits: recorder.checker.exposures().commits,
            kills: fleet.tally.kills.load(Ordering::Relaxed),
            pauses: fleet.tally.pauses.load(Ordering::Relaxed),
            anomalies,
        });
        if anomalies > 0 && options.loud_is_enough_after.is_some_and(|enough| began.elapsed() >= enough) {
            break;
        }
        let over = |first: Option<Instant>, grace: Duration| first.is_some_and(|at| at.elapsed() > grace);
        let enough = over(first_of_data, options.grace) || over(first_anomaly, options.grace * AFTER_ERRORS_ALONE);
        if !options.keep_going && enough {
            break;
        }
    }
    Ok(())
}

/// What failing storage may do without the boundary's fault: errors, and SIGBUS in what is mapped.
pub fn is_of_the_storage(kind: AnomalyKind) -> bool {
    matches!(kind, AnomalyKind::UnexpectedError | AnomalyKind::UnexpectedDeath)
}

/// Of those whose duty is to commit.
fn fewest_commits(fleet: &Fleet<'_>, recorder: &Recorder<'_>) -> u64 {
    let exposures = recorder.checker.exposures();
    let writers = fleet.agents().filter(|&agent| fleet.ground().views[usize::from(agent)].duty.writes());
    writers.map(|writer| exposures.commits_of(writer)).min().unwrap_or(0)
}

/// Tells the checker of pauses and of deaths that speak against the boundary; other ends blind us.
fn note_events(fleet: &Fleet<'_>, recorder: &mut Recorder<'_>, watched: &mut Watched) {
    for (start_ns, end_ns) in fleet.take_pauses() {
        recorder.checker.note_pause(start_ns, end_ns);
        recorder.fairness.note_pause(start_ns, end_ns);
        watched.note_pause(start_ns, end_ns);
    }
    for death in fleet.take_deaths() {
        match death.exit {
            Exit::Signal(signal) if OWN_FAULT.contains(&signal) => {
                recorder.checker.note_death(death.agent, death.incarnation, signal, death.at_ns);
                watched.deaths.push((death.agent, death.incarnation, signal, death.at_ns));
            }
            exit => {
                let memory = if death.out_of_memory { " for want of memory" } else { "" };
                let words = death.last_words.lines().last().unwrap_or_default();
                watched.other_ends.push(format!("agent {} ended by itself{memory} ({exit:?}) {words}", death.agent));
            }
        }
    }
}

/// Signals that a process brings upon itself: SQLite touched a page that is gone, or worse. SIGKILL and SIGTERM come
/// from others and say nothing about the boundary.
const OWN_FAULT: [i32; 5] = [libc::SIGBUS, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// [`ask_finals`]; Ctrl-C ends the waiting for an agent that does not answer.
fn ask_finals_unless<'f>(
    fleet: &'f Fleet<'f>,
    interrupted: &AtomicBool,
    not_seen: &mut Vec<String>,
) -> Vec<FinalState> {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask_finals(fleet, not_seen));
        while !asking.is_finished() {
            std::thread::sleep(TICK);
            fleet.set_stopping(interrupted.load(Ordering::Relaxed));
        }
        let finals = asking.join().unwrap_or_default();
        fleet.set_stopping(false);
        finals
    })
}

/// Everybody closes; then one after the other opens again and tells what is there.
fn ask_finals(fleet: &Fleet<'_>, not_seen: &mut Vec<String>) -> Vec<FinalState> {
    let ask = |agent: u16, command: &Command, timeout| {
        // Ctrl-C: nobody is asked any more, and nobody is waited for.
        if fleet.is_stopping() {
            return Err(LabError::new(format!("agent {agent} was not asked"), "interrupted", "let it run"));
        }
        fleet.start(agent).and_then(|()| fleet.ask(agent, command, timeout))
    };
    for agent in fleet.agents() {
        let closed = ask(agent, &Command::Close, ANSWER_TIMEOUT);
        if let Err(error) = closed {
            not_seen.push(format!("agent {agent} at the end: {}", error.what));
        }
    }
    let tell = |agent| match ask(agent, &Command::Final, FINAL_TIMEOUT) {
        Ok(Reply::Final(state)) => Ok(*state),
        Ok(other) => Err(format!("the final state as agent {agent} sees it: {}", describe(&other))),
        Err(error) => Err(format!("the final state as agent {agent} sees it: {}", error.what)),
    };
    let asked: Vec<Result<FinalState, String>> = fleet.agents().map(tell).collect();
    asked.into_iter().filter_map(|state| state.map_err(|why| not_seen.push(why)).ok()).collect()
}

fn journal_modes(finals: &[FinalState]) -> Vec<String> {
    let mut modes: Vec<String> =
        finals.iter().map(|state| state.journal_mode.clone()).filter(|mode| !mode.is_empty()).collect();
    modes.sort();
    modes.dedup();
    modes
}

fn tally(fleet: &Fleet<'_>) -> TallyCount {
    let tally = &fleet.tally;
    TallyCount {
        kills: tally.kills.load(Ordering::Relaxed),
        kills_inside_spilled: tally.kills_inside_spilled.load(Ordering::Relaxed),
        pauses: tally.pauses.load(Ordering::Relaxed),
        last_closes: tally.last_closes.load(Ordering::Relaxed),
        recoveries: tally.recoveries.load(Ordering::Relaxed),
        replaced: tally.replaced.load(Ordering::Relaxed),
        missed: tally.missed.load(Ordering::Relaxed),
        starved: tally.starved.load(Ordering::Relaxed),
        first_kill_ns: Some(tally.first_kill_ns.load(Ordering::Relaxed)).filter(|&ns| ns > 0),
    }
}

/// SQLite would not create the database in this journal mode.
pub fn refused(reply: &Reply) -> StressEnd {
    let began_ns = monotonic_ns();
    let refusal = match reply {
        Reply::Failed { extended_code, .. } => (*extended_code, describe(reply)),
        other => (0, describe(other)),
    };
    StressEnd {
        anomalies: Vec::new(),
        counts: Vec::new(),
        exposures: Exposures::default(),
        tally: TallyCount::default(),
        fairness: FairnessReport::default(),
        caught_ns: None,
        caught_after: None,
        announced_after: None,
        journal_modes: Vec::new(),
        conduct: None,
        finals: Vec::new(),
        kept: None,
        first_refusal: Some(refusal),
        not_seen: Vec::new(),
        usage: Usage::default(),
        lowest_free_bytes: None,
        began_ns,
        worked: Duration::ZERO,
    }
}
