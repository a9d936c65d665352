//! Cause `filesystem-without-locks`: the file system or a security policy refuses locks or shared memory.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// The file system or a security policy refuses locks or shared memory.
pub static CAUSE: Cause = Cause {
    name: "filesystem-without-locks",
    line: "The file system or a security policy refuses locks or shared memory",
    explain: include_str!("filesystem_without_locks.md"),
    // Of 10 cases of odd file systems and runtimes.
    prior: 5,
    loses: false,
    evidence: &[
        // A lock that fails for another reason than a conflict.
        seen("lock-refused", 18),
        // EINVAL, ENOSYS, ENOLCK.
        seen("call-not-supported", 14),
        // jffs2 and exFAT drivers have no shared mappings.
        seen("shared-memory-refused", 8),
        // The same without its reason.
        seen("io-error", 5),
        // jffs2, exFAT, vfat and their like.
        named(Ground::PlainFilesystem, 16),
        // There the server of the mount is asked.
        named(Ground::Fuse, -3),
    ],
};
