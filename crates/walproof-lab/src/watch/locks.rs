//! `/proc/locks`: who holds and who waits for which bytes of which file.
//!
//! ```text
//! 1: POSIX  ADVISORY  READ  4242 fe:00:1234 128 128
//! 2: OFDLCK ADVISORY  WRITE -1 fe:00:77 120 120
//! 2: -> POSIX  ADVISORY  WRITE 4243 fe:00:77 120 120
//! ```
//!
//! The device is the file system's own, which `stat` may not tell (btrfs, overlay): how a file is spelled here is learned
//! from `fdinfo` of whoever holds a lock of it. An inode alone is believed only together with a process that has it open.
//!
//! What it must not do: take a lock, or ask with `F_GETLK`, which would need a descriptor of this process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{ErrorKind, Read};

use walproof_format::sqlite::lock_bytes::Lock;

use crate::collect::live::Identity;

/// More than the kernel gives at once.
const PIECE_BYTES: usize = 1 << 20;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockLine {
    /// It is not held but waited for.
    pub waits: bool,
    /// It keeps everybody else out.
    pub exclusive: bool,
    /// The process; not positive: none that can be named.
    pub pid: i64,
    /// Device and inode, as the kernel spells them.
    pub file: String,
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

/// A file of a database: which database, and `db` or `shm`.
pub type Of = (usize, &'static str);

/// Reads of a list that does not fit into one piece.
const READS: usize = 4;

/// All locks of byte ranges; `None`: they cannot be read.
///
/// The kernel gives the list in pieces of a page, by place: one that goes while another piece is fetched hides one that
/// is held all the time, and one that comes shows one twice. Whoever is in one of several lists was held in this look.
pub fn read() -> Option<Vec<LockLine>> {
    let (first, pieces) = list()?;
    let mut lists = vec![first];
    if pieces > 1 {
        lists.extend((1..READS).map_while(|_| Some(list()?.0)));
    }
    Some(together(lists.iter().map(String::as_str)))
}

/// The list, and in how many pieces it came.
fn list() -> Option<(String, usize)> {
    let mut file = std::fs::File::open("/proc/locks").ok()?;
    let (mut all, mut piece, mut pieces) = (Vec::new(), vec![0; PIECE_BYTES], 0);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Some((String::from_utf8_lossy(&all).into_owned(), pieces)),
            Ok(count) => all.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return None,
        }
        pieces += 1;
    }
}

/// What stands in any of the lists, once.
fn together<'a>(lists: impl Iterator<Item = &'a str>) -> Vec<LockLine> {
    let lines: BTreeSet<LockLine> = lists.flat_map(str::lines).filter_map(line).collect();
    lines.into_iter().collect()
}

fn line(line: &str) -> Option<LockLine> {
    let mut words = line.split_ascii_whitespace().skip(1).peekable();
    let waits = words.next_if(|word| *word == "->").is_some();
    if !matches!(words.next()?, "POSIX" | "OFDLCK") {
        return None;
    }
    let (_, kind, pid, file) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (first, last) = (words.next()?, words.next()?);
    Some(LockLine {
        waits,
        exclusive: kind == "WRITE",
        pid: pid.parse().ok()?,
        file: file.to_owned(),
        first: first.parse().ok()?,
        last: last.parse().unwrap_or(u64::MAX),
    })
}

/// How `/proc/locks` spells a file, if its device is the one that `stat` tells.
pub fn spelled(is: Identity) -> String {
    let ((major, minor), inode) = is;
    format!("{major:02x}:{minor:02x}:{inode}")
}

/// How it spells a file, by a descriptor that a process holds a lock through.
pub fn learn(pid: u32, fd: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    let locks = text.lines().filter_map(|text| line(text.strip_prefix("lock:")?.trim_start()));
    locks.map(|lock| lock.file).next()
}

/// Which files are looked for.
#[derive(Debug, Default)]
pub struct Files {
    by_name: HashMap<String, Of>,
    by_holder: HashMap<(u64, i64), Of>,
}

impl Files {
    /// A file by its spelling.
    pub fn named(&mut self, name: String, of: Of) {
        self.by_name.insert(name, of);
    }

    /// A file by its inode, for a process that has it open.
    pub fn held(&mut self, inode: u64, pid: u32, of: Of) {
        self.by_holder.insert((inode, i64::from(pid)), of);
    }

    /// The inodes of all of them.
    pub fn inodes(&self) -> impl Iterator<Item = (u64, Of)> {
        self.by_name.iter().filter_map(|(name, of)| Some((name.rsplit(':').next()?.parse().ok()?, *of)))
    }

    /// Which file a line is about.
    pub fn of(&self, line: &LockLine) -> Option<Of> {
        let inode = || line.file.rsplit(':').next()?.parse().ok();
        self.by_name.get(&line.file).or_else(|| self.by_holder.get(&(inode()?, line.pid))).copied()
    }
}

/// Locks of a database by process, in SQLite's names.
#[derive(Debug, Default)]
pub struct Held {
    /// Held: by database and process.
    pub held: BTreeMap<(usize, i64), Vec<(Lock, bool)>>,
    /// Waited for.
    pub waits: BTreeMap<(usize, i64), Vec<Lock>>,
}

/// What the lines say of these files.
pub fn sort(lines: &[LockLine], files: &Files) -> Held {
    let mut all = Held::default();
    for line in lines {
        let Some((database, which)) = files.of(line) else { continue };
        let locks = Lock::within(which, line.first, line.last);
        let key = (database, line.pid);
        if line.waits {
            all.waits.entry(key).or_default().extend(locks);
        } else {
            all.held.entry(key).or_default().extend(locks.map(|lock| (lock, line.exclusive)));
        }
    }
    for locks in all.held.values_mut() {
        // One that got stronger between two readings stands in both ways.
        locks.sort_unstable_by_key(|(lock, exclusive)| (*lock, !exclusive));
        locks.dedup_by_key(|(lock, _)| *lock);
    }
    for locks in all.waits.values_mut() {
        locks.sort_unstable();
        locks.dedup();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "1: POSIX  ADVISORY  READ 42 fe:00:77 1073741826 1073742335\n\
                        2: POSIX  ADVISORY  WRITE 42 00:31:78 120 120\n\
                        2: -> POSIX  ADVISORY  WRITE 43 00:31:78 120 120\n\
                        3: OFDLCK ADVISORY  READ -1 fe:00:78 128 EOF\n\
                        4: FLOCK  ADVISORY  WRITE 42 fe:00:77 0 EOF\nnonsense\n";

    #[test]
    fn holders_and_waiters_are_told_apart() {
        let lines: Vec<LockLine> = TEXT.lines().filter_map(line).collect();
        assert_eq!(lines.len(), 4);
        let mut files = Files::default();
        files.named(spelled(((0xfe, 0), 77)), (0, "db"));
        // The device of this one is not the one that `stat` tells.
        files.named(spelled(((0x99, 0), 78)), (0, "shm"));
        files.held(78, 42, (0, "shm"));
        files.held(78, 43, (0, "shm"));
        let all = sort(&lines, &files);
        assert_eq!(all.held[&(0, 42)], [(Lock::Shared, false), (Lock::Write, true)]);
        assert_eq!(all.waits[&(0, 43)], [Lock::Write]);
        assert_eq!(all.held.len(), 1, "an inode alone is nobody's");
        files.named("fe:00:78".to_owned(), (0, "shm"));
        assert_eq!(sort(&lines, &files).held[&(0, -1)], [(Lock::Dms, false)]);
    }

    #[test]
    fn a_list_that_changes_while_it_is_read_loses_nobody() {
        let lines: Vec<&str> = TEXT.lines().collect();
        let (lost, twice) = (lines[1..].join("\n"), [TEXT, TEXT].concat());
        let mut files = Files::default();
        files.named(spelled(((0xfe, 0), 77)), (0, "db"));
        let found = together([lost.as_str(), twice.as_str()].into_iter());
        assert_eq!(found.len(), 4, "{found:#?}");
        assert_eq!(sort(&found, &files).held[&(0, 42)], [(Lock::Shared, false)]);
        let stronger = TEXT.replace("READ 42", "WRITE 42");
        let found = together([TEXT, &stronger].into_iter());
        assert_eq!(sort(&found, &files).held[&(0, 42)], [(Lock::Shared, true)]);
    }
}
