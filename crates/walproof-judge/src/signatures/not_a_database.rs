//! Signature `not-a-database`: the first bytes are not those of a database: SQLITE_NOTADB.

use super::{Gravity, Signature};

/// The first bytes are not those of a database: SQLITE_NOTADB.
pub static SIGNATURE: Signature = Signature {
    name: "not-a-database",
    line: "The first bytes are not those of a database: SQLITE_NOTADB",
    explain: include_str!("not_a_database.md"),
    gravity: Gravity::Damage,
    codes: &[26],
    ..Signature::NOTHING
};
