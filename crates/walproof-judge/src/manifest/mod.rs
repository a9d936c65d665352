//! Files that say how containers are to run, read into typed models before any container exists.
//!
//! What this room is: text in, model out, with the line and column of everything that a rule may want to point at.
//! [`compose`] reads Compose files; `yaml` is the layer below it, [`span`] and [`error`] are shared.
//!
//! What it must not do: open a file, ask the environment, judge. Other files are asked for through a function of the
//! caller, variables as well. No input may panic, recurse without bound or take memory out of proportion.
//!
//! Where to look next: [`compose::parse`].

pub mod compose;
pub mod docker_run;
pub mod error;
pub mod kubernetes;
#[cfg(test)]
mod mutation;
mod placed;
mod reader;
pub mod span;
mod unit_file;
mod words;
mod yaml;

pub use error::{ManifestError, ManifestErrorKind};
pub use span::{Place, Source, SourceFile, Span, Spanned, Warning, WarningKind};
