//! What all clients of one backing directory have in common: the locks, and the memory of what was not synced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::inodes::Key;
use super::lock_table::LockTable;
use super::unsynced::Unsynced;

/// The server of one backing directory.
#[derive(Debug)]
pub struct Server {
    backing: PathBuf,
    locks: Mutex<LockTable<Key>>,
    clients: AtomicU64,
    pub(super) unsynced: Option<Unsynced>,
}

impl Server {
    /// A server of this directory. What is in it counts as synced.
    pub fn new(backing: &Path, remembers_unsynced: bool) -> Self {
        Self {
            backing: backing.to_owned(),
            locks: Mutex::default(),
            clients: AtomicU64::new(0),
            unsynced: remembers_unsynced.then(Unsynced::default),
        }
    }

    /// The directory.
    pub fn backing(&self) -> &Path {
        &self.backing
    }

    /// Whether [`Self::drop_unsynced_writes`] can be asked for.
    pub fn remembers_unsynced(&self) -> bool {
        self.unsynced.is_some()
    }

    /// Puts the directory back to what was synced: the second half of a power cut. The first is that everybody is dead
    /// and no client is mounted ([`Client::unmount`](super::Client::unmount)).
    pub fn drop_unsynced_writes(&self) -> io::Result<()> {
        match &self.unsynced {
            Some(unsynced) => unsynced.drop_all(),
            None => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this server does not remember what was not synced"))
            }
        }
    }

    pub(super) fn new_client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn locks(&self) -> MutexGuard<'_, LockTable<Key>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
