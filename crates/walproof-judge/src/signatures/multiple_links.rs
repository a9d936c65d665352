//! Signature `multiple-links`: SQLite's log: the database has several names.

use super::{Gravity, Signature};

/// SQLite's log: the database has several names.
pub static SIGNATURE: Signature = Signature {
    name: "multiple-links",
    line: "SQLite's log: the database has several names",
    explain: include_str!("multiple_links.md"),
    gravity: Gravity::Damage,
    phrases: &[&["multiple links to file:"]],
    ..Signature::NOTHING
};
