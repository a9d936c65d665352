//! Bytes and records to structs and back.
//!
//! What this room is: the formats that two sides must agree on. [`history`] is what an agent leaves behind,
//! [`ledger`] is the arithmetic of the ledger workload, [`custom`] reads the user's own, [`elle`] and [`export`]
//! write histories for other programs, [`protocol`] is what lab and agent say to each other, [`probe_step`] what a probe
//! asks of an agent and [`measure`] what it lets it measure,
//! [`report`] is what a run hands to other programs, [`sqlite`] is SQLite's own bytes and words.
//!
//! What it must not do: no I/O, no clock, no randomness, no `unsafe`. Damaged bytes are data, never a panic.
//!
//! Where to look next: `walproof-judge` draws conclusions from these structs, `walproof-lab` collects them.
#![forbid(unsafe_code)]

pub mod custom;
pub mod elle;
pub mod export;
pub mod history;
pub mod ledger;
pub mod measure;
pub mod plan;
pub mod probe_step;
pub mod protocol;
pub mod report;
pub mod sqlite;
