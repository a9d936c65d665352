//! The SQLite databases in a directory: found by their 16-byte magic, described by stat and header bytes alone.
//!
//! Only this process's own descriptors are opened and closed, read-only; no lock of another process is touched.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The first 16 bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Directory entries looked at, and databases described, at most.
const ENTRIES_MAX: usize = 10_000;
const DATABASES_MAX: usize = 50;

/// A database beside which the test runs.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct DatabaseFile {
    /// Its path.
    pub path: PathBuf,
    /// Bytes 18 and 19 of its header: `wal` or `rollback`.
    pub journal: &'static str,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Names of the inode; more than one is a finding of its own.
    pub links: u64,
    /// Sidecars that are there: `-wal`, `-shm`, `-journal`.
    pub sidecars: Vec<&'static str>,
    /// Processes that have it open, as far as this user can see.
    pub openers: Vec<u32>,
}

/// The databases directly in `directory`.
pub fn look(directory: &Path) -> Vec<DatabaseFile> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(ENTRIES_MAX);
    let mut found: Vec<DatabaseFile> =
        entries.filter_map(|entry| describe(&entry.path())).take(DATABASES_MAX).collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    if !found.is_empty() {
        find_openers(&mut found);
    }
    found
}

fn describe(path: &Path) -> Option<DatabaseFile> {
    // Not through symbolic links, and no open() of anything that may block.
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut header = [0; 20];
    File::open(path).ok()?.read_exact_at(&mut header, 0).ok()?;
    (header[..16] == *MAGIC).then(|| DatabaseFile {
        path: path.to_owned(),
        journal: if header[18] == 2 && header[19] == 2 { "wal" } else { "rollback" },
        size_bytes: metadata.len(),
        links: metadata.nlink(),
        sidecars: ["-wal", "-shm", "-journal"].into_iter().filter(|suffix| beside(path, suffix).exists()).collect(),
        openers: Vec::new(),
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Who has them open: descriptors in /proc that lead to the same device and inode.
fn find_openers(databases: &mut [DatabaseFile]) {
    let ids: Vec<Option<(u64, u64)>> = databases.iter().map(|database| identity(&database.path)).collect();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for descriptor in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            // Sockets and pipes have no path; following them would tell nothing and devices might block.
            let leads_to_file = fs::read_link(descriptor.path()).is_ok_and(|target| target.is_absolute());
            let Some(id) = leads_to_file.then(|| identity(&descriptor.path())).flatten() else { continue };
            for (database, _) in databases.iter_mut().zip(&ids).filter(|(_, known)| **known == Some(id)) {
                if database.openers.last() != Some(&pid) {
                    database.openers.push(pid);
                }
            }
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_databases_and_who_has_them_open() {
        let folder = std::env::temp_dir().join(format!("walproof-databases-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        let mut header = [0u8; 100];
        header[..16].copy_from_slice(MAGIC);
        (header[18], header[19]) = (2, 2);
        fs::write(folder.join("app.db"), header).expect("writes");
        fs::write(folder.join("app.db-wal"), b"x").expect("writes");
        fs::write(folder.join("bolt.db"), [7u8; 100]).expect("writes");
        let held = File::open(folder.join("app.db")).expect("opens");
        let found = look(&folder);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].journal, found[0].links), ("wal", 1));
        assert_eq!(found[0].sidecars, ["-wal"]);
        assert_eq!(found[0].openers, [std::process::id()]);
        drop(held);
        fs::remove_dir_all(folder).expect("removes");
    }
}
