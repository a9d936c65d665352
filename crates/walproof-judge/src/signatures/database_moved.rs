//! Signature `database-moved`: the database file was moved, replaced or deleted while it was open: SQLITE_READONLY_DBMOVED.

use super::{Gravity, Signature};

/// The database file was moved, replaced or deleted while it was open: SQLITE_READONLY_DBMOVED.
pub static SIGNATURE: Signature = Signature {
    name: "database-moved",
    line: "The database file was moved, replaced or deleted while it was open: SQLITE_READONLY_DBMOVED",
    explain: include_str!("database_moved.md"),
    gravity: Gravity::Damage,
    codes: &[1032],
    ..Signature::NOTHING
};
