//! Signature `corrupt`: SQLite read content that should not be there: SQLITE_CORRUPT.

use super::{Gravity, Signature};

/// SQLite read content that should not be there: SQLITE_CORRUPT.
pub static SIGNATURE: Signature = Signature {
    name: "corrupt",
    line: "SQLite read content that should not be there: SQLITE_CORRUPT",
    explain: include_str!("corrupt.md"),
    gravity: Gravity::Damage,
    codes: &[11, 267, 523, 779],
    ..Signature::NOTHING
};
