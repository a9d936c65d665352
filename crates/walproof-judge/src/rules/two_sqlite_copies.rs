//! Rule `two-sqlite-copies`: one process has a database open through two copies of SQLite.
//!
//! One copy opens `-shm` of a file once, however many connections it has (`unixShmNode` belongs to the inode). So two
//! descriptors of one `-shm` are two copies, or code that opened it by hand; either drops the locks when it closes.
//!
//! What it must not do: conclude from two libraries in a process that both have this database open.
//! Where to look next: `lock_missing` for what it leads to.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{Graph, SeenOpener, listed};

/// Two copies of SQLite in one process have it open.
pub static RULE: Rule = Rule {
    name: "two-sqlite-copies",
    line: "Two copies of SQLite in one process have the same database open",
    explain: include_str!("two_sqlite_copies.md"),
    ground: Ground::Documented(
        "https://sqlite.org/howtocorrupt.html#_multiple_copies_of_sqlite_linked_into_the_same_application",
    ),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    files.iter().flat_map(|seen| &seen.openers).filter_map(|one| one_process(graph, one)).collect()
}

fn one_process(graph: &Graph, one: &SeenOpener<'_>) -> Option<Finding> {
    let mut libraries: Vec<String> = one
        .opener
        .libraries
        .iter()
        .map(|library| format!("`{}` ({})", library.path, library.version.as_deref().unwrap_or("version not known")))
        .collect();
    libraries.sort();
    libraries.dedup();
    let copies = libraries.len();
    let indexes = most_of_one_file(one, "shm");
    let (judged, certainty, what) = match (copies, indexes) {
        (2.., 2..) => {
            (Judged::always(Severity::Unsafe), Certainty::Documented, format!("holds its `-shm` {indexes} times"))
        }
        (_, 2..) => {
            let what = format!("holds its `-shm` {indexes} times, which one copy of SQLite does not do");
            (Judged::always(Severity::Risky), Certainty::Suspected, what)
        }
        // Without a wal-index it cannot be told which copy has a descriptor.
        (2.., 0) if most_of_one_file(one, "db") > 1 => {
            let what = "holds the database more than once".to_owned();
            (Judged { wal: None, rollback: Some(Severity::Risky) }, Certainty::Suspected, what)
        }
        _ => return None,
    };
    let with = match copies {
        0 => String::new(),
        _ => format!(", with {} in it", listed(&libraries)),
    };
    let finding = RULE
        .finding(judged, About::database(graph, one.id), format!("{} {what}{with}", one.shown()))
        .because(
            "locks of POSIX belong to the process: when either of them closes a descriptor of a file, all locks of the \
             process on it are gone, and each believes that it still has its own",
        )
        .remedy(
            "use one SQLite for the whole process (one dynamic library, or one binding); until then open the database \
             through one of them alone; copy all three files from another process before it is stopped",
        )
        .at_most(certainty);
    Some(finding)
}

/// How many descriptors of one and the same file it holds, at most.
fn most_of_one_file(one: &SeenOpener<'_>, which: &'static str) -> usize {
    let same = |device, inode| one.held(which).filter(|held| (held.device, held.inode) == (device, inode)).count();
    one.held(which).map(|held| same(held.device, held.inode)).max().unwrap_or(0)
}
