//! The bytes that SQLite locks, and what each is called.
//!
//! ```text
//! file  first byte  bytes  name
//! db    0x40000000      1  PENDING
//! db    0x40000001      1  RESERVED
//! db    0x40000002    510  SHARED; exclusive: EXCLUSIVE
//! -shm         120      1  WAL_WRITE_LOCK
//! -shm         121      1  WAL_CKPT_LOCK
//! -shm         122      1  WAL_RECOVER_LOCK
//! -shm    123..127      5  WAL_READ_LOCK(0) to (4)
//! -shm         128      1  DMS: shared by everybody who has the -shm open
//! ```
//!
//! From `os_unix.c` (PENDING_BYTE, UNIX_SHM_BASE, UNIX_SHM_DMS) and `wal.c`. One record of the kernel may cover several:
//! neighbours that a process holds alike are merged. WAL mode holds SHARED on the database all the while.

use serde::{Deserialize, Serialize};

/// PENDING_BYTE.
pub const PENDING_BYTE: u64 = 0x4000_0000;
/// UNIX_SHM_BASE: the first lock byte of a `-shm`.
pub const SHM_BASE: u64 = 120;

/// A lock of SQLite's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lock {
    /// A writer waits for readers to leave (rollback modes).
    #[serde(rename = "PENDING")]
    Pending,
    /// A writer prepares (rollback modes).
    #[serde(rename = "RESERVED")]
    Reserved,
    /// Somebody reads, or has the database open in WAL mode; exclusive: nobody else may read.
    #[serde(rename = "SHARED")]
    Shared,
    /// The one writer.
    #[serde(rename = "WAL_WRITE_LOCK")]
    Write,
    /// The one checkpointer.
    #[serde(rename = "WAL_CKPT_LOCK")]
    Checkpoint,
    /// Recovery.
    #[serde(rename = "WAL_RECOVER_LOCK")]
    Recover,
    /// A reader that needs nothing of the log.
    #[serde(rename = "WAL_READ_LOCK(0)")]
    Read0,
    /// A reader at read mark 1.
    #[serde(rename = "WAL_READ_LOCK(1)")]
    Read1,
    /// A reader at read mark 2.
    #[serde(rename = "WAL_READ_LOCK(2)")]
    Read2,
    /// A reader at read mark 3.
    #[serde(rename = "WAL_READ_LOCK(3)")]
    Read3,
    /// A reader at read mark 4.
    #[serde(rename = "WAL_READ_LOCK(4)")]
    Read4,
    /// The dead man's switch: held shared by everybody who has the `-shm` open.
    #[serde(rename = "DMS")]
    Dms,
}

/// Every lock, with the file it is taken on (`db`, `shm`), its first byte and its length.
pub const LOCKS: [(Lock, &str, u64, u64); 12] = [
    (Lock::Pending, "db", PENDING_BYTE, 1),
    (Lock::Reserved, "db", PENDING_BYTE + 1, 1),
    (Lock::Shared, "db", PENDING_BYTE + 2, 510),
    (Lock::Write, "shm", SHM_BASE, 1),
    (Lock::Checkpoint, "shm", SHM_BASE + 1, 1),
    (Lock::Recover, "shm", SHM_BASE + 2, 1),
    (Lock::Read0, "shm", SHM_BASE + 3, 1),
    (Lock::Read1, "shm", SHM_BASE + 4, 1),
    (Lock::Read2, "shm", SHM_BASE + 5, 1),
    (Lock::Read3, "shm", SHM_BASE + 6, 1),
    (Lock::Read4, "shm", SHM_BASE + 7, 1),
    (Lock::Dms, "shm", SHM_BASE + 8, 1),
];

impl Lock {
    /// The locks that a record from `first` to `last` byte on `db` or `shm` holds a part of.
    pub fn within(which: &str, first: u64, last: u64) -> impl Iterator<Item = Self> {
        LOCKS.into_iter().filter_map(move |(lock, file, start, length)| {
            (file == which && first < start + length && last >= start).then_some(lock)
        })
    }

    /// SQLite's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Reserved => "RESERVED",
            Self::Shared => "SHARED",
            Self::Write => "WAL_WRITE_LOCK",
            Self::Checkpoint => "WAL_CKPT_LOCK",
            Self::Recover => "WAL_RECOVER_LOCK",
            Self::Read0 => "WAL_READ_LOCK(0)",
            Self::Read1 => "WAL_READ_LOCK(1)",
            Self::Read2 => "WAL_READ_LOCK(2)",
            Self::Read3 => "WAL_READ_LOCK(3)",
            Self::Read4 => "WAL_READ_LOCK(4)",
            Self::Dms => "DMS",
        }
    }

    /// Which read mark it is about.
    pub const fn read_mark(self) -> Option<usize> {
        match self {
            Self::Read0 => Some(0),
            Self::Read1 => Some(1),
            Self::Read2 => Some(2),
            Self::Read3 => Some(3),
            Self::Read4 => Some(4),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named() {
        let names = |which, first, last| Lock::within(which, first, last).map(Lock::name).collect::<Vec<_>>();
        assert_eq!(names("db", 0x4000_0002, 0x4000_01ff), ["SHARED"]);
        assert_eq!(names("db", 0x4000_0000, 0x4000_0001), ["PENDING", "RESERVED"]);
        assert_eq!(names("shm", 120, 120), ["WAL_WRITE_LOCK"]);
        assert_eq!(names("shm", 124, 124), ["WAL_READ_LOCK(1)"]);
        assert_eq!(names("shm", 128, 128), ["DMS"]);
        assert_eq!(names("shm", 120, u64::MAX).len(), 9);
        assert!(names("db", 0, 100).is_empty() && names("wal", 120, 128).is_empty());
    }

    #[test]
    fn json_bears_the_same_names() {
        for (lock, ..) in LOCKS {
            assert_eq!(serde_json::to_string(&lock).expect("plain"), format!("\"{}\"", lock.name()));
        }
    }
}
