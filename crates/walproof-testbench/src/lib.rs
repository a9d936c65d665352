//! What tests of this workspace have in common: a folder that goes away, skips that are heard, and a runner for test
//! binaries that need a main of their own.
//!
//! What it must not do: know walproof, or depend on anything; every other crate's tests may use it. Nothing but tests
//! may depend on it. What one test file alone needs stays in that file.
//! Where to look next: `.ci/run` sets the two variables that [`skips`] reads.

mod folder;
mod own_main;
pub mod skips;

pub use folder::Folder;
pub use own_main::{Outcome, Skip, Test, run};
pub use skips::{is_required, skip};
