//! Signature `shared-memory-not-sized`: the -shm could not be enlarged: SQLITE_IOERR_SHMSIZE.

use super::{Gravity, Signature};

/// The -shm could not be enlarged: SQLITE_IOERR_SHMSIZE.
pub static SIGNATURE: Signature = Signature {
    name: "shared-memory-not-sized",
    line: "The -shm could not be enlarged: SQLITE_IOERR_SHMSIZE",
    explain: include_str!("shared_memory_not_sized.md"),
    gravity: Gravity::Loud,
    codes: &[4874],
    ..Signature::NOTHING
};
