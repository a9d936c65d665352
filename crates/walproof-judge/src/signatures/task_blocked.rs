//! Signature `task-blocked`: the kernel saw a process hang inside a call.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// The kernel saw a process hang inside a call.
pub static SIGNATURE: Signature = Signature {
    name: "task-blocked",
    line: "The kernel saw a process hang inside a call",
    explain: include_str!("task_blocked.md"),
    gravity: Gravity::Context,
    phrases: &[&["blocked for more than", "seconds"]],
    confirm: Some(is_of_the_kernel),
    ..Signature::NOTHING
};

fn is_of_the_kernel(reading: &Reading) -> bool {
    reading.text.contains("info: task ")
}
