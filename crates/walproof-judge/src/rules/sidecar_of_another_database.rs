//! Rule `sidecar-of-another-database`: what lies beside the database belongs to another one, or to another time.
//!
//! What it must not do: go by times of writing: a log is older or newer than its database as it happens.
//! Where to look next: `deleted_sidecar_held` for sidecars that are missing.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{Graph, SeenFile};

/// What lies beside the database is not its own.
pub static RULE: Rule = Rule {
    name: "sidecar-of-another-database",
    line: "The -wal or -journal beside the database is not its own",
    explain: include_str!("sidecar_of_another_database.md"),
    ground: Ground::Documented("https://sqlite.org/howtocorrupt.html#_mispairing_database_files_and_hot_journals_"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    let foreign = files.iter().filter_map(|seen| foreign_log(graph, seen));
    foreign.chain(files.iter().filter_map(|seen| journal_beside_wal(graph, seen))).collect()
}

fn foreign_log(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    if seen.file.wal_fits != Some(false) {
        return None;
    }
    let log = seen.file.wal.as_ref().filter(|wal| wal.size_bytes > 0)?;
    let shown = graph.database(seen.id).shown();
    let message = format!("the `-wal` of {} bytes beside {shown} does not belong to it", log.size_bytes);
    let finding = RULE
        .finding(Judged::always(Severity::Unsafe), About::database(graph, seen.id), message)
        .because(
            "SQLite takes every whole transaction of a `-wal` for the database that it lies beside, whatever the header \
             says of the mode: pages of one state are laid over those of another. This is what remains when a copy is \
             restored over a database and its old log stays",
        )
        .remedy(
            "open it with nothing; copy all three files; restore into an empty directory and let the application open \
             that one; the log moves away with the database that it belongs to and is not deleted",
        );
    Some(finding.settled_by(format!("walproof inspect {}", seen.file.path)))
}

fn journal_beside_wal(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let journal = seen.file.journal.as_ref().filter(|journal| journal.size_bytes > 0)?;
    // Whoever switches the mode has it open at that moment.
    if seen.openers.iter().any(|one| one.held("journal").next().is_some()) {
        return None;
    }
    let shown = graph.database(seen.id).shown();
    let message = format!("a `-journal` of {} bytes lies beside {shown}, which is in WAL mode", journal.size_bytes);
    let finding = RULE
        .finding(Judged::wal(Severity::Risky), About::database(graph, seen.id), message)
        .because(
            "a database in WAL mode has none: it was left by a crash while the mode was switched, or it belongs to a \
             file that was here before; if it is hot, the next opener plays it back into the database",
        )
        .remedy("copy all files before anybody opens it, and look whether the journal is hot and of this database")
        .at_most(Certainty::Suspected);
    Some(finding.settled_by(format!("walproof inspect {}", seen.file.path)))
}
