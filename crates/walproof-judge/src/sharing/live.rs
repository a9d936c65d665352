//! What was seen of live databases on one machine: files, openers, mounts, locks. Recorded, so that it can be judged
//! again elsewhere; `fixtures/manifests/RULE/*/live.json` are such records.
//!
//! Everything comes from `stat`, `/proc` and bytes that were read; nothing was opened with SQLite. What could not be
//! seen is `None`, or stands in [`Live::not_seen`].
//!
//! What it must not do: judge, touch the world. `walproof-lab` collects it.
//!
//! Where to look next: `lower::live`, which makes a graph of it.

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::db_header::JournalFamily;

/// What was seen on a machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// Databases, one entry for each file (device and inode).
    pub databases: Vec<LiveDatabase>,
    /// Processes that have one of them open.
    pub openers: Vec<LiveOpener>,
    /// Containers that were looked at, openers or not.
    pub containers: Vec<LiveContainer>,
    /// What could not be seen, in words: ``the locks of other users' processes``.
    pub not_seen: Vec<String>,
}

/// A database's file, with what lies beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveDatabase {
    /// Where it was found: a path as this process sees it, through `/proc/PID/root` if there is no other.
    pub path: String,
    /// The file itself; `None`: it is gone, and a process still has it open.
    pub file: Option<LiveFile>,
    /// `path-wal`.
    pub wal: Option<LiveFile>,
    /// `path-shm`.
    pub shm: Option<LiveFile>,
    /// `path-journal`.
    pub journal: Option<LiveFile>,
    /// The directory that it lies in.
    pub directory: Option<LiveFile>,
    /// Bytes 18 and 19 of its header; `None`: they could not be read, or it is empty.
    pub family: Option<JournalFamilyWord>,
    /// Whether it begins with SQLite's 16 bytes; `None`: they could not be read.
    pub has_magic: Option<bool>,
    /// The size of a page.
    pub page_size_bytes: Option<u32>,
    /// Whether the `-wal` belongs to this file: `Some(false)` if its frames are of another page size, or end in a size
    /// or a state that cannot be that of this file. `None`: it cannot be told, or there is none.
    pub wal_fits: Option<bool>,
    /// Frames of the `-wal` that were committed and are not backfilled, where the wal-index could be read.
    pub frames_waiting: Option<u64>,
    /// The mount that it lies on, as this process sees it.
    pub mount: Option<LiveMount>,
    /// Bytes that are free to users on its file system, and all of them.
    pub free_bytes: Option<u64>,
    /// All bytes of its file system.
    pub total_bytes: Option<u64>,
    /// The lower directory of an overlay that is mounted now and in which this file lies.
    pub overlay_lower: Option<String>,
}

/// The family of journal modes, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalFamilyWord {
    /// Write-ahead log.
    Wal,
    /// A rollback journal.
    Rollback,
}

impl From<JournalFamilyWord> for JournalFamily {
    fn from(word: JournalFamilyWord) -> Self {
        match word {
            JournalFamilyWord::Wal => Self::Wal,
            JournalFamilyWord::Rollback => Self::Rollback,
        }
    }
}

/// What `stat` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveFile {
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// The inode.
    pub inode: u64,
    /// Names of the inode.
    pub link_count: u64,
    /// The size.
    pub size_bytes: u64,
    /// The owner, as this process sees it.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The mode's twelve bits.
    pub mode: u32,
    /// The time of the last write, in milliseconds since 1970.
    pub written_ms: u64,
}

/// A line of mountinfo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveMount {
    /// Where it is mounted, in the mount namespace that it was read from.
    pub mount_point: String,
    /// The type of the file system.
    pub fstype: String,
    /// What is mounted.
    pub source: String,
    /// Which part of the file system.
    pub root: String,
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// Options of the mount and of the file system.
    pub options: Vec<String>,
    /// The mount point is the file itself.
    pub is_file: bool,
}

/// A process that has a database open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveOpener {
    /// An index into [`Live::databases`].
    pub database: usize,
    /// Its number, in the process namespace of whoever looked.
    pub pid: u32,
    /// The first words of its command line.
    pub command: String,
    /// An index into [`Live::containers`]; `None`: it is in none.
    pub container: Option<usize>,
    /// Effective user and group, as whoever looked sees them.
    pub user: u32,
    /// Effective group.
    pub group: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The database's path, as the process sees it: the name that it was opened by.
    pub path: String,
    /// The name that the file has now, where its `-wal` or `-shm` bears another: it was renamed while it is open.
    pub renamed_to: Option<String>,
    /// The mount it lies on, from the process's own mount table.
    pub mount: Option<LiveMount>,
    /// Its descriptors of the database, `-wal` and `-shm`.
    pub held: Vec<LiveHeld>,
    /// Whether it has `-shm` mapped; `None`: its maps could not be read.
    pub maps_shm: Option<bool>,
    /// Its locks; `None`: locks could not be seen (a process namespace of its own, a file system that shows none).
    pub locks: Option<Vec<LiveLock>>,
    /// The libraries of SQLite in its maps, or the program itself if SQLite is linked into it.
    pub libraries: Vec<LiveLibrary>,
    /// Bytes that are free in the directory for temporary files; `Some(0)`: it has none that it can write to.
    pub temporary_free_bytes: Option<u64>,
    /// The names of its user namespace, if it differs from that of whoever looked.
    pub user_namespace: Option<String>,
    /// Whether it may write files whatever their mode says (`CAP_DAC_OVERRIDE` over their owner); `None`: not known.
    pub overrides_modes: Option<bool>,
}

/// A descriptor that a process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveHeld {
    /// `db`, `wal`, `shm` or `journal`.
    pub which: String,
    /// The number of the descriptor.
    pub fd: u32,
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// The inode.
    pub inode: u64,
    /// Names of the inode; 0: it was deleted.
    pub link_count: u64,
    /// It was opened for reading alone.
    pub read_only: bool,
}

/// A lock that a process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveLock {
    /// `db` or `shm`.
    pub which: String,
    /// It keeps everybody else out.
    pub exclusive: bool,
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
}

/// SQLite in a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveLibrary {
    /// The file that holds it, as the process sees it.
    pub path: String,
    /// Its version, `3.45.1`; `None`: it could not be told.
    pub version: Option<String>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveContainer {
    /// Its name, or the beginning of its id.
    pub name: String,
    /// `docker`, `podman`, `kubernetes`, `embedded`, or the empty text.
    pub engine: String,
    /// The image.
    pub image: String,
    /// The OCI runtime, if it is told: `runsc`, `kata-runtime`.
    pub runtime: String,
    /// What it mounts: its own mount table without what every container has (`/proc`, `/sys`, `/dev`).
    pub mounts: Vec<LiveMount>,
    /// The limit of memory.
    pub memory_limit_bytes: Option<u64>,
}
