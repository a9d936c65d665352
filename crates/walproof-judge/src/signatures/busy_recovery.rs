//! Signature `busy-recovery`: another connection recovers the WAL: SQLITE_BUSY_RECOVERY.

use super::{Gravity, Signature};

/// Another connection recovers the WAL: SQLITE_BUSY_RECOVERY.
pub static SIGNATURE: Signature = Signature {
    name: "busy-recovery",
    line: "Another connection recovers the WAL: SQLITE_BUSY_RECOVERY",
    explain: include_str!("busy_recovery.md"),
    gravity: Gravity::Loud,
    codes: &[261],
    ..Signature::NOTHING
};
