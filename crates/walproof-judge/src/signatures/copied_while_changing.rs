//! Signature `copied-while-changing`: a copy was made while its files changed.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A copy was made while its files changed.
pub static SIGNATURE: Signature = Signature {
    name: "copied-while-changing",
    line: "A copy was made while its files changed",
    explain: include_str!("copied_while_changing.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["file changed as we read it"],
        &["file has vanished"],
        &["changed while reading"],
        &["file truncated while reading"],
    ],
    confirm: Some(Reading::is_about_a_database),
    ..Signature::NOTHING
};
