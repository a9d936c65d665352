//! Everything that one `check` has to say: findings, suppressed ones among them, what was looked at, what was not.
//!
//! What this file is: [`Checked`], which renderers show and the exit code is drawn from.
//!
//! What it must not do: drop a finding. What is suppressed stays, with its reason.
//!
//! Where to look next: `crate::render` for how it is shown, `allow` and `baseline` for what suppresses.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use walproof_format::sqlite::db_header::JournalFamily;

use super::baseline::Baseline;
use super::{Weighed, allow, baseline};
use crate::manifest::kubernetes::Unread;
use crate::manifest::{Place, Span};
use crate::rules::{RULES, Severity};
use crate::sharing::{Database, EvidenceKind, Graph, Host, WorkloadId, WorkloadKind};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What was judged.
    pub graph: Graph,
    /// The texts of its files, by the names they have in the graph.
    pub texts: BTreeMap<String, String>,
    /// All findings, the worst first.
    pub findings: Vec<Reported>,
    /// What was read.
    pub read: Read,
    /// What else has to be said: what could not be read, comments that do not hold.
    pub said: Vec<Said>,
    /// What was asked.
    pub policy: Policy,
}

/// A finding, and whether somebody accepted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The finding with its severity.
    pub weighed: Weighed,
    /// What it is called in baselines: rule, file and the names of what it is about, not the line.
    pub fingerprint: String,
    /// Why it does not count; `None`: it does.
    pub suppressed: Option<Suppressed>,
}

/// Why a finding does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppressed {
    /// By what.
    pub by: SuppressedBy,
    /// The reason, as given.
    pub reason: String,
}

/// What a finding was suppressed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressedBy {
    /// A comment in the file.
    Comment,
    /// The baseline.
    Baseline,
    /// The rule is skipped.
    Skip,
}

/// What was read, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Files that were judged: word of the kind, count.
    pub judged: BTreeMap<&'static str, usize>,
    /// Files that were read, and nothing was made of them.
    pub left_out: Vec<LeftOut>,
    /// What could not be seen of a live machine, in words.
    pub not_seen: Vec<String>,
    /// Of a live machine: databases, processes that have one open, containers. `None`: nobody asked.
    pub seen: Option<(usize, usize, usize)>,
}

/// A file, or an object of it, that was not judged, and nobody's fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// Why.
    pub why: LeftOutWhy,
    /// The file.
    pub file: String,
    /// The object of it, where it is not the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Unread>,
}

/// Why a file was not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOutWhy {
    /// A program has to fill it in first.
    Template,
    /// Nothing in it.
    Empty,
    /// It is none of the kinds that are read.
    OtherKind,
    /// An object in it starts pods that only another program knows.
    NotJudged,
}

/// Something that has to be said besides findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// How bad.
    pub level: Level,
    /// The file or target.
    pub file: String,
    /// Where in it.
    pub place: Option<Place>,
    /// What.
    pub what: String,
    /// The cause.
    pub because: String,
    /// What to do.
    pub try_this: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something that was asked for could not be done: exit code 2.
    Error,
    /// Worth knowing.
    Note,
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Severities that fail besides `unsafe`.
    pub fail_on: BTreeSet<Severity>,
    /// The journal mode that was asked about.
    pub mode: Option<JournalFamily>,
    /// Only these rules; empty: all.
    pub only: Vec<String>,
    /// Rules whose findings do not count.
    pub skipped: Vec<String>,
}

/// What goes into [`of`] besides the graph.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The texts of the graph's files.
    pub texts: BTreeMap<String, String>,
    /// What was read.
    pub read: Read,
    /// What was said so far.
    pub said: Vec<Said>,
    /// What was asked.
    pub policy: Policy,
    /// Findings that are known and accepted.
    pub baseline: Option<Baseline>,
}

/// Judges a graph.
pub fn of(graph: Graph, given: Given) -> Checked {
    let Given { texts, read, said, policy, baseline } = given;
    let is_asked = |weighed: &Weighed| policy.only.is_empty() || policy.only.iter().any(|n| n == weighed.finding.rule);
    let weighed = super::judge(&graph, policy.mode).into_iter().filter(is_asked);
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for mut weighed in weighed {
        name_file(&graph, &mut weighed);
        // Files that belong to several sets are judged in each of them.
        let finding = &weighed.finding;
        let place = finding.span.map(|span| (graph.file_of(span).to_owned(), span.start, span.end));
        if seen.insert((finding.rule, place, finding.seen_at.clone(), finding.message.clone())) {
            let fingerprint = baseline::fingerprint(&graph, finding);
            findings.push(Reported { weighed, fingerprint, suppressed: None });
        }
    }
    let mut checked = Checked { graph, texts, findings, read, said, policy };
    allow::apply(&mut checked);
    if let Some(baseline) = baseline {
        baseline.apply(&mut checked);
    }
    checked.skip();
    checked.said.sort_by(|one, two| (one.level, &one.file, one.place).cmp(&(two.level, &two.file, two.place)));
    checked
}

/// A command that settles a finding names its files, and says where it has to run; none where it could not.
fn name_file(graph: &Graph, weighed: &mut Weighed) {
    let finding = &mut weighed.finding;
    let (about, span) = (finding.about, finding.span);
    let kind = about.workload.map(|id| graph.workload(id).kind);
    let Some(command) = finding.settle.take() else { return };
    if command.contains("--compose FILE") {
        let of_compose = kind.is_none_or(|kind| kind == WorkloadKind::Service);
        let span = span.filter(|span| of_compose && is_compose_file(graph.file_of(*span)));
        finding.settle = span.map(|span| {
            let name = |name: &&str| format!("--compose {}", quoted(name));
            let files: Vec<String> = compose_files(graph, span).iter().map(name).collect();
            command.replace("--compose FILE", &files.join(" "))
        });
        return;
    }
    let directory = about.database.map(|id| directory_of(graph.database(id)));
    finding.settle = match (command.strip_prefix("walproof probe "), directory, inside(kind)) {
        (Some(path), Some(directory), Some(inside)) if path == "DIRECTORY" || path == directory => {
            Some(format!("walproof probe {} # {inside}", quoted(directory)))
        }
        _ => Some(command),
    };
}

/// Whether `--compose` could be given a file of this name: not a page with Compose in it, not standard input.
fn is_compose_file(name: &str) -> bool {
    [".json", ".yaml", ".yml"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
}

/// The folder of a database, as its container has it.
fn directory_of(database: &Database) -> &str {
    match database.path.rsplit_once('/') {
        _ if database.is_directory => &database.path,
        Some(("", _)) | None => "/",
        Some((directory, _)) => directory,
    }
}

/// Where a path of a workload is found; `None`: on this machine.
const fn inside(kind: Option<WorkloadKind>) -> Option<&'static str> {
    use WorkloadKind as Is;
    match kind {
        None | Some(Is::Process | Is::Machine | Is::Image | Is::Container) => None,
        Some(Is::Service | Is::Quadlet | Is::CommandLine) => Some("inside the container"),
        Some(_) => Some("inside the pod"),
    }
}

/// The file, with the one that Compose takes over it, or under it.
fn compose_files(graph: &Graph, span: Span) -> Vec<&str> {
    let is_over = |index: usize| {
        let name = graph.files.get(index).map_or("", |file| file.name.rsplit('/').next().unwrap_or(""));
        name.contains(".override.")
    };
    let beside = |one: usize, two: usize| match (graph.files.get(one), graph.files.get(two)) {
        (Some(one), Some(two)) => one.directory == two.directory,
        _ => false,
    };
    let at = span.source;
    let base = at.checked_sub(1).filter(|before| is_over(at) && beside(*before, at)).unwrap_or(at);
    let over = Some(base + 1).filter(|after| is_over(*after) && beside(base, *after));
    [Some(base), over].into_iter().flatten().map(|index| graph.files[index].name.as_str()).collect()
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || "/._-+@".contains(c));
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

impl Checked {
    fn skip(&mut self) {
        let Self { findings, policy, .. } = self;
        for reported in findings.iter_mut().filter(|one| policy.skipped.iter().any(|n| n == one.weighed.finding.rule)) {
            let reason = "the rule is skipped".to_owned();
            reported.suppressed.get_or_insert(Suppressed { by: SuppressedBy::Skip, reason });
        }
    }

    /// The findings that count.
    pub fn counting(&self) -> impl Iterator<Item = &Reported> {
        self.findings.iter().filter(|reported| reported.suppressed.is_none())
    }

    /// How many findings of a severity count.
    pub fn count(&self, severity: Severity) -> usize {
        self.counting().filter(|reported| reported.weighed.severity == severity).count()
    }

    /// How many are suppressed by this.
    pub fn suppressed_count(&self, by: SuppressedBy) -> usize {
        let suppressed = self.findings.iter().filter_map(|reported| reported.suppressed.as_ref());
        suppressed.filter(|suppressed| suppressed.by == by).count()
    }

    /// The worst severity that counts.
    pub fn worst(&self) -> Option<Severity> {
        self.counting().map(|reported| reported.weighed.severity).max()
    }

    /// Whether a finding makes the exit code other than 0.
    pub fn fails(&self, reported: &Reported) -> bool {
        let severity = reported.weighed.severity;
        let refused = severity == Severity::Refuses && self.policy.mode.is_some();
        let is_bad = severity == Severity::Unsafe || refused || self.policy.fail_on.contains(&severity);
        is_bad && reported.suppressed.is_none()
    }

    /// 0, 1, 2 or 3, as `--help` says.
    pub fn exit_code(&self) -> i32 {
        if self.said.iter().any(|said| said.level == Level::Error) {
            return 2;
        }
        let failing: Vec<Severity> = self.findings.iter().filter(|one| self.fails(one)).map(severity_of).collect();
        match failing.iter().all(|severity| *severity == Severity::Unknown) {
            _ if failing.is_empty() => 0,
            true => 3,
            false => 1,
        }
    }

    /// `file:line:column` of a span.
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}:{}", self.graph.file_of(span), span.start.line, span.start.column)
    }

    /// Where a finding is, in words.
    pub fn place_of(&self, reported: &Reported) -> String {
        let finding = &reported.weighed.finding;
        finding.span.map_or_else(|| finding.seen_at.clone(), |span| self.place(span))
    }

    /// The text of the file that a span points into.
    pub fn text_of(&self, span: Span) -> Option<&str> {
        self.texts.get(self.graph.file_of(span)).map(String::as_str)
    }

    /// Workloads of which no database is known.
    pub fn without_database(&self) -> Vec<WorkloadId> {
        let known: BTreeSet<WorkloadId> = self.graph.databases.iter().map(|database| database.workload).collect();
        (0..self.graph.workloads.len()).map(WorkloadId).filter(|id| !known.contains(id)).collect()
    }

    /// Addresses of SQLite of which it is not known where they lead, of workloads of which nobody said it.
    pub fn unplaced(&self) -> Vec<(WorkloadId, &str)> {
        let is_told = |id: WorkloadId| {
            let mut databases = self.graph.databases.iter().filter(|database| database.workload == id);
            databases.any(|database| matches!(database.evidence.kind, EvidenceKind::Named | EvidenceKind::Seen))
        };
        let unplaced = self.graph.unplaced.iter().filter(|(id, _)| !is_told(*id));
        unplaced.map(|(id, text)| (*id, text.value.as_str())).collect()
    }

    /// Names of rules that were asked for and are none.
    pub fn unknown_rules(policy: &Policy) -> Vec<String> {
        let all = policy.only.iter().chain(&policy.skipped);
        all.filter(|name| !RULES.iter().any(|rule| rule.name == name.as_str())).cloned().collect()
    }

    /// Where the containers run.
    pub const fn host(&self) -> Host {
        self.graph.host
    }
}

const fn severity_of(reported: &Reported) -> Severity {
    reported.weighed.severity
}

/// A journal mode as the command line takes it.
pub const fn mode_word(family: JournalFamily) -> &'static str {
    match family {
        JournalFamily::Wal => "wal",
        JournalFamily::Rollback => "rollback",
    }
}
