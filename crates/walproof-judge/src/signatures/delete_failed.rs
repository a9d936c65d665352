//! Signature `delete-failed`: a journal could not be deleted: SQLITE_IOERR_DELETE.

use super::{Gravity, Signature};

/// A journal could not be deleted: SQLITE_IOERR_DELETE.
pub static SIGNATURE: Signature = Signature {
    name: "delete-failed",
    line: "A journal could not be deleted: SQLITE_IOERR_DELETE",
    explain: include_str!("delete_failed.md"),
    gravity: Gravity::Loud,
    codes: &[2570],
    ..Signature::NOTHING
};
