//! Cause `smb-refuses-locks`: SQLite on SMB or Azure Files: byte-range locks answer BUSY.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// SQLite on SMB or Azure Files: byte-range locks answer BUSY.
pub static CAUSE: Cause = Cause {
    name: "smb-refuses-locks",
    line: "SQLite on SMB or Azure Files: byte-range locks answer BUSY",
    explain: include_str!("smb_refuses_locks.md"),
    // 10 of 14 cases of SMB.
    prior: 11,
    loses: false,
    evidence: &[
        // BUSY before anybody else can hold a lock.
        seen("busy-at-journal-mode", 20),
        seen("busy", 7),
        seen("cifs-not-responding", 8),
        seen("locking-protocol", 3),
        seen("cannot-open", 3),
        seen("io-error", 2),
        seen("corrupt", 2),
        seen("call-not-supported", 2),
        named(Ground::Smb, 18),
        named(Ground::StorageNotNamed, -7),
        // Azure Files is one.
        named(Ground::SharedVolume, 3),
        // Then locks are not refused, they are not asked.
        named(Ground::LocksNotSent, -4),
        named(Ground::Local, -18),
        named(Ground::NetworkFilesystem, -8),
        named(Ground::VirtualMachineShare, -4),
        named(Ground::Fuse, -6),
        named(Ground::ObjectStore, -8),
    ],
};
