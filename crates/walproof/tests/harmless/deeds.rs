//! A program that does everything that must not be done to a database, so that the trace is shown to catch it.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

/// What the trace must show of [`all`].
pub const NAMES: &[&str] = &[
    "openat O_WRONLY",
    "openat O_RDWR",
    "openat O_CREAT",
    "fcntl F_SETLK",
    "fcntl F_SETLKW",
    "fcntl F_GETLK",
    "fcntl F_OFD_SETLK",
    "fcntl F_OFD_GETLK",
    "flock",
    "mmap MAP_SHARED",
    "mmap PROT_WRITE",
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fchmod",
    "utimensat",
    "fsync",
    "linkat",
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
    "symlink",
];

/// Does each of them to files in a folder.
pub fn all(folder: &Path) {
    let path = folder.join("app.db");
    File::create(&path).and_then(|mut file| file.write_all(&[1; 8192])).expect("writes");
    let only_reads = File::open(&path).expect("opens");
    let both = File::options().read(true).write(true).open(&path).expect("opens");
    // O_CREAT is the first word found of a creating open; this one has nothing but O_WRONLY.
    drop(File::options().write(true).open(&path).expect("opens"));
    let made = std::ffi::CString::new(folder.join("made").to_str().expect("text")).expect("no zero");
    let (reads, writes) = (only_reads.as_raw_fd(), both.as_raw_fd());
    // SAFETY: system calls on descriptors and strings that live on; the mappings are never looked at.
    unsafe {
        libc::close(libc::open(made.as_ptr(), libc::O_RDONLY | libc::O_CREAT, 0o600));
        let lock = |kind: i32, command: i32| {
            let mut lock: libc::flock = std::mem::zeroed();
            (lock.l_type, lock.l_start, lock.l_len) = (kind as i16, 120, 1);
            libc::fcntl(writes, command, &lock)
        };
        lock(libc::F_RDLCK, libc::F_SETLK);
        lock(libc::F_RDLCK, libc::F_SETLKW);
        lock(libc::F_WRLCK, libc::F_GETLK);
        lock(libc::F_UNLCK, libc::F_OFD_SETLK);
        lock(libc::F_WRLCK, libc::F_OFD_GETLK);
        libc::flock(reads, libc::LOCK_SH);
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, reads, 0);
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE, reads, 0);
        libc::write(writes, b"x".as_ptr().cast(), 1);
        libc::pwrite(writes, b"x".as_ptr().cast(), 1, 9);
        libc::ftruncate(writes, 4096);
        libc::fallocate(writes, 0, 0, 8192);
        libc::fchmod(writes, 0o640);
        libc::futimens(writes, std::ptr::null());
        libc::fsync(writes);
    }
    let other = folder.join("other");
    fs::hard_link(&path, &other).expect("links");
    fs::rename(&other, folder.join("another")).expect("renames");
    fs::remove_file(folder.join("another")).expect("removes");
    fs::create_dir(&other).and_then(|()| fs::remove_dir(&other)).expect("makes and removes");
    std::os::unix::fs::symlink(&path, &other).expect("links");
}
