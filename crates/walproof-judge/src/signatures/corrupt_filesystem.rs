//! Signature `corrupt-filesystem`: a seek or read says that the file system is damaged: SQLITE_IOERR_CORRUPTFS.

use super::{Gravity, Signature};

/// A seek or read says that the file system is damaged: SQLITE_IOERR_CORRUPTFS.
pub static SIGNATURE: Signature = Signature {
    name: "corrupt-filesystem",
    line: "A seek or read says that the file system is damaged: SQLITE_IOERR_CORRUPTFS",
    explain: include_str!("corrupt_filesystem.md"),
    gravity: Gravity::Damage,
    codes: &[8458],
    ..Signature::NOTHING
};
