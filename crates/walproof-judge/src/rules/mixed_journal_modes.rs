//! Rule `mixed-journal-modes`: two who open one database each set another journal mode.
//!
//! What it must not do: take a default of the application table for something that somebody set.

use walproof_format::sqlite::db_header::JournalFamily;

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, EvidenceKind, Graph};

/// Openers set different journal modes.
pub static RULE: Rule = Rule {
    name: "mixed-journal-modes",
    line: "Two openers of one database each set another journal mode",
    explain: include_str!("mixed_journal_modes.md"),
    ground: Ground::Documented("https://sqlite.org/pragma.html#pragma_journal_mode"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let entries: Vec<DatabaseId> = std::iter::once(id).chain(graph.sharers(id)).collect();
    let sets = |family| entries.iter().copied().find(|entry| set(graph, *entry) == Some(family));
    let (wal, rollback) = (sets(JournalFamily::Wal)?, sets(JournalFamily::Rollback)?);
    if !graph.is_first_entry(id) {
        return None;
    }
    let shown = |entry: DatabaseId| graph.workload(graph.database(entry).workload).shown();
    Some(
        RULE.finding(
            Judged::always(Severity::Risky),
            About::database(graph, rollback),
            format!(
                "{} sets WAL for {}, and {} sets a rollback journal",
                shown(wal),
                graph.database(id).shown(),
                shown(rollback)
            ),
        )
        .at([graph.database(rollback).mode.span])
        .because(
            "the mode belongs to the file, not to who opens it: each switches it back where it can, and fails with \
             `database is locked` where the other has it open; nothing is lost",
        )
        .remedy("set one mode for all")
        .related(graph.database(wal).mode.span, "WAL is set here"),
    )
}

/// The mode that an opener sets itself.
fn set(graph: &Graph, id: DatabaseId) -> Option<JournalFamily> {
    let database = graph.database(id);
    let is_written = database.evidence.kind == EvidenceKind::Address && database.mode.span.is_some();
    database.mode.family.filter(|_| is_written)
}
