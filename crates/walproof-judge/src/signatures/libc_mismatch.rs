//! Signature `libc-mismatch`: a driver does not fit the C library of its image.

use super::{Gravity, Signature};

/// A driver does not fit the C library of its image.
pub static SIGNATURE: Signature = Signature {
    name: "libc-mismatch",
    line: "A driver does not fit the C library of its image",
    explain: include_str!("libc_mismatch.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["error relocating", "sqlite"],
        &["ld-linux", "sqlite"],
        &["ld-musl", "sqlite"],
        &["glibc_", "not found", "sqlite"],
    ],
    ..Signature::NOTHING
};
