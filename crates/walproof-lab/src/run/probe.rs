//! `probe`, top down: look, start the parties, let them ask each other, decide for each journal mode.
//!
//! The probe has a wall clock of its own, twice: every line of steps waits so long and no longer, and the whole work is
//! done by a thread that nobody waits for after the end, since a storage that is frozen can hold any system call.
//!
//! What this file must not do: judge (`walproof_judge::probe`), stress (`verify.rs`).

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use walproof_format::probe_step::{LitmusTest, ProbeStep};
use walproof_judge::facts::{OtherKernels, other_kernels};
use walproof_judge::mountinfo;
use walproof_judge::probe::{Answer, Decision, Durability, LitmusCount, PairFacts, decide_all, decide_between};
use walproof_judge::verdict::{Coverage, ExitCode, JournalMode, Verdict, judge_probe};

use crate::collect::databases::DatabaseFile;
use crate::collect::machine::Machine;
use crate::collect::storage::{self, Storage};
use crate::error::LabError;
use crate::own::OwnReport;
use crate::probes::asking::Asking;
use crate::probes::cripples::{Cripple, How};
use crate::probes::durability;
use crate::probes::pair::{Depth, Probed, probe_pairs};
use crate::run::fleet::Fleet;
use crate::run::leavings::{RunDirectory, RunId};
use crate::run::report::{RuntimeReport, asked_mode};
use crate::run::site::{Site, Tested, check_image, lift_file_size_limit, look, make_history, make_scratch, worse};
use crate::run::verify::{Boundary, Options, runtime_for};
use crate::runtimes::Runtime;
use crate::worlds::View;

/// Version of the probe's JSON document.
pub const VERSION: u32 = 1;
/// Bytes that must be free: scratch files of a few pages.
const FREE_BYTES_MIN: u64 = 1 << 20;
/// How much longer than the probe's own time its end may take before nobody waits for it.
const END_MAX: Duration = Duration::from_secs(4);
/// How long more, and how often, where the storage answers and something else takes long.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCES: u32 = 6;
/// The modes that get a verdict.
const MODES: [JournalMode; 5] =
    [JournalMode::Wal, JournalMode::WalExclusive, JournalMode::Delete, JournalMode::Truncate, JournalMode::Persist];

/// What is asked of a probe.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where, through what, for which journal mode.
    pub options: Options,
    /// How much.
    pub depth: Depth,
    /// How long it may take in all.
    pub time_max: Duration,
    /// How many parties; for the user's own boundary at least one of every opener.
    pub parties: u16,
    /// Whether one more party is a plain process on the host.
    pub with_host: bool,
    /// Whether `walproof guard` is asked in the place of each party as well.
    pub guards: bool,
    /// How the last party is crippled.
    pub cripple: Option<&'static Cripple>,
    /// When a cripple that strikes in the middle does so.
    pub strike_after: Duration,
    /// Whether a risky verdict makes the exit code 1.
    pub fail_on_risky: bool,
}

/// One probe, decided. Fields are only ever added; `walproof_probe` is the version.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/probe.md")]
pub struct ProbeReport {
    pub walproof_probe: u32,
    pub walproof: &'static str,
    pub directory: String,
    pub run: String,
    pub ended_unix_ms: u64,
    pub world: String,
    pub depth: Depth,
    pub machine: Machine,
    pub runtime: RuntimeReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnReport>,
    pub storage: Storage,
    pub databases: Vec<DatabaseFile>,
    pub parties: Vec<Party>,
    pub same_kernel: Answer,
    pub pairs: Vec<PairReport>,
    pub durability: Option<Durability>,
    pub guards: Vec<GuardReport>,
    pub verdicts: Vec<Verdict>,
    pub exit_code: u8,
    pub took_ms: f64,
    pub crippled: Option<&'static str>,
    pub left_behind: Vec<String>,
}

/// One party.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/probe.md")]
pub struct Party {
    pub name: String,
    pub runtime: String,
    pub database: String,
    pub mount: Option<mountinfo::Mount>,
}

/// What two parties found out about each other.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/probe.md")]
pub struct PairReport {
    pub between: [String; 2],
    pub facts: PairFacts,
    pub decisions: Vec<PairDecision>,
    pub bounds: Vec<RaceBound>,
    pub took_ms: f64,
}

/// What follows for one journal mode between these two alone.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/probe.md")]
pub struct PairDecision {
    pub mode: JournalMode,
    #[serde(flatten)]
    pub decision: Decision,
}

/// How rare a wrong change would have to be to stay hidden from a race.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/probe.md")]
pub struct RaceBound {
    pub test: LitmusTest,
    pub changes: u64,
    pub rate_max: f64,
}

/// What `walproof guard` says in the place of a party: from its own view alone, before anybody asks.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/probe.md")]
pub struct GuardReport {
    pub party: String,
    pub verdict: String,
    pub reason: Option<String>,
}

/// Runs it; ends in time, whatever the storage does.
pub fn probe(asked: Asked, interrupted: &'static AtomicBool) -> Result<ProbeReport, LabError> {
    let deadline = Instant::now() + asked.time_max;
    let (tell, hear) = channel();
    let directory = asked.options.own.is_none().then(|| asked.options.directory.clone());
    let worker = std::thread::spawn(move || {
        let outcome = carry_out(asked, deadline, interrupted, &tell);
        let _ = tell.send(Heard::End(outcome.map(Box::new)));
    });
    let mut known = None;
    let (mut end, mut patience) = (deadline + END_MAX, PATIENCES);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match hear.recv_timeout(left) {
            Ok(Heard::Decided(report)) => known = Some(report),
            Ok(Heard::End(outcome)) => {
                let _ = worker.join();
                return outcome.map(|report| *report);
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(LabError::new("a thread of ours panicked", "a bug in walproof", "report this"));
            }
            // Not the storage's fault: engines take their time, and what was begun is to be removed.
            Err(RecvTimeoutError::Timeout) if patience > 0 && answers(&directory) => {
                patience -= 1;
                end = Instant::now() + PATIENCE;
            }
            Err(RecvTimeoutError::Timeout) => {
                return match known {
                    Some(report) => Ok(ProbeReport { left_behind: vec![still_there()], ..*report }),
                    None => Err(frozen()),
                };
            }
        }
    }
}

/// What the working thread says.
enum Heard {
    /// All is known; what was made is still to be removed.
    Decided(Box<ProbeReport>),
    /// All is done.
    End(Result<Box<ProbeReport>, LabError>),
}

/// Whether the tested directory answers at this moment. Of the user's own places nothing is known here: yes.
fn answers(directory: &Option<PathBuf>) -> bool {
    directory.as_ref().is_none_or(|directory| storage::answers_within(directory, END_MAX))
}

fn still_there() -> String {
    "processes that hang in a call of the storage: they end when it answers; then run `walproof clean`".into()
}

fn frozen() -> LabError {
    LabError::new(
        "the storage did not answer",
        "something of ours did not end in time: a system call in the tested directory, or an engine",
        "look at the storage's server, the engine and the kernel's log; then `walproof clean`",
    )
    .blind()
}

fn carry_out(
    mut asked: Asked,
    deadline: Instant,
    interrupted: &AtomicBool,
    tell: &Sender<Heard>,
) -> Result<ProbeReport, LabError> {
    let runtime = runtime_for(&asked.options)?;
    through(runtime.as_ref(), &mut asked, deadline, interrupted, tell)
}

/// The same through a runtime that was found before, by a caller who has a wall clock.
pub fn probe_through(
    runtime: &dyn Runtime,
    mut asked: Asked,
    interrupted: &AtomicBool,
) -> Result<ProbeReport, LabError> {
    let deadline = Instant::now() + asked.time_max;
    through(runtime, &mut asked, deadline, interrupted, &channel().0)
}

fn through(
    runtime: &dyn Runtime,
    asked: &mut Asked,
    deadline: Instant,
    interrupted: &AtomicBool,
    tell: &Sender<Heard>,
) -> Result<ProbeReport, LabError> {
    asked.options.agents = asked.parties;
    if asked.options.own.is_none() && !storage::answers_within(&asked.options.directory, asked.time_max) {
        return Err(frozen());
    }
    let tested = Tested::find(&mut asked.options, runtime)?;
    let places = tested.places(&asked.options)?;
    places.iter().try_for_each(|place| check_free(place))?;
    tested.check_needs(runtime)?;
    check_image(&asked.options, runtime)?;
    if asked.cripple.is_some_and(|cripple| cripple.name == "read-only") && !runtime.abilities().bind_mounts {
        let because = format!("runtime `{}` makes no mounts", runtime.name());
        return Err(LabError::new("cannot make a party's mount read-only", because, "`--runtime embedded`, as root"));
    }
    lift_file_size_limit()?;
    let run = RunDirectory::create(&RunId::random())?;
    let outcome = in_run(runtime, &run, (&tested, &places), asked, deadline, interrupted, tell);
    let left = run.leave();
    let left_behind: Vec<String> = left.failed.into_iter().chain(left.kept).collect();
    match outcome {
        Ok(report) => Ok(ProbeReport { left_behind, ..report }),
        Err(error) => Err(error.leaving(&left_behind)),
    }
}

/// Everything that needs a run's folder.
fn in_run(
    runtime: &dyn Runtime,
    run: &RunDirectory,
    (tested, places): (&Tested, &[PathBuf]),
    asked: &Asked,
    deadline: Instant,
    interrupted: &AtomicBool,
    tell: &Sender<Heard>,
) -> Result<ProbeReport, LabError> {
    let began = Instant::now();
    run.note_runtime(runtime.name())?;
    let scratch = make_scratch(run, places)?;
    let history = make_history(run, &asked.options, &places[0])?;
    let boundary = look(&asked.options, tested, runtime, places, run.id());
    let site = Site { runtime, run, scratch: &scratch, history: &history, interrupted };
    let crippled = Cell::new(true);
    let change = |views: &mut Vec<View>| {
        if asked.with_host {
            views.push(views[0].on_host());
        }
        if let (Some(Cripple { how: How::View(change), .. }), Some(last)) = (asked.cripple, views.last_mut()) {
            let before = last.clone();
            change(last);
            let same = |one: &View| (one.mounts.clone(), one.quirks.clone(), one.user);
            crippled.set(same(&before) != same(last));
        }
    };
    let fleet = site.parties(tested, &asked.options, tested.openers().max(asked.parties), change)?;
    if let (false, Some(cripple)) = (crippled.get(), asked.cripple) {
        let because = "nothing of what this party sees changes by it";
        return Err(LabError::new(
            format!("cannot cripple a party by `{}`", cripple.name),
            because,
            "another `--world`",
        ));
    }
    let asking = Asking::until(&fleet, deadline, interrupted);
    let parties = parties(&asking, tested, &boundary);
    let pairs = match asked.cripple {
        Some(Cripple { how: How::Strike(strike), .. }) => struck(&asking, asked, *strike)?,
        _ => probe_pairs(&asking, asked.depth),
    };
    let device = parties.first().and_then(|party| party.mount.as_ref()).map(|mount| mount.device);
    let durability = (asked.depth == Depth::Full).then(|| durability::ask(&asking, 0, device));
    let guards = if asked.guards && asking.all_answered() { guards(&asking, &parties) } else { Vec::new() };
    let report = ProbeReport { guards, ..decided(asked, boundary, parties, &fleet, (pairs, durability), began)? };
    let _ = tell.send(Heard::Decided(Box::new(report.clone())));
    fleet.clients().iter().for_each(|client| client.knobs().release());
    fleet.disband();
    Ok(report)
}

/// Probes while something happens to the last party.
fn struck(
    asking: &Asking<'_>,
    asked: &Asked,
    strike: fn(&Fleet<'_>, u16) -> Result<(), LabError>,
) -> Result<Vec<Probed>, LabError> {
    let fleet = asking.fleet;
    let (last, asking_time) = (fleet.agents().last().unwrap_or(0), asking.time_left());
    std::thread::scope(|scope| {
        let striking = scope.spawn(move || {
            std::thread::sleep(asked.strike_after.min(asking_time));
            if asked.strike_after >= asking_time {
                return Ok(());
            }
            strike(fleet, last)
        });
        let pairs = probe_pairs(asking, asked.depth);
        striking
            .join()
            .map_err(|_| LabError::new("a thread of ours panicked", "a bug in walproof", "report this"))??;
        Ok(pairs)
    })
}

fn check_free(place: &Path) -> Result<(), LabError> {
    match storage::free_bytes(place) {
        Some(free) if free < FREE_BYTES_MIN => Err(LabError::path(
            "cannot probe",
            place,
            format!("only {} KiB are free there, and a full disk breaks any mapping", free >> 10),
            "free space there, or probe a directory of the same storage that has some",
        )),
        _ => Ok(()),
    }
}

/// Who took part: names, and what each sees under its database.
fn parties(asking: &Asking<'_>, tested: &Tested, boundary: &Boundary) -> Vec<Party> {
    let fleet = asking.fleet;
    let names = names(fleet.agents().count(), tested, boundary);
    fleet
        .agents()
        .zip(names)
        .map(|(agent, name)| {
            let view = &fleet.ground().views[usize::from(agent)];
            let database = fleet.database_inside(agent);
            let text = asking.one(agent, ProbeStep::Mountinfo).ok().map(|answer| answer.text);
            let mounts = text.map(|text| mountinfo::parse(&text)).unwrap_or_default();
            Party {
                name: if view.on_host { "host".into() } else { name },
                runtime: if view.on_host { "process".into() } else { boundary.runtime.clone() },
                mount: mountinfo::mount_of(&mounts, &database).cloned(),
                database,
            }
        })
        .collect()
}

/// Openers by their own names, numbered where one stands for several; otherwise A, B, C.
fn names(count: usize, tested: &Tested, boundary: &Boundary) -> Vec<String> {
    let openers: Vec<&str> = match (&boundary.own, tested) {
        (Some(own), Tested::Own(_)) => own.openers.iter().map(|opener| opener.name.as_str()).collect(),
        _ => Vec::new(),
    };
    let letters = || ('A'..='Z').map(String::from);
    match openers.len() {
        0 => letters().take(count).collect(),
        openers_count if openers_count >= count => openers.iter().take(count).map(ToString::to_string).collect(),
        openers_count => (0..count)
            .map(|index| format!("{} ({})", openers[index % openers_count], index / openers_count + 1))
            .collect(),
    }
}

fn decided(
    asked: &Asked,
    boundary: Boundary,
    parties: Vec<Party>,
    fleet: &Fleet<'_>,
    (pairs, durability): (Vec<Probed>, Option<Durability>),
    began: Instant,
) -> Result<ProbeReport, LabError> {
    let mode = asked_mode(&asked.options.workload.journal_mode)?;
    let between = |probed: &Probed| {
        let name = |agent: u16| parties.get(usize::from(agent)).map_or("?", |party| party.name.as_str());
        [name(probed.between.0), name(probed.between.1)]
    };
    let others = parties
        .iter()
        .filter_map(|party| party.mount.as_ref())
        .fold(boundary.storage.other_kernels.clone(), |worst, mount| worse(worst, by_mount(mount)));
    let verdicts: Vec<Verdict> = MODES
        .iter()
        .map(|&mode| {
            let decision = decide_all(pairs.iter().map(|probed| (&probed.facts, between(probed))), mode);
            judge_probe(mode, &decision, coverage(asked.depth, &boundary), &others)
        })
        .collect();
    let asked_for = verdicts.iter().find(|verdict| verdict.mode() == mode).map(Verdict::kind);
    let exit_code = asked_for.map_or(ExitCode::Unknown, |kind| ExitCode::of(kind, true, asked.fail_on_risky)) as u8;
    let pairs = pairs.iter().map(|probed| PairReport {
        between: between(probed).map(String::from),
        facts: probed.facts.clone(),
        decisions: MODES
            .iter()
            .map(|&mode| PairDecision { mode, decision: decide_between(&probed.facts, between(probed), mode) })
            .collect(),
        bounds: bounds(&probed.facts),
        took_ms: ms(probed.took),
    });
    Ok(ProbeReport {
        walproof_probe: VERSION,
        walproof: env!("CARGO_PKG_VERSION"),
        directory: boundary.directory.display().to_string(),
        run: boundary.run,
        ended_unix_ms: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64),
        world: boundary.world,
        depth: asked.depth,
        machine: boundary.machine,
        runtime: RuntimeReport {
            name: boundary.runtime,
            version: boundary.abilities.version,
            isolation: boundary.abilities.isolation,
            containers: boundary.abilities.containers,
            missing: boundary.abilities.missing,
        },
        own: boundary.own,
        storage: boundary.storage,
        databases: boundary.databases,
        same_kernel: same_kernel(fleet),
        pairs: pairs.collect(),
        parties,
        durability,
        guards: Vec::new(),
        verdicts,
        exit_code,
        took_ms: ms(began.elapsed()),
        crippled: asked.cripple.map(|cripple| cripple.name),
        left_behind: Vec::new(),
    })
}

/// One answer of each kind of party. A party that was crippled from within has no guard: that would not be crippled.
fn guards(asking: &Asking<'_>, parties: &[Party]) -> Vec<GuardReport> {
    let fleet = asking.fleet;
    let views = &fleet.ground().views;
    let mut asked: Vec<&View> = Vec::new();
    let mut guards = Vec::new();
    for (agent, party) in fleet.agents().zip(parties) {
        let view = &views[usize::from(agent)];
        let same =
            |other: &&View| (&other.database, &other.mounts, other.user) == (&view.database, &view.mounts, view.user);
        let crippled_within = !view.quirks.refusals.is_empty();
        if view.on_host || crippled_within || asked.iter().any(same) || asking.time_left().is_zero() {
            continue;
        }
        asked.push(view);
        let Ok(text) = fleet.output_of(agent, &["guard", "--json", "{database}"]) else { continue };
        guards.extend(guard_report(&party.name, &text));
    }
    guards
}

fn guard_report(party: &str, text: &str) -> Option<GuardReport> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let reason = document["reasons"][0]["says"].as_str().map(ToOwned::to_owned);
    Some(GuardReport { party: party.to_owned(), verdict: document["verdict"].as_str()?.to_owned(), reason })
}

/// Of each race in both directions together, the wrong ones left out.
fn bounds(facts: &PairFacts) -> Vec<RaceBound> {
    let counts = || facts.a_to_b.litmus.iter().chain(&facts.b_to_a.litmus);
    let sum_of = |test: LitmusTest| LitmusCount {
        test,
        observed: counts().filter(|count| count.test == test).map(|count| count.observed).sum(),
        wrong: counts().filter(|count| count.test == test).map(|count| count.wrong).sum(),
    };
    let bound_of = |test| {
        let bound = sum_of(test).bound()?;
        Some(RaceBound { test, changes: bound.count, rate_max: bound.rate_max })
    };
    LitmusTest::ALL.into_iter().filter_map(bound_of).collect()
}

fn by_mount(mount: &mountinfo::Mount) -> OtherKernels {
    other_kernels(&mount.fstype, &[&mount.options[..], &mount.super_options].concat())
}

fn coverage(depth: Depth, boundary: &Boundary) -> Option<Coverage> {
    let seen = match depth {
        Depth::Quick => "the facts that decide, both directions of every pair",
        Depth::Full => "the facts that decide, every pair of SQLite's locks, names, sizes and races, both directions",
    };
    let mut not_seen = boundary.abilities.missing.clone();
    // `verify` probes the first ones; here everybody is asked.
    not_seen.retain(|what| !what.starts_with("the probe of more than"));
    not_seen.extend(["a real SQLite under load", "power loss", "other hosts"].map(String::from));
    Coverage::new(vec![seen.into()], not_seen)
}

/// One boot id and one clock: one kernel, unless somebody imitates both.
fn same_kernel(fleet: &Fleet<'_>) -> Answer {
    let boots: Vec<Option<String>> = fleet.hellos().into_iter().map(|hello| hello.boot_id).collect();
    match boots.first() {
        _ if !fleet.clocks_agree() => Answer::Unknown("a party has another CLOCK_MONOTONIC".into()),
        _ if boots.iter().any(Option::is_none) => Answer::Unknown("a party cannot read its kernel's boot id".into()),
        Some(first) if boots.iter().all(|boot| boot == first) => Answer::Yes,
        _ => Answer::No,
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
