//! Signature `shared-memory-refused`: the -shm could not be mapped: SQLITE_IOERR_SHMMAP.

use super::{Gravity, Signature};

/// The -shm could not be mapped: SQLITE_IOERR_SHMMAP.
pub static SIGNATURE: Signature = Signature {
    name: "shared-memory-refused",
    line: "The -shm could not be mapped: SQLITE_IOERR_SHMMAP",
    explain: include_str!("shared_memory_refused.md"),
    gravity: Gravity::Loud,
    codes: &[5386],
    phrases: &[&["mmap(", "-shm"], &["map_shared", "= -1 e"], &["mmap", "map_shared", "einval"]],
    ..Signature::NOTHING
};
