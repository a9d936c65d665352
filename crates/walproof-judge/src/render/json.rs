//! For programs: one JSON document with a version, in a stable order; docs/check.md says what each field means.
//!
//! What it must not do: change a field's meaning without a new version.
//!
//! Where to look next: `crate::check::checked`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::SEVERITIES;
use crate::check::checked::{Checked, LeftOut, Reported, Said, Suppressed, mode_word};
use crate::finding::Certainty;
use crate::manifest::Span;
use crate::sharing::{DatabaseId, EvidenceKind};

/// The version of the document.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    walproof_check: u32,
    worst: Option<&'static str>,
    exit_code: i32,
    host: &'static str,
    mode: Option<&'static str>,
    counts: BTreeMap<&'static str, usize>,
    suppressed_count: usize,
    findings: Vec<FindingOut<'a>>,
    databases: Vec<DatabaseOut<'a>>,
    judged: BTreeMap<&'static str, usize>,
    workload_count: usize,
    workloads_without_database: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses_without_place: Vec<String>,
    left_out: &'a [LeftOut],
    not_seen: &'a [String],
    said: &'a [Said],
}

#[derive(Serialize)]
struct FindingOut<'a> {
    rule: &'static str,
    severity: &'static str,
    fails: bool,
    certainty: Certainty,
    fingerprint: &'a str,
    place: Option<PlaceOut<'a>>,
    seen_at: &'a str,
    message: &'a str,
    because: &'a str,
    depends: &'a str,
    remedy: &'a str,
    settle: Option<&'a str>,
    in_wal_mode: Option<&'static str>,
    in_rollback_mode: Option<&'static str>,
    workload: Option<String>,
    mount: Option<&'a str>,
    database: Option<&'a str>,
    related: Vec<RelatedOut<'a>>,
    suppressed: Option<&'a Suppressed>,
}

#[derive(Serialize)]
struct PlaceOut<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
struct RelatedOut<'a> {
    place: PlaceOut<'a>,
    what: &'a str,
}

#[derive(Serialize)]
struct DatabaseOut<'a> {
    workload: String,
    path: &'a str,
    is_directory: bool,
    known_by: EvidenceKind,
    because: &'a str,
    mode: Option<&'static str>,
    place: Option<PlaceOut<'a>>,
    shared_with: usize,
}

/// The document.
pub fn render(checked: &Checked) -> String {
    let graph = &checked.graph;
    let without = checked.without_database();
    let document = Document {
        walproof_check: VERSION,
        worst: checked.worst().map(|severity| severity.word()),
        exit_code: checked.exit_code(),
        host: checked.host().word(),
        mode: checked.policy.mode.map(mode_word),
        counts: SEVERITIES.iter().map(|severity| (severity.word(), checked.count(*severity))).collect(),
        suppressed_count: checked.findings.iter().filter(|one| one.suppressed.is_some()).count(),
        findings: checked.findings.iter().map(|reported| finding(checked, reported)).collect(),
        databases: graph.all_databases().map(|(id, _)| database(checked, id)).collect(),
        judged: checked.read.judged.clone(),
        workload_count: graph.workloads.len(),
        workloads_without_database: without.iter().map(|id| graph.workload(*id).shown()).collect(),
        addresses_without_place: checked
            .unplaced()
            .iter()
            .map(|(id, text)| format!("{}: {text}", graph.workload(*id).shown()))
            .collect(),
        left_out: &checked.read.left_out,
        not_seen: &checked.read.not_seen,
        said: &checked.said,
    };
    serde_json::to_string_pretty(&document).expect("plain data") + "\n"
}

fn finding<'a>(checked: &'a Checked, reported: &'a Reported) -> FindingOut<'a> {
    let (graph, weighed) = (&checked.graph, &reported.weighed);
    let (finding, about) = (&weighed.finding, weighed.finding.about);
    FindingOut {
        rule: finding.rule,
        severity: weighed.severity.word(),
        fails: checked.fails(reported),
        certainty: finding.certainty,
        fingerprint: &reported.fingerprint,
        place: finding.span.map(|span| place(checked, span)),
        seen_at: &finding.seen_at,
        message: &finding.message,
        because: &finding.because,
        depends: &weighed.depends,
        remedy: &finding.remedy,
        settle: finding.settle.as_deref(),
        in_wal_mode: finding.judged.wal.map(|severity| severity.word()),
        in_rollback_mode: finding.judged.rollback.map(|severity| severity.word()),
        workload: about.workload.map(|id| graph.workload(id).shown()),
        mount: about.mount.map(|id| graph.mount(id).target.as_str()),
        database: about.database.map(|id| graph.database(id).path.as_str()),
        related: finding
            .related
            .iter()
            .map(|related| RelatedOut { place: place(checked, related.span), what: &related.what })
            .collect(),
        suppressed: reported.suppressed.as_ref(),
    }
}

fn place(checked: &Checked, span: Span) -> PlaceOut<'_> {
    PlaceOut {
        file: checked.graph.file_of(span),
        line: span.start.line,
        column: span.start.column,
        end_line: span.end.line,
        end_column: span.end.column,
    }
}

fn database(checked: &Checked, id: DatabaseId) -> DatabaseOut<'_> {
    let database = checked.graph.database(id);
    DatabaseOut {
        workload: checked.graph.workload(database.workload).shown(),
        path: &database.path,
        is_directory: database.is_directory,
        known_by: database.evidence.kind,
        because: &database.evidence.because,
        mode: database.mode.family.map(mode_word),
        place: database.evidence.span.map(|span| place(checked, span)),
        shared_with: checked.graph.sharers(id).len(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALLOWED, UNSAFE, of};
    use super::*;
    use crate::check::checked::Policy;

    #[test]
    fn the_document_holds_findings_and_databases() {
        let json: serde_json::Value = serde_json::from_str(&render(&of(UNSAFE, Policy::default()))).expect("JSON");
        assert_eq!(json["walproof_check"], 1);
        assert_eq!((&json["exit_code"], &json["counts"]["unsafe"]), (&1.into(), &1.into()));
        let finding = &json["findings"][0];
        assert_eq!((&finding["place"]["line"], &finding["place"]["column"]), (&4.into(), &15.into()));
        assert_eq!(json["databases"][0]["known_by"], "application");
    }

    #[test]
    fn what_is_suppressed_stays_with_its_reason() {
        let json: serde_json::Value = serde_json::from_str(&render(&of(ALLOWED, Policy::default()))).expect("JSON");
        assert_eq!(json["findings"][0]["suppressed"]["by"], "comment");
        assert_eq!((&json["exit_code"], &json["worst"]), (&0.into(), &serde_json::Value::Null));
    }
}
