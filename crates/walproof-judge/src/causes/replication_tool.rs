//! Cause `replication-tool`: a replicator and the application work on the same log.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// A replicator and the application work on the same log.
pub static CAUSE: Cause = Cause {
    name: "replication-tool",
    line: "A replicator and the application work on the same log",
    explain: include_str!("replication_tool.md"),
    // 6 cases of replicators and drivers.
    prior: 8,
    loses: true,
    evidence: &[
        // Its own words.
        seen("replicator-error", 22),
        // It looks for a log that was reset or removed.
        seen("wal-file-gone", 4),
        // Seen after restores.
        seen("corrupt", 5),
        seen("integrity-failed", 4),
        // It holds a read mark on purpose.
        seen("checkpoint-blocked", 3),
        // It works on the live log all the time, where a backup only touches copies.
        named(Ground::Replicator, 18),
    ],
};
