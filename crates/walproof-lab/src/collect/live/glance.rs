//! What changes at each look of a database that is watched: its files by `stat`, its header, its wal-index.
//!
//! Descriptors of the database and of its `-shm` are kept as long as somebody has it open, read-only: a look is then a
//! few `stat` and `pread`. They are let go when nobody has, so that the file system can be unmounted, and opened anew
//! when another file has come to the name. Closing them drops the locks that this process has on these files; it has
//! none, because it never opens a database with SQLite.
//!
//! The wal-index is read like SQLite reads it, without a lock: both copies, which must agree and bear their checksum. What
//! follows the copies (nBackfill, read marks) has no checksum; each word is whole, and may be newer than the copies.
//!
//! What it must not do: open anything for writing, map a file, follow a link.
//! Where to look next: `asking.rs` for the child that does it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::db_header::{DB_HEADER_SIZE, DbHeader, JournalFamily};
use walproof_format::sqlite::wal_index::{WAL_INDEX_HEADER_SIZE, WalIndex};
use walproof_judge::sharing::live::{JournalFamilyWord, LiveFile, LiveMount};
use walproof_judge::watch::moment::{HeaderSeen, IndexSeen, Watched};

use super::file::{identity, live_file, mount_at, space};
use super::process::leads_to;
use super::question::{Identity, mounts};
use crate::collect::quiet::open_quietly;

/// Looks at a wal-index until its copies agree: a writer is between them for less than a microsecond.
const TRIES_MAX: u32 = 6;
/// Tries after which the next one waits: the writer may have been put aside.
const TRIES_AT_ONCE: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_micros(200);
/// The last one to close has a file without a name for less than this, unless it is put aside.
const CLOSING: Duration = Duration::from_millis(2);

/// A database to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlanceAt {
    /// Its path, as whoever looks sees it.
    pub path: String,
    /// Somebody has it open: keep descriptors.
    pub keep: bool,
    /// What its openers held when they were looked for, which is some time ago.
    pub held: Vec<HeldAt>,
}

/// A descriptor of an opener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAt {
    /// The process.
    pub pid: u32,
    /// The descriptor.
    pub fd: u32,
    /// `db`, `wal` or `shm`.
    pub which: String,
    /// The file that it led to.
    pub is: Identity,
}

/// What was seen of one database. Openers are not in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Glance {
    /// Its files.
    pub watched: Watched,
    /// Descriptors that were held of another file than the one that lies there, looked at again in this breath: process,
    /// descriptor, and the names of its file if that is still so; `None`: it is not.
    pub apart: Vec<(u32, u32, Option<u64>)>,
}

/// In the order of the question.
pub type Glanced = Vec<Glance>;

/// Whoever looks again and again.
#[derive(Debug, Default)]
pub struct Glancer {
    kept: HashMap<String, Kept>,
}

/// What is kept of one database.
#[derive(Debug, Default)]
struct Kept {
    database: Option<Open>,
    shm: Option<Open>,
    mount: Option<LiveMount>,
}

/// A descriptor, and the file it is of.
#[derive(Debug)]
struct Open {
    file: File,
    is: (u64, u64),
}

impl Glancer {
    /// Looks at these; what is not asked for any more is let go.
    pub fn glance(&mut self, all: &[GlanceAt]) -> Glanced {
        self.kept.retain(|path, _| all.iter().any(|one| one.path == *path && one.keep));
        let mut glanced: Glanced = Vec::new();
        for one in all {
            glanced.push(Glance { watched: self.database(one), apart: Vec::new() });
        }
        apart(all, &mut glanced);
        glanced
    }

    fn database(&mut self, at: &GlanceAt) -> Watched {
        let mut kept = self.kept.remove(&at.path).unwrap_or_default();
        let stat = |suffix: &str| stat(&format!("{}{suffix}", at.path));
        let (file, wal, shm, journal) = (stat(""), stat("-wal"), stat("-shm"), stat("-journal"));
        let mut seen = Watched { path: at.path.clone(), ..Watched::default() };
        if reopened(&mut kept.database, &at.path, file.as_ref().map(|(_, is)| *is)) {
            kept.mount = mount_at(Path::new(&at.path), &mounts(None));
        }
        if reopened(&mut kept.shm, &format!("{}-shm", at.path), shm.as_ref().map(|(_, is)| *is)) {
            seen.index_damage = Some("it cannot be read by this user".to_owned()).filter(|_| kept.shm.is_none());
        }
        seen.header = kept.database.as_ref().and_then(|open| header(&open.file));
        if let Some(open) = &kept.shm {
            (seen.index, seen.index_damage) = match index(&open.file) {
                Ok(index) => (Some(index), None),
                Err(damage) => (None, Some(damage)),
            };
        }
        if let Some((free, total)) = Path::new(&at.path).parent().and_then(space) {
            (seen.free_bytes, seen.total_bytes) = (Some(free), Some(total));
        }
        [seen.file, seen.wal, seen.shm, seen.journal] = [file, wal, shm, journal].map(|one| one.map(|(file, _)| file));
        seen.mount.clone_from(&kept.mount);
        if at.keep {
            self.kept.insert(at.path.clone(), kept);
        }
        seen
    }
}

/// Looks twice at descriptors that were held of other files than those that lie there.
fn apart(all: &[GlanceAt], glanced: &mut Glanced) {
    let differs = |of: usize, held: &HeldAt| {
        let watched = &glanced[of].watched;
        let there = match held.which.as_str() {
            "db" => &watched.file,
            "wal" => &watched.wal,
            "shm" => &watched.shm,
            _ => return false,
        };
        there.as_ref().is_none_or(|there| (there.device, there.inode) != held.is)
    };
    let every = all.iter().enumerate().flat_map(|(of, at)| at.held.iter().map(move |held| (of, at, held)));
    let differ: Vec<_> = every.filter(|(of, _, held)| differs(*of, held)).collect();
    if differ.is_empty() {
        return;
    }
    let first: Vec<Option<u64>> = differ.iter().map(|(_, at, held)| names_apart(&at.path, held)).collect();
    std::thread::sleep(CLOSING);
    for ((of, at, held), first) in differ.into_iter().zip(first) {
        let again = first.filter(|names| names_apart(&at.path, held) == Some(*names));
        glanced[of].apart.push((held.pid, held.fd, again));
    }
}

/// The names of the file that a descriptor still leads to, if neither just before nor just after that file lay there.
fn names_apart(path: &str, held: &HeldAt) -> Option<u64> {
    let suffix = if held.which == "db" { String::new() } else { format!("-{}", held.which) };
    let lies = || fs::symlink_metadata(format!("{path}{suffix}")).is_ok_and(|found| identity(&found) == held.is);
    if lies() {
        return None;
    }
    let (is, names) = leads_to(held.pid, held.fd)?;
    (is == held.is && !lies()).then_some(names)
}

fn stat(path: &str) -> Option<(LiveFile, (u64, u64))> {
    let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((live_file(&found), (found.dev(), found.ino())))
}

/// Makes a descriptor be of the file that has the name now; true: it was not.
fn reopened(open: &mut Option<Open>, path: &str, is: Option<(u64, u64)>) -> bool {
    if open.as_ref().map(|open| open.is) == is {
        return false;
    }
    *open = is.and_then(|_| {
        let file = open_quietly(Path::new(path)).ok()?;
        let found = file.metadata().ok().filter(fs::Metadata::is_file)?;
        Some(Open { file, is: (found.dev(), found.ino()) })
    });
    true
}

fn header(file: &File) -> Option<HeaderSeen> {
    let mut bytes = [0; DB_HEADER_SIZE];
    let length = file.read_at(&mut bytes, 0).ok()?;
    let header = DbHeader::parse(&bytes[..length]);
    let magic = bytes[..length].starts_with(&walproof_format::sqlite::db_header::DB_MAGIC);
    if !magic {
        return Some(HeaderSeen::default());
    }
    Some(HeaderSeen {
        has_magic: true,
        family: header.journal_family().map(|family| match family {
            JournalFamily::Wal => JournalFamilyWord::Wal,
            JournalFamily::Rollback => JournalFamilyWord::Rollback,
        }),
        page_size_bytes: header.page_size,
        pages: header.page_count,
        change_counter: header.change_counter,
    })
}

/// The wal-index, or what is wrong with it.
fn index(file: &File) -> Result<IndexSeen, String> {
    let mut bytes = [0; WAL_INDEX_HEADER_SIZE];
    let mut damage = String::new();
    for tries in 1..=TRIES_MAX {
        let length = file.read_at(&mut bytes, 0).map_err(|error| error.to_string())?;
        let index = WalIndex::parse(&bytes[..length]);
        if let Some(believed) = index.believed() {
            return Ok(IndexSeen {
                change_counter: believed.change_counter,
                max_frame: believed.max_frame,
                backfilled_frames: index.backfilled_frames.unwrap_or_default(),
                backfill_attempted_frames: index.backfill_attempted_frames.unwrap_or_default(),
                read_marks: index.read_marks,
                salts: believed.salts.to_string(),
                database_pages: believed.database_pages,
                page_size_bytes: believed.page_size.unwrap_or_default(),
                tries,
            });
        }
        damage = match () {
            () if length == 0 => "it is empty: nobody has initialised it".to_owned(),
            () if index.zeroed => "it is zeroed: nobody has initialised it".to_owned(),
            () => index.damage.join("; "),
        };
        if tries >= TRIES_AT_ONCE {
            std::thread::sleep(BETWEEN_TRIES);
        }
    }
    Err(damage)
}
