//! Signature `read-only-directory`: the directory of the database is not writable: SQLITE_READONLY_DIRECTORY.

use super::{Gravity, Signature};

/// The directory of the database is not writable: SQLITE_READONLY_DIRECTORY.
pub static SIGNATURE: Signature = Signature {
    name: "read-only-directory",
    line: "The directory of the database is not writable: SQLITE_READONLY_DIRECTORY",
    explain: include_str!("read_only_directory.md"),
    gravity: Gravity::Loud,
    codes: &[1544],
    ..Signature::NOTHING
};
