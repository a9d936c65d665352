//! A run from its plan to its report.
//!
//! What this room is: [`plan`] draws what will happen, [`fleet`] holds the agents, [`chaos`] strikes them, [`record`]
//! reads what they leave, [`saved`] reads it once more, [`verify`] puts it all together, [`probe`] only asks, `site` is where
//! both take place, [`leavings`] removes it again.
//! What it must not do: print, exit; progress goes to an observer.
//! Where to look next: [`verify::verify`] is the story, top down.

pub mod chaos;
pub mod fleet;
pub mod host_mounts;
pub mod leavings;
pub mod outcome;
pub mod plan;
pub mod probe;
pub mod record;
pub mod replay;
pub mod report;
pub mod saved;
pub mod selftest;
pub mod shrink;
mod site;
pub mod stress;
pub mod verify;
