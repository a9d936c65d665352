//! Cause `storage-server-away`: the server behind the mount is not answering, or went away.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// The server behind the mount is not answering, or went away.
pub static CAUSE: Cause = Cause {
    name: "storage-server-away",
    line: "The server behind the mount is not answering, or went away",
    explain: include_str!("storage_server_away.md"),
    // Outside the 174 cases.
    prior: 6,
    loses: true,
    evidence: &[
        // The client's own words.
        seen("nfs-not-responding", 26).as_sure_as(Certainty::Proven),
        // The client's own words.
        seen("ceph-not-responding", 24).as_sure_as(Certainty::Proven),
        // It hangs; whether at a server or a disk is not said.
        seen("task-blocked", 14),
        // After an outage.
        seen("nfs-locks-lost", 8),
        // The client's own words.
        seen("cifs-not-responding", 24).as_sure_as(Certainty::Proven),
        // The kernel's own words.
        seen("mount-server-gone", 24).as_sure_as(Certainty::Proven),
        seen("stale-handle", 13),
        seen("storage-call-failed", 6),
        seen("io-error", 4),
        named(Ground::NetworkFilesystem, 3),
        named(Ground::Smb, 3),
        named(Ground::ObjectStore, 2),
    ],
};
