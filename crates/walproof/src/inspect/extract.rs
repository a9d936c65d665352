//! `--extract-commit N`: the database as it was after commit N of its log, in a file of its own, right or refused.
//!
//! What it must not do: write anything but the new file. How pages are found is `walproof_lab::rescue::snapshot`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use walproof_format::sqlite::db_header::DB_MAGIC;
use walproof_format::sqlite::log_pages::LogCommit;
use walproof_lab::collect::quiet::{Part, Source};
use walproof_lab::error::LabError;
use walproof_lab::rescue::place::FreshFile;
use walproof_lab::rescue::snapshot::{Log, Lost, Snapshot};

use super::weigh::Finding;
use crate::render::{several, thousands};

/// Findings that say that log and database are not one.
const STRANGERS: &[&str] =
    &["foreign-log", "log-beside-rollback-database", "log-beside-empty-database", "log-older-than-database"];
/// How often a database that moves is tried.
const TRIES: u32 = 4;
/// Ranges of pages that an error names.
const RANGES_SHOWN: usize = 20;

/// What was written.
#[derive(Debug, Serialize)]
pub struct Extracted {
    from: String,
    /// Where it is.
    pub path: PathBuf,
    commit: LogCommit,
    commits_in_log: u64,
    bytes: u64,
    /// With `--partial`: pages that are not what they were.
    pub lost: Lost,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The commit.
    pub number: u64,
    /// A file that is not there, or a directory.
    pub output: &'a Path,
    /// Also with pages that are lost.
    pub partial: bool,
}

/// Writes it, a few times over when somebody is in the way.
pub fn extract(database: &Path, findings: &[Finding], wanted: &Wanted<'_>) -> Result<Extracted, LabError> {
    if let Some(stranger) = findings.iter().find(|finding| STRANGERS.contains(&finding.name)) {
        let try_this =
            "the log that belongs to this database; `walproof inspect` without `--extract-commit` tells more";
        return Err(LabError::path("refused to extract from", database, &stranger.says, try_this));
    }
    let mut tried = 0;
    loop {
        tried += 1;
        match once(database, wanted) {
            Err(error) if error.blind && tried < TRIES => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(LabError { blind: false, ..error }),
            done => return done,
        }
    }
}

fn once(database: &Path, wanted: &Wanted<'_>) -> Result<Extracted, LabError> {
    let log = log_of(database)?;
    let file = Source::open(database)?;
    let commit = commit_of(&log, wanted.number)?;
    let snapshot = Snapshot::at(&log, file.as_ref(), &commit);
    let refuse = |lost: &Lost| match lost.is_empty() || wanted.partial {
        true => Ok(()),
        false => Err(not_to_be_had(database, &log, &commit, lost)),
    };
    refuse(&snapshot.lost_now()?)?;
    refuse_without_header(database, &snapshot)?;
    let originals = Part::ALL.map(|piece| piece.of(database));
    let fresh = FreshFile::create(&place(wanted, database), &originals)?;
    let lost = snapshot.write_to(&fresh.file, fresh.path())?;
    refuse(&lost)?;
    Ok(Extracted {
        from: database.display().to_string(),
        commit,
        commits_in_log: log.commits().len() as u64,
        bytes: u64::from(snapshot.pages()) * u64::from(snapshot.page_size()),
        lost,
        path: fresh.finish()?,
    })
}

/// Also with `--partial`: nothing can open what has no first page.
fn refuse_without_header(database: &Path, snapshot: &Snapshot<'_>) -> Result<(), LabError> {
    let mut first = vec![0; snapshot.page_size() as usize];
    snapshot.read(1, &mut first)?;
    if first.starts_with(&DB_MAGIC) {
        return Ok(());
    }
    let because = "page 1 is not a database's: neither the log up to this commit nor the database file has one";
    Err(LabError::path("refused to extract from", database, because, "a commit whose log holds page 1: `--commits`"))
}

/// A directory that is there gets a file of a telling name.
fn place(wanted: &Wanted<'_>, database: &Path) -> PathBuf {
    if !wanted.output.is_dir() {
        return wanted.output.to_owned();
    }
    let stem = database.file_stem().unwrap_or_default().to_string_lossy();
    wanted.output.join(format!("{stem}-commit-{}.db", wanted.number))
}

/// The log of a database, read to its end.
pub fn log_of(database: &Path) -> Result<Log, LabError> {
    let path = Part::Wal.of(database);
    let fail = |because: &str, try_this: &str| Err(LabError::path("has no commits", &path, because, try_this));
    let Some(source) = Source::open(&path)? else {
        return fail(
            "there is no such file: the database was closed cleanly, uses a rollback journal, or was copied without its log",
            "`--salvage DIR`, which also looks whether a process still holds the log",
        );
    };
    if source.bytes == 0 {
        return fail("it is empty", "a copy of the log from before the checkpoint that emptied it");
    }
    match Log::read(source)? {
        Some(log) => Ok(log),
        None => fail("its header is damaged, and no frame of it is to be believed", "`--salvage DIR` keeps its bytes"),
    }
}

/// The commit, or which there are.
pub fn commit_of(log: &Log, number: u64) -> Result<LogCommit, LabError> {
    log.commit(number).copied().ok_or_else(|| {
        let because = match log.commits().len() as u64 {
            0 => "the log holds no commit".to_owned(),
            last => format!("the log holds commits 1 to {}", thousands(last)),
        };
        LabError::new(format!("there is no commit {number}"), because, "`--commits` lists them")
    })
}

fn not_to_be_had(database: &Path, log: &Log, commit: &LogCommit, lost: &Lost) -> LabError {
    let mut because = Vec::new();
    if !lost.overwritten.is_empty() {
        because.push(format!(
            "a checkpoint has put later content into the database file, and no frame up to this commit holds what was there before: {}",
            shown(&lost.overwritten)
        ));
    }
    if !lost.beyond_file.is_empty() {
        because.push(format!(
            "the database file ends before these pages (it was cut off, or shrunk by a later checkpoint), and no frame up to this commit holds them: {}",
            shown(&lost.beyond_file)
        ));
    }
    let last = log.commits().len() as u64;
    let mut try_this = "`--partial`, which writes it all the same and lists these pages".to_owned();
    if commit.number < last {
        try_this += &format!("; a later commit (the last is {last}); a backup from before the checkpoint");
    }
    let what = format!("{} of commit {} cannot be recovered from", several(lost.count(), "page"), commit.number);
    LabError::path(&what, database, because.join("; "), &try_this)
}

/// `3, 7-9 and 2 ranges more`.
pub fn shown(ranges: &[(u32, u32)]) -> String {
    let one = |(first, last): &(u32, u32)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    let all: Vec<String> = ranges.iter().take(RANGES_SHOWN).map(one).collect();
    let more = ranges.len().saturating_sub(RANGES_SHOWN);
    let more = if more > 0 { format!(" and {}", several(more as u64, "range more")) } else { String::new() };
    format!(
        "{} {}{more}",
        if ranges.len() == 1 && ranges[0].0 == ranges[0].1 { "page" } else { "pages" },
        all.join(", ")
    )
}

impl Extracted {
    /// For people.
    pub fn show(&self) {
        say!("walproof inspect {}", self.from);
        let line = |label: &str, text: &str| say!("  {label:<10} {text}");
        line("extracted", &self.path.display().to_string());
        line(
            "",
            &format!(
                "as of commit {} of {} (frame {}), {}, {} bytes",
                self.commit.number,
                thousands(self.commits_in_log),
                thousands(self.commit.last_frame),
                several(self.commit.database_pages.into(), "page"),
                thousands(self.bytes)
            ),
        );
        for (ranges, why) in [
            (&self.lost.overwritten, "hold later content than this commit"),
            (&self.lost.beyond_file, "are not to be had, and zero or missing"),
        ] {
            if !ranges.is_empty() {
                line("lost", &format!("{} {why}", shown(ranges)));
            }
        }
        if self.lost.is_empty() {
            line("next", "`sqlite3 FILE 'PRAGMA integrity_check'` on it; the originals are as they were");
        } else {
            line("next", "it is a mixture: `sqlite3 FILE .recover` saves what can be read; do not use it as it is");
        }
    }
}
