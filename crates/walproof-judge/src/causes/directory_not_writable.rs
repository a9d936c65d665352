//! Cause `directory-not-writable`: another user owns the directory or the files.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// Another user owns the directory or the files.
pub static CAUSE: Cause = Cause {
    name: "directory-not-writable",
    line: "Another user owns the directory or the files",
    explain: include_str!("directory_not_writable.md"),
    // 16 cases are shared by three causes of access.
    prior: 9,
    loses: false,
    evidence: &[
        // By definition: the directory cannot be written.
        seen("read-only-directory", 25).as_sure_as(Certainty::Documented),
        // The system says so of a database's file.
        seen("permission-denied", 18),
        // Owner and mode are the usual reason.
        seen("read-only", 14),
        // Likewise, before anything was read.
        seen("cannot-open", 13),
        // Unlinking is a right on the directory.
        seen("delete-failed", 8),
        // A -shm of another user.
        seen("shared-memory-not-opened", 9),
        // Sidecars of root beside a database of the user.
        seen("read-only-sidecar", 6),
        // Rootless images and user namespaces change owners.
        named(Ground::OtherUser, 8),
        // There the label is the more likely reason.
        named(Ground::Selinux, -4),
    ],
};
