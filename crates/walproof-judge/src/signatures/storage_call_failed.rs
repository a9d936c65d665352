//! Signature `storage-call-failed`: a read, write, sync or truncation of a database's file failed.

use super::{Gravity, Signature};

/// A read, write, sync or truncation of a database's file failed.
pub static SIGNATURE: Signature = Signature {
    name: "storage-call-failed",
    line: "A read, write, sync or truncation of a database's file failed",
    explain: include_str!("storage_call_failed.md"),
    gravity: Gravity::Loud,
    codes: &[266, 778, 1034, 1290, 1546, 1802, 4106, 5642, 6154, 8714],
    ..Signature::NOTHING
};
