//! A folder of a test.
//!
//! What it must not do: put two tests into one folder, whichever processes and threads they run in.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes away on drop, with all that is in it.
pub struct Folder {
    path: PathBuf,
    must_go: bool,
}

impl Folder {
    /// `walproof-NAME-PID-COUNT` where temporary files go.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }

    /// The same below another folder. Its path has no link in it.
    #[track_caller]
    pub fn below(parent: &Path, name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("walproof-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder of the test");
        Self { path: path.canonicalize().expect("it is there"), must_go: false }
    }

    /// What keeps it from being removed fails the test. Without this it may stay: a test that fails may have left
    /// anything, and the next one has a folder of its own.
    pub fn that_must_go(mut self) -> Self {
        self.must_go = true;
        self
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A place in it, where nothing need be.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder in it, with those above.
    #[track_caller]
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).expect("a folder of the test");
        path
    }

    /// Writes a whole file in it, and makes the folders above.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder of the test");
        fs::write(&path, content).expect("a file of the test");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.path);
        let may_stay = !self.must_go || std::thread::panicking();
        assert!(removed.is_ok() || may_stay, "{}: {removed:?}", self.path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_folder_of_its_own_and_goes_away() {
        let (one, two) = (Folder::new("testbench"), Folder::new("testbench"));
        assert_ne!(one.path(), two.path());
        assert_eq!(fs::read(one.write("deep/down/file", "text")).expect("there"), b"text");
        assert!(one.folder("other/one").is_dir() && !two.at("other").exists());
        let paths = [one.path().to_owned(), two.path().to_owned()];
        drop((one, two));
        assert!(paths.iter().all(|path| !path.exists()), "{paths:?}");
    }

    #[test]
    fn what_must_go_and_is_gone_already_is_told() {
        let gone = |folder: Folder| {
            fs::remove_dir(folder.path()).expect("empty");
            std::panic::catch_unwind(|| drop(folder)).is_err()
        };
        assert!(gone(Folder::new("testbench").that_must_go()));
        assert!(!gone(Folder::new("testbench")));
    }
}
