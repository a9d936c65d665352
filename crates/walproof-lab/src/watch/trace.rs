//! The kernel's own trace of locks: who held a lock for how long, and who was refused, also between two looks.
//!
//! ```text
//! python3-4242 [000] ..... 56010.844916: posix_lock_inode: fl=0 dev=0xfe:0x0 ino=0x4d fl_blocker=0 fl_owner=0
//!     fl_pid=4242 fl_flags=FL_POSIX fl_type=F_WRLCK fl_start=120 fl_end=120 ret=0
//! ```
//!
//! An instance of our own is made in tracefs, where nobody else's tracing is touched, and removed at the end; `clean`
//! removes those of processes that are gone, which their names tell. The kernel leaves out what is no lock of a watched
//! file, and read locks of a WAL, which come and go too often. Its buffer is small and keeps the first records of each
//! look: what comes faster is lost, is said to be, and no time is measured across the gap.
//!
//! What it must not do: mount tracefs; touch anything outside of its instance.
//! Where to look next: `mod.rs`, which asks for it; `locks.rs` for the files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use walproof_format::sqlite::lock_bytes::{Lock, PENDING_BYTE, SHM_BASE};

use super::locks::{Files, LockLine, Of};
use crate::runtimes::pidfd::start_ticks;

const PREFIX: &str = "walproof-watch-";
const EVENT: &str = "events/filelock/posix_lock_inode";
/// Of each processor.
const BUFFER_KB: u32 = 64;
/// What is read at one look, at most.
const READ_BYTES_MAX: usize = 1 << 20;
/// A filter is a page at most.
const FILES_MAX: usize = 24;

/// A trace that is read.
pub struct Trace {
    instance: PathBuf,
    pipe: Option<File>,
    filter: String,
    /// An end of a line that has not come whole.
    rest: Vec<u8>,
    holds: HashMap<(String, i64, Lock), Hold>,
}

#[derive(Clone, Copy)]
struct Hold {
    since_us: u64,
    exclusive: bool,
}

/// Holds of one lock by one process that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// The longest.
    pub longest_us: u64,
    /// All together.
    pub total_us: u64,
    /// How many.
    pub times: u64,
}

impl Holds {
    fn and(self, held_us: u64) -> Self {
        Self {
            longest_us: self.longest_us.max(held_us),
            total_us: self.total_us.saturating_add(held_us),
            times: self.times + 1,
        }
    }
}

/// What a look told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// Locks that were let go.
    pub held: BTreeMap<(usize, i64, Lock, bool), Holds>,
    /// Locks that were refused: how often.
    pub refused: BTreeMap<(usize, i64, Lock), u64>,
    /// Records that were lost.
    pub lost: u64,
}

impl Trace {
    /// Makes an instance, here or where tracefs is mounted; an error says why not.
    pub fn start(tracefs: Option<&Path>) -> Result<Self, String> {
        if fs::read_link("/proc/self/ns/pid")
            .is_ok_and(|own| own.as_os_str() != crate::collect::live::FIRST_PROCESS_NAMESPACE)
        {
            return Err(
                "it tells processes by the numbers of the machine, which are not those of this container".to_owned()
            );
        }
        let mounted = tracefs.map(Path::to_owned).or_else(|| mounts().into_iter().next());
        let mounted = mounted.ok_or("no tracefs is mounted (`mount -t tracefs tracefs /sys/kernel/tracing`)")?;
        let (pid, instances) = (std::process::id(), mounted.join("instances"));
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let ticks = start_ticks(pid).unwrap_or(0);
        let instance = instances.join(format!("{PREFIX}{pid}-{ticks}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&instance).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => "only root may read it".to_owned(),
            _ => format!("`{}`: {error}", instance.display()),
        })?;
        // From here on it is removed whatever happens.
        let mut trace = Self { instance, pipe: None, filter: String::new(), rest: Vec::new(), holds: HashMap::new() };
        trace.prepare().map_err(|error| format!("`{}`: {error}", trace.instance.display()))?;
        Ok(trace)
    }

    fn prepare(&mut self) -> std::io::Result<()> {
        fs::metadata(self.instance.join(EVENT))?;
        self.write("buffer_size_kb", &BUFFER_KB.to_string())?;
        self.write("options/overwrite", "0")?;
        self.write("trace_clock", "mono")?;
        let pipe =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(self.instance.join("trace_pipe"))?;
        self.pipe = Some(pipe);
        Ok(())
    }

    fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.instance.join(file), text)
    }

    /// Traces these files from now on; an error says why not. `rollback`: databases without a log.
    pub fn watch(&mut self, files: &Files, rollback: &BTreeSet<usize>) -> Result<(), String> {
        let filter = filter(files, rollback);
        if filter == self.filter {
            return Ok(());
        }
        let failed = |error: std::io::Error| format!("`{}`: {error}", self.instance.join(EVENT).display());
        self.write(&format!("{EVENT}/enable"), "0").map_err(failed)?;
        if !filter.is_empty() {
            self.write(&format!("{EVENT}/filter"), &filter).map_err(failed)?;
            self.write(&format!("{EVENT}/enable"), "1").map_err(failed)?;
        }
        self.filter = filter;
        self.holds.clear();
        Ok(())
    }

    /// What it told since it was read last.
    pub fn read(&mut self, files: &Files) -> Traced {
        let mut bytes = std::mem::take(&mut self.rest);
        if let Some(pipe) = &mut self.pipe {
            let mut chunk = [0; 1 << 16];
            while bytes.len() < READ_BYTES_MAX {
                match pipe.read(&mut chunk) {
                    Ok(more @ 1..) => bytes.extend(&chunk[..more]),
                    _ => break,
                }
            }
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.rest = bytes.split_off(whole);
        let mut traced = Traced::default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            match lost(line) {
                Some(lost) => {
                    traced.lost += lost;
                    self.holds.clear();
                }
                None => self.line(line, files, &mut traced),
            }
        }
        traced
    }

    fn line(&mut self, line: &str, files: &Files, traced: &mut Traced) {
        let Some(record) = Record::parse(line) else { return };
        let Some((database, which)) = files.of(&record.lock) else { return };
        let LockLine { pid, exclusive, first, last, .. } = record.lock;
        for lock in Lock::within(which, first, last) {
            let key = (record.lock.file.clone(), pid, lock);
            let before = self.holds.get(&key).copied();
            match (record.refused, record.kind) {
                (true, _) => *traced.refused.entry((database, pid, lock)).or_default() += 1,
                (false, Kind::Lock) if before.is_some_and(|hold| hold.exclusive == exclusive) => {}
                (false, kind) => {
                    if let Some(hold) = before {
                        let held_us = record.at_us.saturating_sub(hold.since_us);
                        let sum = traced.held.entry((database, pid, lock, hold.exclusive)).or_default();
                        *sum = sum.and(held_us);
                    }
                    match kind {
                        Kind::Lock => drop(self.holds.insert(key, Hold { since_us: record.at_us, exclusive })),
                        Kind::Unlock => drop(self.holds.remove(&key)),
                    }
                }
            }
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // An instance that is being read cannot be removed.
        drop(self.pipe.take());
        let _ = fs::remove_dir(&self.instance);
    }
}

/// Removes the instances of processes that are gone: what was removed, and what could not be.
pub fn clean() -> (Vec<String>, Vec<String>) {
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    for mounted in mounts() {
        let entries = fs::read_dir(mounted.join("instances")).into_iter().flatten().flatten();
        let stale = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_stale));
        for entry in stale {
            let name = format!("trace instance `{}`", entry.path().display());
            match fs::remove_dir(entry.path()) {
                Ok(()) => removed.push(name),
                // The same tracefs may be mounted twice.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => failed.push(format!("{name}: {error}")),
            }
        }
    }
    (removed, failed)
}

fn is_stale(name: &str) -> bool {
    let mut words = name.strip_prefix(PREFIX).into_iter().flat_map(|rest| rest.split('-'));
    let (Some(pid), Some(ticks)) =
        (words.next().and_then(|word| word.parse().ok()), words.next().and_then(|word| word.parse::<u64>().ok()))
    else {
        return false;
    };
    start_ticks(pid) != Some(ticks)
}

/// Where tracefs is mounted already.
fn mounts() -> Vec<PathBuf> {
    let text = fs::read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    let all = walproof_judge::mountinfo::parse(&String::from_utf8_lossy(&text));
    all.into_iter().filter(|mount| mount.fstype == "tracefs").map(|mount| mount.mount_point.into()).collect()
}

/// What the kernel records: of a `-shm` the locks of which there is one holder, of a database without a log all, and
/// whatever was refused.
fn filter(files: &Files, rollback: &BTreeSet<usize>) -> String {
    let mut all: Vec<(u64, Of)> = files.inodes().collect();
    all.sort_unstable();
    all.dedup();
    let (first, last) = (SHM_BASE, SHM_BASE + 2);
    let conditions = all.into_iter().take(FILES_MAX).map(|(inode, (database, which))| {
        let what = match which {
            "shm" => format!("(ret != 0 || (fl_start <= {last} && fl_end >= {first} && type != 0))"),
            _ if rollback.contains(&database) => format!("fl_end >= {PENDING_BYTE}"),
            _ => "ret != 0".to_owned(),
        };
        format!("(i_ino == {inode} && {what})")
    });
    conditions.collect::<Vec<_>>().join(" || ")
}

/// `CPU:1 [LOST 123 EVENTS]`.
fn lost(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("[LOST ")?;
    Some(rest.split_whitespace().next()?.parse().unwrap_or(1))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lock,
    Unlock,
}

struct Record {
    at_us: u64,
    lock: LockLine,
    kind: Kind,
    refused: bool,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let (before, fields) = line.split_once(": posix_lock_inode: ")?;
        let (seconds, fraction) = before.rsplit(' ').next()?.split_once('.')?;
        let at_us =
            seconds.parse::<u64>().ok()? * 1_000_000 + format!("{fraction:0<6}").get(..6)?.parse::<u64>().ok()?;
        let field = |name: &str| fields.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let hex = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        let (major, minor) = field("dev")?.split_once(':')?;
        let file = format!("{:02x}:{:02x}:{}", hex(major)?, hex(minor)?, hex(field("ino")?)?);
        let kind = field("fl_type")?;
        let lock = LockLine {
            waits: false,
            exclusive: kind == "F_WRLCK",
            pid: field("fl_pid")?.parse().ok()?,
            file,
            first: field("fl_start")?.parse().ok()?,
            last: field("fl_end")?.parse().ok()?,
        };
        let answer: i32 = field("ret")?.parse().ok()?;
        // Whoever waits in the kernel is asked again; that is not refused, and not granted.
        if answer > 0 {
            return None;
        }
        let kind = if kind == "F_UNLCK" { Kind::Unlock } else { Kind::Lock };
        Some(Self { at_us, lock, kind, refused: answer < 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str, pid: u32, kind: &str, first: u64, last: u64, ret: i32) -> String {
        format!(
            "  python3 -c-{pid}   [000] ...1. {at}: posix_lock_inode: fl=00000000c3aaa9bc dev=0xfe:0x0 ino=0x4d \
             fl_blocker=0000000000000000 fl_owner=00000000852f08d4 fl_pid={pid} fl_flags=FL_POSIX fl_type={kind} \
             fl_start={first} fl_end={last} ret={ret}\n"
        )
    }

    fn traced(lines: &[String]) -> Traced {
        let mut files = Files::default();
        files.named("fe:00:77".to_owned(), (0, "shm"));
        let mut trace = Trace {
            instance: "/no/such/instance".into(),
            pipe: None,
            filter: String::new(),
            rest: lines.concat().into_bytes(),
            holds: HashMap::new(),
        };
        trace.read(&files)
    }

    #[test]
    fn holds_are_measured_and_refusals_counted() {
        let told = traced(&[
            line("10.000100", 42, "F_WRLCK", 120, 120, 0),
            line("10.000200", 43, "F_WRLCK", 120, 120, -11),
            line("10.000300", 43, "F_WRLCK", 120, 120, -11),
            line("10.000400", 42, "F_UNLCK", 120, 120, 0),
            line("10.001000", 42, "F_WRLCK", 120, 120, 0),
            line("10.001050", 42, "F_UNLCK", 0, 9_223_372_036_854_775_807, 0),
        ]);
        let holds = Holds { longest_us: 300, total_us: 350, times: 2 };
        assert_eq!(told.held, BTreeMap::from([((0, 42, Lock::Write, true), holds)]));
        assert_eq!(told.refused, BTreeMap::from([((0, 43, Lock::Write), 2)]));
    }

    #[test]
    fn nothing_is_measured_across_a_gap() {
        let lines = [
            line("10.000100", 42, "F_WRLCK", 120, 120, 0),
            "CPU:0 [LOST 71 EVENTS]\n".to_owned(),
            line("90.000000", 42, "F_UNLCK", 120, 120, 0),
        ];
        assert_eq!(traced(&lines), Traced { lost: 71, ..Traced::default() });
    }

    #[test]
    fn instances_of_the_dead_are_told_by_their_names() {
        let own = (std::process::id(), start_ticks(std::process::id()).expect("it lives"));
        assert!(!is_stale(&format!("{PREFIX}{}-{}-0", own.0, own.1)) && !is_stale("walproof-other") && !is_stale("x"));
        assert!(is_stale(&format!("{PREFIX}{}-{}-0", own.0, own.1 + 1)));
    }
}
