//! Signature `busy`: somebody else holds a lock: SQLITE_BUSY.

use super::{Gravity, Signature};

/// Somebody else holds a lock: SQLITE_BUSY.
pub static SIGNATURE: Signature = Signature {
    name: "busy",
    line: "Somebody else holds a lock: SQLITE_BUSY",
    explain: include_str!("busy.md"),
    gravity: Gravity::Loud,
    codes: &[5, 773],
    ..Signature::NOTHING
};
