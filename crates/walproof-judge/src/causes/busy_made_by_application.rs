//! Cause `busy-made-by-application`: the application makes its own SQLITE_BUSY: no busy_timeout, read-then-write, a pool, a long writer.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// The application makes its own SQLITE_BUSY: no busy_timeout, read-then-write, a pool, a long writer.
pub static CAUSE: Cause = Cause {
    name: "busy-made-by-application",
    line: "The application makes its own SQLITE_BUSY: no busy_timeout, read-then-write, a pool, a long writer",
    explain: include_str!("busy_made_by_application.md"),
    // 7 cases, and 4 more because the cases were collected about shared storage; BUSY on sound storage fills every forum.
    prior: 12,
    loses: false,
    evidence: &[
        // The usual message of the usual cause, and of a dozen others.
        seen("busy", 10),
        // By definition: a transaction that began by reading. No storage does that.
        seen("busy-snapshot", 25).as_sure_as(Certainty::Documented),
        // By definition inside one process.
        seen("table-locked", 25).as_sure_as(Certainty::Documented),
        // The driver's words for waiting on itself.
        seen("pool-exhausted", 18),
        // An own reader is enough to refuse the switch to WAL.
        seen("busy-at-journal-mode", 6),
        // Once, after a crash.
        seen("busy-recovery", 3),
        // What speaks against shared storage speaks for the application.
        named(Ground::Local, 6),
    ],
};
