//! Signature `read-only`: a write was refused: SQLITE_READONLY.

use super::{Gravity, Signature};

/// A write was refused: SQLITE_READONLY.
pub static SIGNATURE: Signature = Signature {
    name: "read-only",
    line: "A write was refused: SQLITE_READONLY",
    explain: include_str!("read_only.md"),
    gravity: Gravity::Loud,
    codes: &[8],
    ..Signature::NOTHING
};
