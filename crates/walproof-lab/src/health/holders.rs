//! Who holds a database's files: `/proc/locks`, which tells without asking for a lock, and the descriptors of processes.
//!
//! Both show what this process namespace may see. Inodes alone are compared, because some file systems show another
//! device in `/proc/locks` than `stat` does; the ranges of SQLite's locks make up for that.
//!
//! What it must not do: take `F_GETLK`'s answer, or anything else that names the file to the kernel's lock calls.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::health::look::{Gone, Openers};

use super::sight::with_suffix;

/// For how long processes are looked at: a probe is to be quick, and what was left out is said.
const TIME: Duration = Duration::from_millis(8);
/// Locks that nobody but a writer holds.
const WRITER: [Lock; 3] = [Lock::Pending, Lock::Reserved, Lock::Write];

/// Who is seen to hold locks.
#[derive(Debug, Default)]
pub struct Holders {
    /// Somebody holds `-shm` open.
    pub shm_is_held: bool,
    /// Processes with a lock for writing.
    pub writers: BTreeSet<u32>,
    /// Processes with any lock of the database.
    pub all: BTreeSet<u32>,
}

/// Who holds locks on a database and its `-shm`, by their inodes.
pub fn of(database: Option<u64>, shm: Option<u64>) -> Holders {
    let text = table();
    let mut holders = Holders::default();
    text.lines().filter_map(line).for_each(|held| {
        let which = match Some(held.inode) {
            inode if inode == database => "db",
            inode if inode == shm => "shm",
            _ => return,
        };
        let locks: Vec<Lock> = Lock::within(which, held.first, held.last).collect();
        if locks.is_empty() {
            return;
        }
        holders.shm_is_held |= which == "shm";
        holders.all.extend(held.pid);
        // EXCLUSIVE on a database is SHARED for writing.
        let writes = held.exclusive && locks.iter().any(|lock| WRITER.contains(lock) || *lock == Lock::Shared);
        holders.writers.extend(held.pid.filter(|_| writes));
    });
    holders
}

/// In as few reads as there can be: between two of them locks come and go.
fn table() -> String {
    let mut text = String::with_capacity(1 << 16);
    let _ = File::open("/proc/locks").and_then(|mut file| file.read_to_string(&mut text));
    text
}

struct Held {
    pid: Option<u32>,
    inode: u64,
    exclusive: bool,
    first: u64,
    last: u64,
}

/// `1: POSIX  ADVISORY  WRITE 4242 08:01:131085 120 120`; those that wait (`->`) hold nothing.
fn line(line: &str) -> Option<Held> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, kind, _, access, pid, file, first, last] = words[..] else { return None };
    (kind == "POSIX" || kind == "OFDLCK").then_some(())?;
    Some(Held {
        // Open file descriptions and processes of other namespaces have no number here.
        pid: pid.parse().ok().filter(|pid| *pid > 0),
        inode: file.rsplit_once(':')?.1.parse().ok()?,
        exclusive: access == "WRITE",
        first: first.parse().ok()?,
        last: if last == "EOF" { u64::MAX } else { last.parse().ok()? },
    })
}

/// Looks at processes: those that hold locks, then the others until time is over.
pub fn look_at(holders: &Holders, database: &Path) -> Openers {
    let end = Instant::now() + TIME;
    let files = ["", "-wal", "-shm"].map(|suffix| {
        let path = with_suffix(database, suffix);
        let there = fs::metadata(&path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        (path.display().to_string(), there)
    });
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let others = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = others.filter(|pid| !holders.all.contains(pid) && *pid != std::process::id());
    let mut openers = Openers::default();
    for pid in holders.all.iter().copied().chain(others.collect::<Vec<_>>()) {
        let may = holders.all.contains(&pid) || Instant::now() < end;
        let seen = may && held_but_gone(pid, &files, &mut openers.gone);
        *if seen { &mut openers.processes } else { &mut openers.not_seen } += 1;
    }
    openers.stopped_writers = holders.writers.iter().copied().filter(|pid| is_stopped(*pid)).collect();
    openers
}

/// Files that a process holds under one of these names and that lie there no more; `false`: it cannot be looked at.
fn held_but_gone(pid: u32, files: &[(String, Option<(u64, u64)>); 3], gone: &mut Vec<Gone>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        // One that ended meanwhile holds nothing.
        return !Path::new(&format!("/proc/{pid}")).exists();
    };
    for descriptor in descriptors.flatten() {
        let Ok(target) = fs::read_link(descriptor.path()) else { continue };
        let target = target.to_string_lossy();
        let name = target.strip_suffix(" (deleted)").unwrap_or(&target);
        let Some((path, there)) = files.iter().find(|(path, _)| path == name) else { continue };
        // The word "(deleted)" alone proves nothing on some file systems.
        let Ok(held) = fs::metadata(descriptor.path()) else { continue };
        let is = Some((held.dev(), held.ino()));
        // It may have been made since the names were looked up.
        let is_there = || fs::metadata(path).ok().map(|now| (now.dev(), now.ino())) == is;
        if held.nlink() == 0 || (*there != is && !is_there()) {
            let file = path.rsplit('/').next().unwrap_or(path).to_owned();
            let one = Gone { pid, file, inode: held.ino() };
            if !gone.contains(&one) {
                gone.push(one);
            }
        }
    }
    true
}

fn is_stopped(pid: u32) -> bool {
    let told = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    told.rsplit_once(") ").is_some_and(|(_, after)| after.starts_with(['T', 't']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let held = line("1: POSIX  ADVISORY  WRITE 4242 08:01:131085 120 120").expect("a lock");
        assert_eq!(
            (held.pid, held.inode, held.exclusive, held.first, held.last),
            (Some(4242), 131_085, true, 120, 120)
        );
        let open = line("2: OFDLCK ADVISORY  READ  -1 00:1f:7 128 EOF").expect("a lock");
        assert_eq!((open.pid, open.exclusive, open.last), (None, false, u64::MAX));
        assert!(line("1: -> POSIX  ADVISORY  WRITE 4242 08:01:131085 120 120").is_none());
        assert!(line("3: FLOCK  ADVISORY  WRITE 9 08:01:1 0 EOF").is_none() && line("").is_none());
    }
}
