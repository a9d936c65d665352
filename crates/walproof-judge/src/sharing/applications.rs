//! The application table: which images use SQLite, where, in which mode, and what makes them use something else.
//!
//! What this file is: [`Applications`], read from `applications.toml` and from files of users with the same form. It is
//! data, so that people can extend it without a compiler.
//!
//! What it must not do: say more than the row does. A row without a mode says that the mode is not known.
//!
//! Where to look next: `applications.toml`, whose head explains the fields; `lower::databases`, which asks it.

use std::collections::HashMap;

use serde::Deserialize;
use walproof_format::sqlite::db_header::JournalFamily;

use super::Workload;

const BUILT_IN: &str = include_str!("applications.toml");

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Applications {
    rows: Vec<Application>,
    /// From the last part of an image's name to rows.
    by_name: HashMap<String, Vec<usize>>,
}

/// One application.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Images without a tag, `linuxserver/sonarr` or `sonarr`: any registry may stand before it.
    pub images: Vec<String>,
    /// Where databases lie in the container: files, or directories with a slash at the end. Empty: it uses none.
    #[serde(default)]
    pub paths: Vec<String>,
    /// `wal` or `rollback`; absent: not known.
    #[serde(default)]
    pub mode: Option<String>,
    /// The engine if it is not SQLite: `bolt`, `badger`. Its files are no databases of SQLite.
    #[serde(default)]
    pub engine: Option<String>,
    /// Variables that make it use a server database: a name alone (set to anything), or `NAME=value`, where `*` at the
    /// end stands for anything.
    #[serde(default)]
    pub elsewhere_when: Vec<String>,
    /// Variables without which it uses no SQLite, in the same form; empty: it always does.
    #[serde(default)]
    pub only_when: Vec<String>,
    /// Where this is known from.
    pub source: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    application: Vec<Application>,
}

impl Applications {
    /// The table that walproof brings along.
    pub fn built_in() -> Self {
        let mut table = Self::default();
        table.extend(BUILT_IN).expect("a test reads it");
        table
    }

    /// Rows of another file; they win over those before. The error says what is wrong with it.
    pub fn extend(&mut self, text: &str) -> Result<(), String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        for row in file.application {
            let index = self.rows.len();
            for image in &row.images {
                let last = image.rsplit('/').next().unwrap_or(image).to_owned();
                self.by_name.entry(last).or_default().push(index);
            }
            self.rows.push(row);
        }
        Ok(())
    }

    /// All rows.
    pub fn rows(&self) -> &[Application] {
        &self.rows
    }

    /// The row for an image, as written in a manifest.
    pub fn of_image(&self, image: &str) -> Option<&Application> {
        let bare = without_tag(image);
        let last = bare.rsplit('/').next().unwrap_or(bare);
        let is_it = |row: &&Application| {
            row.images
                .iter()
                .any(|name| bare == name || bare.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('/')))
        };
        self.by_name.get(last)?.iter().rev().map(|index| &self.rows[*index]).find(is_it)
    }
}

impl Application {
    /// The family of its journal mode.
    pub fn family(&self) -> Option<JournalFamily> {
        match self.mode.as_deref() {
            Some("wal") => Some(JournalFamily::Wal),
            Some("rollback") => Some(JournalFamily::Rollback),
            _ => None,
        }
    }

    /// The variable that makes a workload use another database, as the table writes it.
    pub fn elsewhere<'a>(&'a self, workload: &Workload) -> Option<&'a str> {
        self.elsewhere_when.iter().map(String::as_str).find(|when| holds(workload, when))
    }

    /// Whether it uses SQLite at all with these variables.
    pub fn uses_sqlite(&self, workload: &Workload) -> bool {
        self.engine.is_none() && (self.only_when.is_empty() || self.only_when.iter().any(|when| holds(workload, when)))
    }
}

/// Whether a variable is set as `NAME`, `NAME=value` or `NAME=beginning*` says.
fn holds(workload: &Workload, when: &str) -> bool {
    let (name, value) = when.split_once('=').map_or((when, None), |(name, value)| (name, Some(value)));
    let Some(variable) = workload.environment.iter().rev().find(|variable| variable.name == name) else { return false };
    let Some(value) = value else { return true };
    let Some(written) = &variable.value else { return false };
    let written = written.value.to_ascii_lowercase();
    match value.strip_suffix('*') {
        Some(beginning) => written.starts_with(beginning),
        None => written == value,
    }
}

/// An image without tag and digest.
pub(super) fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_every_row_has_a_source() {
        let table = Applications::built_in();
        assert!(table.rows().len() > 5);
        for row in table.rows() {
            assert!(!row.images.is_empty() && !row.source.is_empty(), "{row:?}");
            assert!(row.paths.iter().all(|path| path.starts_with('/')), "{row:?}");
            assert!(row.mode.is_none() || row.family().is_some(), "{row:?}");
        }
    }

    #[test]
    fn images_are_found_under_any_registry_and_tag() {
        let table = Applications::built_in();
        for image in [
            "vaultwarden/server",
            "vaultwarden/server:1.30",
            "ghcr.io/vaultwarden/server@sha256:00",
            "localhost:5000/vaultwarden/server:x",
        ] {
            assert!(table.of_image(image).is_some(), "{image}");
        }
        for image in ["server", "other/server", "xvaultwarden/server", "vaultwarden"] {
            assert!(table.of_image(image).is_none(), "{image}");
        }
    }
}
