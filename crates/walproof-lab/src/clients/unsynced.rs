//! What a power cut would take: everything that was written and not synced.
//!
//! The model, honest and harsh: a cut takes ALL that was not synced. fsync of a file makes its bytes and its length
//! durable, not its name; fsync of a directory makes its names durable. That is POSIX's promise and no more; real file
//! systems keep more of it, and often keep later writes and lose earlier ones (not modelled: what is synced or not is,
//! which part of the unsynced survives is not). Owners, modes, times and extended attributes are not modelled either,
//! nor is the disk that lies about fsync.
//!
//! How: for each inode the old content of pages overwritten since its last fsync, and its length then; for each
//! directory what stood under each name changed since its last fsync, held open. Everything goes through one lock:
//! a write and its memory are one step.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::by_descriptor;
use super::inodes::Key;

const PAGE: u64 = 4096;

/// The server's memory of what was not synced.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    files: HashMap<Key, FileMemory>,
    directories: HashMap<Key, DirectoryMemory>,
}

/// One file since its last fsync.
#[derive(Debug)]
struct FileMemory {
    file: File,
    /// Its length then.
    length: u64,
    /// Pages overwritten or cut off since, as they were.
    pages: BTreeMap<u64, Vec<u8>>,
}

/// One directory since its last fsync.
#[derive(Debug)]
struct DirectoryMemory {
    handle: File,
    /// What stood under each name that was changed since.
    names: BTreeMap<OsString, Option<Before>>,
}

/// What stood under a name.
#[derive(Debug)]
enum Before {
    File(Key, File),
    Link(PathBuf),
    Directory(Key, u32),
}

impl Unsynced {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, and remembers what was overwritten. `file` must be readable.
    pub fn write(&self, key: Key, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.lock();
        memory.of_file(key, file)?.keep(offset, offset.saturating_add(bytes.len() as u64))?;
        file.write_all_at(bytes, offset)
    }

    /// Sets the length, and remembers what was cut off.
    pub fn set_length(&self, key: Key, file: &File, length: u64) -> io::Result<()> {
        let mut memory = self.lock();
        memory.of_file(key, file)?.keep(length, u64::MAX)?;
        file.set_len(length)
    }

    /// Does something that changes no byte that was there, but perhaps the length.
    pub fn lengthen<T>(&self, key: Key, file: &File, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut memory = self.lock();
        memory.of_file(key, file)?;
        act()
    }

    /// The file was synced.
    pub fn sync_file(&self, key: Key) -> io::Result<()> {
        let mut memory = self.lock();
        if let Some(known) = memory.files.get_mut(&key) {
            known.length = known.file.metadata()?.len();
            known.pages.clear();
        }
        Ok(())
    }

    /// The directory was synced.
    pub fn sync_directory(&self, key: Key) {
        let mut memory = self.lock();
        memory.directories.remove(&key);
        memory.forget_what_nobody_can_miss();
    }

    /// Changes names, and remembers what stood under them.
    pub fn change_names<T>(
        &self,
        names: &[(Key, &File, &OsStr)],
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut memory = self.lock();
        memory.change_names(names, act)
    }

    /// Opens or makes a file under a name.
    pub fn create(
        &self,
        directory: (Key, &File),
        name: &OsStr,
        act: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<File> {
        let mut memory = self.lock();
        let path = by_descriptor(directory.1).join(name);
        if fs::symlink_metadata(&path).is_ok() {
            return act();
        }
        let file = memory.change_names(&[(directory.0, directory.1, name)], act)?;
        let known = FileMemory { file: reopen(&file)?, length: 0, pages: BTreeMap::new() };
        memory.files.insert(Key::of(&file.metadata()?), known);
        Ok(file)
    }

    /// The power is cut: everything goes back to what was synced. Nobody may have the files open.
    pub fn drop_all(&self) -> io::Result<()> {
        let mut memory = self.lock();
        for known in memory.files.values() {
            known.restore()?;
        }
        let directories = std::mem::take(&mut memory.directories);
        for directory in directories.values() {
            directory.remove_what_is_new()?;
        }
        for directory in directories.values() {
            directory.put_back()?;
        }
        memory.files.clear();
        Ok(())
    }
}

impl Memory {
    fn of_file(&mut self, key: Key, file: &File) -> io::Result<&mut FileMemory> {
        use std::collections::hash_map::Entry;
        match self.files.entry(key) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let known = FileMemory { file: reopen(file)?, length: file.metadata()?.len(), pages: BTreeMap::new() };
                Ok(unknown.insert(known))
            }
        }
    }

    fn change_names<T>(
        &mut self,
        names: &[(Key, &File, &OsStr)],
        act: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut noted = Vec::new();
        for (key, handle, name) in names {
            if !self.directories.contains_key(key) {
                let known = DirectoryMemory { handle: handle.try_clone()?, names: BTreeMap::new() };
                self.directories.insert(*key, known);
            }
            if let Some(known) = self.directories.get_mut(key)
                && !known.names.contains_key(*name)
            {
                known.names.insert((*name).to_owned(), Before::under(handle, name)?);
                noted.push((*key, *name));
            }
        }
        let done = act();
        if done.is_err() {
            for (key, name) in noted {
                self.directories.get_mut(&key).and_then(|known| known.names.remove(name));
            }
        }
        self.forget_what_nobody_can_miss();
        done
    }

    /// Files without a name now, and without one that a cut would bring back.
    fn forget_what_nobody_can_miss(&mut self) {
        let held = |before: &Option<Before>| match before {
            Some(Before::File(key, _)) => Some(*key),
            _ => None,
        };
        let all = self.directories.values().flat_map(|directory| directory.names.values());
        let held: HashSet<Key> = all.filter_map(held).collect();
        self.files.retain(|key, known| {
            held.contains(key) || known.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
        });
    }
}

impl FileMemory {
    /// Keeps what is durable between these offsets, unless it is kept already.
    fn keep(&mut self, from: u64, to: u64) -> io::Result<()> {
        let to = to.min(self.length);
        if from >= to {
            return Ok(());
        }
        for page in from / PAGE..to.div_ceil(PAGE) {
            if self.pages.contains_key(&page) {
                continue;
            }
            let mut old = vec![0; PAGE.min(self.length - page * PAGE) as usize];
            self.file.read_exact_at(&mut old, page * PAGE)?;
            self.pages.insert(page, old);
        }
        Ok(())
    }

    fn restore(&self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.pages.iter().try_for_each(|(page, old)| self.file.write_all_at(old, page * PAGE))
    }
}

impl DirectoryMemory {
    /// Removes what stands under changed names, unless it is what stood there before.
    fn remove_what_is_new(&self) -> io::Result<()> {
        for (name, before) in &self.names {
            let path = by_descriptor(&self.handle).join(name);
            match fs::symlink_metadata(&path) {
                Ok(now) if before.as_ref().is_some_and(|before| before.is(Key::of(&now))) => {}
                Ok(now) if now.is_dir() => fs::remove_dir_all(&path)?,
                Ok(_) => fs::remove_file(&path)?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn put_back(&self) -> io::Result<()> {
        for (name, before) in &self.names {
            let path = by_descriptor(&self.handle).join(name);
            match before {
                Some(before) if fs::symlink_metadata(&path).is_err() => before.put_back(&path)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Before {
    fn under(directory: &File, name: &OsStr) -> io::Result<Option<Before>> {
        let path = by_descriptor(directory).join(name);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let key = Key::of(&found);
        Ok(Some(if found.is_symlink() {
            Before::Link(fs::read_link(&path)?)
        } else if found.is_dir() {
            Before::Directory(key, found.mode())
        } else {
            let open = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&path);
            Before::File(key, open?)
        }))
    }

    fn is(&self, now: Key) -> bool {
        match self {
            Before::File(key, _) | Before::Directory(key, _) => *key == now,
            Before::Link(_) => false,
        }
    }

    fn put_back(&self, path: &Path) -> io::Result<()> {
        match self {
            Before::Link(target) => symlink(target, path),
            Before::Directory(_, mode) => {
                fs::create_dir(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(*mode))
            }
            Before::File(_, old) => {
                let metadata = old.metadata()?;
                let mut new = OpenOptions::new().write(true).create_new(true).open(path)?;
                io::copy(&mut reopen(old)?, &mut new)?;
                chown(path, Some(metadata.uid()), Some(metadata.gid()))?;
                fs::set_permissions(path, metadata.permissions())
            }
        }
    }
}

/// The same inode with an offset of its own, to read and to write.
fn reopen(file: &File) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(by_descriptor(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory on a server, and the server's memory.
    struct Bench {
        folder: PathBuf,
        handle: File,
        unsynced: Unsynced,
    }

    impl Bench {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("walproof-unsynced-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a temporary folder");
            fs::write(folder.join("old"), [b'o'; 10_000]).expect("there before");
            let handle = File::open(&folder).expect("our own folder");
            Self { folder, handle, unsynced: Unsynced::default() }
        }

        fn key(&self) -> Key {
            Key::of(&self.handle.metadata().expect("open"))
        }

        fn open(&self, name: &str) -> (Key, File) {
            let path = self.folder.join(name);
            let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = self.unsynced.create((self.key(), &self.handle), OsStr::new(name), open).expect("opens");
            (Key::of(&file.metadata().expect("open")), file)
        }

        fn write(&self, name: &str, offset: u64, bytes: &[u8]) {
            let (key, file) = self.open(name);
            self.unsynced.write(key, &file, offset, bytes).expect("writes");
        }

        fn change(&self, names: &[&str], act: impl FnOnce() -> io::Result<()>) {
            let names: Vec<_> = names.iter().map(|name| (self.key(), &self.handle, OsStr::new(*name))).collect();
            self.unsynced.change_names(&names, act).expect("changes");
        }

        fn unlink(&self, name: &str) {
            self.change(&[name], || fs::remove_file(self.folder.join(name)));
        }

        fn cut(&self) {
            self.unsynced.drop_all().expect("the power is cut");
        }

        /// The first byte and the length of a file; `None`: it is not there.
        fn is(&self, name: &str) -> Option<(u8, usize)> {
            let content = fs::read(self.folder.join(name)).ok()?;
            Some((content.first().copied().unwrap_or(0), content.len()))
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn bytes_go_back_to_the_last_sync() {
        let bench = Bench::new("bytes");
        bench.write("old", 0, b"n");
        bench.write("old", 9_999, b"longer");
        bench.cut();
        assert_eq!(bench.is("old"), Some((b'o', 10_000)));
        assert_eq!(fs::read(bench.folder.join("old")).expect("there"), [b'o'; 10_000]);
        bench.write("old", 0, b"n");
        bench.unsynced.sync_file(bench.open("old").0).expect("syncs");
        bench.write("old", 0, b"m");
        bench.cut();
        assert_eq!(bench.is("old"), Some((b'n', 10_000)));
    }

    #[test]
    fn what_was_cut_off_comes_back() {
        let bench = Bench::new("length");
        let (key, file) = bench.open("old");
        bench.unsynced.set_length(key, &file, 5).expect("shortens");
        bench.write("old", 3, b"written after");
        bench.cut();
        assert_eq!(fs::read(bench.folder.join("old")).expect("there"), [b'o'; 10_000]);
    }

    #[test]
    fn a_synced_file_without_a_synced_name_is_gone() {
        let bench = Bench::new("name");
        bench.write("new", 0, b"content");
        bench.unsynced.sync_file(bench.open("new").0).expect("syncs");
        bench.cut();
        assert_eq!(bench.is("new"), None);
    }

    #[test]
    fn a_synced_name_without_synced_bytes_is_empty() {
        let bench = Bench::new("empty");
        bench.write("new", 0, b"content");
        bench.unsynced.sync_directory(bench.key());
        bench.cut();
        assert_eq!(bench.is("new"), Some((0, 0)));
    }

    #[test]
    fn an_unlink_that_was_not_synced_is_undone_with_synced_content() {
        let bench = Bench::new("unlink");
        bench.write("old", 0, b"n");
        bench.unlink("old");
        bench.write("old", 0, b"another file of that name");
        bench.cut();
        assert_eq!(bench.is("old"), Some((b'o', 10_000)));
        bench.unlink("old");
        bench.unsynced.sync_directory(bench.key());
        bench.cut();
        assert_eq!(bench.is("old"), None);
    }

    #[test]
    fn a_rename_that_was_not_synced_is_undone() {
        let bench = Bench::new("rename");
        bench.write("new", 0, b"x");
        bench.unsynced.sync_file(bench.open("new").0).expect("syncs");
        bench.unsynced.sync_directory(bench.key());
        bench.change(&["new", "old"], || fs::rename(bench.folder.join("new"), bench.folder.join("old")));
        bench.cut();
        assert_eq!((bench.is("old"), bench.is("new")), (Some((b'o', 10_000)), Some((b'x', 1))));
    }

    #[test]
    fn a_change_that_failed_is_not_remembered() {
        let bench = Bench::new("failed");
        let names = [(bench.key(), &bench.handle, OsStr::new("old"))];
        let refused = bench.unsynced.change_names(&names, || Err::<(), _>(io::Error::other("no")));
        assert!(refused.is_err());
        fs::remove_file(bench.folder.join("old")).expect("past the server");
        bench.cut();
        assert_eq!(bench.is("old"), None);
    }

    #[test]
    fn what_nobody_can_miss_is_forgotten() {
        let bench = Bench::new("forgotten");
        for _ in 0..3 {
            bench.write("journal", 0, b"content");
            bench.unlink("journal");
        }
        assert!(bench.unsynced.lock().files.is_empty());
    }
}
