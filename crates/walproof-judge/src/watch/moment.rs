//! One look at what is watched: plain data, recorded as JSON lines, judged here or elsewhere.
//!
//! Everything comes from `stat`, `/proc`, cgroups, the kernel's trace and bytes that were read. What could not be seen is
//! `None`, or stands in [`Moment::not_seen`]; it is never taken for "there is none".
//!
//! What it must not do: conclude. Since when something holds is worked out by `past.rs`, from moments alone.
//! Where to look next: `walproof_lab::watch`, which makes them.

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::lock_bytes::Lock;

use crate::sharing::live::{JournalFamilyWord, LiveContainer, LiveFile, LiveHeld, LiveLibrary, LiveMount};

/// Everything that was seen in one look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moment {
    /// When the look ended: milliseconds since 1970.
    pub unix_ms: u64,
    /// The same by a clock that never jumps: milliseconds since the watch began.
    pub elapsed_ms: u64,
    /// How long the look took, in microseconds.
    pub took_us: u64,
    /// Databases, in the order in which they were found; one keeps its place while it is watched.
    pub databases: Vec<Watched>,
    /// Containers that openers are in, and those that were named. Openers point here.
    pub containers: Vec<WatchedContainer>,
    /// What happened since the look before.
    pub events: Vec<Event>,
    /// When openers were last looked for, on the clock of `elapsed_ms`. Files and locks are looked at each time, openers
    /// less often.
    pub openers_looked_ms: u64,
    /// Whether the kernel's trace of locks is read; `Err` in words: why not.
    pub trace: Option<Result<(), String>>,
    /// What could not be seen, in words.
    pub not_seen: Vec<String>,
}

/// A database that is watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// Its path, as whoever watches sees it. Its name for as long as the watch lasts.
    pub path: String,
    /// The files as they lie there now; `None`: there is none.
    pub file: Option<LiveFile>,
    /// `path-wal`.
    pub wal: Option<LiveFile>,
    /// `path-shm`.
    pub shm: Option<LiveFile>,
    /// `path-journal`.
    pub journal: Option<LiveFile>,
    /// From the first 100 bytes.
    pub header: Option<HeaderSeen>,
    /// The wal-index, if it was to be believed within a few tries.
    pub index: Option<IndexSeen>,
    /// Why not, when there is a `-shm` and it was not.
    pub index_damage: Option<String>,
    /// The mount it lies on.
    pub mount: Option<LiveMount>,
    /// Bytes that are free to users on its file system.
    pub free_bytes: Option<u64>,
    /// All bytes of its file system.
    pub total_bytes: Option<u64>,
    /// For how long its storage has not answered, in milliseconds; what else is told is then from before.
    pub silent_ms: Option<u64>,
    /// Processes that have it open.
    pub openers: Vec<WatchedOpener>,
    /// Locks that are held by nobody who can be seen (a server of files, another process namespace).
    pub locks_of_unseen: Vec<HeldLock>,
}

/// The header of the database file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderSeen {
    /// Whether it begins with SQLite's 16 bytes.
    pub has_magic: bool,
    /// Bytes 18 and 19.
    pub family: Option<JournalFamilyWord>,
    /// The size of a page in bytes.
    pub page_size_bytes: Option<u32>,
    /// Pages of the file by its header.
    pub pages: Option<u32>,
    /// The change counter at offset 24.
    pub change_counter: Option<u32>,
}

/// The header of the wal-index, believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IndexSeen {
    /// Grows by one with every transaction.
    pub change_counter: u32,
    /// mxFrame.
    pub max_frame: u32,
    /// nBackfill.
    pub backfilled_frames: u32,
    /// nBackfillAttempted.
    pub backfill_attempted_frames: u32,
    /// The five read marks; `None`: not in use.
    pub read_marks: [Option<u32>; 5],
    /// The generation of the log: its salts.
    pub salts: String,
    /// Database size in pages.
    pub database_pages: u32,
    /// The size of a page in bytes.
    pub page_size_bytes: u32,
    /// Looks until both copies agreed; 1: at once.
    pub tries: u32,
}

/// A process that has a database open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchedOpener {
    /// Its number, in the process namespace of whoever watches.
    pub pid: u32,
    /// Its number in its own innermost process namespace.
    pub pid_inside: Option<u32>,
    /// When it was started, in ticks since boot: a number may come again.
    pub started_ticks: u64,
    /// The first words of its command line.
    pub command: String,
    /// An index into [`Moment::containers`]; `None`: it is in none.
    pub container: Option<usize>,
    /// Effective user, as whoever watches sees it.
    pub user: u32,
    /// The database's path, as the process sees it: the name that it was opened by.
    pub path: String,
    /// The name that the file has now, where its `-wal` or `-shm` bears another: it was renamed while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<String>,
    /// The mount it was opened through, from its own mount table.
    pub mount: Option<LiveMount>,
    /// Its descriptors of the database's files.
    pub held: Vec<LiveHeld>,
    /// Whether it has `-shm` mapped; `None`: not known.
    pub maps_shm: Option<bool>,
    /// Copies of SQLite in it.
    pub libraries: Vec<LiveLibrary>,
    /// Its locks now; `None`: locks cannot be seen here.
    pub locks: Option<Vec<HeldLock>>,
    /// Its locks in the same breath as `maps_shm`, which is looked at less often than `locks`; `None`: not known.
    pub locks_when_mapped: Option<Vec<HeldLock>>,
    /// Locks that it is blocked on in the kernel. SQLite asks again rather than wait, so this is rare.
    pub waits_for: Vec<Lock>,
    /// Whether it can run.
    pub runs: Runs,
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLock {
    /// Which.
    pub lock: Lock,
    /// It keeps everybody else out.
    pub exclusive: bool,
}

/// Whether a process can run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// It runs or sleeps as it likes.
    #[default]
    Freely,
    /// Its cgroup is frozen (`docker pause`).
    Frozen,
    /// It was stopped by a signal, or by a debugger.
    Stopped,
    /// It waits in the kernel and cannot be interrupted: for storage, most likely. Where, if the kernel tells.
    InKernel {
        /// The kernel's function: `request_wait_answer`, `nfs_wait_bit_killable`.
        at: Option<String>,
    },
    /// It ended, and its parent has not asked for it yet.
    Zombie,
}

/// A container, and what its cgroup tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchedContainer {
    /// Who it is.
    pub container: LiveContainer,
    /// The pod that it belongs to, `namespace/name` where that is known, else its uid.
    pub pod: Option<String>,
    /// Bytes of memory in use.
    pub memory_bytes: Option<u64>,
    /// Processes of its cgroup that were killed because memory ran out, since the cgroup was made.
    pub oom_kills: Option<u64>,
}

/// What happened between two looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A process opened the database.
    Opened {
        /// The database's path.
        database: String,
        /// The process.
        pid: u32,
        /// The name of its container.
        container: Option<String>,
        /// Its command.
        command: String,
    },
    /// A process closed it, or ended.
    Closed {
        /// The database's path.
        database: String,
        /// The process.
        pid: u32,
        /// The name of its container.
        container: Option<String>,
        /// Its command.
        command: String,
        /// The process is gone, rather than having closed its files.
        ended: bool,
    },
    /// A process of a container was killed because memory ran out.
    OutOfMemory {
        /// The name of the container.
        container: String,
        /// How many since the look before.
        kills: u64,
    },
    /// Processes somewhere on the machine were killed because memory ran out, and no container that is seen counts them:
    /// the cgroup of one that ends with its only process is removed before it can be read.
    OutOfMemoryElsewhere {
        /// How many since the look before.
        kills: u64,
    },
    /// A lock was taken and released again, as the kernel's trace told: exact, where looks alone may miss it. All of one
    /// look are told together.
    LockHeld {
        /// The database's path.
        database: String,
        /// The lock.
        lock: Lock,
        /// It kept everybody else out.
        exclusive: bool,
        /// The process.
        pid: u32,
        /// The name of its container.
        container: Option<String>,
        /// For how long it was held, in microseconds; the longest of them.
        held_us: u64,
        /// For how long all of them together, in microseconds.
        #[serde(default)]
        total_us: u64,
        /// How often since the look before.
        #[serde(default)]
        times: u64,
    },
    /// A process asked for a lock and did not get it, as the kernel's trace told; all of one look are counted together.
    LockRefused {
        /// The database's path.
        database: String,
        /// The lock.
        lock: Lock,
        /// The process.
        pid: u32,
        /// The name of its container.
        container: Option<String>,
        /// How often since the look before.
        times: u64,
    },
}

impl Moment {
    /// The container of an opener.
    pub fn container_of(&self, opener: &WatchedOpener) -> Option<&WatchedContainer> {
        self.containers.get(opener.container?)
    }

    /// Who an opener is, for people: `worker (docker), pid 4242 python3 app.py`.
    pub fn who(&self, opener: &WatchedOpener) -> String {
        let person = format!("pid {} {}", opener.pid, opener.command);
        match self.container_of(opener) {
            Some(one) if one.container.engine.is_empty() => format!("{}, {person}", one.container.name),
            Some(one) => format!("{} ({}), {person}", one.container.name, one.container.engine),
            None => person,
        }
    }

    /// When openers were last looked for; where that is not told, at this look.
    pub const fn openers_seen_ms(&self) -> u64 {
        if self.openers_looked_ms == 0 { self.elapsed_ms } else { self.openers_looked_ms }
    }

    /// A database by its path.
    pub fn database(&self, path: &str) -> Option<&Watched> {
        self.databases.iter().find(|one| one.path == path)
    }
}

impl Watched {
    /// Committed frames that are not in the database file yet.
    pub fn frames_waiting(&self) -> Option<u32> {
        let index = self.index.as_ref()?;
        Some(index.max_frame.saturating_sub(index.backfilled_frames))
    }

    /// Whether it was seen to be one: by its first bytes, by other files of a database, or by somebody who has it open.
    pub fn shows_a_database(&self) -> bool {
        let has_magic = self.header.as_ref().is_some_and(|header| header.has_magic);
        let others = [&self.wal, &self.shm, &self.journal];
        has_magic || others.iter().any(|file| file.is_some()) || !self.openers.is_empty()
    }
}

impl WatchedOpener {
    /// Whether it holds a lock.
    pub fn holds(&self, lock: Lock) -> bool {
        self.locks.iter().flatten().any(|held| held.lock == lock)
    }
}
