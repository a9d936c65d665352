//! Probes: short active tests between two parties on scratch files of their own.
//!
//! What this room is: [`pair`] asks the facts that decide, in both directions; `locks`, `visibility` and `litmus` are
//! what a full probe asks beside them; [`durability`] asks what one machine can tell of fsync; [`storage`] measures
//! the storage of one party. To add a question: its
//! answer in `walproof_judge::probe::SideFacts`, its steps here, what follows from it in the judge's table.
//! What it must not do: touch bytes of a database, wait without an end: the lab holds the clock (`asking`).
//! Where to look next: `walproof_judge::probe` for what the answers mean, `run/probe.rs` for the run around them.

pub(crate) mod asking;
pub mod cripples;
pub mod durability;
mod litmus;
mod locks;
pub mod pair;
pub mod storage;
mod visibility;
