//! One look at a database for its health: plain data, bytes as they were read.
//!
//! The order of reading is part of what can be concluded: the database, `-journal`, `-shm`, `-wal`, `-shm` again, then
//! locks. What it must not do: conclude.

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::wal_index::{WalIndex, WalIndexCopy};

/// What one look saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The database's path.
    pub path: String,
    /// Why it could not be read; `None`: it could.
    pub failed: Option<Failed>,
    /// Bytes of the database file.
    pub size_bytes: u64,
    /// How long ago it was written to, by its own clock and ours; `None`: in the future.
    pub untouched_ms: Option<u64>,
    /// Its first 100 bytes, or fewer.
    pub header: Vec<u8>,
    /// `-journal`; `None`: there is none.
    pub journal: Option<Beside>,
    /// `-shm`, before `-wal` was looked at.
    pub shm: Option<Beside>,
    /// `-wal`.
    pub wal: Option<Beside>,
    /// `-shm` again, by its name, after `-wal`.
    pub shm_after: Option<Beside>,
    /// Files beside it that are there and could not be read, and why.
    pub unread: Vec<String>,
    /// Whether somebody is seen to hold `-shm` open, by the kernel's table of locks. `false` may be somebody unseen.
    pub shm_is_held: bool,
    /// Whether somebody is seen to hold a lock for writing: the same.
    pub writer_is_seen: bool,
    /// Whether `-shm` was last written before this machine was started.
    pub shm_from_before_boot: bool,
    /// Bytes that are free to the user who looks; `None`: the file system does not tell.
    pub free_bytes: Option<u64>,
    /// Files that may still be made; `None`: it does not tell.
    pub free_inodes: Option<u64>,
    /// Whether the mount is read-only; `None`: it does not tell.
    pub read_only: Option<bool>,
    /// Openers, if they were asked for.
    pub openers: Option<Openers>,
}

/// A file beside a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Its inode.
    pub inode: u64,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its first bytes: as many as its header has, or fewer.
    pub bytes: Vec<u8>,
}

/// Why a database could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What kind of failure it is.
    pub why: Why,
    /// In the kernel's words.
    pub because: String,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// There is nothing of that name.
    Missing,
    /// Whoever looks may not.
    Forbidden,
    /// It is there, and is no regular file.
    NoFile,
    /// The storage refuses: EIO, ESTALE, ENOTCONN and the like.
    Storage,
}

/// Processes that have the database open, as far as they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Openers {
    /// Files that lie under another inode than the one that is held, or under no name at all.
    pub gone: Vec<Gone>,
    /// Processes that hold a lock for writing and are stopped by a signal or a debugger.
    pub stopped_writers: Vec<u32>,
    /// Processes that were looked at.
    pub processes: usize,
    /// Processes that were not: no permission, or no time.
    pub not_seen: usize,
}

/// A file that a process holds and that lies there no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The process.
    pub pid: u32,
    /// `app.db`, `app.db-wal`, `app.db-shm`: the name that it had.
    pub file: String,
    /// Which one it is: whoever opens and closes all the time holds another one each time.
    #[serde(default)]
    pub inode: u64,
}

impl Look {
    /// The wal-index header before and after, when both are the same and to be believed.
    pub fn index(&self) -> Option<WalIndexCopy> {
        let (before, after) = (self.shm.as_ref()?, self.shm_after.as_ref()?);
        let read = |one: &Beside| WalIndex::parse(&one.bytes).believed().cloned();
        let (first, second) = (read(before)?, read(after)?);
        (before.inode == after.inode && first == second).then_some(second)
    }

    /// Committed frames that are not in the database file yet.
    pub fn frames_waiting(&self) -> Option<u32> {
        let index = WalIndex::parse(&self.shm_after.as_ref()?.bytes);
        let copied = index.backfilled_frames?;
        index.believed().map(|header| header.max_frame.saturating_sub(copied))
    }
}
