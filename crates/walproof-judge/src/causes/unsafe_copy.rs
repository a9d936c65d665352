//! Cause `unsafe-copy`: a copy or restore that mixed moments: cp, rsync, snapshots of single files, old sidecars.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// A copy or restore that mixed moments: cp, rsync, snapshots of single files, old sidecars.
pub static CAUSE: Cause = Cause {
    name: "unsafe-copy",
    line: "A copy or restore that mixed moments: cp, rsync, snapshots of single files, old sidecars",
    explain: include_str!("unsafe_copy.md"),
    // 8 cases.
    prior: 9,
    loses: true,
    evidence: &[
        // The tool saw it move.
        seen("copied-while-changing", 20).as_sure_as(Certainty::Measured),
        seen("corrupt", 8),
        seen("integrity-failed", 7),
        seen("not-a-database", 6),
        seen("short-read", 5),
        // Copied without it.
        seen("wal-file-gone", 5),
        seen("corrupt-filesystem", 4),
        named(Ground::Backup, 9),
        // It needs no shared storage.
        named(Ground::Local, 3),
        // Restores.
        named(Ground::Replicator, 2),
    ],
};
