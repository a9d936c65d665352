//! Facts and histories in, findings and verdicts out.
//!
//! What this room is: [`checkers`] turn histories into anomalies, [`probe`] turns the answers of a probe into a
//! decision, [`storage`] weighs what one party measured, [`logs`] reads log text by the [`signatures`] and ranks
//! [`causes`], [`facts`] and [`mountinfo`] say where a directory lies, [`controls`] test the checker itself with this
//! run's own records, [`verdict`] weighs everything and may say `safe` only where enough was tried.
//!
//! What it must not do: no I/O, no clock, no randomness, no `unsafe`. The same input gives the same verdict.
//!
//! Where to look next: `walproof-lab` collects what is judged here.
#![forbid(unsafe_code)]

pub mod causes;
pub mod check;
pub mod checkers;
pub mod controls;
pub mod facts;
pub mod finding;
pub mod fixes;
pub mod health;
pub mod logs;
pub mod manifest;
pub mod mountinfo;
pub mod probe;
pub mod render;
pub mod rules;
pub mod sharing;
pub mod signatures;
pub mod sound_manifest;
pub mod storage;
pub mod verdict;
pub mod watch;
