//! Signature `no-space`: a file system or quota is full.

use super::{Gravity, Signature};

/// A file system or quota is full.
pub static SIGNATURE: Signature = Signature {
    name: "no-space",
    line: "A file system or quota is full",
    explain: include_str!("no_space.md"),
    gravity: Gravity::Context,
    phrases: &[&["no space left on device"], &["disk quota exceeded"], &["enospc"]],
    unless: &["inotify", "watchers"],
    ..Signature::NOTHING
};
