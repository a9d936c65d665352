//! Signature `mount-server-gone`: a FUSE server died, or a share was taken away.

use super::{Gravity, Signature};

/// A FUSE server died, or a share was taken away.
pub static SIGNATURE: Signature = Signature {
    name: "mount-server-gone",
    line: "A FUSE server died, or a share was taken away",
    explain: include_str!("mount_server_gone.md"),
    gravity: Gravity::Context,
    phrases: &[&["transport endpoint is not connected"], &["enotconn"]],
    unless: &["socket", "tcp"],
    ..Signature::NOTHING
};
