//! Signature `shared-memory-not-sized`: the -shm could not be made or enlarged: SQLITE_IOERR_SHMSIZE, SHMOPEN.

use super::{Gravity, Signature};

/// The -shm could not be made or enlarged: SQLITE_IOERR_SHMSIZE, SHMOPEN.
pub static SIGNATURE: Signature = Signature {
    name: "shared-memory-not-sized",
    line: "The -shm could not be made or enlarged: SQLITE_IOERR_SHMSIZE, SHMOPEN",
    explain: include_str!("shared_memory_not_sized.md"),
    gravity: Gravity::Loud,
    codes: &[4874, 4618],
    ..Signature::NOTHING
};
