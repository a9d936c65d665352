//! All files of a database, copied: those at its path, and those that only processes still hold.
//!
//! What may go away first is copied first: what only a process holds. Then the order decides: a database before its log.
//! While a log keeps its header it only grows, and every page that a checkpoint puts into the database meanwhile is in
//! it: a log that was copied after its database, and not restarted between, fits whatever the copy of the database
//! caught. Without a log nothing may change at all. What does not fit is copied again, a few times, and said.
//!
//! Every file is read twice; whether both readings agree is said as well. What it must not do: leave its own directory;
//! take a descriptor that leads elsewhere by now for the file it was.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WalHeader};

use super::holders::{Generation, Holders};
use super::place::{cannot_write, free_bytes, sync_directory};
use crate::collect::quiet::{FileIdentity, Part, Source, read_at_most};
use crate::error::LabError;

/// How often what does not hold still is copied.
const ROUNDS: u32 = 5;
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes at the start that tell whether a file changed.
const HEAD_BYTES: usize = 100;
/// Left to others on the disk.
const SPARE_BYTES: u64 = 16 << 20;

/// A file that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Which of the four.
    pub piece: Part,
    /// Where it was read.
    pub from: PathBuf,
    /// Where the copy is.
    pub to: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether a second reading found what was copied.
    pub alike_twice: bool,
}

/// Files that belong together.
#[derive(Clone, Debug, Serialize)]
pub struct Set {
    /// `originals`, or `stranded-PID-FD`.
    pub name: String,
    /// What was copied for it.
    pub files: Vec<Copied>,
    /// The copy of its database, which may be that of another set.
    pub database: Option<PathBuf>,
    /// The copy of its log.
    pub wal: Option<PathBuf>,
    /// The copy of its rollback journal.
    pub journal: Option<PathBuf>,
    /// Whether database and log fit together.
    pub fits: bool,
    /// Why not, or what could not be copied.
    pub because: Vec<String>,
    /// Who holds it, when it does not lie at the path.
    pub generation: Option<Generation>,
}

/// Copies everything into a directory of our own.
pub fn copy_all(database: &Path, directory: &Path, holders: &Holders) -> Result<Vec<Set>, LabError> {
    let mut plan = Plan::of(database, directory, holders);
    plan.room(directory)?;
    for folder in plan.folders() {
        fs::create_dir(&folder).map_err(|error| cannot_write(&folder, &error))?;
        sync_directory(&folder)?;
    }
    for way in plan.ways.iter_mut().filter(|way| way.perishable) {
        way.copy()?;
    }
    for round in 1..=ROUNDS {
        let before = plan.stamps();
        for piece in Part::ALL {
            for way in plan.ways.iter_mut().filter(|way| way.piece == piece) {
                way.copy()?;
            }
        }
        let after = plan.stamps();
        plan.weigh(&before, &after);
        if plan.sets.iter().all(|set| set.reasons.is_empty()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20) * round);
    }
    plan.ways.iter().try_for_each(|way| sync_directory(&way.to))?;
    Ok(plan.sets.iter().map(|set| plan.done(set)).collect())
}

/// One file and where it goes.
struct Way {
    piece: Part,
    from: PathBuf,
    is: Option<FileIdentity>,
    to: PathBuf,
    perishable: bool,
    copied: Option<Copied>,
    problem: Option<String>,
}

/// A set by its places among the ways.
struct Planned {
    name: String,
    own: Vec<usize>,
    database: Option<usize>,
    wal: Option<usize>,
    journal: Option<usize>,
    generation: Option<Generation>,
    reasons: Vec<String>,
}

struct Plan {
    /// What bears a name of the database's and is no file.
    no_files: Vec<String>,
    ways: Vec<Way>,
    sets: Vec<Planned>,
}

/// What tells one state of a file from another; none when it is not there.
#[derive(PartialEq, Eq)]
struct Stamp {
    identity: FileIdentity,
    bytes: u64,
    modified: (i64, i64),
    head: Vec<u8>,
}

impl Plan {
    fn of(database: &Path, directory: &Path, holders: &Holders) -> Self {
        let name = database.file_name().map(PathBuf::from).unwrap_or_else(|| PathBuf::from("database"));
        let mut plan = Self { no_files: no_files(database), ways: Vec::new(), sets: Vec::new() };
        let originals = directory.join("originals").join(&name);
        let there = |piece: &Part| fs::symlink_metadata(piece.of(database)).is_ok_and(|found| found.is_file());
        let own = Part::ALL.into_iter().filter(there);
        let own = own.map(|piece| plan.way(piece, piece.of(database), None, piece.of(&originals))).collect();
        plan.set("originals".into(), own, None, None);
        for generation in &holders.stranded {
            plan.stranded(generation, directory, &name);
        }
        plan
    }

    fn way(&mut self, piece: Part, from: PathBuf, is: Option<FileIdentity>, to: PathBuf) -> usize {
        let perishable = is.is_some();
        self.ways.push(Way { piece, from, is, to, perishable, copied: None, problem: None });
        self.ways.len() - 1
    }

    fn stranded(&mut self, generation: &Generation, directory: &Path, name: &Path) {
        let Some(first) = generation.held.iter().find(|held| held.piece == Part::Wal).or(generation.held.first())
        else {
            return;
        };
        let mut folder = format!("stranded-{}-{}", first.pid, first.fd);
        while self.sets.iter().any(|set| set.name == folder) {
            folder += "-with-another-database";
        }
        let base = directory.join(&folder).join(name);
        let mut own = Vec::new();
        for held in &generation.held {
            let mut to = held.piece.of(&base);
            // Two of one kind.
            if own.iter().any(|at: &usize| self.ways[*at].to == to) {
                to.as_mut_os_string().push(format!(".fd-{}", held.fd));
            }
            own.push(self.way(held.piece, held.path(), Some(held.identity), to));
        }
        let originals = self.sets.first();
        let database = originals.and_then(|set| set.database).filter(|_| generation.of_present_database);
        let wal = originals.and_then(|set| set.wal).filter(|_| generation.of_present_log);
        self.set(folder, own, database.map(|at| (at, wal)).or(wal.map(|at| (usize::MAX, Some(at)))), Some(generation));
    }

    /// What the set has not of its own is another's: `of_another` is database and log.
    fn set(
        &mut self,
        name: String,
        own: Vec<usize>,
        of_another: Option<(usize, Option<usize>)>,
        generation: Option<&Generation>,
    ) {
        let of = |piece: Part| own.iter().copied().find(|at| self.ways[*at].piece == piece);
        let database = of(Part::Database).or(of_another.map(|(at, _)| at).filter(|at| *at < self.ways.len()));
        let wal = of(Part::Wal).or(of_another.and_then(|(_, wal)| wal));
        let journal = of(Part::Journal);
        let generation = generation.cloned();
        self.sets.push(Planned { name, own, database, wal, journal, generation, reasons: Vec::new() });
    }

    fn folders(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.ways.iter().filter_map(|way| way.to.parent()).map(Path::to_owned).collect();
        all.dedup();
        all
    }

    /// Copies and what is made of them.
    fn room(&self, directory: &Path) -> Result<(), LabError> {
        let bytes = self.ways.iter().filter_map(|way| fs::metadata(&way.from).ok()).map(|found| found.len());
        let wanted = bytes.sum::<u64>().saturating_mul(2).saturating_add(SPARE_BYTES);
        match free_bytes(directory) {
            Some(free) if free < wanted => {
                let because = format!("{free} bytes are free there, and about {wanted} are needed");
                Err(LabError::path("cannot salvage into", directory, because, "a file system with more room: `df -h`"))
            }
            _ => Ok(()),
        }
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.ways.iter().map(Way::stamp).collect()
    }

    fn weigh(&mut self, before: &[Option<Stamp>], after: &[Option<Stamp>]) {
        for set in &mut self.sets {
            set.reasons = reasons(set, &self.ways, before, after);
        }
    }

    fn done(&self, set: &Planned) -> Set {
        let path = |at: Option<usize>| Some(self.ways.get(at?)?.copied.as_ref()?.to.clone());
        let problems = set.own.iter().filter_map(|at| self.ways[*at].problem.clone());
        let no_files = self.no_files.iter().filter(|_| set.generation.is_none());
        Set {
            name: set.name.clone(),
            files: set.own.iter().filter_map(|at| self.ways[*at].copied.clone()).collect(),
            database: path(set.database),
            wal: path(set.wal),
            journal: path(set.journal),
            fits: set.reasons.is_empty(),
            because: set.reasons.iter().cloned().chain(problems).chain(no_files.cloned()).collect(),
            generation: set.generation.clone(),
        }
    }
}

/// A link is not followed: where it leads is another database's directory.
fn no_files(database: &Path) -> Vec<String> {
    let one = |piece: Part| {
        let path = piece.of(database);
        let kind = fs::symlink_metadata(&path).ok()?.file_type();
        let is = if kind.is_symlink() { "a symbolic link" } else { "no regular file" };
        (!kind.is_file()).then(|| format!("`{}` is {is} and was not copied", path.display()))
    };
    Part::ALL.into_iter().filter_map(one).collect()
}

/// Why database and log of a set may not fit together.
fn reasons(set: &Planned, ways: &[Way], before: &[Option<Stamp>], after: &[Option<Stamp>]) -> Vec<String> {
    let mut reasons = Vec::new();
    let of = |at: Option<usize>| at.map_or((None, None), |at| (before[at].as_ref(), after[at].as_ref()));
    let alike = |at: Option<usize>| at.is_none_or(|at| ways[at].copied.as_ref().is_some_and(|one| one.alike_twice));
    let (database, database_after) = of(set.database);
    let (wal, wal_after) = of(set.wal);
    if database.map(|stamp| stamp.identity) != database_after.map(|stamp| stamp.identity) {
        reasons.push("the database was replaced, or went away, while it was copied".to_owned());
    }
    if of(set.journal).0 != of(set.journal).1 || !alike(set.journal) {
        reasons.push("the -journal changed while it was copied".to_owned());
    }
    let has_log = wal
        .is_some_and(|stamp| WalHeader::parse(&stamp.head[..stamp.head.len().min(WAL_HEADER_SIZE)]).damage.is_empty());
    if has_log {
        let same = wal.zip(wal_after).is_some_and(|(before, after)| {
            before.identity == after.identity
                && before.head.get(..WAL_HEADER_SIZE) == after.head.get(..WAL_HEADER_SIZE)
                && before.bytes <= after.bytes
        });
        if !same {
            reasons.push("the log was restarted, or went away, while it was copied".to_owned());
        }
    } else if database != database_after || wal != wal_after || !alike(set.database) {
        reasons.push("the database changed while it was copied, and it had no log that tells how".to_owned());
    }
    reasons
}

impl Way {
    fn stamp(&self) -> Option<Stamp> {
        let source = self.open().ok().flatten()?;
        let mut head = vec![0; HEAD_BYTES];
        let length = read_at_most(&source.file, &mut head, 0).ok()?;
        head.truncate(length);
        let modified = (source.metadata.mtime(), source.metadata.mtime_nsec());
        Some(Stamp { identity: source.identity(), bytes: source.bytes, modified, head })
    }

    /// The file that is meant, and no other.
    fn open(&self) -> Result<Option<Source>, LabError> {
        let source = Source::open(&self.from)?;
        Ok(source.filter(|source| self.is.is_none_or(|is| source.identity() == is)))
    }

    /// Copies it, over what was copied before. What cannot be read is a problem of this file alone.
    fn copy(&mut self) -> Result<(), LabError> {
        let source = match self.open() {
            Ok(Some(source)) => source,
            Ok(None) => {
                let earlier = if self.copied.is_some() { "; an earlier copy of it is kept" } else { "" };
                self.problem = Some(format!("`{}` went away{earlier}", self.from.display()));
                return Ok(());
            }
            Err(error) => {
                self.problem = Some(format!("{}: {}", error.what, error.because));
                return Ok(());
            }
        };
        let mut part = self.to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        match write_copy(&source, &part)? {
            Ok(alike_twice) => {
                fs::rename(&part, &self.to).map_err(|error| cannot_write(&self.to, &error))?;
                let (from, to, bytes) = (self.from.clone(), self.to.clone(), source.bytes);
                self.copied = Some(Copied { piece: self.piece, from, to, bytes, alike_twice });
                self.problem = None;
            }
            Err(error) => {
                let _ = fs::remove_file(&part);
                self.problem = Some(format!("{}: {}", error.what, error.because));
            }
        }
        Ok(())
    }
}

/// The outer error is one of writing, the inner one of reading. Answers whether two readings agree.
fn write_copy(source: &Source, to: &Path) -> Result<Result<bool, LabError>, LabError> {
    let failed = |error: &std::io::Error| cannot_write(to, error);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(to);
    let mut file: File = file.map_err(|error| failed(&error))?;
    let (mut chunk, mut offset) = (vec![0; CHUNK_BYTES], 0);
    while offset < source.bytes {
        let wanted = usize::try_from(source.bytes - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let length = match source.read_at(&mut chunk[..wanted], offset) {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        if length == 0 {
            break;
        }
        file.write_all(&chunk[..length]).map_err(|error| failed(&error))?;
        offset += length as u64;
    }
    file.sync_all().map_err(|error| failed(&error))?;
    Ok(alike(source, &file, offset))
}

fn alike(source: &Source, copy: &File, bytes: u64) -> Result<bool, LabError> {
    let (mut one, mut two, mut offset) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES], 0);
    while offset < bytes {
        let wanted = usize::try_from(bytes - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let length = source.read_at(&mut one[..wanted], offset)?;
        if length < wanted || copy.read_exact_at(&mut two[..wanted], offset).is_err() || one[..wanted] != two[..wanted]
        {
            return Ok(false);
        }
        offset += wanted as u64;
    }
    Ok(true)
}
