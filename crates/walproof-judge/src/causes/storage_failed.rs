//! Cause `storage-failed`: the disk or its file system fails.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// The disk or its file system fails.
pub static CAUSE: Cause = Cause {
    name: "storage-failed",
    line: "The disk or its file system fails",
    explain: include_str!("storage_failed.md"),
    // Outside the 174 cases.
    prior: 7,
    loses: true,
    evidence: &[
        // The kernel's own words.
        seen("block-device-failed", 26).as_sure_as(Certainty::Proven),
        // The kernel's own words.
        seen("remounted-read-only", 26).as_sure_as(Certainty::Proven),
        // A read, write or sync answered with an error.
        seen("storage-call-failed", 15),
        seen("corrupt-filesystem", 12),
        seen("task-blocked", 9),
        // With EIO in it.
        seen("sqlite-log", 4),
        // After a remount.
        seen("read-only-file-system", 7),
        seen("io-error", 5),
        seen("short-read", 4),
        // EIO inside a statement surfaces as plain 11.
        seen("corrupt", 3),
        named(Ground::Local, 4),
    ],
};
