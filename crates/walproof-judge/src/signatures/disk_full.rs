//! Signature `disk-full`: no room for the database, its log or a temporary file: SQLITE_FULL.

use super::{Gravity, Signature};

/// No room for the database, its log or a temporary file: SQLITE_FULL.
pub static SIGNATURE: Signature = Signature {
    name: "disk-full",
    line: "No room for the database, its log or a temporary file: SQLITE_FULL",
    explain: include_str!("disk_full.md"),
    gravity: Gravity::Loud,
    codes: &[13],
    ..Signature::NOTHING
};
