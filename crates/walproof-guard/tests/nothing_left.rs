//! What the caller had before, it has afterwards: POSIX locks on its database files, descriptors, threads, children.
//!
//! One test in a binary of its own, since it counts what the whole process has. Each look is tried on itself first:
//! opening and closing a database must be noticed.
//! Where to look next: `src/lib.rs` says why; `tests/guard/` for verdicts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use walproof_guard::{Options, assess_with};
use walproof_testbench::Folder;

const FILES: [&str; 4] = ["app.db", "app.db-wal", "app.db-shm", "app.db-journal"];
/// As SQLite holds them: SHARED on the database, DMS on the -shm.
const LOCKED: [(&str, i64, i64); 2] = [("app.db", 0x4000_0002, 510), ("app.db-shm", 128, 1)];

fn set_lock(file: &File, kind: i32, start: i64, length: i64) -> bool {
    let lock = libc::flock { l_type: kind as i16, l_whence: 0, l_start: start, l_len: length, l_pid: 0 };
    // SAFETY: the descriptor is open and the lock a whole structure.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &lock) == 0 }
}

/// Whether another process is refused what this one holds.
fn others_are_refused(file: &File, start: i64, length: i64) -> bool {
    // SAFETY: the child makes two system calls and ends; it is waited for by its pid.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(i32::from(!set_lock(file, libc::F_WRLCK, start, length)));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
        libc::WEXITSTATUS(status) == 1
    }
}

/// Reports opens of files in a folder.
struct Watch(File);

impl Watch {
    fn new(folder: &Path) -> Self {
        let name = std::ffi::CString::new(folder.as_os_str().as_bytes()).expect("ours");
        // SAFETY: the path is NUL-terminated; the descriptor is new and owned by the File alone.
        unsafe {
            let descriptor = libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
            let events = libc::IN_OPEN | libc::IN_ACCESS | libc::IN_MODIFY | libc::IN_CLOSE | libc::IN_ATTRIB;
            assert!(libc::inotify_add_watch(descriptor, name.as_ptr(), events) >= 0, "{}", io::Error::last_os_error());
            Self(File::from_raw_fd(descriptor))
        }
    }

    /// Which of SQLite's files were touched since the last time; and whether anything was seen at all.
    fn touched(&mut self) -> (Vec<String>, bool) {
        let mut buffer = [0; 64 * 1024];
        let mut names = Vec::new();
        while let Ok(count) = self.0.read(&mut buffer) {
            let mut at = 0;
            while at + 16 <= count {
                let length = u32::from_ne_bytes(buffer[at + 12..at + 16].try_into().expect("four bytes")) as usize;
                let name = String::from_utf8_lossy(&buffer[at + 16..at + 16 + length]);
                names.push(name.trim_end_matches('\0').to_owned());
                at += 16 + length;
            }
        }
        let seen = !names.is_empty();
        names.retain(|name| FILES.contains(&name.as_str()));
        (names, seen)
    }
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder).expect("/proc").count()
}

fn has_children() -> bool {
    let mut found = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WNOHANG | libc::WNOWAIT | libc::WEXITED | libc::__WALL;
    // SAFETY: `found` is valid over the call, which reaps nothing; without any child it fails with ECHILD.
    unsafe { libc::waitid(libc::P_ALL, 0, found.as_mut_ptr(), flags) == 0 }
}

#[test]
fn the_caller_keeps_what_it_has() {
    let place = Folder::new("guard-left");
    let open =
        |name: &&str| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(place.at(name));
    let files: Vec<File> = FILES.iter().map(|name| open(name).expect("made")).collect();
    let file = |name: &str| &files[FILES.iter().position(|own| *own == name).expect("one of them")];
    let hold = || LOCKED.iter().all(|(name, start, length)| set_lock(file(name), libc::F_RDLCK, *start, *length));
    let held = || LOCKED.iter().all(|(name, start, length)| others_are_refused(file(name), *start, *length));
    let mut watch = Watch::new(place.path());

    // The looks notice what they are for.
    assert!(hold() && held());
    drop(File::open(place.at("app.db")).expect("it is there"));
    assert!(!held(), "closing any descriptor of the file drops the lock");
    assert_eq!(watch.touched().0, ["app.db"; 2], "opened and closed");
    assert!(hold() && held());

    let before = (count("/proc/self/fd"), count("/proc/self/task"), count(place.path().to_str().expect("ours")));
    for round in 0..50 {
        for posix_child in [false, true] {
            let options = Options { posix_child, ..Options::default() };
            let assessment = assess_with(place.at("app.db"), options);
            assert!(assessment.probed, "{assessment:#?}");
            assert!(held(), "round {round}: a lock of the caller is gone");
            assert!(!has_children(), "round {round}: a child is left");
        }
    }
    let (touched, seen) = watch.touched();
    assert!(touched.is_empty() && seen, "touched: {touched:?}; the scratch file itself is seen: {seen}");
    assert!(held());
    assert_eq!((count("/proc/self/fd"), count("/proc/self/task"), count(place.path().to_str().expect("ours"))), before);
    println!(
        "100 assessments: locks held, none of the four files touched, {before:?} descriptors, threads, files as before"
    );
}
