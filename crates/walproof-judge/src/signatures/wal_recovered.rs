//! Signature `wal-recovered`: SQLite recovered frames from a WAL, or rolled a journal back: a notice.

use super::{Gravity, Signature};

/// SQLite recovered frames from a WAL, or rolled a journal back: a notice.
pub static SIGNATURE: Signature = Signature {
    name: "wal-recovered",
    line: "SQLite recovered frames from a WAL, or rolled a journal back: a notice",
    explain: include_str!("wal_recovered.md"),
    gravity: Gravity::Notice,
    codes: &[283, 539],
    phrases: &[&["frames from wal file"]],
    ..Signature::NOTHING
};
