//! Signature `several-replicas`: more than one replica of an application with SQLite.

use super::{Gravity, Signature};
use crate::logs::{Ground, Reading};

/// More than one replica of an application with SQLite.
pub static SIGNATURE: Signature = Signature {
    name: "several-replicas",
    line: "More than one replica of an application with SQLite",
    explain: include_str!("several_replicas.md"),
    gravity: Gravity::Context,
    phrases: &[&["replicas"]],
    confirm: Some(counts_more_than_one),
    ..Signature::NOTHING
};

fn counts_more_than_one(reading: &Reading) -> bool {
    reading.is_about_a_database() && reading.names(Ground::SeveralReplicas)
}
