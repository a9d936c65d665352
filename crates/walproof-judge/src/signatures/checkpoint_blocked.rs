//! Signature `checkpoint-blocked`: a checkpoint could not finish because somebody reads.

use super::{Gravity, Signature};

/// A checkpoint could not finish because somebody reads.
pub static SIGNATURE: Signature = Signature {
    name: "checkpoint-blocked",
    line: "A checkpoint could not finish because somebody reads",
    explain: include_str!("checkpoint_blocked.md"),
    gravity: Gravity::Notice,
    phrases: &[
        &["wal_checkpoint", "busy"],
        &["wal_checkpoint", "locked"],
        &["checkpoint starvation"],
        &["checkpoint", "blocked", "wal"],
        &["checkpoint", "sqlite_busy"],
        &["starv", "checkpoint"],
        &["not truncated", "wal"],
        &["never truncated", "wal"],
    ],
    ..Signature::NOTHING
};
