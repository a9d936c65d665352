//! Signature `cannot-open`: SQLite could not open the database or a file beside it: SQLITE_CANTOPEN.

use super::{Gravity, Signature};

/// SQLite could not open the database or a file beside it: SQLITE_CANTOPEN.
pub static SIGNATURE: Signature = Signature {
    name: "cannot-open",
    line: "SQLite could not open the database or a file beside it: SQLITE_CANTOPEN",
    explain: include_str!("cannot_open.md"),
    gravity: Gravity::Loud,
    codes: &[14],
    ..Signature::NOTHING
};
