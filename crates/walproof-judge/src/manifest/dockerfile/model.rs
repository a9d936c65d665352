//! What a Dockerfile says, as far as it bears on which files containers of the image have open and as whom.
//!
//! Everything is as written, variables included; [`Dockerfile::is_unknown`] tells whether one stands there.
//!
//! What it must not do: read text, judge, follow base images that are no stage of the file.
//!
//! Where to look next: [`Dockerfile::lineage`], by which later stages have what earlier ones say.

use serde::Serialize;

use crate::manifest::compose::Pair;
use crate::manifest::span::{SourceFile, Span, Spanned, Warning, WarningKind};

/// Endings of names that databases of SQLite, and what lies beside them, usually have.
const DATABASE_ENDINGS: &[&str] = &[
    ".db",
    ".db-journal",
    ".db-shm",
    ".db-wal",
    ".db3",
    ".s3db",
    ".sqlite",
    ".sqlite-shm",
    ".sqlite-wal",
    ".sqlite3",
    ".sqlite3-shm",
    ".sqlite3-wal",
];

/// One Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dockerfile {
    /// The stages, in order. The last one is the image unless a target is named.
    pub stages: Vec<Stage>,
    /// `ARG` before the first stage.
    pub arguments: Vec<Pair>,
    /// The one file.
    pub files: Vec<SourceFile>,
    /// What was noticed, in the order of the places.
    pub warnings: Vec<Warning>,
}

impl Dockerfile {
    /// The stage of a name or number.
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        let is_called = |stage: &&Stage| stage.name.as_ref().is_some_and(|own| own.value.eq_ignore_ascii_case(name));
        let numbered = || self.stages.get(name.parse::<usize>().ok()?);
        self.stages.iter().rev().find(is_called).or_else(numbered)
    }

    /// The stage that becomes the image unless a target is named.
    pub fn last(&self) -> Option<&Stage> {
        self.stages.last()
    }

    /// A stage and those it is built on, the nearest first. What the first of them says about user, command or
    /// directory is what holds; volumes and variables add up. An `ENTRYPOINT` takes back the `CMD` of earlier stages.
    pub fn lineage<'a>(&'a self, stage: &'a Stage) -> Vec<&'a Stage> {
        let mut found = vec![stage];
        let mut current = stage;
        // A stage can only be built on one that stands before it, so one way back finds them all.
        let before = self.stages.iter().rev().skip_while(|one| one.span.start >= stage.span.start);
        for one in before {
            let is_base = one.name.as_ref().is_some_and(|name| name.value.eq_ignore_ascii_case(&current.base.value));
            if is_base {
                found.push(one);
                current = one;
            }
        }
        found
    }

    /// Whether a part of what is written here is only known to whoever builds.
    pub fn is_unknown(&self, span: Span) -> bool {
        self.warnings.iter().any(|warning| warning.span == span && warning.kind == WarningKind::NotKnownHere)
    }
}

/// One stage, from its `FROM` to the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// The image or stage that it is built on.
    pub base: Spanned<String>,
    /// Its name.
    pub name: Option<Spanned<String>>,
    /// `--platform`.
    pub platform: Option<Spanned<String>>,
    /// Every `VOLUME`: each container gets an anonymous volume there unless one is mounted.
    pub volumes: Vec<Spanned<String>>,
    /// Every `USER`, of which the last one holds.
    pub users: Vec<Spanned<String>>,
    /// `ENV`.
    pub environment: Vec<Pair>,
    /// `ARG`.
    pub arguments: Vec<Pair>,
    /// Every `WORKDIR`, of which a later one starts from an earlier one.
    pub working_directories: Vec<Spanned<String>>,
    /// The last `CMD`.
    pub command: Option<Command>,
    /// The last `ENTRYPOINT`.
    pub entrypoint: Option<Command>,
    /// The last `HEALTHCHECK`.
    pub health_check: Option<HealthCheck>,
    /// The last `STOPSIGNAL`.
    pub stop_signal: Option<Spanned<String>>,
    /// `COPY` and `ADD`.
    pub copies: Vec<Copied>,
    /// The whole.
    pub span: Span,
}

impl Stage {
    /// The user that containers run as, as far as this stage says.
    pub fn user(&self) -> Option<&Spanned<String>> {
        self.users.last()
    }

    /// What is copied and has the name of a database, or of what lies beside one: with the place of each name.
    pub fn copied_databases(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.copies.iter().flat_map(|copied| &copied.sources).filter(|source| is_database(&source.value))
    }
}

fn is_database(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    DATABASE_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// What a container runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Not through a shell: `["a", "b"]`. Through one, signals may not reach what it starts.
    pub is_exec: bool,
    /// The words.
    pub words: Vec<Spanned<String>>,
    /// The whole instruction.
    pub span: Span,
}

/// How health is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// What is run; `None`: `HEALTHCHECK NONE`.
    pub command: Option<Command>,
    /// `--interval=30s` and so on, without the dashes.
    pub options: Vec<Pair>,
    /// The whole instruction.
    pub span: Span,
}

/// Files that are put into the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// What is copied.
    pub sources: Vec<Spanned<String>>,
    /// Where to.
    pub target: Spanned<String>,
    /// The stage or image it comes from.
    pub from: Option<Spanned<String>>,
    /// The whole instruction.
    pub span: Span,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_databases_are_told() {
        assert!(DATABASE_ENDINGS.is_sorted());
        let told = ["a.db", "A.SQLITE3", "x/y.db-wal", "*.sqlite", "db", "a.dbx"].map(is_database);
        assert_eq!(told, [true, true, true, true, false, false]);
    }
}
