//! Signature `locking-protocol`: the locks kept changing under a connection: SQLITE_PROTOCOL.

use super::{Gravity, Signature};

/// The locks kept changing under a connection: SQLITE_PROTOCOL.
pub static SIGNATURE: Signature = Signature {
    name: "locking-protocol",
    line: "The locks kept changing under a connection: SQLITE_PROTOCOL",
    explain: include_str!("locking_protocol.md"),
    gravity: Gravity::Loud,
    codes: &[15],
    ..Signature::NOTHING
};
