//! Cause `read-only-reader`: a reader that may not write wants to read a WAL database.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// A reader that may not write wants to read a WAL database.
pub static CAUSE: Cause = Cause {
    name: "read-only-reader",
    line: "A reader that may not write wants to read a WAL database",
    explain: include_str!("read_only_reader.md"),
    // Of 16 cases of access.
    prior: 6,
    loses: false,
    evidence: &[
        // By definition: something beside the database had to be written.
        seen("read-only-sidecar", 20).as_sure_as(Certainty::Documented),
        // The same, when the -shm had to be made.
        seen("read-only-directory", 16),
        // Mounted `:ro`.
        seen("read-only-file-system", 10),
        seen("read-only", 9),
        // No writer keeps the -shm alive.
        seen("cannot-open", 8),
        named(Ground::ReadOnlyMount, 14),
    ],
};
