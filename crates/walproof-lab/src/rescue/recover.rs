//! A database made of copies: what recovery would keep, in one file.
//!
//! What it must not do: read an original; conclude whether it is sound: `PRAGMA integrity_check` on the result does.

use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_format::sqlite::db_header::{DB_HEADER_SIZE, DbHeader};

use super::Source;
use super::copying::Set;
use super::place::FreshFile;
use super::snapshot::{Log, Lost, Snapshot};
use crate::error::LabError;

/// A database that was put together.
#[derive(Debug, Serialize)]
pub struct Recovered {
    /// The set that it was made of.
    pub set: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its pages.
    pub pages: u32,
    /// Bytes of a page.
    pub page_size: u32,
    /// Commits of the log that are in it.
    pub commits: u64,
    /// The change counter of its first page.
    pub change_counter: Option<u32>,
    /// Pages that are not what they were.
    pub lost: Lost,
    /// Pages of the database file that another set's log put there, and this one's never had.
    pub pages_of_other_logs: u64,
}

/// Puts a set together; `Err(Ok(words))`: it cannot be, and why.
pub fn recover(set: &Set, directory: &Path) -> Result<Result<Recovered, String>, LabError> {
    let open = |path: &Option<PathBuf>| path.as_deref().map_or(Ok(None), Source::open);
    let database = open(&set.database)?;
    let log = match open(&set.wal)? {
        Some(source) => Log::read(source)?.filter(|log| !log.commits.is_empty()),
        None => None,
    };
    let header = database.as_ref().map(header_of).transpose()?;
    let page_size = header.as_ref().and_then(|header| header.page_size);
    if let Some((log, size)) = log.as_ref().zip(page_size)
        && log.page_size != size
    {
        let words = format!(
            "its log has pages of {} bytes, its database of {size}: they do not belong together",
            log.page_size
        );
        return Ok(Err(words));
    }
    let snapshot = match (&log, &database, page_size) {
        (Some(log), database, _) => Snapshot::at(log, database.as_ref(), &log.commits[log.commits.len() - 1]),
        (None, Some(database), Some(size)) => Snapshot::of_file(database, size),
        (None, None, _) => return Ok(Err("it has neither a database file nor a log with a commit".into())),
        (None, Some(_), None) => return Ok(Err("its database has no header, and no log has another page 1".into())),
    };
    let fresh = FreshFile::create(&directory.join(format!("recovered-{}.db", set.name)), &[])?;
    let lost = snapshot.write_to(&fresh.file, fresh.path())?;
    let mut first = vec![0; snapshot.page_size() as usize];
    snapshot.read(1, &mut first)?;
    let made = DbHeader::parse(&first[..DB_HEADER_SIZE]);
    Ok(Ok(Recovered {
        set: set.name.clone(),
        pages: snapshot.pages(),
        page_size: snapshot.page_size(),
        commits: log.as_ref().map_or(0, |log| log.commits.len() as u64),
        change_counter: made.change_counter,
        lost,
        pages_of_other_logs: 0,
        path: fresh.finish()?,
    }))
}

fn header_of(source: &Source) -> Result<DbHeader, LabError> {
    let mut bytes = [0; DB_HEADER_SIZE];
    let length = source.read_at(&mut bytes, 0)?;
    Ok(DbHeader::parse(&bytes[..length]))
}
