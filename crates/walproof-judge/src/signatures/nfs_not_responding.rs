//! Signature `nfs-not-responding`: the NFS client waits for its server.

use super::{Gravity, Signature};

/// The NFS client waits for its server.
pub static SIGNATURE: Signature = Signature {
    name: "nfs-not-responding",
    line: "The NFS client waits for its server",
    explain: include_str!("nfs_not_responding.md"),
    gravity: Gravity::Context,
    phrases: &[&["nfs: server", "not responding"], &["nfs: server", "timed out"], &["nfs server", "not responding"]],
    ..Signature::NOTHING
};
