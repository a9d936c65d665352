//! Signature `lock-refused`: a lock call failed for another reason than a conflict: SQLITE_IOERR_LOCK and its like.

use super::{Gravity, Signature};

/// A lock call failed for another reason than a conflict: SQLITE_IOERR_LOCK and its like.
pub static SIGNATURE: Signature = Signature {
    name: "lock-refused",
    line: "A lock call failed for another reason than a conflict: SQLITE_IOERR_LOCK and its like",
    explain: include_str!("lock_refused.md"),
    gravity: Gravity::Loud,
    codes: &[3850, 5130, 2314, 3594, 2058],
    phrases: &[&["f_setlk", "= -1 e"], &["f_ofd_setlk", "= -1 e"]],
    unless: &["= -1 eagain", "= -1 eacces", "= -1 eintr"],
    ..Signature::NOTHING
};
