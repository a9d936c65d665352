//! Signature `no-locks-asked`: the database is opened without locks: nolock, unix-none, unix-dotfile.

use super::{Gravity, Signature};

/// The database is opened without locks: nolock, unix-none, unix-dotfile.
pub static SIGNATURE: Signature = Signature {
    name: "no-locks-asked",
    line: "The database is opened without locks: nolock, unix-none, unix-dotfile",
    explain: include_str!("no_locks_asked.md"),
    gravity: Gravity::Damage,
    phrases: &[&["nolock=1"], &["vfs=unix-none"], &["vfs=unix-dotfile"]],
    ..Signature::NOTHING
};
