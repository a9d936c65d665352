//! Signature `volume-multi-attach`: a volume is wanted by two nodes.

use super::{Gravity, Signature};

/// A volume is wanted by two nodes.
pub static SIGNATURE: Signature = Signature {
    name: "volume-multi-attach",
    line: "A volume is wanted by two nodes",
    explain: include_str!("volume_multi_attach.md"),
    gravity: Gravity::Context,
    phrases: &[&["multi-attach error"], &["is already attached to", "volume"], &["already exclusively attached"]],
    ..Signature::NOTHING
};
