//! Signature `short-read`: fewer bytes than a page: SQLITE_IOERR_SHORT_READ.

use super::{Gravity, Signature};

/// Fewer bytes than a page: SQLITE_IOERR_SHORT_READ.
pub static SIGNATURE: Signature = Signature {
    name: "short-read",
    line: "Fewer bytes than a page: SQLITE_IOERR_SHORT_READ",
    explain: include_str!("short_read.md"),
    gravity: Gravity::Damage,
    codes: &[522],
    ..Signature::NOTHING
};
