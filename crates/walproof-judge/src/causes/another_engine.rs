//! Cause `another-engine`: the file is not SQLite's: BoltDB, Badger, LevelDB or another engine.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, seen};

/// The file is not SQLite's: BoltDB, Badger, LevelDB or another engine.
pub static CAUSE: Cause = Cause {
    name: "another-engine",
    line: "The file is not SQLite's: BoltDB, Badger, LevelDB or another engine",
    explain: include_str!("another_engine.md"),
    // Outside the 174 cases but for one.
    prior: 3,
    loses: false,
    evidence: &[
        // Its own words.
        seen("another-engine", 26),
    ],
};
