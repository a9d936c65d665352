//! Dockerfiles and Containerfiles: what an image brings along before anybody says how it is run.
//!
//! What this room is: [`parse`] takes the text apart into instructions (`instructions`) and those into stages
//! (`stages`).
//!
//! How a rule walks: [`Dockerfile::last`] is the stage that becomes the image, [`Dockerfile::lineage`] the stages that
//! it is built on; each has volumes, users, variables, commands and what is copied ([`Stage::copied_databases`]), with
//! their places. A volume that no Compose file, manifest or command line mounts is an anonymous one of each container.
//!
//! ```
//! use walproof_judge::manifest::{Source, dockerfile};
//! let text = "FROM alpine AS base\nUSER 1000\nFROM base\nVOLUME /data\nCOPY app.db /data/\n";
//! let read = dockerfile::parse(Source { name: "Dockerfile", text }).expect("a Dockerfile");
//! let last = read.last().expect("a stage");
//! let user = read.lineage(last).into_iter().find_map(|stage| stage.user());
//! assert_eq!(user.map(|user| (user.value.as_str(), user.span.start.line)), Some(("1000", 2)));
//! assert_eq!(last.copied_databases().count(), 1);
//! ```
//!
//! What it must not do: open files, put in variables, judge.
//!
//! Bounds: those of `placed`.
//!
//! Where to look next: [`Dockerfile`].

mod instructions;
pub mod model;
mod stages;

#[cfg(test)]
mod tests;

pub use model::{Command, Copied, Dockerfile, HealthCheck, Stage};

use super::compose::paths::directory_of;
use super::error::{ManifestError, ManifestErrorKind};
use super::placed::Placed;
use super::span::{Place, Source, SourceFile};

/// Reads one Dockerfile.
///
/// Errors: it is no text, beyond every measure, a template, empty, or has no `FROM`.
pub fn parse(source: Source<'_>) -> Result<Dockerfile, ManifestError> {
    let file = Placed::of(0, source)?;
    if let Some(place) = template_place(&file) {
        return Err(template(source.name, place));
    }
    let (instructions, escape) = instructions::instructions(&file);
    let mut builder = stages::Builder::new(escape);
    instructions.iter().for_each(|instruction| builder.take(instruction));
    if builder.stages.is_empty() {
        return Err(no_stage(source.name, instructions.first().map(|first| first.span.start)));
    }
    let mut warnings = builder.warnings;
    warnings.sort_by(|one, two| (one.span, &one.message).cmp(&(two.span, &two.message)));
    warnings.dedup();
    let directory = directory_of(source.name);
    Ok(Dockerfile {
        stages: builder.stages,
        arguments: builder.arguments,
        files: vec![SourceFile { name: source.name.to_owned(), directory }],
        warnings,
    })
}

/// Where a line begins as lines of templates do.
fn template_place(file: &Placed) -> Option<Place> {
    let begins = |index: usize| file.at(index) == Some('{') && matches!(file.at(index + 1), Some('{' | '%'));
    let lines = file.lines().into_iter().map(|line| file.trimmed(line));
    let found = lines.map(|line| line.start).find(|start| begins(*start))?;
    Some(file.span(found..found).start)
}

fn template(file: &str, place: Place) -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::Template,
        file: file.to_owned(),
        place: Some(place),
        what: "is a template, not judged".to_owned(),
        because: "a program fills it in before it is a Dockerfile".to_owned(),
        try_this: "name what comes out of it".to_owned(),
    }
}

fn no_stage(file: &str, first: Option<Place>) -> ManifestError {
    let (kind, because) = match first {
        Some(_) => (ManifestErrorKind::OtherKind, "it has no `FROM`"),
        None => (ManifestErrorKind::Empty, "there is nothing in it but blanks and comments"),
    };
    ManifestError {
        kind,
        file: file.to_owned(),
        place: first,
        what: "is no Dockerfile".to_owned(),
        because: because.to_owned(),
        try_this: "name a Dockerfile or Containerfile".to_owned(),
    }
}
