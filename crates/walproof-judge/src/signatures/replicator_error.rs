//! Signature `replicator-error`: a replicator could not follow the log.

use super::{Gravity, Signature};

/// A replicator could not follow the log.
pub static SIGNATURE: Signature = Signature {
    name: "replicator-error",
    line: "A replicator could not follow the log",
    explain: include_str!("replicator_error.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["shadow wal"],
        &["cannot apply wal"],
        &["missing initial wal segment"],
        &["out of sequence wal segments"],
        &["cannot find max wal index"],
        &["nonsequential page numbers"],
        &["checkpoint: mode="],
        &["cannot verify wal state"],
        &["sync error", "wal"],
        &["litestream", "error"],
        &["ltx", "error"],
        &["litefs", "error"],
    ],
    ..Signature::NOTHING
};
