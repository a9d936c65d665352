//! A process by `/proc/PID`: what it has open, who it is.
//!
//! A descriptor is known by its link, by `fdinfo` and by the attributes that the kernel has at hand; only what may be a
//! database is opened, read-only, for its first 16 bytes. Closing it drops locks of this process alone, and it has none.
//!
//! What it must not do: open what is no regular file; touch a file system that did not answer before.
//! Where to look next: `maps.rs`, `temporary.rs` for the rest of what is known of a process.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use walproof_format::sqlite::db_header::DB_MAGIC;
use walproof_judge::facts::Mount;

use super::asking::{Device, LOOK, Mouth, NAME};
use super::maps::undeleted;
use super::question::{Identity, mounts};
use crate::collect::quiet::open_quietly;
use crate::runtimes::pidfd::start_ticks;

/// What lies beside a database.
pub const BESIDE: &[(&str, &str)] = &[("-wal", "wal"), ("-shm", "shm"), ("-journal", "journal")];
/// Links to what is never a database.
const ELSEWHERE: &[&str] = &["/dev/", "/proc/", "/sys/", "/memfd:"];
/// A database's size is a multiple of the smallest page.
const PAGE_BYTES_MIN: u64 = 512;

/// A process with something of SQLite open, or with nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Its number.
    pub pid: u32,
    /// When it was started: its number may be another's by now.
    pub ticks: u64,
    /// `/proc/PID/cgroup`.
    pub cgroup: String,
    /// The name of its mount namespace.
    pub mount_namespace: String,
    /// `WALPROOF_RUN` and `WALPROOF_CONTAINER`, which containers of ours bear; looked at in other mount namespaces alone.
    pub label: Option<(String, String)>,
    /// The command line of its parent, in other mount namespaces alone: an engine's watcher names the container in it.
    pub watcher: Vec<String>,
    /// What of its descriptors is SQLite's.
    pub held: Vec<Held>,
    /// Links of descriptors on storage that did not answer.
    pub untouched: Vec<String>,
    /// Its descriptors may not be looked at.
    pub hidden: bool,
}

/// A descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its number.
    pub fd: u32,
    /// Where it leads, as the process sees it; of a file that was renamed since the look before, where it led then.
    pub path: String,
    /// Where it leads now.
    pub link: String,
    /// `db`, `wal`, `shm` or `journal`.
    pub which: String,
    /// The file.
    pub is: Identity,
    /// When the file was made, if its file system tells: the number of one that is gone is given to another.
    pub born: Option<(i64, u32)>,
    /// Names of the file.
    pub link_count: u64,
    /// Opened for reading alone.
    pub read_only: bool,
    /// The mount it was opened through.
    pub mount: Option<u32>,
    /// Locks taken through it: exclusive, first byte, last byte. `None`: they could not be read.
    pub locks: Option<Vec<(bool, u64, u64)>>,
}

/// A descriptor that was a database's at the look before, under a name that it may have lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// When its process was started.
    pub ticks: u64,
    /// As it was.
    pub held: Held,
}

/// Who a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// When it was started.
    pub ticks: u64,
    /// The first words of its command line.
    pub command: String,
    /// Effective user.
    pub user: u32,
    /// Effective group.
    pub group: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Effective capabilities.
    pub capabilities: u64,
    /// The name of its user namespace, if it is not ours.
    pub user_namespace: Option<String>,
}

/// Looks at what a process has open; `None`: it is gone.
pub fn look(
    pid: u32,
    wanted: Option<&[Identity]>,
    known: &[Known],
    dead: &[Device],
    mouth: &mut Mouth,
) -> Option<Seen> {
    let ticks = start_ticks(pid)?;
    let mut seen = Seen {
        pid,
        ticks,
        cgroup: fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default(),
        mount_namespace: namespace(&pid.to_string(), "mnt").unwrap_or_default(),
        ..Seen::default()
    };
    if Some(&seen.mount_namespace) != namespace("self", "mnt").as_ref() {
        (seen.label, seen.watcher) = (label(pid), watcher(pid).unwrap_or_default());
    }
    // Whoever looks has nothing open but what it looks at.
    if pid == std::process::id() {
        return Some(seen);
    }
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        seen.hidden = Path::new(&format!("/proc/{pid}")).exists();
        return seen.hidden.then_some(seen);
    };
    let root = fs::read_link(format!("/proc/{pid}/root")).unwrap_or_default().to_string_lossy().into_owned();
    let numbers = descriptors.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let links: Vec<(u32, String)> = numbers.filter_map(|fd| Some((fd, link(pid, fd)?))).collect();
    let bases = links.iter().filter_map(|(_, link)| beside(undeleted(link).0)).collect();
    let known: Vec<&Held> = known.iter().filter(|one| one.ticks == ticks).map(|one| &one.held).collect();
    let mut eye = Eye { pid, root, wanted, known, bases, dead, mounts: None, magic: HashMap::new(), mouth };
    for (fd, link) in &links {
        match eye.descriptor(*fd, link) {
            Look::Held(held) => seen.held.push(held),
            Look::Untouched(link) => seen.untouched.push(link),
            Look::Other => {}
        }
    }
    seen.held.sort_by_key(|held| held.fd);
    only_sqlite(&mut seen.held);
    // Neither has another one who looks, of this watch or of another.
    if !seen.held.is_empty() && looks(pid) {
        seen.held.clear();
    }
    Some(seen)
}

/// Whether a process is a child like this one.
fn looks(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == format!("{NAME}\0{LOOK}\0").into_bytes())
}

/// What ends like a file beside a database, and has neither a database in this process nor a name of its own that
/// tells, stays: whoever asked knows more. What only ends so by chance does not.
fn only_sqlite(held: &mut Vec<Held>) {
    let databases: BTreeSet<String> =
        held.iter().filter(|held| held.which == "db").map(|held| held.path.clone()).collect();
    let of_log = |one: &Held| one.which != "journal" || databases.contains(beside(&one.path).unwrap_or(&one.path));
    held.retain(of_log);
}

/// The database that a path ends beside.
pub fn beside(path: &str) -> Option<&str> {
    BESIDE.iter().find_map(|(suffix, _)| path.strip_suffix(suffix)).filter(|base| !base.ends_with('/'))
}

enum Look {
    Held(Held),
    Untouched(String),
    Other,
}

struct Eye<'a> {
    pid: u32,
    root: String,
    wanted: Option<&'a [Identity]>,
    known: Vec<&'a Held>,
    /// Paths that something else which this process has open ends beside.
    bases: BTreeSet<&'a str>,
    dead: &'a [Device],
    mounts: Option<Vec<Mount>>,
    magic: HashMap<Identity, bool>,
    mouth: &'a mut Mouth,
}

impl Eye<'_> {
    fn descriptor(&mut self, fd: u32, link: &str) -> Look {
        let by = format!("/proc/{}/fd/{fd}", self.pid);
        let told = Told::of(self.pid, fd);
        let device = told.as_ref().and_then(|told| self.device(told.mount?));
        if device.is_some_and(|device| self.dead.contains(&device)) {
            return Look::Untouched(link.to_owned());
        }
        self.mouth.touching(device);
        let Some(found) = attributes(&by).filter(|found| found.regular) else { return Look::Other };
        // A name that really ends so has a name.
        let path = if found.link_count == 0 { undeleted(link).0 } else { link };
        // A file that was renamed or deleted while it is held is the same one.
        let known = self
            .known
            .iter()
            .copied()
            .find(|known| (known.fd, known.is, known.born) == (fd, found.is, found.born) && found.born.is_some());
        let link = inside(path, &self.root).to_owned();
        let (path, which) = match known {
            Some(known) => (known.path.clone(), known.which.clone()),
            None => match self.which(path, &by, &found) {
                Some(which) => (link.clone(), which.to_owned()),
                None => return Look::Other,
            },
        };
        Look::Held(Held {
            fd,
            path,
            link,
            which,
            is: found.is,
            born: found.born,
            link_count: found.link_count,
            read_only: told.as_ref().is_some_and(|told| told.read_only),
            mount: told.as_ref().and_then(|told| told.mount),
            locks: told.map(|told| told.locks),
        })
    }

    fn device(&mut self, mount: u32) -> Option<Device> {
        let pid = self.pid;
        let mounts = self.mounts.get_or_insert_with(|| mounts(Some(pid)));
        mounts.iter().find(|one| one.id == mount).map(|one| one.device)
    }

    fn which(&mut self, path: &str, by: &str, found: &Attributes) -> Option<&'static str> {
        let wanted = self.wanted.map(|wanted| wanted.contains(&found.is));
        let has_sidecars = self.bases.contains(path);
        which(path, wanted, has_sidecars, || self.is_database(by, found))
    }

    fn is_database(&mut self, by: &str, found: &Attributes) -> bool {
        if found.size_bytes == 0 || !found.size_bytes.is_multiple_of(PAGE_BYTES_MIN) {
            return false;
        }
        *self.magic.entry(found.is).or_insert_with(|| {
            let mut magic = [0; 16];
            open_quietly(Path::new(by)).and_then(|file| file.read_exact_at(&mut magic, 0)).is_ok() && magic == DB_MAGIC
        })
    }
}

/// What a file is. `wanted`: it has the number of a database that is looked for; `None`: any is. The number of a file that
/// is gone is given to the next one, so that what is named as a sidecar is one, unless it begins as a database does.
fn which(
    path: &str,
    wanted: Option<bool>,
    has_sidecars: bool,
    mut begins_as_one: impl FnMut() -> bool,
) -> Option<&'static str> {
    let beside = BESIDE.iter().find(|(suffix, _)| path.ends_with(suffix)).map(|(_, which)| *which);
    let is_database = match wanted {
        Some(true) => beside.is_none() || begins_as_one(),
        Some(false) => false,
        None => begins_as_one(),
    };
    if is_database || has_sidecars { Some("db") } else { beside }
}

/// Where a descriptor leads, unless that is never a database. `/dev/shm` is a directory like others.
fn link(pid: u32, fd: u32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?.to_string_lossy().into_owned();
    let elsewhere = ELSEWHERE.iter().any(|elsewhere| link.starts_with(elsewhere)) && !link.starts_with("/dev/shm/");
    (link.starts_with('/') && !elsewhere).then_some(link)
}

/// A path as a process sees it whose root is not ours.
fn inside<'a>(path: &'a str, root: &str) -> &'a str {
    path.strip_prefix(root.trim_end_matches('/')).filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// What `fdinfo` tells without touching the file.
struct Told {
    read_only: bool,
    mount: Option<u32>,
    locks: Vec<(bool, u64, u64)>,
}

impl Told {
    fn of(pid: u32, fd: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
        Some(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let field = |name: &str| text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
        let flags = field("flags:").and_then(|flags| i32::from_str_radix(flags, 8).ok());
        Self {
            read_only: flags.is_some_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY),
            mount: field("mnt_id:").and_then(|id| id.parse().ok()),
            locks: text.lines().filter_map(lock).collect(),
        }
    }
}

/// `lock: 1: POSIX  ADVISORY  WRITE 1234 fe:00:77 120 EOF`; `None`: no lock of bytes.
fn lock(line: &str) -> Option<(bool, u64, u64)> {
    let words: Vec<&str> = line.strip_prefix("lock:")?.split_whitespace().collect();
    let [_, "POSIX" | "OFDLCK", _, kind, _, _, start, end] = words[..] else { return None };
    Some((kind == "WRITE", start.parse().ok()?, end.parse().unwrap_or(u64::MAX)))
}

/// Attributes that the kernel has at hand.
struct Attributes {
    regular: bool,
    is: Identity,
    born: Option<(i64, u32)>,
    link_count: u64,
    size_bytes: u64,
}

fn attributes(path: &str) -> Option<Attributes> {
    let path = CString::new(Path::new(path).as_os_str().as_bytes()).ok()?;
    // SAFETY: statx is plain data; all zero is a valid value.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    // A server is not asked: what is known must do.
    let flags = libc::AT_STATX_DONT_SYNC;
    // SAFETY: a valid C string and a valid out-pointer.
    let code = unsafe {
        libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, libc::STATX_BASIC_STATS | libc::STATX_BTIME, &mut answer)
    };
    (code == 0).then(|| Attributes {
        regular: u32::from(answer.stx_mode) & libc::S_IFMT == libc::S_IFREG,
        is: ((answer.stx_dev_major, answer.stx_dev_minor), answer.stx_ino),
        born: (answer.stx_mask & libc::STATX_BTIME != 0).then_some((answer.stx_btime.tv_sec, answer.stx_btime.tv_nsec)),
        link_count: answer.stx_nlink.into(),
        size_bytes: answer.stx_size,
    })
}

/// The file that a descriptor leads to now, and how many names it has; `None`: there is no such descriptor.
pub fn leads_to(pid: u32, fd: u32) -> Option<(Identity, u64)> {
    attributes(&format!("/proc/{pid}/fd/{fd}")).map(|found| (found.is, found.link_count))
}

/// The name of a namespace.
pub fn namespace(whose: &str, kind: &str) -> Option<String> {
    Some(fs::read_link(format!("/proc/{whose}/ns/{kind}")).ok()?.to_string_lossy().into_owned())
}

fn label(pid: u32) -> Option<(String, String)> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variable = |name: &[u8]| {
        let value = environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(name))?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    Some((variable(b"WALPROOF_RUN=")?, variable(b"WALPROOF_CONTAINER=")?))
}

fn watcher(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    let line = fs::read(format!("/proc/{parent}/cmdline")).ok()?;
    Some(line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// Who a process is; `None`: it is gone.
pub fn person(pid: u32) -> Option<Person> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let numbers =
        |name: &str| field(name).split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>();
    Some(Person {
        ticks: start_ticks(pid)?,
        command: command(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default(), field("Name:").trim()),
        user: *numbers("Uid:").get(1)?,
        group: *numbers("Gid:").get(1)?,
        groups: numbers("Groups:"),
        capabilities: u64::from_str_radix(field("CapEff:").trim(), 16).unwrap_or(0),
        user_namespace: namespace(&pid.to_string(), "user")
            .filter(|own| Some(own) != namespace("self", "user").as_ref()),
    })
}

/// The first words, and none after the first option: those may hold what is secret.
fn command(line: &[u8], name: &str) -> String {
    let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let words = words.take(3).take_while(|word| !word.is_empty() && !word.starts_with('-') && !word.contains('='));
    let said: String = words.collect::<Vec<_>>().join(" ").chars().take(80).collect();
    if said.is_empty() { name.to_owned() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fdinfo_tells_flags_mount_and_locks() {
        let told = Told::parse(
            "pos:\t0\nflags:\t02100002\nmnt_id:\t29\nino:\t77\n\
             lock:\t1: POSIX  ADVISORY  READ 1234 fe:00:77 1073741826 1073742335\n\
             lock:\t2: OFDLCK ADVISORY  WRITE -1 fe:00:77 120 EOF\n\
             lock:\t3: FLOCK  ADVISORY  WRITE 1234 fe:00:77 0 EOF\n",
        );
        assert!(!told.read_only && told.mount == Some(29));
        assert_eq!(told.locks, [(false, 1_073_741_826, 1_073_742_335), (true, 120, u64::MAX)]);
        assert!(Told::parse("flags:\t0100000\n").read_only);
    }

    #[test]
    fn a_sidecar_with_the_number_of_a_database_that_is_gone_is_none() {
        let of = |path, wanted, begins| which(path, wanted, false, || begins);
        assert_eq!(of("/a/app.db-wal", Some(true), false), Some("wal"));
        assert_eq!(of("/a/app.db-shm", Some(true), false), Some("shm"));
        assert_eq!(of("/a/odd-wal", Some(true), true), Some("db"), "a database may be called so");
        assert_eq!(of("/a/app.db", Some(true), false), Some("db"), "encrypted, or empty");
        assert_eq!((of("/a/app.db", Some(false), true), of("/a/text", None, false)), (None, None));
        assert_eq!(which("/a/app.db", Some(false), true, || false), Some("db"));
    }

    #[test]
    fn options_of_a_command_are_not_told() {
        assert_eq!(command(b"/usr/bin/python3\0app.py\0--password=x\0y\0", "python3"), "/usr/bin/python3 app.py");
        assert_eq!(command(b"app\0KEY=secret\0", "app"), "app");
        assert_eq!(command(b"", "kworker"), "kworker");
    }

    #[test]
    fn a_root_of_its_own_is_taken_off() {
        assert_eq!(inside("/srv/jail/data/app.db", "/srv/jail"), "/data/app.db");
        assert_eq!(inside("/srv/jailbird", "/srv/jail"), "/srv/jailbird");
        assert_eq!(inside("/data/app.db", "/"), "/data/app.db");
        assert_eq!(beside("/a/app.db-wal"), Some("/a/app.db"));
        assert_eq!(beside("/a/app.db"), None);
        assert_eq!(beside("/a/-wal"), None);
    }

    #[test]
    fn we_are_somebody() {
        let me = person(std::process::id()).expect("here we are");
        // SAFETY: these calls have no preconditions.
        assert_eq!((me.user, me.group), unsafe { (libc::geteuid(), libc::getegid()) });
        assert_eq!(me.user_namespace, None);
        assert_eq!(person(u32::MAX), None);
    }
}
