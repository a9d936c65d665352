//! Signature `sqlite-log`: SQLite's own log: which system call failed, on which file, with which error.

use super::{Gravity, Signature};

/// SQLite's own log: which system call failed, on which file, with which error.
pub static SIGNATURE: Signature = Signature {
    name: "sqlite-log",
    line: "SQLite's own log: which system call failed, on which file, with which error",
    explain: include_str!("sqlite_log.md"),
    gravity: Gravity::Loud,
    phrases: &[&["os_unix.c:"]],
    ..Signature::NOTHING
};
