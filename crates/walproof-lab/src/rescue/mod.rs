//! What can still be read of a database, written somewhere else: pages as they were at a commit, copies of all its
//! files, logs that were deleted while a process holds them.
//!
//! What this room is: reading by `pread`, writing only into places that are fresh and lie apart from the originals.
//! What it must not do: open a database with SQLite, take a lock, signal anybody, write beside the originals, conclude
//! anything.
//! Where to look next: `snapshot.rs` (a log with its database), `place.rs` (where is written), `holders.rs` (who has
//! other files of a database open), `copying.rs` (all of it, copied), `recover.rs` (databases made of
//! the copies).

pub mod copying;
pub mod holders;
pub mod place;
pub mod recover;
pub mod snapshot;

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use walproof_format::sqlite::journal::ByteSource;

use crate::collect::live::open_quietly;
use crate::error::LabError;

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
        let fail = |because: &dyn std::fmt::Display| {
            LabError::path("cannot read", path, because, "as the user who owns it, or as root")
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

    /// Fills as much of the buffer as the file has.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, LabError> {
        read_at_most(&self.file, buffer, offset).map_err(|error| {
            let try_this = "whether the storage answers: `dmesg`, the server's log";
            LabError::path("cannot read", &self.path, error, try_this)
        })
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
