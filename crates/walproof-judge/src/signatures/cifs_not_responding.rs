//! Signature `cifs-not-responding`: the SMB client lost its server.

use super::{Gravity, Signature};

/// The SMB client lost its server.
pub static SIGNATURE: Signature = Signature {
    name: "cifs-not-responding",
    line: "The SMB client lost its server",
    explain: include_str!("cifs_not_responding.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["cifs: vfs", "has not responded"],
        &["cifs vfs", "has not responded"],
        &["cifs", "reconnecting"],
        &["cifs: vfs", "error -"],
        &["cifs_mount failed"],
    ],
    ..Signature::NOTHING
};
