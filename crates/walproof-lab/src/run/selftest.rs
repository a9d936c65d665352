//! The detector tested: every broken world and nemesis must be caught, every sound one must come out clean.
//!
//! A case is a run without probe and control whose outcome (`outcome.rs`) is compared with what worlds and nemeses say
//! of themselves as data. Cases are independent and run side by side. Beside a world's stress stands what a quick probe
//! and the guard say of it, and cases of their own cripple a party of a probe (`probes.rs`).

mod probes;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use walproof_format::plan::{Chosen, Rhythm};
use walproof_judge::checkers::AnomalyKind;
use walproof_judge::verdict::JournalMode;

use self::probes::Once;
use crate::error::LabError;
use crate::nemeses::{self, Effect, NEMESES, Needs, Nemesis};
use crate::probes::cripples::{CRIPPLES, Cripple};
use crate::run::outcome::{COMMITS_MIN, has_effect, meets, outcome};
use crate::run::probe::ProbeReport;
use crate::run::verify::{Evidence, Options, verify_through};
use crate::runtimes::Runtime;
use crate::worlds::{self, Expectation, WORLDS, World};

/// How long a case runs in which nothing may be found: each usual nemesis strikes once at least.
const SOUND_TIME: Duration = Duration::from_millis(3_500);
/// How long a case runs in which some do not get in: it takes until the others have closed once.
const LOUD_TIME: Duration = Duration::from_secs(7);
/// How long it runs at most until SQLite has refused somebody: a side that only reads is refused in DELETE mode when a
/// kill left a hot journal and nobody else came first.
const REFUSED_TIME: Duration = Duration::from_secs(30);
/// How long a broken case may take; it ends soon after the first anomaly. `one-client-reopening` waits for a race: on two
/// busy cores 9 s on average and 22 s at most in 12 runs, so that 45 s were too few once in a hundred.
const BROKEN_TIME: Duration = Duration::from_secs(120);
/// The first strike of the nemesis that a case is about, at the latest.
const FIRST_STRIKE_MS_MAX: u64 = 400;
/// The modes: one of each family.
const MODES: [JournalMode; 2] = [JournalMode::Wal, JournalMode::Delete];

/// One run and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `world single-file`, `nemesis pause-agent`, `workload bank`.
    pub name: String,
    /// What is run.
    pub options: Options,
    expected: Expected,
    /// The probe of its world, shared by the cases of the world.
    probe: Option<Arc<Once>>,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    World(Expectation, &'static [AnomalyKind]),
    Nemesis(Effect),
    Crippled(&'static Cripple),
}

impl Expected {
    fn word(self) -> &'static str {
        match self {
            Self::World(expectation, _) => expectation.word(),
            Self::Nemesis(effect) => effect.word(),
            Self::Crippled(cripple) => cripple.expected[0].word(),
        }
    }

    /// How long, and how many commits of each writer have to be waited for.
    fn time(self) -> (Duration, u64) {
        match self {
            Self::World(Expectation::Safe, _) | Self::Nemesis(Effect::Harmless | Effect::Loud) => {
                (SOUND_TIME, COMMITS_MIN)
            }
            Self::World(Expectation::Refuses, _) => (REFUSED_TIME, 0),
            Self::World(Expectation::Starves, _) => (LOUD_TIME, 0),
            Self::World(..) | Self::Nemesis(Effect::Breaks(_)) | Self::Crippled(_) => (BROKEN_TIME, 0),
        }
    }

    fn met_by(self, evidence: &Evidence) -> Result<(), String> {
        match self {
            Self::World(expectation, names) => meets(expectation, names, evidence),
            Self::Nemesis(effect) => has_effect(effect, evidence),
            Self::Crippled(_) => Ok(()),
        }
    }
}

/// What came of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The case.
    pub name: String,
    /// The journal mode.
    pub journal_mode: String,
    /// What must come of it.
    pub expected: &'static str,
    /// What a quick probe says of the world; nothing, where none is asked.
    pub probe: Option<&'static str>,
    /// What the guard says at its parties, from each one's own view.
    pub guard: Option<String>,
    /// What came of it.
    pub outcome: String,
    /// Whether it is what must come.
    pub standing: Standing,
    /// Why not, or why it could not be run.
    pub because: Option<String>,
    /// From the first commit to the moment at which the first anomaly could be proved, in milliseconds.
    pub caught_after_ms: Option<f64>,
    /// Acknowledged commits.
    pub commits: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Whether a case came out as it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It did.
    Met,
    /// It did not.
    Failed,
    /// It could not be run here.
    Skipped,
}

/// Every case: worlds, then nemeses, then workloads, each in both families of journal modes; then crippled parties.
pub fn cases(directory: &Path, seed: u64) -> Vec<Case> {
    let directory = directory.to_owned();
    let base = Options { directory, seed, probe: false, control: false, ..Options::default() };
    let of_worlds = WORLDS.iter().flat_map(|world| {
        let probe = Arc::new(Once::default());
        MODES.map(|mode| Case { probe: Some(Arc::clone(&probe)), ..of_world(&base, world, mode) })
    });
    let of_cripples = CRIPPLES.iter().map(|cripple| of_cripple(&base, cripple));
    // A target is a container of the user's: tests/verify/own.rs has one.
    let own = NEMESES.iter().filter(|nemesis| nemesis.needs != Needs::Target);
    let of_nemeses = own.flat_map(|nemesis| MODES.map(|mode| of_nemesis(&base, nemesis, mode)));
    let of_workloads = walproof_agent::workload_names();
    let of_workloads = of_workloads.iter().flat_map(|name| MODES.map(|mode| of_workload(&base, name, mode)));
    of_worlds.chain(of_nemeses).chain(of_workloads).chain(of_cripples).collect()
}

fn of_world(base: &Options, world: &World, mode: JournalMode) -> Case {
    let expected = Expected::World(world.expectation(mode), world.names);
    case(format!("world {}", world.name), base, mode, expected, |options| options.world = world.name.into())
}

/// The nemesis alone, in its own rhythm, on a sound world that has what it needs.
fn of_nemesis(base: &Options, nemesis: &Nemesis, mode: JournalMode) -> Case {
    let expected = Expected::Nemesis(nemesis.effect(mode));
    case(format!("nemesis {}", nemesis.name), base, mode, expected, |options| {
        let rhythm = Rhythm { first_ms: nemesis.rhythm.first_ms.min(FIRST_STRIKE_MS_MAX), ..nemesis.rhythm };
        options.world = nemesis.needs.world().into();
        // Whoever is shut out tells so three times within a strike.
        options.workload.busy_timeout_ms = 500;
        options.nemeses = Some(vec![Chosen { nemesis: nemesis.name.into(), rhythm }]);
    })
}

/// The workload on a sound boundary, with the usual nemeses.
fn of_workload(base: &Options, name: &str, mode: JournalMode) -> Case {
    let expected = Expected::World(Expectation::Safe, &[]);
    case(format!("workload {name}"), base, mode, expected, |options| options.workload.name = name.into())
}

/// A probe with a crippled party, on storage that has what it needs.
fn of_cripple(base: &Options, cripple: &'static Cripple) -> Case {
    let expected = Expected::Crippled(cripple);
    case(format!("probe {}", cripple.name), base, JournalMode::Wal, expected, |options| {
        options.world = cripple.world.into();
    })
}

fn case(
    name: String,
    base: &Options,
    mode: JournalMode,
    expected: Expected,
    change: impl FnOnce(&mut Options),
) -> Case {
    let mut options = base.clone();
    options.workload.journal_mode = mode.word().into();
    (options.time, options.commits_min) = expected.time();
    if let Expected::World(Expectation::Refuses, _) = expected {
        options.loud_is_enough_after = Some(LOUD_TIME);
    }
    change(&mut options);
    Case { name, options, expected, probe: None }
}

/// Runs cases side by side; rows come in the order in which they end.
pub fn run(
    runtime: &dyn Runtime,
    cases: &[Case],
    jobs: u16,
    interrupted: &AtomicBool,
    observe: &mut (dyn FnMut(&Row) + Send),
) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new((Vec::new(), observe));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                    && !interrupted.load(Ordering::Relaxed)
                {
                    let row = examine(runtime, case, interrupted);
                    // What was cut short is no outcome.
                    if interrupted.load(Ordering::Relaxed) {
                        break;
                    }
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    (told.1)(&row);
                    told.0.push(row);
                }
            });
        }
    });
    told.into_inner().unwrap_or_else(PoisonError::into_inner).0
}

/// One case.
pub fn examine(runtime: &dyn Runtime, case: &Case, interrupted: &AtomicBool) -> Row {
    let began = Instant::now();
    let mut row = Row {
        name: case.name.clone(),
        journal_mode: case.options.workload.journal_mode.clone(),
        expected: case.expected.word(),
        probe: None,
        guard: None,
        outcome: String::new(),
        standing: Standing::Skipped,
        because: None,
        caught_after_ms: None,
        commits: 0,
        took_ms: 0,
    };
    if let Some(why) = cannot_run(runtime, case) {
        row.because = Some(why);
        return row;
    }
    if let Expected::Crippled(cripple) = case.expected {
        fill_in_crippled(&mut row, probes::crippled(runtime, &case.options, cripple, interrupted));
    } else {
        match verify_through(runtime, case.options.clone(), interrupted, &mut |_| ()) {
            Ok(evidence) => fill_in(&mut row, case, &evidence),
            Err(LabError { what, because, .. }) => row.fail(format!("{what}: {because}")),
        }
        compare_with_probe(&mut row, runtime, case, interrupted);
    }
    row.took_ms = began.elapsed().as_millis() as u64;
    row
}

fn fill_in(row: &mut Row, case: &Case, evidence: &Evidence) {
    row.outcome = outcome(evidence).words();
    row.commits = evidence.stress.exposures.commits;
    row.caught_after_ms = evidence.stress.caught_after.map(|after| (after.as_secs_f64() * 1e6).round() / 1e3);
    let met = case.expected.met_by(evidence);
    row.standing = if met.is_ok() { Standing::Met } else { Standing::Failed };
    row.because = met.err().or_else(|| evidence.left_behind.first().map(|line| format!("left behind: {line}")));
    if !evidence.left_behind.is_empty() {
        row.standing = Standing::Failed;
    }
}

fn fill_in_crippled(row: &mut Row, probed: Result<ProbeReport, String>) {
    match probed {
        Ok(report) => {
            row.standing = Standing::Met;
            let verdicts = report.verdicts.iter().filter(|verdict| MODES.contains(&verdict.mode()));
            let words = verdicts.map(|verdict| format!("{}: {}", verdict.mode().word(), verdict.kind().word()));
            row.outcome = words.collect::<Vec<_>>().join(", ");
        }
        Err(because) => row.fail(because),
    }
}

/// A probe that says otherwise than the stress must come to is a failure of the probe.
fn compare_with_probe(row: &mut Row, runtime: &dyn Runtime, case: &Case, interrupted: &AtomicBool) {
    let (Some(once), Some(world)) = (&case.probe, worlds::find(&case.options.world)) else { return };
    let mode = JournalMode::from_word(&row.journal_mode).unwrap_or(JournalMode::Wal);
    let report = match once.of(runtime, &case.options, interrupted) {
        Ok(report) => report,
        Err(because) => return row.fail(because.to_owned()),
    };
    let Some(verdict) = probes::verdict_of(report, mode) else { return row.fail("the probe has no verdict".into()) };
    row.probe = Some(verdict.kind().word());
    row.guard = Some(probes::guards_words(report));
    if !probes::agrees(world, mode, verdict.kind()) {
        row.fail(format!("the probe says {}: {}", verdict.kind().word(), verdict.reasons().join("; ")));
    }
    if let Err(because) = probes::guards_keep_to_it(world, report) {
        row.fail(because);
    }
    if let Some(left) = report.left_behind.first() {
        row.fail(format!("left behind by the probe: {left}"));
    }
}

impl Row {
    /// The first reason stays.
    fn fail(&mut self, because: String) {
        self.standing = Standing::Failed;
        self.because.get_or_insert(because);
    }
}

fn cannot_run(runtime: &dyn Runtime, case: &Case) -> Option<String> {
    let world = worlds::find(&case.options.world)?;
    if !world.needs.met_by(runtime.abilities()) {
        return Some(format!("runtime `{}` cannot make the world `{}`", runtime.name(), world.name));
    }
    let name = case.name.strip_prefix("nemesis ")?;
    let limits = nemeses::find(name)?.needs == Needs::Limits;
    (limits && !runtime.abilities().limits).then(|| format!("runtime `{}` has no limits here", runtime.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_world_and_every_nemesis_is_examined_in_both_families() {
        let cases = cases(Path::new("."), 1);
        for mode in ["wal", "delete"] {
            let has =
                |name: String| cases.iter().any(|case| case.name == name && case.options.workload.journal_mode == mode);
            assert!(WORLDS.iter().all(|world| has(format!("world {}", world.name))));
            let own = |nemesis: &&&Nemesis| nemesis.needs != Needs::Target;
            assert!(NEMESES.iter().filter(own).all(|nemesis| has(format!("nemesis {}", nemesis.name))));
        }
    }
}
