//! Signature `inherited-by-fork`: connections were carried over a fork.

use super::{Gravity, Signature};

/// Connections were carried over a fork.
pub static SIGNATURE: Signature = Signature {
    name: "inherited-by-fork",
    line: "Connections were carried over a fork",
    explain: include_str!("inherited_by_fork.md"),
    gravity: Gravity::Damage,
    phrases: &[&["inherited from a forked process"], &["across fork", "sqlite"], &["fork-safe", "sqlite"]],
    ..Signature::NOTHING
};
