//! Signature `unlinked-while-open`: SQLite's log: the database was deleted or renamed while it was open.

use super::{Gravity, Signature};

/// SQLite's log: the database was deleted or renamed while it was open.
pub static SIGNATURE: Signature = Signature {
    name: "unlinked-while-open",
    line: "SQLite's log: the database was deleted or renamed while it was open",
    explain: include_str!("unlinked_while_open.md"),
    gravity: Gravity::Damage,
    phrases: &[
        &["file unlinked while open:"],
        &["file renamed while open:"],
        &["vnode unlinked while in use"],
        &["database integrity compromised by api violation"],
    ],
    ..Signature::NOTHING
};
