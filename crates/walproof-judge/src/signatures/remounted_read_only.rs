//! Signature `remounted-read-only`: the kernel made a file system read-only after an error.

use super::{Gravity, Signature};

/// The kernel made a file system read-only after an error.
pub static SIGNATURE: Signature = Signature {
    name: "remounted-read-only",
    line: "The kernel made a file system read-only after an error",
    explain: include_str!("remounted_read_only.md"),
    gravity: Gravity::Damage,
    phrases: &[
        &["remounting filesystem read-only"],
        &["forced readonly"],
        &["xfs", "shutting down filesystem"],
        &["re-mounted", "errors"],
    ],
    unless: &["quota mode"],
    ..Signature::NOTHING
};
