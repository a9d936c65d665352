//! Cause `checkpoint-starvation`: a reader that never ends keeps the log from being reset.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// A reader that never ends keeps the log from being reset.
pub static CAUSE: Cause = Cause {
    name: "checkpoint-starvation",
    line: "A reader that never ends keeps the log from being reset",
    explain: include_str!("checkpoint_starvation.md"),
    // 8 cases.
    prior: 9,
    loses: false,
    evidence: &[
        // A log of this size has one usual reason.
        seen("wal-large", 22),
        // What the checkpoint itself says.
        seen("checkpoint-blocked", 18),
        // Sometimes the log is what filled it.
        seen("disk-full", 4),
        // Likewise.
        seen("no-space", 3),
        // A reader elsewhere is easily forgotten.
        named(Ground::SeveralOpeners, 3),
    ],
};
