//! One look at one database: `stat`, and the first bytes of its files.
//!
//! The order is the judge's: database, `-journal`, `-shm`, `-wal`, `-shm` again, locks. Everything is opened read-only
//! and without waiting; nothing is mapped.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walproof_format::sqlite::db_header::DB_HEADER_SIZE;
use walproof_format::sqlite::journal_header::JOURNAL_HEADER_SIZE;
use walproof_format::sqlite::wal_header::WAL_HEADER_SIZE;
use walproof_format::sqlite::wal_index::WAL_INDEX_HEADER_SIZE;
use walproof_judge::health::look::{Beside, Failed, Look, Why};

use super::holders;
use crate::collect::quiet::open_quietly;

/// Looks once.
pub fn look(path: &Path, openers: bool) -> Look {
    let mut look = Look { path: path.display().to_string(), ..Look::default() };
    // SQLite follows symbolic links before it names the files beside.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let database = match open_quietly(&real).and_then(|file| Ok((file.metadata()?, file))) {
        Ok((metadata, _)) if !metadata.is_file() => {
            look.failed = Some(Failed { why: Why::NoFile, because: "it is no regular file".to_owned() });
            return look;
        }
        Ok((metadata, file)) => {
            read_database(&mut look, &file, &metadata);
            Some((metadata, file))
        }
        Err(error) => {
            look.failed = Some(failed(&error));
            None
        }
    };
    let mut shm_is = None;
    look.journal = beside(&mut look, &real, "-journal", JOURNAL_HEADER_SIZE).map(|(one, _)| one);
    look.shm = beside(&mut look, &real, "-shm", WAL_INDEX_HEADER_SIZE).map(|(one, _)| one);
    look.wal = beside(&mut look, &real, "-wal", WAL_HEADER_SIZE).map(|(one, _)| one);
    if let Some((one, metadata)) = beside(&mut look, &real, "-shm", WAL_INDEX_HEADER_SIZE) {
        look.shm_from_before_boot = from_before_boot(&metadata);
        (look.shm_after, shm_is) = (Some(one), Some(metadata));
    }
    look.unread.sort();
    look.unread.dedup();
    let shm_inode = shm_is.as_ref().map(MetadataExt::ino);
    let holders = holders::of(database.as_ref().map(|(metadata, _)| metadata.ino()), shm_inode);
    (look.shm_is_held, look.writer_is_seen) = (holders.shm_is_held, !holders.writers.is_empty());
    if openers {
        look.openers = Some(holders::look_at(&holders, &real));
    }
    if let Some((_, file)) = &database {
        read_file_system(&mut look, file);
    }
    look
}

fn read_database(look: &mut Look, file: &File, metadata: &Metadata) {
    look.size_bytes = metadata.len();
    look.untouched_ms = metadata
        .modified()
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .and_then(|age| u64::try_from(age.as_millis()).ok());
    match first_bytes(file, DB_HEADER_SIZE) {
        Ok(bytes) => look.header = bytes,
        Err(error) => look.failed = Some(failed(&error)),
    }
}

fn failed(error: &Error) -> Failed {
    let why = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Why::Missing,
        ErrorKind::PermissionDenied => Why::Forbidden,
        _ => Why::Storage,
    };
    Failed { why, because: error.to_string() }
}

fn first_bytes(file: &File, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A file beside the database. One that is there and cannot be read stands in `unread`.
fn beside(look: &mut Look, database: &Path, suffix: &str, length: usize) -> Option<(Beside, Metadata)> {
    let path = with_suffix(database, suffix);
    let read = open_quietly(&path).and_then(|file| {
        let metadata = file.metadata()?;
        Ok((metadata.is_file(), first_bytes(&file, length)?, metadata))
    });
    match read {
        Ok((true, bytes, metadata)) => {
            Some((Beside { inode: metadata.ino(), size_bytes: metadata.len(), bytes }, metadata))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Ok((false, ..)) => {
            look.unread.push(format!("{suffix} is no regular file"));
            None
        }
        Err(error) => {
            look.unread.push(format!("{suffix} cannot be read: {error}"));
            None
        }
    }
}

/// `app.db` and `-wal` to `app.db-wal`.
pub fn with_suffix(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Whoever opens the database first after a start empties its `-shm`, so that an older one belongs to nobody.
fn from_before_boot(metadata: &Metadata) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut up = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: clock_gettime writes a timespec to a valid place; zeroed is a valid one as well.
    let up = unsafe {
        libc::clock_gettime(libc::CLOCK_BOOTTIME, up.as_mut_ptr());
        up.assume_init()
    };
    let since_boot = u64::try_from(up.tv_sec).unwrap_or(0);
    // Clocks of file systems lag by a tick, and clocks of hosts are set: a minute's doubt is in favour of the index.
    let booted = now.saturating_sub(since_boot + 60);
    since_boot > 0 && u64::try_from(metadata.mtime()).is_ok_and(|written| written < booted)
}

fn read_file_system(look: &mut Look, file: &File) {
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a valid descriptor, and a valid place for the answer; zeroed is a valid one as well.
    let (code, answer) = unsafe { (libc::fstatvfs(file.as_raw_fd(), answer.as_mut_ptr()), answer.assume_init()) };
    if code != 0 {
        return;
    }
    look.read_only = Some(answer.f_flag & libc::ST_RDONLY != 0);
    // SAFETY: asks for a number.
    let root = unsafe { libc::geteuid() } == 0;
    let blocks = if root { answer.f_bfree } else { answer.f_bavail };
    look.free_bytes = (answer.f_blocks > 0).then(|| blocks.saturating_mul(answer.f_frsize));
    look.free_inodes = (answer.f_files > 0).then_some(if root { answer.f_ffree } else { answer.f_favail });
}
