//! Cause `locks-lost-inside-process`: a process lost its own locks: close() beside SQLite, fork, two copies of SQLite.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// A process lost its own locks: close() beside SQLite, fork, two copies of SQLite.
pub static CAUSE: Cause = Cause {
    name: "locks-lost-inside-process",
    line: "A process lost its own locks: close() beside SQLite, fork, two copies of SQLite",
    explain: include_str!("locks_lost_inside_process.md"),
    // Of 10 cases of lost locks and split generations.
    prior: 9,
    loses: true,
    evidence: &[
        // The driver saw it.
        seen("inherited-by-fork", 25).as_sure_as(Certainty::Measured),
        // Locks do not go over a fork; whether connections did, text does not say.
        named(Ground::Fork, 12),
        // Somebody believed to be the last one and deleted what others use.
        seen("wal-file-gone", 9),
        // Two writers, neither saw the other.
        seen("journal-already-gone", 8),
        // Measured: 0.15 s to the first signal.
        seen("corrupt", 8),
        seen("integrity-failed", 8),
        seen("not-a-database", 5),
        // The -shm truncated by an opener that saw no locks.
        seen("bus-error", 5),
        seen("locking-protocol", 3),
        // It needs no shared storage.
        named(Ground::Local, 3),
        // It needs a second opener to show.
        named(Ground::SeveralOpeners, 5),
    ],
};
