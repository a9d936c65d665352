//! Signature `rolling-update`: an orchestrator starts the new before the old has stopped.

use super::{Gravity, Signature};

/// An orchestrator starts the new before the old has stopped.
pub static SIGNATURE: Signature = Signature {
    name: "rolling-update",
    line: "An orchestrator starts the new before the old has stopped",
    explain: include_str!("rolling_update.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["scaled up replica set"],
        &["rolling update"],
        &["rollingupdate"],
        &["start-first"],
        &["successfulcreate", "replicaset"],
    ],
    ..Signature::NOTHING
};
