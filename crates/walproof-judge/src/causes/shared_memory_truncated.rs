//! Cause `shared-memory-truncated`: the -shm was cut under a process that had it mapped: SIGBUS.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, seen};

/// The -shm was cut under a process that had it mapped: SIGBUS.
pub static CAUSE: Cause = Cause {
    name: "shared-memory-truncated",
    line: "The -shm was cut under a process that had it mapped: SIGBUS",
    explain: include_str!("shared_memory_truncated.md"),
    // 3 cases.
    prior: 5,
    loses: true,
    evidence: &[
        // A mapping that lost its file.
        seen("bus-error", 22),
    ],
};
