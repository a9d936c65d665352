//! Cause `object-store-as-filesystem`: an object store mounted as a file system: rclone, s3fs, gcsfuse, bucket mounts.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// An object store mounted as a file system: rclone, s3fs, gcsfuse, bucket mounts.
pub static CAUSE: Cause = Cause {
    name: "object-store-as-filesystem",
    line: "An object store mounted as a file system: rclone, s3fs, gcsfuse, bucket mounts",
    explain: include_str!("object_store_as_filesystem.md"),
    // 3 of 11 cases of FUSE.
    prior: 4,
    loses: true,
    evidence: &[
        // Slow flushes hold locks.
        seen("busy", 6),
        seen("io-error", 6),
        seen("corrupt", 6),
        seen("not-a-database", 5),
        seen("shared-memory-refused", 6),
        seen("call-not-supported", 6),
        seen("lock-refused", 6),
        seen("mount-server-gone", 7),
        named(Ground::ObjectStore, 20),
        named(Ground::StorageNotNamed, -6),
        // Most of them are FUSE.
        named(Ground::Fuse, 2),
        named(Ground::Local, -15),
    ],
};
