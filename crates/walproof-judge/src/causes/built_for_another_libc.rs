//! Cause `built-for-another-libc`: a driver built for glibc runs on musl, or a wrapper of fcntl64 is missing.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// A driver built for glibc runs on musl, or a wrapper of fcntl64 is missing.
pub static CAUSE: Cause = Cause {
    name: "built-for-another-libc",
    line: "A driver built for glibc runs on musl, or a wrapper of fcntl64 is missing",
    explain: include_str!("built_for_another_libc.md"),
    // 2 cases.
    prior: 3,
    loses: false,
    evidence: &[
        // The symbol by its name; nothing else in SQLite calls it.
        seen("fcntl64-missing", 28),
        // The loader names the driver.
        seen("libc-mismatch", 28).as_sure_as(Certainty::Proven),
        // Alpine makes it likely, and most Alpine images are sound.
        named(Ground::Musl, 5),
    ],
};
