//! Signature `volume-forced`: a volume was taken from a node by force.

use super::{Gravity, Signature};

/// A volume was taken from a node by force.
pub static SIGNATURE: Signature = Signature {
    name: "volume-forced",
    line: "A volume was taken from a node by force",
    explain: include_str!("volume_forced.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["force detach"],
        &["force-detach"],
        &["force deleting pod"],
        &["nodedownpoddeletionpolicy"],
        &["out-of-service taint"],
        &["force-delet", "pod"],
    ],
    ..Signature::NOTHING
};
