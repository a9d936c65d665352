//! A database made of copies: what recovery would keep, in one file.
//!
//! What it must not do: read an original; conclude whether it is sound: `PRAGMA integrity_check` on the result does.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_format::sqlite::db_header::{DB_HEADER_SIZE, DbHeader};
use walproof_format::sqlite::journal;
use walproof_format::sqlite::wal::FrameHeader;
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WalHeader};

use super::copying::Set;
use super::place::{FreshFile, cannot_write};
use super::snapshot::{Behind, Frames, Log, Lost, Origin, Snapshot};
use crate::collect::quiet::Source;
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
    /// Pages of the database file that are as another set's log has them, and that this one's log never had.
    pub pages_of_other_logs: u64,
    /// Why commits of its log are not in it.
    pub log_left_out: Option<String>,
    /// It was made of what lies behind the damaged header of its log: what is to be known of that.
    pub behind_header: Option<String>,
    /// What was done with a rollback journal.
    pub journal: Option<String>,
}

/// Puts one of these sets together; `Ok(Err(words))`: it cannot be, and why.
pub fn recover(set: &Set, all: &[Set], directory: &Path) -> Result<Result<Recovered, String>, LabError> {
    let database = open(&set.database)?;
    let log = match open(&set.wal)? {
        Some(source) => Log::read(source)?.filter(|log| !log.commits().is_empty()),
        None => None,
    };
    let page_size = page_size_of(database.as_ref())?;
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
        (Some(log), database, _) => Snapshot::at(log, database.as_ref(), &log.commits()[log.commits().len() - 1]),
        (None, Some(database), Some(size)) => Snapshot::of_file(database, size),
        (None, None, _) => return Ok(Err("it has neither a database file nor a log with a commit".into())),
        (None, Some(_), None) => return Ok(Err("its database has no header, and no log has another page 1".into())),
    };
    let fresh = FreshFile::create(&directory.join(format!("recovered-{}.db", set.name)), &[])?;
    let lost = snapshot.write_to(&fresh.file, fresh.path())?;
    let journal = match (&log, open(&set.journal)?) {
        (None, Some(journal)) => roll_back(&journal, &snapshot, &fresh)?,
        _ => None,
    };
    let log_left_out = left_out(open(&set.wal)?, log.as_ref(), snapshot.page_size())?;
    let made = Made { fresh, snapshot: &snapshot, log: log.as_ref(), lost };
    Ok(Ok(Recovered { log_left_out, journal, ..made.finish(set, all)? }))
}

/// Puts a set together once more, with what hangs together behind the damaged header of its log, which SQLite would take
/// for empty; `None`: there is nothing of the kind.
pub fn recover_behind_header(set: &Set, all: &[Set], directory: &Path) -> Result<Option<Recovered>, LabError> {
    let (database, Some(wal)) = (open(&set.database)?, open(&set.wal)?) else { return Ok(None) };
    let mut head = [0; WAL_HEADER_SIZE];
    wal.read_at(&mut head, 0)?;
    let page_size = page_size_of(database.as_ref())?.or(WalHeader::parse(&head).page_size);
    let Some(behind) = page_size.map_or(Ok(None), |size| Log::behind_damaged_header(&wal, size))? else {
        return Ok(None);
    };
    let Behind { log, first_frame, first_is_checked } = behind;
    let snapshot = Snapshot::at(&log, database.as_ref(), &log.commits()[log.commits().len() - 1]);
    let fresh = FreshFile::create(&directory.join(format!("recovered-{}-behind-header.db", set.name)), &[])?;
    let lost = snapshot.write_to(&fresh.file, fresh.path())?;
    let mut words = vec!["the header of its log is damaged, and SQLite would read nothing of it".to_owned()];
    match first_frame {
        1 => {}
        2 => words.push("frame 1 is lost".to_owned()),
        first => words.push(format!("frames 1 to {} are lost", first - 1)),
    }
    if !first_is_checked {
        words.push(format!("frame {first_frame} could not be checked"));
    }
    let made = Made { fresh, snapshot: &snapshot, log: Some(&log), lost };
    Ok(Some(Recovered { behind_header: Some(words.join("; ")), ..made.finish(set, all)? }))
}

/// A database that is written and has no name yet.
struct Made<'a> {
    fresh: FreshFile,
    snapshot: &'a Snapshot<'a>,
    log: Option<&'a Log>,
    lost: Lost,
}

impl Made<'_> {
    /// Gives it its name.
    fn finish(self, set: &Set, all: &[Set]) -> Result<Recovered, LabError> {
        let Self { fresh, snapshot, log, lost } = self;
        let mut first = vec![0; snapshot.page_size() as usize];
        fresh.file.read_at(&mut first, 0).map_err(|error| cannot_write(fresh.path(), &error))?;
        let header = DbHeader::parse(&first[..DB_HEADER_SIZE]);
        let bytes = fresh.file.metadata().map_or(0, |found| found.len());
        Ok(Recovered {
            set: set.name.clone(),
            pages: u32::try_from(bytes / u64::from(snapshot.page_size())).unwrap_or(u32::MAX),
            page_size: snapshot.page_size(),
            commits: log.map_or(0, |log| log.commits().len() as u64),
            change_counter: header.change_counter,
            lost,
            log_left_out: None,
            behind_header: None,
            pages_of_other_logs: of_other_logs(set, all, snapshot)?,
            journal: None,
            path: fresh.finish()?,
        })
    }
}

fn open(path: &Option<PathBuf>) -> Result<Option<Source>, LabError> {
    path.as_deref().map_or(Ok(None), Source::open)
}

fn page_size_of(database: Option<&Source>) -> Result<Option<u32>, LabError> {
    Ok(database.map(header_of).transpose()?.and_then(|header| header.page_size))
}

/// Frames that end a transaction, behind where the chain of checksums breaks: recovery passes over them. Frames of an
/// earlier generation have other salts, and are in the database already.
fn left_out(source: Option<Source>, log: Option<&Log>, page_size: u32) -> Result<Option<String>, LabError> {
    let Some(source) = source.filter(|source| source.bytes > 0) else { return Ok(None) };
    let mut bytes = [0; WAL_HEADER_SIZE];
    let length = source.read_at(&mut bytes, 0)?;
    let header = WalHeader::parse(&bytes[..length]);
    let damaged = !header.damage.is_empty();
    let mut frames = Frames::of(&source, page_size, log.map_or(1, |log| log.summary.frames_committed + 1));
    let mut ends = 0_u64;
    loop {
        let frame = frames.read_next()?;
        let Some(seen) = FrameHeader::parse(frame).filter(|_| frame.len() > page_size as usize) else { break };
        let of_this = damaged || Some(seen.salts) == header.salts;
        ends += u64::from(of_this && seen.page > 0 && seen.commit_pages > 0);
    }
    Ok(match (damaged, ends) {
        (true, _) => {
            Some(format!("the header of its log is damaged: {ends} frames behind it say that they end a transaction"))
        }
        (false, 0) => None,
        (false, _) => {
            Some(format!("its log is damaged: {ends} frames behind the damage say that they end a transaction"))
        }
    })
}

/// What SQLite would do at the next opening; none when there is nothing to roll back.
fn roll_back(journal: &Source, snapshot: &Snapshot<'_>, fresh: &FreshFile) -> Result<Option<String>, LabError> {
    let page_size = snapshot.page_size();
    if let Some(name) = journal::super_journal(journal).filter(|name| !Path::new(name).exists()) {
        return Ok(Some(format!("not rolled back: its super-journal `{name}` is not there, so it counts as stale")));
    }
    let (mut pages, mut failed) = (0_u64, None);
    let summary = journal::read(journal, Some(page_size), |record| {
        let offset = u64::from(record.page - 1) * u64::from(page_size);
        if record.content.len() == page_size as usize && failed.is_none() {
            failed = fresh.file.write_all_at(record.content, offset).err();
            pages += 1;
        }
    });
    if let Some(error) = failed {
        return Err(cannot_write(fresh.path(), &error));
    }
    let Some(initial) = summary.initial_pages else { return Ok(None) };
    if summary.page_size != Some(page_size) {
        return Ok(Some("not rolled back: it has another page size than the database".into()));
    }
    let bytes = u64::from(initial) * u64::from(page_size);
    fresh.file.set_len(bytes).map_err(|error| cannot_write(fresh.path(), &error))?;
    Ok(Some(format!("rolled back: {pages} pages restored, {initial} pages as before the transaction")))
}

/// Pages that no frame of this log holds, and that are as a frame of another log: a checkpoint of that put them there.
fn of_other_logs(set: &Set, all: &[Set], snapshot: &Snapshot<'_>) -> Result<u64, LabError> {
    let mut found = BTreeSet::new();
    let (mut one, mut two) = (vec![0; snapshot.page_size() as usize], vec![0; snapshot.page_size() as usize]);
    for other in all.iter().filter(|other| other.wal.is_some() && other.wal != set.wal) {
        let Some(source) = other.wal.as_deref().map_or(Ok(None), Source::open)? else { continue };
        let Some(log) = Log::read(source)?.filter(|log| log.page_size == snapshot.page_size()) else { continue };
        for frame in 1..=log.summary.frames_committed {
            let Some(page) = log.page_of(frame).filter(|page| *page <= snapshot.pages()) else { continue };
            if snapshot.frame_of(page).is_none() && log.content(frame, &mut one)? {
                let of_file = snapshot.read(page, &mut two)? == Origin::File;
                if of_file && one == two {
                    found.insert(page);
                }
            }
        }
    }
    Ok(found.len() as u64)
}

fn header_of(source: &Source) -> Result<DbHeader, LabError> {
    let mut bytes = [0; DB_HEADER_SIZE];
    let length = source.read_at(&mut bytes, 0)?;
    Ok(DbHeader::parse(&bytes[..length]))
}
