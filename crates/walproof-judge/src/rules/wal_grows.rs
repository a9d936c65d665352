//! Rule `wal-grows`: checkpoints do not get to the end of the log.
//!
//! What it must not do: take a large `-wal` for a growing one. The file never shrinks by itself; what counts is how many
//! frames are committed and not yet in the database.
//! Where to look next: `disk_nearly_full` for what it leads to.

use super::disk_nearly_full::size;
use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{Graph, SeenFile, SeenOpener, listed};

/// Checkpoints do not get to the end of the log.
pub static RULE: Rule = Rule {
    name: "wal-grows",
    line: "Ten times as many frames wait in the log as SQLite lets wait before it checkpoints",
    explain: include_str!("wal_grows.md"),
    ground: Ground::Documented("https://sqlite.org/wal.html#avoiding_excessively_large_wal_files"),
    judge,
};

/// Ten times the pages after which SQLite checkpoints by itself.
const WAITING_FRAMES_MAX: u64 = 10_000;
/// Where it cannot be told how many wait: a log of so many pages.
const PAGES_MAX: u64 = 100_000;
/// The locks of readers' marks in `-shm`; READ0 reads the database alone and holds nothing up.
const READ_MARKS: std::ops::RangeInclusive<u64> = 124..=127;

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.seen_files().iter().filter_map(|seen| one(graph, seen)).collect()
}

fn one(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let log = seen.file.wal.as_ref()?.size_bytes;
    let shown = graph.database(seen.id).shown();
    let (certainty, message) = match seen.file.frames_waiting {
        Some(frames) if frames > WAITING_FRAMES_MAX => {
            let message = format!("{frames} committed frames of {shown} wait in a log of {}", size(log));
            (Certainty::Documented, message)
        }
        None if log / seen.page_size_bytes() > PAGES_MAX => {
            let message = format!("the log of {shown} has {}; how much of it waits could not be read", size(log));
            (Certainty::Suspected, message)
        }
        _ => return None,
    };
    let readers: Vec<String> = seen.openers.iter().filter(|one| reads(one)).map(SeenOpener::shown).collect();
    let because = match readers.is_empty() {
        true => "no reader was seen at this moment that holds it up: one that comes and goes, a checkpoint that is \
                 turned off (`wal_autocheckpoint=0`), a large transaction or a replicator may; every read searches a \
                 longer log, and the disk fills"
            .to_owned(),
        false => format!(
            "a read transaction holds a mark in `-shm`, and a checkpoint may not go past it: {}; every read searches a \
             longer log, and the disk fills",
            listed(&readers)
        ),
    };
    let finding = RULE
        .finding(Judged::wal(Severity::Risky), About::database(graph, seen.id), message)
        .because(because)
        .remedy(
            "end the read transaction (a statement that was not reset, an idle transaction, a backup), then \
             `PRAGMA wal_checkpoint(TRUNCATE)`; `journal_size_limit` keeps the file small afterwards; never delete the \
             `-wal`: these frames are nowhere else",
        )
        .at_most(certainty);
    Some(finding.settled_by(format!("walproof inspect {}", seen.file.path)))
}

fn reads(one: &SeenOpener<'_>) -> bool {
    let locks = one.opener.locks.iter().flatten().filter(|lock| lock.which == "shm");
    locks.into_iter().any(|lock| READ_MARKS.clone().any(|byte| lock.start <= byte && byte <= lock.end))
}
