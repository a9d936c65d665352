//! Signature `shared-memory-not-opened`: the -shm could not be opened or emptied: SQLITE_IOERR_SHMOPEN.

use super::{Gravity, Signature};

/// The -shm could not be opened or emptied: SQLITE_IOERR_SHMOPEN.
pub static SIGNATURE: Signature = Signature {
    name: "shared-memory-not-opened",
    line: "The -shm could not be opened or emptied: SQLITE_IOERR_SHMOPEN",
    explain: include_str!("shared_memory_not_opened.md"),
    gravity: Gravity::Loud,
    codes: &[4618],
    ..Signature::NOTHING
};
