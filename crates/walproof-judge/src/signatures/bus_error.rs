//! Signature `bus-error`: a process died of SIGBUS.

use super::{Gravity, Signature};

/// A process died of SIGBUS.
pub static SIGNATURE: Signature = Signature {
    name: "bus-error",
    line: "A process died of SIGBUS",
    explain: include_str!("bus_error.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["sigbus"],
        &["bus error"],
        &["bus_adrerr"],
        &["exit code 135"],
        &["exited with code 135"],
        &["fatal signal 7"],
        &["walfindframe"],
        &["walindexappend"],
        &["walindexpage"],
        &["fs pagein error"],
    ],
    unless: &["dbus", "d-bus", "message bus"],
    ..Signature::NOTHING
};
