//! Cause `two-writers-by-orchestration`: the orchestrator runs two writers at once: rolling update, replicas, forced detach.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// The orchestrator runs two writers at once: rolling update, replicas, forced detach.
pub static CAUSE: Cause = Cause {
    name: "two-writers-by-orchestration",
    line: "The orchestrator runs two writers at once: rolling update, replicas, forced detach",
    explain: include_str!("two_writers_by_orchestration.md"),
    // 10 cases.
    prior: 10,
    loses: true,
    evidence: &[
        // The new one met the old one.
        seen("another-engine-locked", 18),
        seen("several-replicas", 16),
        // Two want it at once.
        seen("volume-multi-attach", 14),
        // The first may still run.
        seen("volume-forced", 14),
        seen("rolling-update", 10),
        seen("corrupt", 6),
        seen("integrity-failed", 6),
        seen("busy", 5),
        seen("busy-recovery", 5),
        seen("locking-protocol", 4),
        seen("journal-already-gone", 4),
        seen("pod-evicted", 4),
        seen("not-a-database", 3),
        seen("io-error", 2),
        named(Ground::RollingUpdate, 14),
        named(Ground::SeveralReplicas, 12),
        // Nothing keeps a second node away.
        named(Ground::SharedVolume, 4),
        named(Ground::ForceDetach, 14),
        // Somebody else decides when containers overlap.
        named(Ground::Orchestrated, 3),
        // Two writers of one kernel exclude each other rightly.
        named(Ground::Local, -2),
    ],
};
