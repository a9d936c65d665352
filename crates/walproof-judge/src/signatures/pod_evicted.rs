//! Signature `pod-evicted`: a node ran short and sent pods away.

use super::{Gravity, Signature};

/// A node ran short and sent pods away.
pub static SIGNATURE: Signature = Signature {
    name: "pod-evicted",
    line: "A node ran short and sent pods away",
    explain: include_str!("pod_evicted.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["the node was low on resource"],
        &["nodehasdiskpressure"],
        &["evicted", "ephemeral-storage"],
        &["evictionthresholdmet"],
        &["node-pressure"],
    ],
    ..Signature::NOTHING
};
