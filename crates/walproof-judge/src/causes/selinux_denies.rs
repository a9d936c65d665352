//! Cause `selinux-denies`: sELinux keeps the container from its bind mount.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// SELinux keeps the container from its bind mount.
pub static CAUSE: Cause = Cause {
    name: "selinux-denies",
    line: "SELinux keeps the container from its bind mount",
    explain: include_str!("selinux_denies.md"),
    // Of 16 cases of access.
    prior: 5,
    loses: false,
    evidence: &[
        // The denial is a witness.
        seen("selinux-denied", 30).as_sure_as(Certainty::Proven),
        // Owners may agree and it fails all the same.
        seen("permission-denied", 10),
        seen("cannot-open", 10),
        seen("read-only-directory", 5),
        seen("read-only", 5),
        // Enforcing by default there, and bind mounts need a label.
        named(Ground::Selinux, 14),
    ],
};
