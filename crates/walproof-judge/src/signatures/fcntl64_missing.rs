//! Signature `fcntl64-missing`: a binary that was linked against glibc runs on musl, or a wrapper for fcntl64 is missing.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A binary that was linked against glibc runs on musl, or a wrapper for fcntl64 is missing.
pub static SIGNATURE: Signature = Signature {
    name: "fcntl64-missing",
    line: "A binary that was linked against glibc runs on musl, or a wrapper for fcntl64 is missing",
    explain: include_str!("fcntl64_missing.md"),
    gravity: Gravity::Loud,
    phrases: &[&["fcntl64"]],
    confirm: Some(is_about_the_symbol),
    ..Signature::NOTHING
};

fn is_about_the_symbol(reading: &Reading) -> bool {
    ["symbol", "undefined", "relocat", "wrap_", "segmentation", "sigsegv"]
        .iter()
        .any(|word| reading.text.contains(word))
}
