//! Signature `selinux-denied`: SELinux refused an access.

use super::{Gravity, Signature};

/// SELinux refused an access.
pub static SIGNATURE: Signature = Signature {
    name: "selinux-denied",
    line: "SELinux refused an access",
    explain: include_str!("selinux_denied.md"),
    gravity: Gravity::Context,
    phrases: &[&["avc:", "denied"]],
    ..Signature::NOTHING
};
