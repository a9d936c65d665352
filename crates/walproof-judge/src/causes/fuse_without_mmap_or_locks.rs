//! Cause `fuse-without-mmap-or-locks`: a FUSE mount without shared memory or locks: mergerfs, Unraid shfs and others.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// A FUSE mount without shared memory or locks: mergerfs, Unraid shfs and others.
pub static CAUSE: Cause = Cause {
    name: "fuse-without-mmap-or-locks",
    line: "A FUSE mount without shared memory or locks: mergerfs, Unraid shfs and others",
    explain: include_str!("fuse_without_mmap_or_locks.md"),
    // 11 cases.
    prior: 10,
    loses: false,
    evidence: &[
        // direct_io makes mmap(MAP_SHARED) fail.
        seen("shared-memory-refused", 12),
        // A server that implements no locks.
        seen("lock-refused", 12),
        seen("shared-memory-not-opened", 7),
        // ENODEV, ENOSYS.
        seen("call-not-supported", 10),
        // FUSE by definition; that it died is another cause.
        seen("mount-server-gone", 8),
        // 5386 without its number: what most drivers print.
        seen("io-error", 7),
        seen("locking-protocol", 3),
        seen("busy", 2),
        // Caches that are not shared between two mounts.
        seen("corrupt", 2),
        seen("cannot-open", 2),
        named(Ground::Fuse, 16),
        named(Ground::StorageNotNamed, -6),
        named(Ground::Local, -12),
        named(Ground::NetworkFilesystem, -6),
        named(Ground::Smb, -8),
        // Their FUSE is the share's.
        named(Ground::VirtualMachineShare, -6),
    ],
};
