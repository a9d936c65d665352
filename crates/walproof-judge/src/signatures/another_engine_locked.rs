//! Signature `another-engine-locked`: another engine's lock file is held.

use super::{Gravity, Signature};

/// Another engine's lock file is held.
pub static SIGNATURE: Signature = Signature {
    name: "another-engine-locked",
    line: "Another engine's lock file is held",
    explain: include_str!("another_engine_locked.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["already locked by another process"],
        &["cannot acquire directory lock"],
        &["lock: resource temporarily unavailable"],
        &["database may be already in use"],
    ],
    ..Signature::NOTHING
};
