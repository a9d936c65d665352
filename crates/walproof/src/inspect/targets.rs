//! Which databases a path means: a database, one of the files beside it, or a directory of them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use walproof_format::sqlite::db_header::DB_MAGIC;
use walproof_format::sqlite::journal_header::JOURNAL_MAGIC;
use walproof_format::sqlite::wal_header::WAL_MAGIC;
use walproof_lab::collect::quiet::{Part, open_quietly, read_at_most};
use walproof_lab::error::LabError;

/// Names after which an all-zero file is taken for a database that was one.
const ENDINGS: &[&str] = &["db", "db3", "sqlite", "sqlite3"];
/// Names in a sentence.
const NAMES_SHOWN: usize = 5;
const SIDECARS: [Part; 3] = [Part::Wal, Part::Shm, Part::Journal];

/// What a path means.
#[derive(Debug, Default)]
pub struct Found {
    /// Databases.
    pub databases: Vec<PathBuf>,
    /// Files of a directory that are called as databases are, and begin as none.
    pub passed_over: Vec<PathBuf>,
}

/// The databases that a path means.
pub fn find(path: &Path) -> Result<Found, LabError> {
    if !path.is_dir() {
        return Ok(Found { databases: vec![of_file(path)], passed_over: Vec::new() });
    }
    let entries = std::fs::read_dir(path)
        .map_err(|error| LabError::path("cannot list", path, error, "as the user who owns it, or as root"))?;
    let files: BTreeSet<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    let databases: BTreeSet<PathBuf> = files.iter().filter_map(|path| in_directory(path)).collect();
    let is_empty = |path: &PathBuf| path.metadata().is_ok_and(|found| found.len() == 0);
    let passed_over: Vec<PathBuf> =
        files.into_iter().filter(|path| is_called_so(path) && !databases.contains(path) && !is_empty(path)).collect();
    if databases.is_empty() {
        let because = match passed_over.len() {
            0 => {
                "no file in it is an SQLite database, a -wal or a -journal; subdirectories are not searched".to_owned()
            }
            _ => format!("no file in it begins as an SQLite database; {} called so", names(&passed_over)),
        };
        return Err(LabError::path("nothing to inspect in", path, because, "the path of the database"));
    }
    Ok(Found { databases: databases.into_iter().collect(), passed_over })
}

/// `a.db is`, `a.db, b.db and 3 more are`.
pub fn names(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths.iter().take(NAMES_SHOWN).map(|path| format!("`{}`", path.display())).collect();
    let more = paths.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more} {}", shown.join(", "), if paths.len() == 1 { "is" } else { "are" })
}

fn is_called_so(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|ending| ENDINGS.contains(&ending))
}

/// A file that was named: whatever it is, unless its name and content say that it lies beside a database.
fn of_file(path: &Path) -> PathBuf {
    match beside(path) {
        Some(database) if !start_of(path).is_ok_and(|start| start.starts_with(&DB_MAGIC)) => database,
        _ => path.to_owned(),
    }
}

/// A file that was come upon: only what looks like SQLite's.
fn in_directory(path: &Path) -> Option<PathBuf> {
    let ending = is_called_so(path);
    let Ok(start) = start_of(path) else {
        // What cannot be read is said when it is inspected, not passed over.
        return ending.then(|| path.to_owned()).or_else(|| beside(path));
    };
    if start.starts_with(&DB_MAGIC) {
        return Some(path.to_owned());
    }
    if let Some(database) = beside(path) {
        let log = start
            .get(..4)
            .is_some_and(|magic| u32::from_be_bytes([magic[0], magic[1], magic[2], magic[3]]) & !1 == WAL_MAGIC);
        return (log || start.starts_with(&JOURNAL_MAGIC)).then_some(database);
    }
    let zeroed = !start.is_empty() && start.iter().all(|byte| *byte == 0);
    (zeroed && ending).then(|| path.to_owned())
}

/// The database that a file lies beside, by its name.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let stem = SIDECARS.iter().find_map(|part| name.strip_suffix(part.suffix().as_bytes()))?;
    (!stem.is_empty()).then(|| path.with_file_name(OsStr::from_bytes(stem)))
}

/// The first sixteen bytes, or as many as there are.
fn start_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 16];
    let length = read_at_most(&open_quietly(path)?, &mut bytes, 0)?;
    bytes.truncate(length);
    Ok(bytes)
}
