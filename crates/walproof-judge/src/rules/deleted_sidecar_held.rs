//! Rule `deleted-sidecar-held`: a process holds a database's file, `-wal` or `-shm` that others cannot reach any more.
//!
//! The number of names, the device and the inode decide; the kernel's word `(deleted)` does not: some file systems show
//! it for files that are there.
//!
//! What it must not do: repeat what `single-file-mount` and `hard-linked-database` say about sidecars in two places;
//! take temporary databases, which SQLite deletes as soon as it has them open, for lost ones.
//! Where to look next: `lock_missing` for locks that are gone.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::live::LiveHeld;
use crate::sharing::{Graph, SeenFile, SeenOpener, listed};

/// A process holds files that others cannot reach.
pub static RULE: Rule = Rule {
    name: "deleted-sidecar-held",
    line: "A process holds the database, -wal or -shm by a file that was deleted or replaced",
    explain: include_str!("deleted_sidecar_held.md"),
    ground: Ground::World("unlinked-sidecars"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    let lost = files.iter().flat_map(|seen| seen.openers.iter().filter_map(|one| deleted(graph, seen, one)));
    lost.chain(files.iter().filter_map(|seen| split(graph, seen))).collect()
}

fn deleted(graph: &Graph, seen: &SeenFile<'_>, one: &SeenOpener<'_>) -> Option<Finding> {
    let path = &graph.database(one.id).path;
    if path.rsplit('/').next().is_some_and(|name| name.starts_with("etilqs_")) {
        return None;
    }
    let gone: Vec<String> = [("db", ""), ("wal", "-wal"), ("shm", "-shm")]
        .into_iter()
        .filter_map(|(which, suffix)| {
            let held = one.held(which).find(|held| held.link_count == 0)?;
            Some(format!("`{path}{suffix}` (inode {}, no name left)", held.inode))
        })
        .chain(replaced(seen, one).map(|inode| format!("`{path}` (inode {inode}, not what has that name now)")))
        .collect();
    if gone.is_empty() {
        return None;
    }
    let db = one.held("db").any(|held| held.link_count == 0) || replaced(seen, one).is_some();
    let judged = if db { Judged::always(Severity::Unsafe) } else { Judged::wal(Severity::Unsafe) };
    let message = format!("{} holds {}", one.shown(), listed(&gone));
    Some(told(RULE.finding(judged, About::database(graph, one.id), message)))
}

/// The inode of the database that a process holds, if another file of the same file system has its name.
fn replaced(seen: &SeenFile<'_>, one: &SeenOpener<'_>) -> Option<u64> {
    let there = seen.file.file.as_ref()?;
    let other = |held: &&LiveHeld| held.link_count > 0 && held.device == there.device && held.inode != there.inode;
    one.held("db").find(other).map(|held| held.inode)
}

/// Openers that reach one name hold different sidecars, or another one than lies there; all of them have a name.
fn split(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let whole = |one: &&SeenOpener<'_>| one.opener.mount.as_ref().is_some_and(|mount| !mount.is_file);
    let openers: Vec<&SeenOpener<'_>> = seen.openers.iter().filter(whole).collect();
    let pairs = openers.iter().enumerate().flat_map(|(at, one)| openers[at + 1..].iter().map(move |two| (*one, *two)));
    let parted = pairs.into_iter().find_map(|(one, two)| Some((one, two, apart(one, two)?)));
    if let Some((one, two, which)) = parted {
        let message = format!("{} and {} hold different `-{which}` files of one database", one.shown(), two.shown());
        return Some(told(RULE.finding(Judged::wal(Severity::Unsafe), About::database(graph, one.id), message)));
    }
    let (one, which, there) = openers.iter().find_map(|one| {
        let (which, there) = elsewhere(seen, one)?;
        Some((one, which, there))
    })?;
    let about = About::database(graph, one.id);
    Some(told(if there {
        let message = format!("{} holds another `-{which}` than the one that lies beside the database", one.shown());
        RULE.finding(Judged::wal(Severity::Unsafe), about, message)
    } else {
        // It may have been made, or closed, while one looked; NFS gives a deleted file that is held another name.
        let message = format!("{} holds a `-{which}`, and none lies beside the database", one.shown());
        RULE.finding(Judged::wal(Severity::Risky), about, message).at_most(Certainty::Suspected)
    }))
}

fn named(one: &SeenOpener<'_>, which: &'static str) -> Option<LiveHeld> {
    one.held(which).find(|held| held.link_count > 0).cloned()
}

/// Which sidecar differs between two who have the database open by one name.
fn apart(one: &SeenOpener<'_>, two: &SeenOpener<'_>) -> Option<&'static str> {
    if one.name_on_device() != two.name_on_device() {
        return None;
    }
    ["wal", "shm"].into_iter().find(|which| {
        named(one, which)
            .zip(named(two, which))
            .is_some_and(|(mine, other)| mine.device == other.device && mine.inode != other.inode)
    })
}

/// Which sidecar a process holds that is not the one beside the database, and whether another one lies there.
fn elsewhere(seen: &SeenFile<'_>, one: &SeenOpener<'_>) -> Option<(&'static str, bool)> {
    if !seen.is_named_as_by(one) || seen.file.file.is_none() || seen.file.directory.is_none() {
        return None;
    }
    let beside = [("wal", &seen.file.wal), ("shm", &seen.file.shm)];
    beside.into_iter().find_map(|(which, there)| {
        let held = named(one, which)?;
        match there {
            None => Some((which, false)),
            Some(there) if there.device == held.device && there.inode != held.inode => Some((which, true)),
            Some(_) => None,
        }
    })
}

fn told(finding: Finding) -> Finding {
    finding
        .because(
            "whoever opens the database now finds other files under these names, or makes them: two logs and two sets \
             of locks over one database, and what is written into a file without a name is gone when it is closed",
        )
        .remedy(
            "delete nothing; while they still run, copy what they hold (`cp /proc/PID/fd/FD COPY` for the database, \
             `-wal` and `-shm`), then stop every opener, copy what lies in the directory, and only then let one of \
             them open it; compare the copies with `walproof inspect`",
        )
        .settled_by("walproof inspect COPY")
}
