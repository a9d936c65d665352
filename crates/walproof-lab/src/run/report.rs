//! The report: a run's evidence weighed, as one JSON document. Its readers: other programs, `--replay`, the terminal.
//!
//! Fields are only ever added; `walproof_report` is the version (`walproof_format::report`).

use std::time::{Duration, SystemTime};

use serde::Serialize;
use walproof_format::report::{Replay, VERSION};
use walproof_format::sqlite::db_header::JournalFamily;
use walproof_judge::checkers::{Anomaly, AnomalyKind, Conduct, Exposures, FairnessReport};
use walproof_judge::controls::PlantedOutcome;
use walproof_judge::probe::{PairFacts, decide};
use walproof_judge::verdict::{
    self, ControlResult, Coverage, ExitCode, JournalMode, Refusal, Verdict, VerdictKind, judge, judge_probe,
};

use crate::collect::databases::DatabaseFile;
use crate::collect::machine::Machine;
use crate::collect::storage::Storage;
use crate::collect::usage::Usage;
use crate::error::LabError;
use crate::nemeses::fill_disk;
use crate::own::OwnReport;
use crate::run::outcome::meets;
use crate::run::plan::Plan;
use crate::run::stress::{TallyCount, is_of_the_storage};
use crate::run::verify::Evidence;
use crate::worlds::{self, Expectation};

/// One run, weighed.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct Report {
    pub walproof_report: u32,
    pub walproof: &'static str,
    pub sqlite: String,
    pub directory: String,
    pub run: String,
    pub ended_unix_ms: u64,
    pub replay: Replay,
    pub verdicts: Vec<Verdict>,
    pub exit_code: u8,
    pub expected: Expected,
    pub machine: Machine,
    pub runtime: RuntimeReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnReport>,
    pub storage: Storage,
    pub databases: Vec<DatabaseFile>,
    pub probe: Option<ProbeReport>,
    pub control: ControlReport,
    pub planted: Vec<PlantedOutcome>,
    pub timing: Timing,
    pub exposures: Exposures,
    pub strikes: TallyCount,
    pub fairness: FairnessReport,
    pub anomaly_counts: Vec<AnomalyCount>,
    pub anomalies: Vec<Anomaly>,
    pub conduct: Option<Conduct>,
    pub usage: Usage,
    pub plan: Plan,
}

/// What the world had to give, and whether it did.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct Expected {
    pub world: String,
    pub outcome: &'static str,
    pub met: bool,
}

/// What agents ran in.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct RuntimeReport {
    pub name: String,
    pub version: Option<String>,
    pub isolation: String,
    pub containers: bool,
    pub missing: Vec<String>,
}

/// What the probe gave.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct ProbeReport {
    pub facts: PairFacts,
    pub took_ms: u64,
}

/// What the control gave.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct ControlReport {
    pub world: &'static str,
    pub caught_after_ms: Option<f64>,
    pub announced_after_ms: Option<f64>,
    pub commits: u64,
    pub caught_as: Option<&'static str>,
    pub took_ms: f64,
    pub failed: Option<String>,
}

/// When things happened, in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct Timing {
    pub first_commit_after_start: Option<f64>,
    pub stress: f64,
    pub anomaly_caught_after_first_commit: Option<f64>,
    pub anomaly_announced_after_first_commit: Option<f64>,
}

/// How often a kind of anomaly was found.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the field names are the document's own, explained in docs/report.md")]
pub struct AnomalyCount {
    pub kind: &'static str,
    pub count: u64,
}

/// Weighs a run. `fail_on_risky` makes a risky verdict exit 1.
pub fn weigh(evidence: Evidence, fail_on_risky: bool) -> Result<Report, LabError> {
    let mode = asked_mode(&evidence.options.workload.journal_mode)?;
    let main = judge(&judged(&evidence, mode));
    let other = if mode == JournalMode::Wal { JournalMode::Delete } else { JournalMode::Wal };
    let exit_code = ExitCode::of(main.kind(), true, fail_on_risky) as u8;
    let expected = expected(&evidence, mode, main.kind());
    let by_probe = evidence.probed.as_ref().map(|probed| {
        let coverage = Coverage::new(vec!["the probe's facts, both directions".into()], not_seen(&evidence));
        judge_probe(other, &decide(&probed.facts, other), coverage, &evidence.boundary.storage.other_kernels)
    });
    let Evidence { options, boundary, probed, control, planted, stress, plan, .. } = evidence;
    Ok(Report {
        walproof_report: VERSION,
        walproof: env!("CARGO_PKG_VERSION"),
        sqlite: sqlite(&evidence.sqlite, &boundary.sqlite),
        directory: boundary.directory.display().to_string(),
        run: boundary.run,
        ended_unix_ms: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64),
        replay: options.replay(&boundary.runtime),
        verdicts: std::iter::once(main).chain(by_probe).collect(),
        exit_code,
        expected,
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
        probe: probed.map(|probed| ProbeReport { facts: probed.facts, took_ms: probed.took.as_millis() as u64 }),
        control: ControlReport {
            world: "fake-locks",
            caught_after_ms: control.caught_after.map(ms),
            announced_after_ms: control.announced_after.map(ms),
            commits: control.commits,
            caught_as: control.caught_as,
            took_ms: ms(control.took),
            failed: control.failed,
        },
        planted,
        timing: Timing {
            first_commit_after_start: evidence.first_commit_after.map(ms),
            stress: ms(stress.worked),
            anomaly_caught_after_first_commit: stress.caught_after.map(ms),
            anomaly_announced_after_first_commit: stress.announced_after.map(ms),
        },
        exposures: stress.exposures,
        strikes: stress.tally,
        fairness: stress.fairness,
        anomaly_counts: stress
            .counts
            .iter()
            .map(|(kind, count)| AnomalyCount { kind: kind.name(), count: *count })
            .collect(),
        anomalies: stress.anomalies,
        conduct: stress.conduct,
        usage: stress.usage,
        plan,
    })
}

/// SQLite's word for a journal mode that can be tested between agents.
pub fn asked_mode(word: &str) -> Result<JournalMode, LabError> {
    let known =
        [JournalMode::Wal, JournalMode::WalExclusive, JournalMode::Delete, JournalMode::Truncate, JournalMode::Persist];
    JournalMode::from_word(word).filter(|mode| known.contains(mode)).ok_or_else(|| {
        LabError::new(
            format!("cannot test journal mode `{word}`"),
            "walproof tests the modes that several processes can share",
            "one of wal, wal-exclusive, delete, truncate, persist",
        )
    })
}

fn judged(evidence: &Evidence, mode: JournalMode) -> verdict::Evidence {
    let stress = &evidence.stress;
    let one_mode = |modes: &[String]| match modes {
        [one] => JournalMode::from_word(one),
        _ => None,
    };
    verdict::Evidence {
        // With locking_mode=EXCLUSIVE the pragma answers the same word.
        pragma_mode: one_mode(&stress.journal_modes).map(|answered| match (mode, answered) {
            (JournalMode::WalExclusive, JournalMode::Wal) => mode,
            _ => answered,
        }),
        header_family: evidence.header_mode.map(|word| match word {
            "wal" => JournalFamily::Wal,
            _ => JournalFamily::Rollback,
        }),
        agents: evidence.options.agents.into(),
        writers: Some(evidence.writers.clone()),
        exposures: stress.exposures.clone(),
        anomalies: anomalies_of_the_boundary(evidence),
        stress_seconds: stress.worked.as_secs(),
        kills: stress.tally.kills.into(),
        pauses: stress.tally.pauses.into(),
        directed_kills: stress.tally.kills_inside_spilled.into(),
        recoveries: stress.tally.recoveries.into(),
        last_closes: stress.tally.last_closes.into(),
        controls: vec![ControlResult {
            name: "fake-locks".into(),
            caught: evidence.control.caught_after.is_some(),
            after_ns: evidence.control.caught_after.map(|after| after.as_nanos() as u64),
            by: evidence.control.caught_as.and_then(AnomalyKind::from_name),
        }],
        plants: evidence.planted.clone(),
        probe: evidence.probed.as_ref().map(|probed| decide(&probed.facts, mode)),
        probe_asked: evidence.options.probe,
        refusals: refusals(evidence),
        other_kernels: evidence.boundary.storage.other_kernels.clone(),
        containers: evidence.boundary.abilities.containers,
        checker_failed: None,
        failures: failures(evidence),
        seen: seen(evidence),
        not_seen: not_seen(evidence),
        conditions: conditions(evidence),
        ..verdict::Evidence::nothing(mode)
    }
}

/// On a full disk, or one that was asked to fail, SQLite reports errors, and a new opener may die of SIGBUS: neither is
/// the boundary's fault.
fn anomalies_of_the_boundary(evidence: &Evidence) -> Vec<Anomaly> {
    let failed = evidence.ran_full || evidence.options.storage.failing.is_some();
    let anomalies = evidence.stress.anomalies.iter();
    anomalies.filter(|anomaly| !(failed && is_of_the_storage(anomaly.kind))).cloned().collect()
}

/// Whether the plan fills the disk itself.
fn filled_on_purpose(evidence: &Evidence) -> bool {
    evidence.plan.strikes.iter().any(|strike| strike.nemesis == fill_disk::NEMESIS.name)
}

fn refusals(evidence: &Evidence) -> Vec<Refusal> {
    let refusal = evidence.stress.first_refusal.iter();
    refusal
        .map(|(code, why)| Refusal {
            agent: 0,
            extended_code: *code,
            place: format!("the creation of the database ({why})"),
        })
        .collect()
}

/// What of the run itself did not happen: it makes the verdict unknown.
fn failures(evidence: &Evidence) -> Vec<String> {
    let mut failures = evidence.stress.not_seen.clone();
    if evidence.ran_full && !filled_on_purpose(evidence) {
        failures.push("the storage ran full during the stress".into());
    }
    if evidence.interrupted {
        failures.push(format!("interrupted after {:.1} s", evidence.stress.worked.as_secs_f64()));
    }
    if let Some(why) = &evidence.control.failed {
        failures.push(format!("the control could not be done: {why}"));
    }
    if !evidence.shared_clock {
        failures.push("agents do not share a boot id: their clocks cannot be compared".into());
    }
    if evidence.stress.finals.len() < usize::from(evidence.options.agents) && evidence.stress.first_refusal.is_none() {
        failures.push("not every agent could tell the final state".into());
    }
    failures
}

/// What the agents said; where none came, what their program says.
fn sqlite(said: &[String], of_the_program: &str) -> String {
    if said.is_empty() { of_the_program.to_owned() } else { said.join(", ") }
}

fn seen(evidence: &Evidence) -> Vec<String> {
    let options = &evidence.options;
    vec![
        format!("{} agents: {}", options.agents, evidence.boundary.abilities.isolation),
        format!(
            "world {}, workload {}, journal mode {}",
            options.world, options.workload.name, options.workload.journal_mode
        ),
        format!("SQLite {}", sqlite(&evidence.sqlite, &evidence.boundary.sqlite)),
    ]
}

fn not_seen(evidence: &Evidence) -> Vec<String> {
    let mut not_seen = vec!["power loss".into(), "other hosts".into(), "your application's own SQLite build".into()];
    not_seen.extend(evidence.boundary.abilities.missing.iter().cloned());
    not_seen
}

fn conditions(evidence: &Evidence) -> Vec<String> {
    let openers = match &evidence.boundary.own {
        None => "all openers stay on this kernel and open the same directory by the same file name",
        Some(_) => "nobody else opens the database, and all openers stay on this kernel and keep these mounts",
    };
    let mut conditions = vec![openers.to_owned()];
    let workload = &evidence.options.workload;
    if workload.journal_mode.starts_with("wal") && matches!(workload.synchronous.as_str(), "off" | "normal") {
        conditions.push(format!(
            "synchronous={}: a power cut may take the last commits, not the consistency{}",
            workload.synchronous.to_uppercase(),
            if workload.synchronous == "off" { " (with OFF it may take that too)" } else { "" }
        ));
    }
    if evidence.options.storage.failing.is_some() {
        conditions.push("the storage was asked to fail: its errors are not held against the boundary".into());
    }
    conditions
}

fn expected(evidence: &Evidence, mode: JournalMode, kind: VerdictKind) -> Expected {
    let name = evidence.options.world.clone();
    let world = worlds::find(&name);
    let expectation = world.map_or(Expectation::Safe, |world| world.expectation(mode));
    let names = world.map_or(&[][..], |world| world.names);
    let met = match expectation {
        // On storage that other kernels could mount, `risky` is the best that there is.
        Expectation::Safe => matches!(kind, VerdictKind::Safe | VerdictKind::Risky),
        Expectation::Refuses => kind == VerdictKind::Refuses,
        Expectation::Unsafe | Expectation::UnsafeAfterCrash => {
            kind == VerdictKind::Unsafe && meets(expectation, names, evidence).is_ok()
        }
        // The floor of whoever does not get in is missed, or just reached.
        Expectation::Starves => matches!(kind, VerdictKind::Unknown | VerdictKind::Safe | VerdictKind::Risky),
    };
    Expected { world: name, outcome: expectation.word(), met }
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
