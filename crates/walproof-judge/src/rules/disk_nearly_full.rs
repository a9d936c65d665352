//! Rule `disk-nearly-full`: the file system has less room than the next checkpoint may need.
//!
//! The bar is what SQLite itself may write soon: the log grows to 1000 pages before it is checkpointed, and a checkpoint
//! may add every waiting frame to the database. Not a share of the disk: 1 % of a large one is much.
//!
//! What it must not do: call a full disk a loss. SQLite fails with 13, loudly; a new opener may die of SIGBUS.
//! Where to look next: `wal_grows` for a log that fills it.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Graph, SeenFile, SeenOpener};

/// The file system has less room than SQLite may need soon.
pub static RULE: Rule = Rule {
    name: "disk-nearly-full",
    line: "The file system has less room than the log and the next checkpoint may need, or there is none for temporary files",
    explain: include_str!("disk_nearly_full.md"),
    ground: Ground::Documented("https://sqlite.org/rescode.html#full"),
    judge,
};

/// Pages after which SQLite checkpoints by itself.
const AUTO_CHECKPOINT_PAGES: u64 = 1000;

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    let full = files.iter().filter_map(|seen| full(graph, seen));
    let openers = files.iter().flat_map(|seen| &seen.openers);
    full.chain(openers.filter_map(|one| without_temporary(graph, one))).collect()
}

fn full(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let free = seen.file.free_bytes?;
    // A database that nobody has open and that has no log is not about to grow.
    if seen.openers.iter().all(|one| !one.writes()) && seen.file.wal.is_none() {
        return None;
    }
    let page = seen.page_size_bytes();
    let log = seen.file.wal.as_ref().map_or(0, |wal| wal.size_bytes);
    let waiting = seen.file.frames_waiting.map_or(log, |frames| frames.saturating_mul(page));
    let growing = AUTO_CHECKPOINT_PAGES.saturating_mul(page).saturating_sub(log);
    let need = growing.saturating_add(waiting);
    if free >= need {
        return None;
    }
    let severity = if free < page { Severity::Refuses } else { Severity::Risky };
    let total = seen.file.total_bytes.map_or(String::new(), |total| format!(" of {}", size(total)));
    let shown = graph.database(seen.id).shown();
    let message = format!("{}{total} are free where {shown} lies, and SQLite may need {} soon", size(free), size(need));
    let finding = RULE
        .finding(Judged::always(severity), About::database(graph, seen.id), message)
        .because(format!(
            "{}a checkpoint may add {} to the database; without room SQLite answers 13, a checkpoint can free nothing, \
             and a new opener of `-shm` may die of SIGBUS",
            match growing {
                0 => String::new(),
                _ => format!("the log grows by {} before it is checkpointed by itself, and ", size(growing)),
            },
            size(waiting),
        ))
        .remedy(
            "make room by anything but the `-wal`, which holds commits: grow the volume, or move other files; \
             then `PRAGMA wal_checkpoint(TRUNCATE)` by one of the openers",
        );
    Some(finding.settled_by(format!("walproof inspect {}", seen.file.path)))
}

fn without_temporary(graph: &Graph, one: &SeenOpener<'_>) -> Option<Finding> {
    (one.opener.temporary_free_bytes == Some(0)).then(|| {
        let message = format!("{} has no room in a directory for temporary files", one.shown());
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, one.id), message)
            .because(
                "SQLite puts large sorts, indexes under construction and `VACUUM` into temporary files: it answers 6410, \
                 13 or 14 when it needs one, and some drivers call that `out of memory`",
            )
            .remedy("mount a directory at `/tmp` that it can write, or set `SQLITE_TMPDIR`")
    })
}

/// A size for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        10_000_000..=9_999_999_999 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}
