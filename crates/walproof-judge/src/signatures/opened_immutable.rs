//! Signature `opened-immutable`: the database is opened as immutable.

use super::{Gravity, Signature};

/// The database is opened as immutable.
pub static SIGNATURE: Signature = Signature {
    name: "opened-immutable",
    line: "The database is opened as immutable",
    explain: include_str!("opened_immutable.md"),
    gravity: Gravity::Context,
    phrases: &[&["immutable=1"]],
    ..Signature::NOTHING
};
