//! `/proc/PID/maps`: which files a process has mapped.
//!
//! What it must not do: touch those files.
//! Where to look next: `library.rs`, which searches them for SQLite.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A file that is mapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapped {
    /// Its path, as the kernel tells it.
    pub path: String,
    /// It has no name any more.
    pub deleted: bool,
    /// The inode that the kernel tells.
    pub inode: u64,
    /// Some of it can be executed.
    pub executable: bool,
    /// The name of one of its mappings in `/proc/PID/map_files`.
    pub range: String,
}

/// The files that a process has mapped, each once; `None`: they cannot be seen.
pub fn look(pid: u32) -> Option<Vec<Mapped>> {
    let bytes = std::fs::read(format!("/proc/{pid}/maps")).ok()?;
    Some(parse(&String::from_utf8_lossy(&bytes)))
}

fn parse(text: &str) -> Vec<Mapped> {
    let mut all: BTreeMap<(u64, String), Mapped> = BTreeMap::new();
    for mapped in text.lines().filter_map(line) {
        let known = all.entry((mapped.inode, mapped.path.clone())).or_insert_with(|| mapped.clone());
        known.executable |= mapped.executable;
    }
    all.into_values().collect()
}

/// `7f12-7f34 r-xp 00001000 08:01 1234   /usr/lib/x.so (deleted)`; `None`: no file.
fn line(line: &str) -> Option<Mapped> {
    let mut words = line.splitn(6, ' ');
    let (range, mode, _, _, inode, path) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let path = path.trim_start().replace("\\012", "\n");
    let inode = inode.parse().ok().filter(|inode| *inode > 0)?;
    let (path, deleted) = undeleted(&path);
    path.starts_with('/').then(|| Mapped {
        path: path.to_owned(),
        deleted,
        inode,
        executable: mode.contains('x'),
        range: range.to_owned(),
    })
}

/// A path without the kernel's word that it is gone. A file may really be called so; then it is told apart by its inode.
pub fn undeleted(path: &str) -> (&str, bool) {
    path.strip_suffix(" (deleted)").map_or((path, false), |path| (path, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_once_and_memory_is_not() {
        let found = parse(
            "55d0-55d1 r--p 00000000 fe:00 77                         /usr/bin/app\n\
             55d1-55d2 r-xp 00001000 fe:00 77                         /usr/bin/app\n\
             7f00-7f08 rw-s 00000000 fe:00 12                         /data/my app.db-shm (deleted)\n\
             7f10-7f11 rw-p 00000000 00:00 0 \n\
             7f20-7f21 rw-s 00000000 00:01 9                          anon_inode:x\n\
             7ffe-7fff r-xp 00000000 00:00 0                          [vdso]\nnonsense\n",
        );
        assert_eq!(found.len(), 2);
        let [shm, app] = [&found[0], &found[1]];
        assert!(app.executable && !app.deleted && app.inode == 77 && app.range == "55d0-55d1");
        assert_eq!((shm.path.as_str(), shm.deleted, shm.executable), ("/data/my app.db-shm", true, false));
    }
}
