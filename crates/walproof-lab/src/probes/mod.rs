//! Probes: short active tests between two parties on scratch files of their own.
//!
//! What this room is: one file for each probe: `pair` of two parties, `storage` of one party's storage.
//! What it must not do: touch bytes of a database, wait without an end: the lab holds the clock, and an agent whose
//! call hangs is killed.
//! Where to look next: `walproof_judge::probe` for what the answers mean.

pub mod pair;
pub mod storage;
