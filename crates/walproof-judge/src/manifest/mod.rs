//! Files that say how containers are to run, read into typed models before any container exists.
//!
//! What this room is: text in, model out, with the line and column of everything that a rule may want to point at.
//!
//! | room | reads | gives |
//! |---|---|---|
//! | [`compose`] | Compose files of one project | [`compose::Compose`], or why there is none |
//! | [`kubernetes`] | manifests, lists, rendered charts | [`kubernetes::Set`]: workloads, claims, classes |
//! | [`quadlet`] | Podman's units for systemd | [`quadlet::Set`]: containers, volumes, pods |
//! | [`docker_run`] | scripts, Markdown, units of systemd | [`docker_run::Runs`]: command lines that start containers |
//! | [`dockerfile`] | a Dockerfile | [`dockerfile::Dockerfile`], or why there is none |
//!
//! [`recognise::kind_of`] says which of them a file is for. A mount is a [`compose::Mount`] in all of them but
//! Kubernetes, where it names a volume of the pod. `yaml` and `reader` lie below the first two, `placed`, `words` and
//! `unit_file` below the others; [`span`] and [`error`] are shared.
//!
//! What it must not do: open a file, ask the environment, judge. Other files are asked for through a function of the
//! caller, variables as well. No input may panic, recurse without bound or take memory out of proportion.
//!
//! Where to look next: the `mod.rs` of each room, which says how a rule walks its model.

pub mod compose;
pub mod docker_run;
pub mod dockerfile;
pub mod error;
pub mod kubernetes;
pub mod markdown;
#[cfg(test)]
pub(crate) mod mutation;
mod placed;
pub mod quadlet;
mod reader;
pub mod recognise;
pub mod script;
pub mod span;
mod unit_file;
mod words;
mod yaml;

pub use error::{ManifestError, ManifestErrorKind};
pub use span::{Place, Source, SourceFile, Span, Spanned, Warning, WarningKind};
