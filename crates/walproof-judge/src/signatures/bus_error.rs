//! Signature `bus-error`: a process died of SIGBUS.

use super::{Gravity, Signature};

/// A process died of SIGBUS.
pub static SIGNATURE: Signature = Signature {
    name: "bus-error",
    line: "A process died of SIGBUS",
    explain: include_str!("bus_error.md"),
    gravity: Gravity::Loud,
    phrases: &[&["sigbus"], &["bus error"], &["bus_adrerr"]],
    unless: &["dbus", "d-bus", "message bus"],
    ..Signature::NOTHING
};
