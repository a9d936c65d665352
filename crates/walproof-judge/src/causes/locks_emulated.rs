//! Cause `locks-emulated`: a sandbox, a library or a virtual machine emulates locks: gVisor, Kata, WSL 1 and others.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// A sandbox, a library or a virtual machine emulates locks: gVisor, Kata, WSL 1 and others.
pub static CAUSE: Cause = Cause {
    name: "locks-emulated",
    line: "A sandbox, a library or a virtual machine emulates locks: gVisor, Kata, WSL 1 and others",
    explain: include_str!("locks_emulated.md"),
    // Of 10 cases of odd file systems and runtimes.
    prior: 8,
    loses: true,
    evidence: &[
        // Locks that answer, and do not mean it.
        seen("locking-protocol", 8),
        seen("call-not-supported", 6),
        seen("lock-refused", 6),
        seen("shared-memory-refused", 5),
        seen("io-error", 5),
        // Two sandboxes that both hold the lock.
        seen("corrupt", 5),
        seen("integrity-failed", 4),
        seen("cannot-open", 2),
        // Hardly: gVisor is blamed for BUSY that the application made.
        seen("busy", 1),
        named(Ground::EmulatedKernel, 16),
        named(Ground::SeveralReplicas, 2),
        named(Ground::Local, -3),
    ],
};
