//! Databases: where they lie, how it is known that they are there, and how they are opened.
//!
//! What it must not do: call every `*.db` a database of SQLite. The evidence says how it is known, and rules say
//! `suspected` where it is the name alone.
//!
//! Where to look next: `lower::databases`, which finds them.

use serde::Serialize;
use walproof_format::sqlite::db_header::JournalFamily;

use crate::manifest::{Span, Spanned};

use super::{StorageId, WorkloadId};

/// A database as one workload has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Database {
    /// Who opens it.
    pub workload: WorkloadId,
    /// Where, as that workload sees it: absolute, the file itself or, with `is_directory`, the directory it lies in.
    pub path: String,
    /// Only the directory is known, not the name of the file.
    pub is_directory: bool,
    /// How it is known.
    pub evidence: Evidence,
    /// Its journal mode.
    pub mode: Mode,
    /// What its URI says besides the path (`immutable=1`, `nolock=1`, `vfs=...`, `mode=ro`).
    pub options: Vec<OpenOption>,
}

impl Database {
    /// The path in backticks, as people would say it.
    pub fn shown(&self) -> String {
        if self.is_directory { format!("the database in `{}`", self.path) } else { format!("`{}`", self.path) }
    }

    /// The value of an option of its URI.
    pub fn option(&self, name: &str) -> Option<&OpenOption> {
        self.options.iter().find(|option| option.name == name)
    }

    /// An option of its URI that is on or off, if it is on, as SQLite reads it.
    pub fn switched_on(&self, name: &str) -> Option<&OpenOption> {
        self.option(name).filter(|option| {
            let value = option.value.value.to_ascii_lowercase();
            matches!(value.as_str(), "yes" | "true" | "on") || value.parse::<i64>().is_ok_and(|number| number != 0)
        })
    }

    /// How its URI says that it is locked.
    pub fn locking(&self) -> Locking {
        let vfs = self.option("vfs").map(|option| option.value.value.as_str());
        match vfs {
            Some("unix-none" | "win32-none" | "win32-longpath-none") => Locking::None,
            _ if self.switched_on("nolock").is_some() => Locking::None,
            Some("unix-dotfile") => Locking::DotFile,
            Some("unix-excl") => Locking::Exclusive,
            _ => Locking::Usual,
        }
    }

    /// Whether its URI says that it is only read.
    pub fn is_only_read(&self) -> bool {
        self.switched_on("immutable").is_some()
            || self.option("mode").is_some_and(|option| {
                // .NET writes the second.
                ["ro", "readonly"].iter().any(|word| option.value.value.eq_ignore_ascii_case(word))
            })
    }
}

/// How a database is locked, by the VFS and the options that its URI names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locking {
    /// As SQLite does by itself: `fcntl` locks, on the wal-index too.
    Usual,
    /// Not at all: `nolock=1`, `vfs=unix-none`.
    None,
    /// By a directory beside the file: `vfs=unix-dotfile`.
    DotFile,
    /// By `fcntl` locks that are kept until the connection closes: `vfs=unix-excl`.
    Exclusive,
}

/// How a database is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What kind.
    pub kind: EvidenceKind,
    /// In words that follow "because": ``the image `x` keeps one there by default``.
    pub because: String,
    /// Where.
    pub span: Option<Span>,
}

/// How a database is known, from the surest down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// Its bytes were read, or a process has it open.
    Seen,
    /// The user named it.
    Named,
    /// An address that only SQLite has: `sqlite:///data/app.db`, `file:app.db?mode=ro`.
    Address,
    /// The application table knows the image.
    Application,
    /// A path whose name ends as databases of SQLite usually do. It may be one of another engine.
    FileName,
}

/// The journal mode of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mode {
    /// The family; `None`: it is not known.
    pub family: Option<JournalFamily>,
    /// How it is known, in words that follow "because". Empty if it is not.
    pub because: String,
    /// Where it is written.
    pub span: Option<Span>,
}

impl Mode {
    /// Nobody said.
    pub fn not_known() -> Self {
        Self { family: None, because: String::new(), span: None }
    }
}

/// An option of the URI that a database is opened by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenOption {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Spanned<String>,
}

/// Where a database lies, so that two of them can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// On what.
    pub on: On,
    /// The path there: absolute on a host, without slashes at both ends on a storage.
    pub path: String,
}

/// What a path lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// The host of a project: one bind mount may lie in another.
    Host(usize),
    /// A storage.
    Storage(StorageId),
}
