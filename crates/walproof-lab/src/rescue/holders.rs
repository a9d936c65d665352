//! Who has other files of a database open than those that bear its names: a log that was deleted, a database that was
//! replaced. They live as long as the processes do, and are reached through `/proc/PID/fd`.
//!
//! What it must not do: signal anybody, open a descriptor of somebody's for writing.
//! Where to look next: `collect/live.rs` for how processes are looked at, `copying.rs` for what is done with it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_judge::sharing::live::{Live, LiveOpener};

use crate::collect::live::{self, LiveTarget};
use crate::collect::quiet::{FileIdentity, Part};
use crate::error::LabError;

/// A process, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its number, as whoever looked sees it.
    pub pid: u32,
    /// The first words of its command line.
    pub command: String,
    /// Its container.
    pub container: Option<String>,
    /// Where it has the database, as it sees that itself.
    pub path: String,
    /// Whether it has the files that bear the database's names now, and no others.
    pub has_present_files: bool,
}

/// A file that a process holds and that does not bear its name any more, or never did here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldFile {
    /// Which of the four.
    pub piece: Part,
    /// Who holds it.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
    /// Device and inode.
    #[serde(skip)]
    pub identity: FileIdentity,
    /// Names of the file; 0: it was deleted.
    pub names: u64,
}

impl HeldFile {
    /// The way to it.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", self.pid, self.fd).into()
    }
}

/// The files that belong together as one process holds them: what does not bear its name is in `held`, the rest lies
/// at the database's path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Generation {
    /// Files of it that have lost their names.
    pub held: Vec<HeldFile>,
    /// Whether its database is the file at the path.
    pub of_present_database: bool,
    /// Whether its log is the file at the path.
    pub of_present_log: bool,
    /// All processes that hold the same.
    pub pids: Vec<u32>,
}

/// What was seen of a database's openers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Holders {
    /// Every process that has it open.
    pub processes: Vec<Holder>,
    /// Generations apart from the files at the path.
    pub stranded: Vec<Generation>,
    /// What could not be seen, in words.
    pub not_seen: Vec<String>,
}

/// Looks at all processes. `database` is a path as this process sees it; the file need not be there any more.
pub fn of(database: &Path) -> Result<Holders, LabError> {
    let live = live::look(&[LiveTarget::Host])?;
    let present = Part::ALL.map(|piece| identity(&piece.of(database)));
    let not_seen = live.not_seen.iter().filter(|missed| may_hide_a_holder(missed)).cloned().collect();
    let mut holders = Holders { not_seen, ..Holders::default() };
    let mut by_files: BTreeMap<Vec<FileIdentity>, Generation> = BTreeMap::new();
    for opener in live.openers.iter().filter(|opener| is_of(&live, opener, database, present[0])) {
        let whole = with_its_database(&live, opener, &mut holders.not_seen);
        let generations = generations(&whole, &present);
        holders.processes.push(Holder {
            pid: opener.pid,
            command: opener.command.clone(),
            container: opener.container.and_then(|at| live.containers.get(at)).map(|one| one.name.clone()),
            path: opener.path.clone(),
            has_present_files: generations.is_empty(),
        });
        for generation in generations {
            let files = generation.held.iter().map(|held| held.identity).collect();
            let known = by_files.entry(files).or_insert_with(|| Generation { pids: Vec::new(), ..generation });
            if !known.pids.contains(&opener.pid) {
                known.pids.push(opener.pid);
            }
        }
    }
    holders.stranded = by_files.into_values().collect();
    holders.stranded.sort_by_key(|generation| generation.held.first().map(|held| (held.pid, held.fd)));
    Ok(holders)
}

/// Locks, maps, libraries and names of containers tell nothing of who holds which file.
fn may_hide_a_holder(missed: &str) -> bool {
    ![
        "locks on `",
        "what a process has mapped",
        "whether a program or library",
        "the names of containers",
        "who a process is",
    ]
    .iter()
    .any(|other| missed.starts_with(other))
}

/// By the file; by the path alone where a process has another file there, or only sidecars.
fn is_of(live: &Live, opener: &LiveOpener, path: &Path, present: Option<FileIdentity>) -> bool {
    let Some(database) = live.databases.get(opener.database) else { return false };
    let holds_it = opener.held.iter().any(|held| held.which == "db" && Some(identity_of(held)) == present);
    let is = database.file.as_ref().map(|file| device_and_inode(file.device, file.inode));
    (present.is_some() && (holds_it || is == present)) || Path::new(&database.path) == path
}

/// SQLite holds the database file of every log that it holds: where none goes by this name, it was renamed, and goes by
/// another one.
fn with_its_database(live: &Live, opener: &LiveOpener, not_seen: &mut Vec<String>) -> LiveOpener {
    let mut whole = opener.clone();
    let holds = |one: &LiveOpener, which: &str| one.held.iter().any(|held| held.which == which);
    if !holds(opener, "wal") || holds(opener, "db") {
        return whole;
    }
    let others = live.openers.iter().filter(|one| one.pid == opener.pid && holds(one, "db") && !holds(one, "wal"));
    let mut databases: Vec<_> = others.flat_map(|one| one.held.iter().filter(|held| held.which == "db")).collect();
    databases.sort_by_key(|held| (held.device, held.inode));
    databases.dedup_by_key(|held| (held.device, held.inode));
    match databases[..] {
        [database] => whole.held.push(database.clone()),
        _ => not_seen.push(format!(
            "the database file that the -wal of process {} belongs to: it has {} that could be",
            opener.pid,
            databases.len()
        )),
    }
    whole
}

/// What one process holds apart from the files at the path: one for each database file and log of it. Several at once
/// are rare; each log is then put with each database.
fn generations(opener: &LiveOpener, present: &[Option<FileIdentity>; 4]) -> Vec<Generation> {
    let mut other: Vec<HeldFile> = Vec::new();
    let mut has_present = [false; 4];
    for held in &opener.held {
        let Some(piece) = Part::held_as(&held.which) else { continue };
        let identity = identity_of(held);
        if Some(identity) == present[piece as usize] {
            has_present[piece as usize] = true;
        } else if !other.iter().any(|known| known.identity == identity) {
            other.push(HeldFile { piece, pid: opener.pid, fd: held.fd, identity, names: held.link_count });
        }
    }
    let of = |piece: Part| other.iter().filter(move |held| held.piece == piece).cloned();
    let with_none = |piece: Part, none: bool| {
        let all: Vec<Option<HeldFile>> = of(piece).map(Some).collect();
        if none || all.is_empty() { [vec![None], all].concat() } else { all }
    };
    let holds_present = has_present[0] || of(Part::Database).next().is_none();
    let mut all = Vec::new();
    for database in with_none(Part::Database, holds_present) {
        for wal in with_none(Part::Wal, has_present[1]) {
            let mut held: Vec<HeldFile> = database.iter().chain(wal.iter()).cloned().collect();
            if held.is_empty() && (has_present[1] || of(Part::Wal).next().is_some()) {
                continue;
            }
            // A journal without its name is of a transaction that is over, unless its database has lost its name too.
            held.extend(of(Part::Shm).chain(of(Part::Journal).filter(|_| database.is_some())));
            if !held.is_empty() {
                let of_present_database = database.is_none();
                let of_present_log = wal.is_none() && has_present[1];
                all.push(Generation { held, of_present_database, of_present_log, pids: vec![opener.pid] });
            }
        }
    }
    all
}

fn identity_of(held: &walproof_judge::sharing::live::LiveHeld) -> FileIdentity {
    device_and_inode(held.device, held.inode)
}

fn device_and_inode((major, minor): (u32, u32), inode: u64) -> FileIdentity {
    (libc::makedev(major, minor), inode)
}

fn identity(path: &Path) -> Option<FileIdentity> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use walproof_judge::sharing::live::LiveHeld;

    use super::*;

    fn opener(held: &[(&str, u64, u64)]) -> LiveOpener {
        let held = held.iter().enumerate().map(|(at, (which, inode, link_count))| LiveHeld {
            which: (*which).to_owned(),
            fd: at as u32 + 3,
            device: (8, 1),
            inode: *inode,
            link_count: *link_count,
            read_only: false,
        });
        LiveOpener { pid: 7, held: held.collect(), ..LiveOpener::default() }
    }

    /// Inodes of the present files are 1, 2, 3; the answer is the inodes of each generation.
    #[track_caller]
    fn apart(held: &[(&str, u64, u64)], expected: &[(&[u64], bool)]) {
        let present = [1, 2, 3, 4].map(|inode| Some(device_and_inode((8, 1), inode)));
        let found: Vec<(Vec<u64>, bool)> = generations(&opener(held), &present)
            .into_iter()
            .map(|one| (one.held.iter().map(|held| held.identity.1).collect(), one.of_present_database))
            .collect();
        let expected: Vec<(Vec<u64>, bool)> =
            expected.iter().map(|(inodes, present)| (inodes.to_vec(), *present)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn whoever_has_the_present_files_has_nothing_apart() {
        apart(&[("db", 1, 1), ("wal", 2, 1), ("shm", 3, 1)], &[]);
        apart(&[("db", 1, 1)], &[]);
    }

    #[test]
    fn a_deleted_log_is_a_generation_of_the_present_database() {
        apart(&[("db", 1, 1), ("wal", 20, 0), ("shm", 30, 0)], &[(&[20, 30], true)]);
        apart(&[("wal", 20, 0)], &[(&[20], true)]);
        apart(&[("db", 1, 1), ("db", 1, 1), ("wal", 20, 0), ("wal", 20, 0)], &[(&[20], true)]);
    }

    #[test]
    fn a_replaced_database_is_one_with_its_log() {
        apart(&[("db", 10, 0), ("wal", 20, 0), ("shm", 30, 0)], &[(&[10, 20, 30], false)]);
        apart(&[("db", 10, 0)], &[(&[10], false)]);
    }

    #[test]
    fn a_journal_without_its_name_is_no_generation_of_a_present_database() {
        apart(&[("db", 1, 1), ("journal", 40, 0)], &[]);
        apart(&[("db", 1, 1), ("journal", 40, 1), ("journal", 41, 0)], &[]);
        apart(&[("db", 10, 0), ("journal", 40, 0)], &[(&[10, 40], false)]);
    }

    #[test]
    fn a_renamed_database_is_found_by_its_log() {
        let of = |held: &[(&str, u64, u64)]| opener(held);
        let openers = vec![of(&[("db", 10, 1)]), of(&[("wal", 2, 1), ("shm", 3, 1)])];
        let live = Live { openers, ..Live::default() };
        let mut not_seen = Vec::new();
        let whole = with_its_database(&live, &live.openers[1], &mut not_seen);
        let present = [1, 2, 3, 4].map(|inode| Some(device_and_inode((8, 1), inode)));
        let found = generations(&whole, &present);
        assert!(found.len() == 1 && found[0].held[0].identity.1 == 10 && found[0].of_present_log, "{found:?}");
        assert!(not_seen.is_empty(), "{not_seen:?}");
    }
}
