//! Cause `wal-reset-bug`: SQLite's WAL-reset bug, in versions 3.7.0 to 3.51.2.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// SQLite's WAL-reset bug, in versions 3.7.0 to 3.51.2.
pub static CAUSE: Cause = Cause {
    name: "wal-reset-bug",
    line: "SQLite's WAL-reset bug, in versions 3.7.0 to 3.51.2",
    explain: include_str!("wal_reset_bug.md"),
    // 5 cases.
    prior: 7,
    loses: true,
    evidence: &[
        // It has the bug; most databases of such versions never meet it.
        seen("version-with-reset-bug", 12),
        seen("corrupt", 6),
        seen("integrity-failed", 6),
        seen("not-a-database", 1),
        // It needs a checkpointer beside writers.
        named(Ground::SeveralOpeners, 3),
        // A looping checkpointer is the shape that meets it.
        named(Ground::Replicator, 3),
        // It needs no shared storage.
        named(Ground::Local, 3),
    ],
};
