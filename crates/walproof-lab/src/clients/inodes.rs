//! Inodes as the kernel counts them: known from a lookup until the kernel forgets them.
//!
//! Each is held by an O_PATH descriptor, so it can be reached without a name, and its number cannot be given to another
//! file before the kernel has forgotten it: a file made after an unlink is another inode.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::by_descriptor;

/// Number of the root, by the protocol.
const ROOT: u64 = 1;

/// A file of the backing file system, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    device: u64,
    inode: u64,
}

impl Key {
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// An inode that the kernel knows.
#[derive(Debug)]
pub(super) struct Node {
    /// What the kernel calls it.
    pub number: u64,
    /// Which of all inodes that had this number.
    pub generation: u64,
    pub key: Key,
    /// O_PATH.
    pub handle: File,
}

impl Node {
    /// Leads to the inode itself, also when it has no name.
    pub fn path(&self) -> PathBuf {
        by_descriptor(&self.handle)
    }

    /// Leads to what has this name in this directory.
    pub fn child(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }
}

/// All inodes that the kernel of one client knows.
#[derive(Debug)]
pub(super) struct Inodes {
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    nodes: HashMap<u64, (Arc<Node>, u64)>,
    generation: u64,
}

impl Inodes {
    /// Knows the root alone.
    pub fn new(backing: &Path) -> io::Result<Self> {
        let handle = open_path(backing)?;
        let key = Key::of(&handle.metadata()?);
        let root = Arc::new(Node { number: ROOT, generation: 0, key, handle });
        Ok(Self { known: Mutex::new(Known { nodes: HashMap::from([(ROOT, (root, 1))]), generation: 0 }) })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An inode that the kernel names.
    pub fn get(&self, number: u64) -> io::Result<Arc<Node>> {
        let known = self.lock();
        let node = known.nodes.get(&number).map(|(node, _)| Arc::clone(node));
        node.ok_or_else(|| io::Error::from_raw_os_error(libc::ESTALE))
    }

    /// What has this name; the kernel is told of it and will forget it once more.
    pub fn look_up(&self, parent: &Node, name: &OsStr) -> io::Result<(Arc<Node>, Metadata)> {
        let handle = open_path(&parent.child(name))?;
        // Another file system is mounted there: its inode numbers could be ours.
        if handle.metadata()?.dev() != parent.key.device {
            return Err(io::Error::from_raw_os_error(libc::EXDEV));
        }
        self.know(handle)
    }

    /// The inode of an open file; the kernel is told of it and will forget it once more.
    pub fn of_open(&self, file: &File) -> io::Result<(Arc<Node>, Metadata)> {
        self.know(OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(by_descriptor(file))?)
    }

    fn know(&self, handle: File) -> io::Result<(Arc<Node>, Metadata)> {
        let metadata = handle.metadata()?;
        let key = Key::of(&metadata);
        // The root's number is taken; no file system in use gives another file that one.
        let number = if key.inode == ROOT { u64::MAX } else { key.inode };
        let mut known = self.lock();
        known.generation += 1;
        let generation = known.generation;
        let new = || (Arc::new(Node { number, generation, key, handle }), 0);
        let (node, lookups) = known.nodes.entry(number).or_insert_with(new);
        *lookups += 1;
        Ok((Arc::clone(node), metadata))
    }

    /// The kernel forgets an inode so many times.
    pub fn forget(&self, number: u64, times: u64) {
        if number == ROOT {
            return;
        }
        let mut known = self.lock();
        if let Some((_, lookups)) = known.nodes.get_mut(&number) {
            *lookups = lookups.saturating_sub(times);
            if *lookups == 0 {
                known.nodes.remove(&number);
            }
        }
    }
}

fn open_path(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_another_inode_only_after_it_was_forgotten() {
        let folder = std::env::temp_dir().join(format!("walproof-inodes-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let inodes = Inodes::new(&folder).expect("opens");
        let root = inodes.get(ROOT).expect("known");
        let name = OsStr::new("file");
        std::fs::write(folder.join(name), "one").expect("writes");
        let (one, _) = inodes.look_up(&root, name).expect("there");
        let (again, _) = inodes.look_up(&root, name).expect("there");
        assert_eq!((one.number, one.generation), (again.number, again.generation));
        std::fs::remove_file(folder.join(name)).expect("removes");
        std::fs::write(folder.join(name), "two").expect("writes");
        let (two, _) = inodes.look_up(&root, name).expect("there");
        assert_ne!(one.number, two.number, "the first one is held");
        assert_eq!(std::fs::read_to_string(one.path()).expect("without a name"), "one");
        inodes.forget(one.number, 1);
        assert!(inodes.get(one.number).is_ok(), "it was looked up twice");
        inodes.forget(one.number, 1);
        assert!(inodes.get(one.number).is_err());
        std::fs::remove_dir_all(folder).expect("our own");
    }
}
