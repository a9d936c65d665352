//! Signature `stale-handle`: a file behind a network handle is gone.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A file behind a network handle is gone.
pub static SIGNATURE: Signature = Signature {
    name: "stale-handle",
    line: "A file behind a network handle is gone",
    explain: include_str!("stale_handle.md"),
    gravity: Gravity::Context,
    phrases: &[&["stale file handle"], &["stale nfs file handle"], &["estale"]],
    confirm: Some(is_the_error),
    ..Signature::NOTHING
};

fn is_the_error(reading: &Reading) -> bool {
    reading.text.contains("file handle") || reading.has_word("estale")
}
