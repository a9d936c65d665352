//! May this path use SQLite's WAL mode? A small library, asked before the database is opened.
//!
//! **What a `safe` does not prove.** One process asks, about its own view of the storage. It does not see other
//! kernels, other containers' mounts, or the openers of the database. `safe` means: a file system of one kernel, and
//! on it a scratch file in the database's own directory could be mapped, locked, resized and removed as WAL needs.
//! Two parties can be put to a real test by `walproof verify`. Storage that hangs makes the caller hang, since nothing
//! runs in a thread or process of its own unless the caller asks for it.
//!
//! ```
//! let assessment = walproof_guard::assess("/nowhere/app.db");
//! assert!(!assessment.may_use_wal(), "what cannot be told is no, unless the caller wants it otherwise");
//! println!("{assessment}");
//! ```
//!
//! What this crate must not do: open a database, its `-wal`, `-shm` or `-journal`, not even to read a header. Closing a
//! descriptor of a file drops every POSIX lock that the calling process holds on it, and with them SQLite's. It starts
//! no thread, installs no signal handler, and leaves nothing behind but what a SIGKILL keeps it from removing.
//!
//! Where to look next: [`assess_with`] tells the story; `look` gathers facts, `weigh` judges them and touches nothing,
//! `filesystems` is the table of what is known by name. docs/guard.md is for users.

mod access;
mod assessment;
pub mod c_abi;
mod command;
mod filesystems;
mod json;
mod locks;
mod look;
mod mapping;
mod mountinfo;
mod posix_child;
mod resolve;
mod scratch;
pub mod sqlite_extension;
mod weigh;

use std::path::Path;

pub use assessment::{Assessment, Certainty, Filesystem, JournalMode, Options, Reason, Verdict, WhenUnknown};
pub use command::{CommandAnswer, Output, command};
pub use filesystems::{FILESYSTEMS, FilesystemRow, Ground, MOUNT_OPTIONS, MountOptionRow};

/// May the database at this path use WAL? With the in-place probe, and `unknown` counts as no.
///
/// The path is SQLite's: relative paths and symbolic links are followed as SQLite follows them, and the database need
/// not exist yet. Never fails: what could not be found out is a reason for `unknown`.
pub fn assess(path: impl AsRef<Path>) -> Assessment {
    assess_with(path, Options::default())
}

/// [`assess`], as the caller wants it.
pub fn assess_with(path: impl AsRef<Path>, options: Options) -> Assessment {
    let facts = look::look(path.as_ref(), options);
    weigh::weigh(facts, options)
}
