//! Cause `files-replaced-while-open`: the database or its log was replaced, renamed or deleted under an opener.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// The database or its log was replaced, renamed or deleted under an opener.
pub static CAUSE: Cause = Cause {
    name: "files-replaced-while-open",
    line: "The database or its log was replaced, renamed or deleted under an opener",
    explain: include_str!("files_replaced_while_open.md"),
    // Of 10 cases of lost locks and split generations.
    prior: 7,
    loses: true,
    evidence: &[
        // By definition: the path leads to another file.
        seen("database-moved", 25).as_sure_as(Certainty::Documented),
        // SQLite compared the files.
        seen("unlinked-while-open", 28).as_sure_as(Certainty::Proven),
        // A sidecar that an opener had is gone; after a clean close this is nothing.
        seen("wal-file-gone", 8),
        // Unlinked while open, over NFS.
        seen("nfs-silly-rename", 7),
        // Replaced on the server.
        seen("stale-handle", 6),
        // Half of a new file.
        seen("not-a-database", 4),
        // Old log over a new database.
        seen("corrupt", 5),
        // Restores replace files.
        named(Ground::Backup, 6),
    ],
};
