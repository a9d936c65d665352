//! The verdict: everything weighed, and what keeps `safe` from being said lightly.
//!
//! `safe` does not prove a boundary sound. It says that this run tried hard enough by the floors below, that it
//! would have noticed by the controls, and that nothing broke. The order of weighing: an anomaly makes `unsafe`; a
//! mode that SQLite would not run loudly is `refuses`; a floor not reached or a control missed is `unknown`; files
//! that another kernel may have open are `risky`; what is left is `safe`, with its coverage.
//!
//! Where to look next: `checkers` for anomalies and exposures, `controls` for the plants, `probe` for the table.

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::db_header::JournalFamily;
use walproof_format::sqlite::error_code;

use crate::checkers::{Anomaly, AnomalyKind, Exposures};
use crate::controls::PlantedOutcome;
use crate::facts::OtherKernels;
use crate::probe::Decision;

/// What can be said of a journal mode on a boundary; the worst wins, so the order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// Tried hard, nothing broke.
    Safe,
    /// Nothing broke, and something that could not be tested may break it.
    Risky,
    /// SQLite fails loudly; nothing is lost.
    Refuses,
    /// Not enough was seen.
    Unknown,
    /// A witness shows that it breaks.
    Unsafe,
}

impl VerdictKind {
    /// The word for people and for JSON.
    pub const fn word(self) -> &'static str {
        match self {
            VerdictKind::Safe => "safe",
            VerdictKind::Risky => "risky",
            VerdictKind::Refuses => "refuses",
            VerdictKind::Unknown => "unknown",
            VerdictKind::Unsafe => "unsafe",
        }
    }
}

/// SQLite's journal modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalMode {
    /// Write-ahead log.
    Wal,
    /// Write-ahead log with `locking_mode=EXCLUSIVE` set before the first access: no `-shm`, one process at a time.
    #[serde(rename = "wal-exclusive")]
    WalExclusive,
    /// Rollback journal, deleted at commit.
    Delete,
    /// Rollback journal, truncated at commit.
    Truncate,
    /// Rollback journal, its header zeroed at commit.
    Persist,
    /// Rollback journal in memory.
    Memory,
    /// No journal.
    Off,
}

impl JournalMode {
    /// All modes.
    pub const ALL: &'static [JournalMode] = &[
        JournalMode::Wal,
        JournalMode::WalExclusive,
        JournalMode::Delete,
        JournalMode::Truncate,
        JournalMode::Persist,
        JournalMode::Memory,
        JournalMode::Off,
    ];

    /// The word that `PRAGMA journal_mode` takes and answers; for `wal-exclusive` it is `wal`.
    pub const fn word(self) -> &'static str {
        match self {
            JournalMode::Wal => "wal",
            JournalMode::WalExclusive => "wal-exclusive",
            JournalMode::Delete => "delete",
            JournalMode::Truncate => "truncate",
            JournalMode::Persist => "persist",
            JournalMode::Memory => "memory",
            JournalMode::Off => "off",
        }
    }

    /// The mode of a word, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.word().eq_ignore_ascii_case(word))
    }

    /// What bytes 18 and 19 of the database say in this mode.
    pub const fn family(self) -> JournalFamily {
        match self {
            JournalMode::Wal | JournalMode::WalExclusive => JournalFamily::Wal,
            _ => JournalFamily::Rollback,
        }
    }
}

/// What was looked at, and what could not be. There is none without something seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    seen: Vec<String>,
    not_seen: Vec<String>,
}

impl Coverage {
    /// A coverage, if anything was seen.
    pub fn new(seen: Vec<String>, not_seen: Vec<String>) -> Option<Self> {
        (!seen.is_empty()).then_some(Self { seen, not_seen })
    }

    /// What was looked at.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// What could not be.
    pub fn not_seen(&self) -> &[String] {
        &self.not_seen
    }
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The probe's facts alone.
    ProbeOnly,
    /// A run with workload and nemeses.
    Stressed,
}

/// The answer for one journal mode. Only this module makes one; a safe one has a coverage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    kind: VerdictKind,
    mode: JournalMode,
    basis: Basis,
    reasons: Vec<String>,
    conditions: Vec<String>,
    coverage: Option<Coverage>,
    bounds: Vec<Bound>,
    witness: Vec<Anomaly>,
}

impl Verdict {
    /// How bad it is.
    pub fn kind(&self) -> VerdictKind {
        self.kind
    }

    /// For which journal mode.
    pub fn mode(&self) -> JournalMode {
        self.mode
    }

    /// What it rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Why, one sentence each; empty for `safe`.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }

    /// Under which conditions it holds.
    pub fn conditions(&self) -> &[String] {
        &self.conditions
    }

    /// What was looked at, and what could not be.
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()
    }

    /// How rare a failure would have to be to stay hidden from this run; empty unless nothing failed.
    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    /// The anomalies that show it.
    pub fn witness(&self) -> &[Anomaly] {
        &self.witness
    }

    /// Nothing could be said.
    pub fn unknown(mode: JournalMode, basis: Basis, reasons: Vec<String>) -> Self {
        Self {
            kind: VerdictKind::Unknown,
            mode,
            basis,
            reasons,
            conditions: Vec::new(),
            coverage: None,
            bounds: Vec::new(),
            witness: Vec::new(),
        }
    }

    /// Nothing was found against it: `safe`, or `risky` where another kernel may have the files open, or where the probe
    /// saw what it hangs by.
    fn nothing_found(
        mode: JournalMode,
        basis: Basis,
        coverage: Coverage,
        other_kernels: &OtherKernels,
        mut reasons: Vec<String>,
    ) -> Self {
        if let OtherKernels::Yes(why) | OtherKernels::Perhaps(why) = other_kernels {
            reasons.push(format!("only this kernel was tested: {why}"));
        }
        let kind = if reasons.is_empty() { VerdictKind::Safe } else { VerdictKind::Risky };
        Self { kind, coverage: Some(coverage), ..Self::unknown(mode, basis, reasons) }
    }
}

/// How rare a failure would have to be to stay hidden, for one exposure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// What was counted: `commit`, `hand-over`, ...
    pub exposure: &'static str,
    /// How often it happened without a failure.
    pub count: u64,
    /// Below this rate at 95 %, if trials were independent.
    pub rate_max: f64,
    /// The rate in words: `< 7.3e-6 failures a commit`.
    pub text: String,
}

impl Bound {
    /// The rule of three: none in n, so under 3/n at 95 % if trials were independent. Nothing follows from n < 3.
    pub fn none_in(count: u64, exposure: &'static str) -> Option<Self> {
        let rate_max = 3.0 / count as f64;
        let rate = if rate_max < 0.001 { format!("{rate_max:.1e} failures") } else { percent(rate_max) };
        (count >= 3).then(|| Self { exposure, count, rate_max, text: format!("< {rate} a {exposure}") })
    }
}

fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    if percent < 1.0 { format!("{percent:.2} %") } else { format!("{:.0} %", percent.ceil()) }
}

/// What a broken world had to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ControlResult {
    /// The world: `fake-locks`.
    pub name: String,
    /// Whether an anomaly was found in it.
    pub caught: bool,
    /// Nanoseconds from its first commit to the first provable anomaly.
    pub after_ns: Option<u64>,
    /// The first anomaly.
    pub by: Option<AnomalyKind>,
}

/// A loud no of SQLite's, outside the checker's sight (an open that failed before the first record).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which agent.
    pub agent: u16,
    /// SQLite's extended result code.
    pub extended_code: u32,
    /// At which statement.
    pub place: String,
}

/// Everything that a run knows, to be weighed.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The journal mode that was asked for.
    pub mode: JournalMode,
    /// What `PRAGMA journal_mode` answered, the same for all agents; `None`: not known or not the same.
    pub pragma_mode: Option<JournalMode>,
    /// What bytes 18 and 19 of the database said while the run lasted.
    pub header_family: Option<JournalFamily>,
    /// How many agents took part.
    pub agents: usize,
    /// Agents that were to commit; `None`: all.
    pub writers: Option<Vec<u16>>,
    /// What the checker counted.
    pub exposures: Exposures,
    /// What the checker found.
    pub anomalies: Vec<Anomaly>,
    /// How long agents worked, in whole seconds.
    pub stress_seconds: u64,
    /// Kills sent.
    pub kills: u64,
    /// Pauses.
    pub pauses: u64,
    /// Directed kills, into a transaction that had spilled.
    pub directed_kills: u64,
    /// WAL recoveries, or hot journals rolled back.
    pub recoveries: u64,
    /// Times when the last connection of all was closed (and the database opened again).
    pub last_closes: u64,
    /// The broken worlds of this run.
    pub controls: Vec<ControlResult>,
    /// The anomalies planted into this run's own records.
    pub plants: Vec<PlantedOutcome>,
    /// What the probe's table says for this mode; `None`: no probe ran.
    pub probe: Option<Decision>,
    /// Whether a probe was to run.
    pub probe_asked: bool,
    /// Loud refusals outside the history.
    pub refusals: Vec<Refusal>,
    /// Whether other kernels may have the files open.
    pub other_kernels: OtherKernels,
    /// Whether agents were in containers of their own.
    pub containers: bool,
    /// Why the checker could not finish, if so.
    pub checker_failed: Option<String>,
    /// What else of the run failed, one sentence each: it makes the verdict unknown.
    pub failures: Vec<String>,
    /// What was looked at.
    pub seen: Vec<String>,
    /// What could not be.
    pub not_seen: Vec<String>,
    /// Under which conditions the verdict holds.
    pub conditions: Vec<String>,
}

impl Evidence {
    /// The evidence of a run in which nothing has happened yet: weighed, it is unknown.
    pub fn nothing(mode: JournalMode) -> Self {
        Self {
            mode,
            pragma_mode: None,
            header_family: None,
            agents: 0,
            writers: None,
            exposures: Exposures::default(),
            anomalies: Vec::new(),
            stress_seconds: 0,
            kills: 0,
            pauses: 0,
            directed_kills: 0,
            recoveries: 0,
            last_closes: 0,
            controls: Vec::new(),
            plants: Vec::new(),
            probe: None,
            probe_asked: true,
            refusals: Vec::new(),
            other_kernels: OtherKernels::Perhaps("not looked at".to_owned()),
            containers: false,
            checker_failed: None,
            failures: Vec::new(),
            seen: Vec::new(),
            not_seen: Vec::new(),
            conditions: Vec::new(),
        }
    }
}

/// A minimum without which nothing may be called safe.
pub struct Floor {
    /// Its name in reports.
    pub name: &'static str,
    /// The minimum.
    pub minimum: u64,
    /// Why a run below it shows nothing.
    pub why: &'static str,
    /// Whether it holds for a mode.
    pub applies: fn(JournalMode) -> bool,
    /// What was reached.
    pub reached: fn(&Evidence) -> u64,
}

/// All floors. The minima are small against a run of ten seconds (thousands of commits a second) and large against
/// chance; they are there to catch runs in which nothing happened.
pub static FLOORS: &[Floor] = &[
    Floor {
        name: "journal mode by pragma",
        minimum: 1,
        why: "another mode would be judged than the one asked for",
        applies: always,
        reached: |evidence| u64::from(evidence.pragma_mode == Some(evidence.mode)),
    },
    Floor {
        name: "journal mode by header bytes 18 and 19",
        minimum: 1,
        why: "the file on storage is in another mode than the pragma answered",
        applies: always,
        reached: |evidence| u64::from(evidence.header_family == Some(evidence.mode.family())),
    },
    Floor {
        name: "agents",
        minimum: 2,
        why: "a boundary lies between two",
        applies: always,
        reached: |evidence| evidence.agents as u64,
    },
    Floor {
        name: "commits of the writer with fewest",
        minimum: 10,
        why: "an agent that does not commit tests nothing",
        applies: always,
        reached: fewest_commits,
    },
    Floor {
        name: "percent of the seconds in which somebody committed",
        minimum: 50,
        why: "most of the time nobody could: locks that the dead leave behind would look like that",
        applies: always,
        reached: percent_of_seconds,
    },
    Floor {
        name: "hand-overs between agents",
        minimum: 20,
        why: "locks and freshness are tested when another agent goes on",
        applies: always,
        reached: |evidence| evidence.exposures.hand_overs,
    },
    Floor {
        name: "WAL resets",
        minimum: 5,
        why: "a log that is never restarted hides stale wal-indexes",
        applies: |mode| matches!(mode, JournalMode::Wal),
        reached: |evidence| evidence.exposures.wal_resets,
    },
    Floor {
        name: "recoveries",
        minimum: 1,
        why: "after a crash somebody must find the log or the hot journal",
        applies: always,
        reached: |evidence| evidence.recoveries,
    },
    Floor {
        name: "last closes",
        minimum: 1,
        why: "the last one to close unlinks the sidecars: hidden locks show there",
        applies: always,
        reached: |evidence| evidence.last_closes,
    },
    Floor {
        name: "kills inside a transaction",
        minimum: 1,
        why: "a kill between transactions leaves nothing to recover",
        applies: always,
        reached: |evidence| evidence.exposures.kills_inside_transaction,
    },
    Floor {
        name: "overlapping reads",
        minimum: 10,
        why: "a reader that is never there while another agent commits sees nothing torn",
        // Nobody reads while another has the database to itself.
        applies: |mode| mode != JournalMode::WalExclusive,
        reached: |evidence| evidence.exposures.overlapping_reads,
    },
    Floor {
        name: "broken worlds caught",
        minimum: 1,
        why: "a harness that finds nothing in a broken world is guilty",
        applies: always,
        reached: |evidence| u64::from(!evidence.controls.is_empty() && evidence.controls.iter().all(|c| c.caught)),
    },
    Floor {
        name: "kinds of planted anomalies named",
        minimum: AnomalyKind::ALL.len() as u64,
        why: "a checker that misses a planted anomaly would miss a real one",
        applies: always,
        reached: |evidence| planted_kinds_named(&evidence.plants),
    },
];

/// Of those who were to commit; nobody: none.
fn fewest_commits(evidence: &Evidence) -> u64 {
    let everybody = || (0..evidence.agents as u16).collect();
    let writers = evidence.writers.clone().unwrap_or_else(everybody);
    writers.iter().map(|&writer| evidence.exposures.commits_of(writer)).min().unwrap_or(0)
}

/// Whole seconds only; a run below one second is below other floors.
fn percent_of_seconds(evidence: &Evidence) -> u64 {
    (evidence.exposures.seconds_with_commits * 100).checked_div(evidence.stress_seconds).unwrap_or(100)
}

fn always(_: JournalMode) -> bool {
    true
}

fn planted_kinds_named(plants: &[PlantedOutcome]) -> u64 {
    let named = |kind: &AnomalyKind| {
        let mut of_kind = plants.iter().filter(|plant| plant.kind == *kind).peekable();
        of_kind.peek().is_some() && of_kind.all(|plant| plant.named)
    };
    AnomalyKind::ALL.iter().filter(|kind| named(kind)).count() as u64
}

/// Weigh a run.
pub fn judge(evidence: &Evidence) -> Verdict {
    let broken = breakages(evidence);
    if !broken.is_empty() {
        return weighed(evidence, VerdictKind::Unsafe, broken);
    }
    let refused = refusals(evidence);
    if !refused.is_empty() {
        return weighed(evidence, VerdictKind::Refuses, refused);
    }
    let missing = missing(evidence);
    if !missing.is_empty() {
        return weighed(evidence, VerdictKind::Unknown, missing);
    }
    let Some(coverage) = coverage(evidence) else {
        return weighed(evidence, VerdictKind::Unknown, vec!["nothing says what was looked at".to_owned()]);
    };
    let risks = probed(evidence, VerdictKind::Risky);
    let verdict = Verdict::nothing_found(evidence.mode, Basis::Stressed, coverage, &evidence.other_kernels, risks);
    Verdict { conditions: evidence.conditions.clone(), bounds: bounds(evidence), ..verdict }
}

/// What a probe alone earns for a mode.
pub fn judge_probe(
    mode: JournalMode,
    decision: &Decision,
    coverage: Option<Coverage>,
    other_kernels: &OtherKernels,
) -> Verdict {
    let basis = Basis::ProbeOnly;
    match (decision.kind, coverage) {
        (VerdictKind::Safe | VerdictKind::Risky, Some(coverage)) => {
            let risks = decision.reasons.iter().map(|reason| reason.text.clone()).collect();
            Verdict::nothing_found(mode, basis, coverage, other_kernels, risks)
        }
        (VerdictKind::Safe, None) => Verdict::unknown(mode, basis, vec!["nothing says what was looked at".to_owned()]),
        (kind, coverage) => {
            let reasons = decision.reasons.iter().filter(|reason| reason.kind == kind);
            let reasons = reasons.map(|reason| reason.text.clone()).collect();
            Verdict { kind, coverage, ..Verdict::unknown(mode, basis, reasons) }
        }
    }
}

fn weighed(evidence: &Evidence, kind: VerdictKind, reasons: Vec<String>) -> Verdict {
    Verdict {
        kind,
        coverage: coverage(evidence),
        conditions: evidence.conditions.clone(),
        witness: evidence.anomalies.clone(),
        ..Verdict::unknown(evidence.mode, Basis::Stressed, reasons)
    }
}

fn coverage(evidence: &Evidence) -> Option<Coverage> {
    let mut not_seen = evidence.not_seen.clone();
    if !evidence.containers {
        not_seen.retain(|what| !what.starts_with("containers:"));
        not_seen.push("containers: agents were plain processes, not containers".to_owned());
    }
    Coverage::new(evidence.seen.clone(), not_seen)
}

fn breakages(evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    // The first of each kind: the others stand in the witness.
    for kind in AnomalyKind::ALL {
        let broken = evidence.anomalies.iter().find(|anomaly| anomaly.kind == *kind && !is_loud(anomaly));
        reasons.extend(broken.map(|anomaly| format!("{}: {}", kind.name(), anomaly.summary)));
    }
    reasons.extend(probed(evidence, VerdictKind::Unsafe));
    reasons
}

fn refusals(evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(answered) = evidence.pragma_mode.filter(|answered| *answered != evidence.mode) {
        let asked = evidence.mode.word();
        reasons.push(format!("PRAGMA journal_mode={asked} answered `{}`", answered.word()));
    }
    reasons.extend(evidence.anomalies.iter().filter(|anomaly| is_loud(anomaly)).map(|anomaly| anomaly.summary.clone()));
    reasons.extend(evidence.refusals.iter().map(|refusal| {
        format!("agent {} got {} at {}", refusal.agent, error_code::quoted(refusal.extended_code), refusal.place)
    }));
    reasons.extend(probed(evidence, VerdictKind::Refuses));
    reasons
}

fn missing(evidence: &Evidence) -> Vec<String> {
    let mut reasons = evidence.failures.clone();
    reasons.extend(evidence.checker_failed.iter().map(|why| format!("the checker did not finish: {why}")));
    reasons.extend(probed(evidence, VerdictKind::Unknown));
    if evidence.probe.is_none() && evidence.probe_asked {
        reasons.push("no probe ran".to_owned());
    }
    let missed = FLOORS.iter().filter(|floor| (floor.applies)(evidence.mode));
    reasons.extend(missed.filter_map(|floor| below(floor, evidence)));
    reasons
}

fn below(floor: &Floor, evidence: &Evidence) -> Option<String> {
    let reached = (floor.reached)(evidence);
    (reached < floor.minimum)
        .then(|| format!("floor not reached: {} {reached} of {} ({})", floor.name, floor.minimum, floor.why))
}

fn probed(evidence: &Evidence, kind: VerdictKind) -> Vec<String> {
    let reasons = evidence.probe.iter().flat_map(|decision| &decision.reasons);
    reasons.filter(|reason| reason.kind == kind).map(|reason| format!("probe: {}", reason.text)).collect()
}

/// Errors by which SQLite says no before anything is lost, by code. What they leave behind was accounted for all
/// the same; a run that lost something has another anomaly as well.
pub static LOUD_CODES: &[u32] = &[3, 8, 13, 14, 264, 520, 776, 1288, 1544, 2570, 3850, 4618, 4874, 5130, 5386];

/// Whether an anomaly is no more than a loud no.
pub fn is_loud(anomaly: &Anomaly) -> bool {
    let code = anomaly.witness.first().and_then(|line| line.extended_code.as_ref());
    let loud = |code: &String| LOUD_CODES.iter().any(|loud| *code == error_code::quoted(*loud));
    anomaly.kind == AnomalyKind::UnexpectedError && code.is_some_and(loud)
}

fn bounds(evidence: &Evidence) -> Vec<Bound> {
    let exposures = &evidence.exposures;
    [
        (exposures.commits, "commit"),
        (exposures.hand_overs, "hand-over"),
        (exposures.wal_resets, "WAL reset"),
        (exposures.reopens, "reopen"),
        (evidence.kills, "kill"),
    ]
    .into_iter()
    .filter_map(|(count, exposure)| Bound::none_in(count, exposure))
    .collect()
}

/// What the process tells its caller; documented and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Safe or risky.
    Fine = 0,
    /// Unsafe; or a mode that was asked for is refused; or risky with `--fail-on risky`.
    Broken = 1,
    /// walproof failed, or was misused.
    Failed = 2,
    /// Unknown.
    Unknown = 3,
}

impl ExitCode {
    /// The code of one verdict. `asked`: whether the user asked for this mode.
    pub const fn of(kind: VerdictKind, asked: bool, fail_on_risky: bool) -> Self {
        match kind {
            VerdictKind::Unsafe => ExitCode::Broken,
            VerdictKind::Refuses if asked => ExitCode::Broken,
            VerdictKind::Risky if fail_on_risky => ExitCode::Broken,
            VerdictKind::Unknown => ExitCode::Unknown,
            VerdictKind::Safe | VerdictKind::Risky | VerdictKind::Refuses => ExitCode::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::WitnessLine;
    use crate::finding::Certainty;
    use crate::probe::{PairFacts, decide};

    fn sound(mode: JournalMode) -> Evidence {
        Evidence {
            pragma_mode: Some(mode),
            header_family: Some(mode.family()),
            agents: 3,
            exposures: Exposures {
                commits: 412_388,
                commits_by_agent: vec![100_000, 200_000, 112_388],
                hand_overs: 9_000,
                wal_resets: if mode == JournalMode::Wal { 300 } else { 0 },
                reopens: 40,
                kills_inside_transaction: 12,
                overlapping_reads: 700,
                ..Exposures::default()
            },
            kills: 31,
            recoveries: 3,
            last_closes: 2,
            controls: vec![ControlResult { name: "fake-locks".into(), caught: true, after_ns: Some(9), by: None }],
            plants: AnomalyKind::ALL.iter().map(|kind| PlantedOutcome::named(*kind, "planted")).collect(),
            probe: Some(decide(&PairFacts::sound(), mode)),
            other_kernels: OtherKernels::No,
            containers: true,
            seen: vec!["3 containers".into()],
            ..Evidence::nothing(mode)
        }
    }

    fn earns(change: impl FnOnce(&mut Evidence), kind: VerdictKind, reason: &str) {
        let mut evidence = sound(JournalMode::Wal);
        change(&mut evidence);
        let verdict = judge(&evidence);
        assert_eq!(verdict.kind(), kind, "{:?}", verdict.reasons());
        let said = verdict.reasons().join("\n");
        assert!(said.contains(reason), "`{reason}` not in: {said}");
    }

    fn anomaly(kind: AnomalyKind, code: Option<&str>) -> Anomaly {
        let record = walproof_format::history::Record::decode(&{
            let mut bytes = [0u8; 64];
            (bytes[56], bytes[57]) = (2, 3);
            bytes
        });
        let line = WitnessLine::of_record(&record.expect("a read"), "saw it");
        let line = WitnessLine { extended_code: code.map(str::to_owned), ..line };
        Anomaly { kind, summary: "it broke".into(), witness: vec![line], provable_ns: 1, certainty: Certainty::Proven }
    }

    #[test]
    fn a_sound_run_is_safe_in_both_families_with_bounds_and_coverage() {
        for mode in [JournalMode::Wal, JournalMode::Delete] {
            let verdict = judge(&sound(mode));
            assert_eq!(verdict.kind(), VerdictKind::Safe, "{:?}", verdict.reasons());
            assert!(verdict.coverage().is_some());
            assert_eq!(verdict.bounds()[0].text, "< 7.3e-6 failures a commit");
        }
    }

    #[test]
    fn nothing_is_unknown() {
        assert_eq!(judge(&Evidence::nothing(JournalMode::Wal)).kind(), VerdictKind::Unknown);
    }

    #[test]
    fn an_anomaly_is_unsafe_and_shown() {
        earns(
            |e| e.anomalies.push(anomaly(AnomalyKind::LostCommit, None)),
            VerdictKind::Unsafe,
            "lost-commit: it broke",
        );
        let error = || anomaly(AnomalyKind::UnexpectedError, Some("IOERR_DELETE_NOENT 5898"));
        earns(|e| e.anomalies.push(error()), VerdictKind::Unsafe, "unexpected-error");
        earns(|e| e.anomalies.push(anomaly(AnomalyKind::UnexpectedDeath, None)), VerdictKind::Unsafe, "");
    }

    #[test]
    fn a_loud_no_is_a_refusal_unless_something_was_lost() {
        let error = || anomaly(AnomalyKind::UnexpectedError, Some("IOERR_SHMMAP 5386"));
        earns(|e| e.anomalies.push(error()), VerdictKind::Refuses, "it broke");
        earns(|e| e.anomalies.extend([error(), anomaly(AnomalyKind::Regress, None)]), VerdictKind::Unsafe, "regress");
        earns(|e| e.pragma_mode = Some(JournalMode::Delete), VerdictKind::Refuses, "answered `delete`");
        let refusal = Refusal { agent: 1, extended_code: 5386, place: "open".into() };
        earns(|e| e.refusals.push(refusal), VerdictKind::Refuses, "IOERR_SHMMAP 5386");
    }

    #[test]
    fn every_floor_is_named_when_it_is_missed() {
        let unknown = VerdictKind::Unknown;
        earns(|e| e.pragma_mode = None, unknown, "journal mode by pragma");
        earns(|e| e.header_family = Some(JournalFamily::Rollback), unknown, "bytes 18 and 19");
        earns(|e| e.agents = 1, unknown, "agents 1 of 2");
        earns(|e| e.agents = 4, unknown, "fewest 0 of 10");
        earns(|e| e.exposures.hand_overs = 19, unknown, "hand-overs");
        earns(|e| e.exposures.wal_resets = 4, unknown, "WAL resets 4 of 5");
        earns(|e| e.recoveries = 0, unknown, "recoveries");
        earns(|e| e.last_closes = 0, unknown, "last closes");
        earns(|e| e.exposures.kills_inside_transaction = 0, unknown, "kills inside");
        earns(|e| e.exposures.overlapping_reads = 9, unknown, "overlapping");
        earns(|e| e.controls.clear(), unknown, "broken worlds");
        earns(|e| e.controls[0].caught = false, unknown, "broken worlds");
        earns(|e| drop(e.plants.pop()), unknown, "planted");
        earns(|e| e.plants[3].named = false, unknown, "planted");
    }

    #[test]
    fn what_failed_is_unknown() {
        earns(|e| e.checker_failed = Some("it panicked".into()), VerdictKind::Unknown, "it panicked");
        earns(|e| e.failures.push("agent 2 did not start".into()), VerdictKind::Unknown, "agent 2");
        earns(|e| e.probe = None, VerdictKind::Unknown, "no probe");
        earns(|e| e.seen.clear(), VerdictKind::Unknown, "looked at");
    }

    #[test]
    fn other_kernels_are_risky_at_best() {
        earns(|e| e.other_kernels = OtherKernels::Yes("nfs".into()), VerdictKind::Risky, "only this kernel was tested");
        earns(|e| e.other_kernels = OtherKernels::Perhaps("fuse".into()), VerdictKind::Risky, "only this kernel");
    }

    #[test]
    fn the_probe_weighs_in() {
        let mut broken = PairFacts::sound();
        broken.a_to_b.lock_conflict_seen = crate::probe::Answer::No;
        earns(|e| e.probe = Some(decide(&broken, JournalMode::Wal)), VerdictKind::Unsafe, "probe: B is granted");
        earns(|e| e.probe = Some(decide(&PairFacts::default(), JournalMode::Wal)), VerdictKind::Unknown, "not asked");
        let mut three_files = PairFacts::sound();
        three_files.a_to_b.sibling = crate::probe::Answer::No;
        three_files.a_to_b.sidecars_mounted = Some(crate::probe::Answer::Yes);
        let risky = decide(&three_files, JournalMode::Wal);
        earns(|e| e.probe = Some(risky.clone()), VerdictKind::Risky, "mounted one by one");
    }

    #[test]
    fn a_probe_alone_is_safe_only_with_a_coverage() {
        let decision = decide(&PairFacts::sound(), JournalMode::Delete);
        let coverage = Coverage::new(vec!["the probe".into()], vec![]);
        let safe = judge_probe(JournalMode::Delete, &decision, coverage, &OtherKernels::No);
        assert_eq!((safe.kind(), safe.basis()), (VerdictKind::Safe, Basis::ProbeOnly));
        assert_eq!(judge_probe(JournalMode::Delete, &decision, None, &OtherKernels::No).kind(), VerdictKind::Unknown);
    }

    #[test]
    fn worst_wins_by_the_order_of_the_kinds() {
        let order =
            [VerdictKind::Safe, VerdictKind::Risky, VerdictKind::Refuses, VerdictKind::Unknown, VerdictKind::Unsafe];
        assert!(order.is_sorted());
    }

    #[test]
    fn exit_codes_are_as_documented() {
        use ExitCode::{Broken, Fine};
        for (kind, asked, fail_on_risky, code) in [
            (VerdictKind::Safe, true, true, Fine),
            (VerdictKind::Risky, true, false, Fine),
            (VerdictKind::Risky, true, true, Broken),
            (VerdictKind::Refuses, true, false, Broken),
            (VerdictKind::Refuses, false, false, Fine),
            (VerdictKind::Unknown, true, false, ExitCode::Unknown),
            (VerdictKind::Unsafe, false, false, Broken),
        ] {
            assert_eq!(ExitCode::of(kind, asked, fail_on_risky), code, "{kind:?}");
        }
        assert_eq!(ExitCode::Failed as u8, 2);
    }

    #[test]
    fn bounds_read_well_and_nothing_follows_from_two() {
        assert_eq!(Bound::none_in(2, "kill"), None);
        assert_eq!(Bound::none_in(31, "kill").expect("a bound").text, "< 10 % a kill");
        assert_eq!(Bound::none_in(1000, "hand-over").expect("a bound").text, "< 0.30 % a hand-over");
    }
}
