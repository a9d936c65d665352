//! Cause `killed-for-memory`: a process was killed; SQLite recovers.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, seen};
use crate::finding::Certainty;

/// A process was killed; SQLite recovers.
pub static CAUSE: Cause = Cause {
    name: "killed-for-memory",
    line: "A process was killed; SQLite recovers",
    explain: include_str!("killed_for_memory.md"),
    // By no case the cause of damage.
    prior: 5,
    loses: false,
    evidence: &[
        // The kernel's own words.
        seen("out-of-memory-kill", 25).as_sure_as(Certainty::Proven),
        // Kubelet's own words.
        seen("pod-evicted", 18).as_sure_as(Certainty::Proven),
        // What follows a kill.
        seen("wal-recovered", 6),
    ],
};
