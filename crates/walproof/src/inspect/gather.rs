//! What lies there: a database's four files, read as bytes.
//!
//! What this room is: the only part of `inspect` that touches files. Everything is opened read-only and read by
//! `pread`; nothing is mapped, locked or written. POSIX locks belong to a process, and closing any handle of a file
//! drops all that the process holds on it: this process holds none and never opens a database with SQLite, so none can
//! be lost. What it must not do: conclude anything; `weigh.rs` does.
//!
//! A live database changes under the reader. Stamps of all files are taken before and after; what differs is named in
//! `changed_while_read`, and a few looks are taken to find a quiet moment.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, Serializer};
use walproof_format::sqlite::db_header::{DB_HEADER_SIZE, DbHeader};
use walproof_format::sqlite::journal_header::{JOURNAL_HEADER_SIZE, JournalHeader, JournalState};
use walproof_format::sqlite::wal_header::WAL_HEADER_SIZE;
use walproof_format::sqlite::wal_index::{WAL_INDEX_HEADER_SIZE, WalIndex};
use walproof_lab::collect::quiet::{FileIdentity, Part, Source};
use walproof_lab::error::LabError;

use super::log::{self, WalFile};
use super::structure::{self, Structure};

/// How often a database that moves is looked at.
const LOOKS: u32 = 3;
/// A log larger than this is read once.
const LOOKED_AT_AGAIN_BYTES_MAX: u64 = 64 << 20;
/// How far zeros at the start are counted.
const ZEROS_BYTES_MAX: usize = 65_536;
/// Bytes of the wal-index that tell whether it moved: both copies and nBackfill, not the read marks.
const INDEX_STAMP_BYTES: usize = 100;

/// A database's files as they were seen.
#[derive(Debug, Serialize)]
pub struct Sighting {
    /// The database, symbolic links resolved as SQLite does.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// The name it was reached by, when that is a symbolic link.
    #[serde(serialize_with = "lossy_if_any")]
    pub reached_through: Option<PathBuf>,
    /// The database file.
    pub database: Option<DatabaseFile>,
    /// The log.
    pub wal: Option<WalFile>,
    /// The wal-index.
    pub shm: Option<ShmFile>,
    /// The rollback journal.
    pub journal: Option<JournalFile>,
    /// What a walk over the pages of database and log found; none when it was not made.
    pub structure: Option<Structure>,
    /// What was not the same after reading as before.
    pub changed_while_read: Vec<Part>,
}

/// The database file.
#[derive(Debug, Serialize)]
pub struct DatabaseFile {
    /// Its size.
    pub bytes: u64,
    /// Names in file systems (hard links).
    pub names: u64,
    /// Zero bytes at the start; counted up to 65536.
    pub zero_bytes_at_start: u64,
    /// When it was written last.
    #[serde(skip)]
    pub modified: (i64, i64),
    /// Its first 100 bytes.
    pub header: DbHeader,
}

/// The wal-index.
#[derive(Debug, Serialize)]
pub struct ShmFile {
    /// Its size.
    pub bytes: u64,
    /// When it was written last, as far as is known: what is written through a mapping shows later, or never.
    #[serde(skip)]
    pub modified: (i64, i64),
    /// Its first 136 bytes.
    pub header: WalIndex,
}

/// The rollback journal.
#[derive(Debug, Serialize)]
pub struct JournalFile {
    /// Its size.
    pub bytes: u64,
    /// Its first 28 bytes.
    pub header: JournalHeader,
}

/// A file at hand, with the stamp it had at first.
pub struct Opened {
    source: Source,
    stamp: Stamp,
}

impl Deref for Opened {
    type Target = Source;

    fn deref(&self) -> &Source {
        &self.source
    }
}

/// What tells one state of a file from another.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    identity: FileIdentity,
    bytes: u64,
    /// Seconds and nanoseconds; none for shared memory, where it lags behind.
    modified: Option<(i64, i64)>,
    head: Vec<u8>,
}

/// JSON has no other bytes than UTF-8.
fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn lossy_if_any<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(serializer)
}

/// Looks at a database until it holds still, a few times at most.
/// `pages`: somebody asked for its pages, so that all of them are walked over, however many there are.
pub fn sight(database: &Path, pages: bool) -> Result<Sighting, LabError> {
    let real = real(database);
    refuse_links_out_of_another_root(&real)?;
    let is_link = std::fs::symlink_metadata(database).is_ok_and(|metadata| metadata.is_symlink());
    let mut seen = look(&real, pages)?;
    for _ in 1..LOOKS {
        let large = seen.wal.as_ref().is_some_and(|wal| wal.bytes > LOOKED_AT_AGAIN_BYTES_MAX);
        if seen.changed_while_read.is_empty() || large {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        seen = look(&real, pages)?;
    }
    if seen.changed_while_read.is_empty() && looks_broken(&seen) {
        confirm(&mut seen, &real, pages)?;
    }
    seen.reached_through = is_link.then(|| database.to_owned());
    Ok(seen)
}

fn looks_broken(seen: &Sighting) -> bool {
    let lacks = seen.wal.as_ref().is_some_and(|wal| wal.nowhere.is_some());
    lacks || seen.structure.as_ref().is_some_and(|structure| structure.faults > 0)
}

/// Times of files are coarse: a writer may be missed within one tick of the clock. What lies there broken does so for
/// longer.
fn confirm(seen: &mut Sighting, real: &Path, pages: bool) -> Result<(), LabError> {
    std::thread::sleep(Duration::from_millis(50));
    let again = look(real, pages)?;
    let alike = |one: &Sighting, other: &Sighting| {
        let of = |seen: &Sighting| {
            let database = seen.database.as_ref().map(|database| (database.bytes, database.modified));
            let wal =
                seen.wal.as_ref().map(|wal| (wal.bytes, wal.header.salts, wal.frames.clone(), wal.nowhere.clone()));
            (database, wal, seen.structure.clone())
        };
        of(one) == of(other)
    };
    let same = alike(seen, &again);
    *seen = again;
    if !same && seen.changed_while_read.is_empty() {
        seen.changed_while_read.extend([Part::Database, Part::Wal]);
    }
    Ok(())
}

/// Symbolic links resolved as SQLite does; of a file that is gone, those of its directory. What leads through another
/// process's root stays as it is: its links are to be read in that root, and this process would read them in its own.
pub fn real(database: &Path) -> PathBuf {
    if is_of_another_root(database) {
        return database.to_owned();
    }
    let of_directory = || {
        let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(std::fs::canonicalize(directory).ok()?.join(database.file_name()?))
    };
    // Of a directory that is gone, the name it had: processes that still hold its files go by it.
    let lexically = || std::path::absolute(database).ok();
    std::fs::canonicalize(database).ok().or_else(of_directory).or_else(lexically).unwrap_or_else(|| database.to_owned())
}

/// `/proc/PID/root/...` and the like.
fn is_of_another_root(path: &Path) -> bool {
    let mut parts = path.components().skip(1);
    parts.next().is_some_and(|first| first.as_os_str() == "proc")
        && parts.nth(1).is_some_and(|third| third.as_os_str() == "root" || third.as_os_str() == "cwd")
}

/// Opening such a link would lead to a file of this root.
pub fn refuse_links_out_of_another_root(path: &Path) -> Result<(), LabError> {
    let is_link = |part: &&Path| part.symlink_metadata().is_ok_and(|found| found.is_symlink());
    let below = path.ancestors().take_while(|part| part.components().count() > 4);
    match below.filter(|_| is_of_another_root(path)).find(is_link) {
        Some(link) => {
            let because =
                format!("`{}` is a symbolic link, which leads elsewhere in that root than here", link.display());
            Err(LabError::path("cannot inspect", path, because, "the path behind it: `readlink`, inside"))
        }
        None => Ok(()),
    }
}

fn look(path: &Path, pages: bool) -> Result<Sighting, LabError> {
    let mut opened = [None, None, None, None];
    for (slot, part) in opened.iter_mut().zip(Part::ALL) {
        *slot = open(&part.of(path), part)?;
    }
    let [database, wal, shm, journal] = &opened;
    if opened.iter().all(Option::is_none) {
        let because = "there is no such file, and no -wal, -shm or -journal of it";
        let salvage = format!(
            "the path of a database, or of its directory; `walproof inspect {} --salvage DIR` looks whether a live process still holds it",
            crate::render::quoted(path)
        );
        return Err(LabError::path("cannot inspect", path, because, &salvage));
    }
    let shm = shm.as_ref().map(read_shm).transpose()?;
    let header = database.as_ref().map(|file| DbHeader::parse(&file.stamp.head));
    let index = shm.as_ref().and_then(|shm| shm.header.believed());
    let wal = match wal {
        Some(wal) => Some(log::read(wal, header.as_ref(), database.as_ref(), index)?),
        None => None,
    };
    let mut seen = Sighting {
        path: path.to_owned(),
        reached_through: None,
        database: database.as_ref().map(read_database).transpose()?,
        journal: journal.as_ref().map(read_journal),
        wal,
        shm,
        structure: None,
        changed_while_read: Vec::new(),
    };
    if let Some(page_size) = page_size_to_walk_by(&seen) {
        // A log that is too large for it was read all the same.
        seen.structure = structure::read(path, page_size, pages).unwrap_or_default();
    }
    for (before, part) in opened.iter().zip(Part::ALL) {
        let after = open(&part.of(path), part)?;
        if before.as_ref().map(|file| &file.stamp) != after.as_ref().map(|file| &file.stamp) {
            seen.changed_while_read.push(part);
        }
    }
    Ok(seen)
}

/// Of a sound header, with no transaction of a rollback journal in the file and no log that is another's as far as headers
/// tell.
fn page_size_to_walk_by(seen: &Sighting) -> Option<u32> {
    let in_flux = seen.journal.as_ref().is_some_and(|journal| journal.header.state == JournalState::HotOrInUse);
    let database = seen.database.as_ref().filter(|database| !in_flux && database.header.damage.is_empty())?;
    let page_size = database.header.page_size.filter(|_| !database.header.zeroed)?;
    let wal = seen.wal.as_ref().filter(|wal| wal.frames.as_ref().is_some_and(|frames| frames.commits > 0));
    wal.is_none_or(|wal| wal.header.page_size == Some(page_size)).then_some(page_size)
}

/// Opens a regular file; `None` when there is none.
fn open(path: &Path, part: Part) -> Result<Option<Opened>, LabError> {
    let Some(source) = Source::open(path)? else { return Ok(None) };
    let mut head = vec![0; stamp_bytes(part)];
    let length = source.read_at(&mut head, 0)?;
    head.truncate(length);
    let stamp = Stamp {
        identity: source.identity(),
        bytes: source.bytes,
        modified: (part != Part::Shm).then(|| source.modified()),
        head,
    };
    Ok(Some(Opened { source, stamp }))
}

/// Bytes at the start that tell whether it changed.
const fn stamp_bytes(part: Part) -> usize {
    match part {
        Part::Database => DB_HEADER_SIZE,
        Part::Wal => WAL_HEADER_SIZE,
        Part::Shm => INDEX_STAMP_BYTES,
        Part::Journal => JOURNAL_HEADER_SIZE,
    }
}

impl Opened {
    /// The bytes at the start that were read when it was opened.
    pub fn head(&self) -> &[u8] {
        &self.stamp.head
    }

    /// What is left from an offset to the size it had when it was opened.
    pub fn reader_from(&self, offset: u64) -> Result<impl Read + '_, LabError> {
        let mut file = &self.source.file;
        file.seek(SeekFrom::Start(offset)).map_err(|error| self.failed(&error))?;
        Ok(std::io::BufReader::with_capacity(256 << 10, file).take(self.bytes.saturating_sub(offset)))
    }
}

fn read_database(opened: &Opened) -> Result<DatabaseFile, LabError> {
    let mut start = vec![0; ZEROS_BYTES_MAX];
    let length = opened.read_at(&mut start, 0)?;
    let zeros = start[..length].iter().take_while(|byte| **byte == 0).count();
    Ok(DatabaseFile {
        bytes: opened.bytes,
        names: opened.metadata.nlink(),
        modified: opened.modified(),
        zero_bytes_at_start: zeros as u64,
        header: DbHeader::parse(opened.head()),
    })
}

/// A writer may be between the two copies: a few tries.
fn read_shm(opened: &Opened) -> Result<ShmFile, LabError> {
    let mut bytes = [0; WAL_INDEX_HEADER_SIZE];
    let mut header = WalIndex::default();
    for _ in 0..5 {
        let length = opened.read_at(&mut bytes, 0)?;
        header = WalIndex::parse(&bytes[..length]);
        if header.damage.is_empty() || header.zeroed {
            break;
        }
    }
    Ok(ShmFile { bytes: opened.bytes, modified: opened.modified(), header })
}

fn read_journal(opened: &Opened) -> JournalFile {
    JournalFile { bytes: opened.bytes, header: JournalHeader::parse(opened.head(), opened.bytes) }
}
