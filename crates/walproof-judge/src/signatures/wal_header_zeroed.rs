//! Signature `wal-header-zeroed`: a WAL whose header is zero, although frames follow.

use super::{Gravity, Signature};

/// A WAL whose header is zero, although frames follow.
pub static SIGNATURE: Signature = Signature {
    name: "wal-header-zeroed",
    line: "A WAL whose header is zero, although frames follow",
    explain: include_str!("wal_header_zeroed.md"),
    gravity: Gravity::Damage,
    phrases: &[&["invalid wal header magic"], &["wal header", "zero"], &["wal header", "all zeros"]],
    ..Signature::NOTHING
};
