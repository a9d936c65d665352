//! Signature `busy-snapshot`: a reader wanted to write, and another had committed meanwhile: SQLITE_BUSY_SNAPSHOT.

use super::{Gravity, Signature};

/// A reader wanted to write, and another had committed meanwhile: SQLITE_BUSY_SNAPSHOT.
pub static SIGNATURE: Signature = Signature {
    name: "busy-snapshot",
    line: "A reader wanted to write, and another had committed meanwhile: SQLITE_BUSY_SNAPSHOT",
    explain: include_str!("busy_snapshot.md"),
    gravity: Gravity::Loud,
    codes: &[517],
    ..Signature::NOTHING
};
