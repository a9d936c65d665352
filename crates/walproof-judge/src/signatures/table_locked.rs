//! Signature `table-locked`: a table is locked inside one process: SQLITE_LOCKED.

use super::{Gravity, Signature};

/// A table is locked inside one process: SQLITE_LOCKED.
pub static SIGNATURE: Signature = Signature {
    name: "table-locked",
    line: "A table is locked inside one process: SQLITE_LOCKED",
    explain: include_str!("table_locked.md"),
    gravity: Gravity::Loud,
    codes: &[6, 262, 518],
    ..Signature::NOTHING
};
