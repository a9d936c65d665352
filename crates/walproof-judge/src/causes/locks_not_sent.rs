//! Cause `locks-not-sent`: mounted or opened so that locks stay on one machine: nobrl, nolock, local_lock, nolock=1.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// Mounted or opened so that locks stay on one machine: nobrl, nolock, local_lock, nolock=1.
pub static CAUSE: Cause = Cause {
    name: "locks-not-sent",
    line: "Mounted or opened so that locks stay on one machine: nobrl, nolock, local_lock, nolock=1",
    explain: include_str!("locks_not_sent.md"),
    // 4 of 14 cases of SMB, and those of NFS with nolock.
    prior: 5,
    loses: true,
    evidence: &[
        // The parameter is there.
        seen("no-locks-asked", 24).as_sure_as(Certainty::Documented),
        // Measured with local locks: 0.009 s (WAL), 0.002 s (DELETE).
        seen("corrupt", 8),
        seen("integrity-failed", 8),
        seen("not-a-database", 6),
        named(Ground::LocksNotSent, 12),
        // nobrl is what every forum recommends there.
        named(Ground::Smb, 4),
        // Locks are sent nowhere on a local disk.
        named(Ground::Local, -18),
    ],
};
