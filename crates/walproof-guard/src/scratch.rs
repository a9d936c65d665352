//! The in-place probe: a scratch file in the database's own directory, put to what WAL asks of files there.
//!
//! Made, filled with 32 KiB (the size of a wal-index), opened a second time by name, mapped through both descriptors,
//! locked through both, and removed while both are open. The name begins with `.walproof-guard-` and holds process and
//! time, so it cannot be anybody's file; it is made with O_EXCL and removed on every way out of here. A SIGKILL in
//! between leaves a file of 32 KiB, which `rm .walproof-guard-*` removes.
//!
//! What this file must not do: touch any other file; write holes that a full disk turns into SIGBUS.
//! Where to look next: `weigh` says what each answer means.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::locks;
use crate::mapping::{Carrier, Mapping};
use crate::posix_child;
use crate::resolve::errno;

/// How every scratch file's name begins.
pub(crate) const NAME_START: &str = ".walproof-guard-";
const BYTES: usize = 32 * 1024;

/// What came of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As WAL needs it.
    Yes,
    /// It went through, and not as WAL needs it.
    No,
    /// It failed.
    Errno(i32),
    /// Not reached, or not asked for.
    NotTried,
}

impl From<Result<(), i32>> for Answer {
    fn from(result: Result<(), i32>) -> Self {
        match result {
            Ok(()) => Answer::Yes,
            Err(errno) => Answer::Errno(errno),
        }
    }
}

/// What the scratch file showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// A file can be made in the directory, and filled.
    pub make: Answer,
    /// It can be opened again for reading and writing by its name.
    pub second_opener: Answer,
    /// The second opener sees the size at once.
    pub size_seen: Answer,
    /// mmap(MAP_SHARED, read and write) through the descriptor that made the file.
    pub map_by_creator: Answer,
    /// The same through the second.
    pub map_by_second: Answer,
    /// Stores through one are seen through the other, both ways, and by read() and after write().
    pub memory_shared: Answer,
    /// Locks hold between the two descriptors.
    pub locks_hold: Answer,
    /// A child is refused a POSIX lock that this process holds; tried on request.
    pub posix_lock_holds: Answer,
    /// The file can be removed while it is open, and is gone then.
    pub unlink_while_open: Answer,
}

impl Probe {
    const NOT_TRIED: Probe = Probe {
        make: Answer::NotTried,
        second_opener: Answer::NotTried,
        size_seen: Answer::NotTried,
        map_by_creator: Answer::NotTried,
        map_by_second: Answer::NotTried,
        memory_shared: Answer::NotTried,
        locks_hold: Answer::NotTried,
        posix_lock_holds: Answer::NotTried,
        unlink_while_open: Answer::NotTried,
    };
}

/// A file that goes away with this value.
struct Scratch {
    path: PathBuf,
    file: File,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Puts a scratch file in this directory to the test.
pub(crate) fn probe(directory: &Path, posix_child: bool) -> Probe {
    let mut seen = Probe::NOT_TRIED;
    let scratch = match make(directory) {
        Ok(scratch) => scratch,
        Err(errno) => return Probe { make: Answer::Errno(errno), ..seen },
    };
    seen.make = fill(&scratch.file).into();
    if seen.make != Answer::Yes {
        return seen;
    }
    let second = match open_options().open(&scratch.path) {
        Ok(second) => second,
        Err(error) => return Probe { second_opener: Answer::Errno(errno(&error)), ..seen },
    };
    seen.second_opener = Answer::Yes;
    seen.size_seen = size_seen(&second);
    if seen.size_seen == Answer::Yes {
        share(&scratch.file, &second, &mut seen);
    }
    seen.locks_hold = locks::hold_between(&scratch.file, &second);
    if posix_child {
        seen.posix_lock_holds = posix_child::is_refused(&scratch.file, &second);
    }
    seen.unlink_while_open = unlink(&scratch.path);
    seen
}

fn make(directory: &Path) -> Result<Scratch, i32> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("{NAME_START}{}-{:x}-{number}", std::process::id(), since.as_nanos());
    let path = directory.join(name);
    let file = open_options().create_new(true).mode(0o600).open(&path).map_err(|error| errno(&error))?;
    Ok(Scratch { path, file })
}

/// Read and write, no symbolic link, closed on exec (the standard library does the last by itself).
fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOFOLLOW);
    options
}

fn fill(mut file: &File) -> Result<(), i32> {
    file.write_all(&[0; BYTES]).map_err(|error| errno(&error))
}

fn size_seen(second: &File) -> Answer {
    match second.metadata() {
        Ok(metadata) if metadata.len() == BYTES as u64 => Answer::Yes,
        Ok(_) => Answer::No,
        Err(error) => Answer::Errno(errno(&error)),
    }
}

fn share(first: &File, second: &File, seen: &mut Probe) {
    let (by_creator, by_second) = (Mapping::new(first, BYTES), Mapping::new(second, BYTES));
    seen.map_by_creator = by_creator.as_ref().map(drop).map_err(|errno| *errno).into();
    seen.map_by_second = by_second.as_ref().map(drop).map_err(|errno| *errno).into();
    let (Ok(one), Ok(other)) = (by_creator, by_second) else { return };
    seen.memory_shared = match is_shared(first, second, &one, &other) {
        Ok(true) => Answer::Yes,
        Ok(false) => Answer::No,
        Err(errno) => Answer::Errno(errno),
    };
}

/// Stores and loads as SQLite mixes them: the wal-index through maps, its growth through write().
fn is_shared(first: &File, second: &File, one: &Mapping, other: &Mapping) -> Result<bool, i32> {
    let mut carrier = Carrier::new()?;
    // Fault both in first: an old page is what a stale map would show.
    let untouched = [one.load(&mut carrier, 0)?, other.load(&mut carrier, 0)?, other.load(&mut carrier, 4096)?];
    one.store(&mut carrier, 0, *b"creator.")?;
    let there = other.load(&mut carrier, 0)?;
    other.store(&mut carrier, 4096, *b"second..")?;
    let back = one.load(&mut carrier, 4096)?;
    let mut read = [0; 8];
    second.read_exact_at(&mut read, 0).map_err(|error| errno(&error))?;
    first.write_all_at(b"written.", 8192).map_err(|error| errno(&error))?;
    let written = other.load(&mut carrier, 8192)?;
    Ok(untouched == [[0; 8]; 3]
        && (there, back, read, written) == (*b"creator.", *b"second..", *b"creator.", *b"written."))
}

fn unlink(path: &Path) -> Answer {
    match std::fs::remove_file(path) {
        Ok(()) if path.symlink_metadata().is_err() => Answer::Yes,
        Ok(()) => Answer::No,
        Err(error) => Answer::Errno(errno(&error)),
    }
}
