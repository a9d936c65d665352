//! Signature `out-of-memory-kill`: a process was killed for memory.

use super::{Gravity, Signature};

/// A process was killed for memory.
pub static SIGNATURE: Signature = Signature {
    name: "out-of-memory-kill",
    line: "A process was killed for memory",
    explain: include_str!("out_of_memory_kill.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["oom-kill"],
        &["out of memory: killed process"],
        &["memory cgroup out of memory"],
        &["oomkilled"],
        &["out of memory: kill process"],
    ],
    unless: &["oomkilled=false", "oomkilled\":false", "oomkilled: false", "oomkilled\":\"false", "oomkilled: \"false"],
    ..Signature::NOTHING
};
