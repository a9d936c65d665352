//! Signature `ceph-not-responding`: the Ceph client lost a server.

use super::{Gravity, Signature};

/// The Ceph client lost a server.
pub static SIGNATURE: Signature = Signature {
    name: "ceph-not-responding",
    line: "The Ceph client lost a server",
    explain: include_str!("ceph_not_responding.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["ceph: mds", "hung"],
        &["ceph: mds", "caps stale"],
        &["libceph: mon", "session lost"],
        &["libceph: osd", "socket closed"],
        &["libceph: osd", "down"],
    ],
    ..Signature::NOTHING
};
