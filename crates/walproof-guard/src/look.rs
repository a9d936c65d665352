//! Gathers what can be known about a path from here: by `lstat`, `access`, `statvfs`, the mount table, and a scratch file.
//!
//! What this file must not do: open the database or a file beside it, or judge what it finds.
//! Where to look next: `weigh` judges; `resolve`, `mountinfo`, `access` and `scratch` each look at one thing.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Options;
use crate::access::{self, Room};
use crate::mountinfo::{self, Mount};
use crate::resolve::{Resolved, errno, resolve};
use crate::scratch::{self, Probe};

/// Below this, nothing is written there: a store into a map on a full disk may have no page.
pub(crate) const FREE_BYTES_MIN: u64 = 1024 * 1024;

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub asked: PathBuf,
    pub resolved: Resolved,
    /// The mount that the directory lies on, or the errno of the mount table. `Ok(None)`: the table has none for it.
    pub mount: Result<Option<Mount>, i32>,
    pub directory: Directory,
    /// Database, -wal, -shm, -journal, in this order; empty where the path has a fault.
    pub files: Vec<Beside>,
    pub user: u32,
    /// `None`: it was not asked for, or could not be begun.
    pub probe: Option<Probe>,
}

/// The directory that holds the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    There {
        may_make_files: Result<(), i32>,
        room: Result<Room, i32>,
    },
    Missing,
    /// Another errno, or no directory (ENOTDIR).
    Errno(i32),
}

/// Which of SQLite's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Database,
    Wal,
    Shm,
    Journal,
}

impl Role {
    pub(crate) const ALL: [Role; 4] = [Role::Database, Role::Wal, Role::Shm, Role::Journal];

    /// What SQLite appends to the database's name.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Role::Database => "",
            Role::Wal => "-wal",
            Role::Shm => "-shm",
            Role::Journal => "-journal",
        }
    }
}

/// One of SQLite's files, by `lstat` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    pub role: Role,
    pub kind: Kind,
    pub bytes: u64,
    pub links: u64,
    pub owner: u32,
    pub may_write: Result<(), i32>,
    /// The mount whose mount point is this very file; a directory is no file.
    pub own_mount: Option<Mount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Missing,
    File,
    Directory,
    Link,
    Special,
    Errno(i32),
}

/// Looks at the path, and probes its directory if that was asked for.
pub(crate) fn look(asked: &Path, options: Options) -> Facts {
    let resolved = resolve(asked);
    let mounts = mount_table();
    let directory_path = resolved.path.parent().unwrap_or(Path::new("/")).to_owned();
    let mount_of = |mounts: &Vec<Mount>| mountinfo::mount_of(mounts, &directory_path).cloned();
    let mount = mounts.as_ref().map(mount_of).map_err(|errno| *errno);
    let mounts = mounts.unwrap_or_default();
    let (directory, files) = match resolved.fault {
        None => (look_at_directory(&directory_path), look_beside(&resolved.path, &mounts)),
        Some(_) => (Directory::Missing, Vec::new()),
    };
    let begin = options.probe && is_worth_probing(&directory, &files);
    let probe = begin.then(|| scratch::probe(&directory_path, options.posix_child));
    let user = access::effective_user();
    Facts { asked: asked.to_owned(), resolved, mount, directory, files, user, probe }
}

/// The mounts that this thread sees: a thread may have a mount namespace of its own.
fn mount_table() -> Result<Vec<Mount>, i32> {
    let text = std::fs::read("/proc/thread-self/mountinfo").or_else(|_| std::fs::read("/proc/self/mountinfo"));
    text.map(|text| mountinfo::parse(&text)).map_err(|error| errno(&error))
}

/// Not where nothing can be opened, and not on a disk that is all but full.
fn is_worth_probing(directory: &Directory, files: &[Beside]) -> bool {
    let Directory::There { room, .. } = directory else { return false };
    let is_full = room.is_ok_and(|room| room.free_bytes.is_some_and(|free| free < FREE_BYTES_MIN));
    !is_full && files.first().is_some_and(|database| matches!(database.kind, Kind::Missing | Kind::File))
}

fn look_at_directory(path: &Path) -> Directory {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Directory::There { may_make_files: access::may_make_files(path), room: access::room(path) }
        }
        Ok(_) => Directory::Errno(libc::ENOTDIR),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Directory::Missing,
        Err(error) => Directory::Errno(errno(&error)),
    }
}

fn look_beside(database: &Path, mounts: &[Mount]) -> Vec<Beside> {
    Role::ALL.into_iter().map(|role| look_at(role, &beside(database, role), mounts)).collect()
}

/// The path of one of SQLite's files.
fn beside(database: &Path, role: Role) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(role.suffix());
    PathBuf::from(name)
}

fn look_at(role: Role, path: &Path, mounts: &[Mount]) -> Beside {
    let own_mount = mountinfo::mount_of(mounts, path).filter(|mount| mount.mount_point == path).cloned();
    let missing = Beside { role, kind: Kind::Missing, bytes: 0, links: 0, owner: 0, may_write: Ok(()), own_mount };
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Beside { kind: Kind::Directory, own_mount: None, ..missing },
        Ok(found) => Beside {
            kind: kind(&found),
            bytes: found.len(),
            links: found.nlink(),
            owner: found.uid(),
            may_write: access::may_write(path),
            ..missing
        },
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => missing,
        Err(error) => Beside { kind: Kind::Errno(errno(&error)), ..missing },
    }
}

fn kind(found: &Metadata) -> Kind {
    match found {
        found if found.is_file() => Kind::File,
        found if found.is_symlink() => Kind::Link,
        _ => Kind::Special,
    }
}
