//! Cause `immutable-on-live-database`: a database that others write is opened with immutable=1.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, seen};

/// A database that others write is opened with immutable=1.
pub static CAUSE: Cause = Cause {
    name: "immutable-on-live-database",
    line: "A database that others write is opened with immutable=1",
    explain: include_str!("immutable_on_live_database.md"),
    // 3 cases.
    prior: 5,
    loses: true,
    evidence: &[
        // The parameter is there; whether anybody writes is not in the text.
        seen("opened-immutable", 20),
        // A torn read looks like damage.
        seen("corrupt", 2),
    ],
};
