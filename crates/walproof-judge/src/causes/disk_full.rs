//! Cause `disk-full`: no room for the database, its log or its shared memory.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, seen};
use crate::finding::Certainty;

/// No room for the database, its log or its shared memory.
pub static CAUSE: Cause = Cause {
    name: "disk-full",
    line: "No room for the database, its log or its shared memory",
    explain: include_str!("disk_full.md"),
    // 7 cases are shared with the temporary directory.
    prior: 8,
    loses: false,
    evidence: &[
        // By definition.
        seen("disk-full", 25).as_sure_as(Certainty::Documented),
        // The -shm could not grow; measured: a full disk in disguise.
        seen("shared-memory-not-sized", 25).as_sure_as(Certainty::Measured),
        seen("shared-memory-not-opened", 4),
        // Somebody met a full file system; it need not be this one.
        seen("no-space", 15),
        // The node was short of disk.
        seen("pod-evicted", 3),
        // Touching a page of a sparse mapping on a full disk.
        seen("bus-error", 3),
        // Also a write that found no room.
        seen("storage-call-failed", 3),
    ],
};
