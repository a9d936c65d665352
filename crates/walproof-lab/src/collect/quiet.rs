//! A database's files, opened so that nobody notices: read-only, by `pread`, without a new access time where the kernel
//! lets us.
//!
//! What it must not do: map a file, take a lock, wait for a pipe, follow what is no regular file.
//! Where to look next: `log_file.rs` for a log that is read to its end, `rescue` for copies.

use std::borrow::Cow;
use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_format::sqlite::journal::ByteSource;

use crate::error::LabError;

/// One of a database's four files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The database file itself.
    Database,
    /// `-wal`.
    Wal,
    /// `-shm`.
    Shm,
    /// `-journal`.
    Journal,
}

impl Part {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Database, Self::Wal, Self::Shm, Self::Journal];

    /// What its name has after the database's.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Database => "",
            Self::Wal => "-wal",
            Self::Shm => "-shm",
            Self::Journal => "-journal",
        }
    }

    /// What it is called in a sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Database => "database file",
            other => other.suffix(),
        }
    }

    /// By the word that `walproof_judge::sharing::live::LiveHeld` has for it.
    pub fn held_as(word: &str) -> Option<Self> {
        let place = ["db", "wal", "shm", "journal"].iter().position(|name| *name == word)?;
        Some(Self::ALL[place])
    }

    /// The path of this file of a database.
    pub fn of(self, database: &Path) -> PathBuf {
        let mut path = database.as_os_str().to_owned();
        path.push(self.suffix());
        path.into()
    }
}

/// Read-only; without a new access time where the kernel lets us; without waiting when it is a pipe.
pub fn open_quietly(path: &Path) -> std::io::Result<File> {
    let with = |flags| OpenOptions::new().read(true).custom_flags(flags).open(path);
    // Only the owner and root may ask for O_NOATIME.
    with(libc::O_NONBLOCK | libc::O_NOATIME).or_else(|error| match error.kind() {
        ErrorKind::PermissionDenied => with(libc::O_NONBLOCK),
        _ => Err(error),
    })
}

/// Fills as much of the buffer as the file has.
pub fn read_at_most(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A regular file, opened read-only.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// The handle.
    pub file: File,
    /// Its size when it was opened.
    pub bytes: u64,
    /// What `stat` said then.
    pub metadata: Metadata,
}

/// Device and inode: which file it is.
pub type FileIdentity = (u64, u64);

impl Source {
    /// Opens it; `None`: there is no such file.
    pub fn open(path: &Path) -> Result<Option<Self>, LabError> {
        let fail = |error: &std::io::Error| {
            let try_this = match error.kind() {
                ErrorKind::PermissionDenied => "as the user who owns it, or as root",
                _ => "the path of a database",
            };
            LabError::path("cannot read", path, error, try_this)
        };
        let file = match open_quietly(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(&error)),
        };
        let metadata = file.metadata().map_err(|error| fail(&error))?;
        if !metadata.is_file() {
            return Err(LabError::path("cannot read", path, "it is no regular file", "the path of a database"));
        }
        Ok(Some(Self { path: path.to_owned(), file, bytes: metadata.len(), metadata }))
    }

    /// Which file it is.
    pub fn identity(&self) -> FileIdentity {
        (self.metadata.dev(), self.metadata.ino())
    }

    /// When it was written last: seconds and nanoseconds.
    pub fn modified(&self) -> (i64, i64) {
        (self.metadata.mtime(), self.metadata.mtime_nsec())
    }

    /// Fills as much of the buffer as the file has.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, LabError> {
        read_at_most(&self.file, buffer, offset).map_err(|error| self.failed(&error))
    }

    /// The error of a read.
    pub fn failed(&self, because: &std::io::Error) -> LabError {
        LabError::path("cannot read", &self.path, because, "whether the storage answers: `dmesg`, the server's log")
    }
}

impl ByteSource for Source {
    fn length(&self) -> u64 {
        self.bytes
    }

    fn read(&self, offset: u64, length: usize) -> Option<Cow<'_, [u8]>> {
        let mut bytes = vec![0; length];
        let filled = read_at_most(&self.file, &mut bytes, offset).ok()?;
        (filled == length).then_some(Cow::Owned(bytes))
    }
}
