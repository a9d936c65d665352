//! Rule `lock-missing`: a process uses the wal-index and does not hold the locks that go with it.
//!
//! From the moment that it maps `-shm` until it unmaps it, a connection holds the DMS byte (128) of `-shm` and SHARED
//! (510 bytes from 0x40000002) on the database, idle or not. Seen with SQLite 3.40.1 in `/proc/locks`: opening and
//! closing the database's file by hand drops SHARED, doing so with `-shm` drops DMS, and neither comes back.
//!
//! What it must not do: conclude anything where locks are not shown at all, or from a descriptor that it did not see.
//! Where to look next: `two_sqlite_copies` for what drops locks.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{Graph, SeenFile, SeenOpener};

/// A process lacks the locks that go with its use of the wal-index.
pub static RULE: Rule = Rule {
    name: "lock-missing",
    line: "A process uses the wal-index without the locks that say so",
    explain: include_str!("lock_missing.md"),
    ground: Ground::World("cancelled-locks"),
    judge,
};

/// Held in shared mode as long as `-shm` is open.
const DMS_BYTE: u64 = 128;
/// A lock on the database covers this byte while it is open in WAL mode.
const SHARED_FIRST_BYTE: u64 = 0x4000_0002;
/// From this version on a closer asks for DMS before it believes to be the last one.
const ASKS_FOR_DMS: (u32, u32) = (3, 51);

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    files.iter().flat_map(|seen| seen.openers.iter().filter_map(|one| lacks(graph, seen, one))).collect()
}

fn lacks(graph: &Graph, seen: &SeenFile<'_>, one: &SeenOpener<'_>) -> Option<Finding> {
    if one.opener.maps_shm != Some(true) || one.held("shm").next().is_none() || one.held("db").next().is_none() {
        return None;
    }
    let dms = holds(one, "shm", DMS_BYTE)?;
    let shared = holds(one, "db", SHARED_FIRST_BYTE)?;
    if dms && shared {
        return None;
    }
    // Somebody's locks have to be seen, or it may be that this file system shows none.
    let shown = seen.openers.iter().any(|other| other.opener.locks.as_ref().is_some_and(|locks| !locks.is_empty()));
    if !shown && (!seen.is_local() || in_sandbox(one)) {
        return None;
    }
    let alone = seen.openers.iter().all(|other| other.opener.pid == one.opener.pid);
    let asked = dms && seen.openers.iter().all(asks_for_dms);
    let severity = if alone || asked || !shown { Severity::Risky } else { Severity::Unsafe };
    let what = match (dms, shared) {
        (false, false) => "neither DMS (byte 128) of `-shm` nor SHARED on the database",
        (false, true) => "no lock on DMS (byte 128) of `-shm`",
        _ => "no SHARED lock on the database",
    };
    let message = format!("{} has `-shm` mapped and holds {what}", one.shown());
    let finding = RULE
        .finding(Judged::wal(severity), About::database(graph, one.id), message)
        .because(
            "SQLite still believes that it has them; another opener that closes takes itself for the last one and \
             deletes the log, or one that opens takes itself for the first one and empties `-shm`. It is what is left \
             when code of the process opened and closed one of the files besides SQLite, or when two copies of SQLite \
             in it have it open, or a sandbox with a kernel of its own keeps its locks to itself",
        )
        .remedy(
            "look twice (`cat /proc/locks`, `/proc/PID/fdinfo/FD`); then copy the database with `-wal` and `-shm` from \
             another process, stop this one before any other opener, and start it again; take out what reads, copies or \
             checksums the files inside it",
        )
        .settled_by("walproof verify DIRECTORY");
    Some(if shown { finding } else { finding.at_most(Certainty::Suspected) })
}

/// Whether its kernel is not ours: locks stay in there, and its own processes see them.
fn in_sandbox(one: &SeenOpener<'_>) -> bool {
    let runtime = one.container.map_or("", |container| container.runtime.as_str());
    ["runsc", "gvisor", "kata"].iter().any(|word| runtime.contains(word))
}

/// Whether it holds a lock on a byte; `None`: its locks could not be seen.
fn holds(one: &SeenOpener<'_>, which: &str, byte: u64) -> Option<bool> {
    let locks = one.opener.locks.as_ref()?;
    Some(locks.iter().any(|lock| lock.which == which && lock.start <= byte && byte <= lock.end))
}

fn asks_for_dms(one: &SeenOpener<'_>) -> bool {
    let libraries = &one.opener.libraries;
    let new = |version: &String| {
        super::old_sqlite::numbers(version).is_some_and(|(major, minor, _)| (major, minor) >= ASKS_FOR_DMS)
    };
    !libraries.is_empty() && libraries.iter().all(|library| library.version.as_ref().is_some_and(new))
}
