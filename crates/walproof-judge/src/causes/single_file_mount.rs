//! Cause `single-file-mount`: the file is mounted, or reached by two names, and each side has its own log.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// The file is mounted, or reached by two names, and each side has its own log.
pub static CAUSE: Cause = Cause {
    name: "single-file-mount",
    line: "The file is mounted, or reached by two names, and each side has its own log",
    explain: include_str!("single_file_mount.md"),
    // 5 cases.
    prior: 7,
    loses: true,
    evidence: &[
        // SQLite counted the names.
        seen("multiple-links", 24).as_sure_as(Certainty::Proven),
        // What docker makes of a missing source.
        seen("path-is-a-directory", 16),
        // The mount is written there.
        seen("single-file-mounted", 20),
        seen("corrupt", 4),
        seen("integrity-failed", 3),
        seen("not-a-database", 2),
        named(Ground::SingleFile, 18),
    ],
};
