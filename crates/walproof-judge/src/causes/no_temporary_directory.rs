//! Cause `no-temporary-directory`: SQLite finds no writable place for temporary files.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// SQLite finds no writable place for temporary files.
pub static CAUSE: Cause = Cause {
    name: "no-temporary-directory",
    line: "SQLite finds no writable place for temporary files",
    explain: include_str!("no_temporary_directory.md"),
    // Of 7 cases of full disks and temporary directories.
    prior: 6,
    loses: false,
    evidence: &[
        // By definition.
        seen("no-temporary-directory", 28).as_sure_as(Certainty::Documented),
        // The database's mount is writable, the root is not.
        seen("read-only-file-system", 9),
        // A /tmp of a few megabytes.
        seen("disk-full", 4),
        // How it is printed before 6410 existed.
        seen("cannot-open", 3),
        named(Ground::ReadOnlyRoot, 16),
    ],
};
