//! Signature `read-only-file-system`: a write met a read-only file system.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A write met a read-only file system.
pub static SIGNATURE: Signature = Signature {
    name: "read-only-file-system",
    line: "A write met a read-only file system",
    explain: include_str!("read_only_file_system.md"),
    gravity: Gravity::Loud,
    phrases: &[&["read-only file system"], &["erofs"]],
    confirm: Some(Reading::is_about_a_database),
    ..Signature::NOTHING
};
