//! Whether locks on a file hold between two descriptors of it.
//!
//! OFD locks belong to an open file, so two descriptors of one process conflict as two processes do with the POSIX
//! locks that SQLite takes, and closing them drops nothing of the caller's. Tried on the bytes that SQLite locks:
//! `PENDING` and the shared range of the database, and the eight of the `-shm`.
//!
//! What this file must not do: lock anything but the scratch file.
//! Where to look next: `scratch`; `posix_child` for POSIX locks between two processes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::resolve::errno;
use crate::scratch::Answer;

/// First byte and length: PENDING, the shared range, and WRITE to DMS of the wal-index.
const RANGES: [(i64, i64); 3] = [(0x4000_0000, 1), (0x4000_0002, 510), (120, 8)];

const READ: i32 = libc::F_RDLCK;
const WRITE: i32 = libc::F_WRLCK;
const NONE: i32 = libc::F_UNLCK;

/// `Yes`: conflicts are refused, readers share, what is released can be had.
pub(crate) fn hold_between(one: &File, other: &File) -> Answer {
    RANGES.iter().map(|range| conflict(one, other, *range)).find(|answer| *answer != Answer::Yes).unwrap_or(Answer::Yes)
}

fn conflict(one: &File, other: &File, range: (i64, i64)) -> Answer {
    // Who, what, and whether it must be granted.
    let steps: [(&File, i32, bool); 9] = [
        (one, WRITE, true),
        (other, WRITE, false),
        (other, READ, false),
        (one, NONE, true),
        (other, READ, true),
        (one, READ, true),
        (one, WRITE, false),
        (one, NONE, true),
        (other, NONE, true),
    ];
    for (file, kind, granted) in steps {
        match set(file, libc::F_OFD_SETLK, kind, range) {
            Ok(answer) if answer == granted => {}
            Ok(_) => return Answer::No,
            Err(errno) => return Answer::Errno(errno),
        }
    }
    Answer::Yes
}

/// A POSIX lock of this process on the byte where SQLite's writers meet.
pub(crate) fn posix(file: &File, kind: i32) -> Result<bool, i32> {
    set(file, libc::F_SETLK, kind, RANGES[0])
}

/// Whether the lock was granted; another errno than that of a conflict is an error.
pub(crate) fn set(file: &File, command: i32, kind: i32, range: (i64, i64)) -> Result<bool, i32> {
    let lock = lock(kind, range);
    // SAFETY: the descriptor is open as long as `file` lives, and `lock` is a whole `struct flock`.
    if unsafe { libc::fcntl(file.as_raw_fd(), command, &lock) } == 0 {
        return Ok(true);
    }
    match errno(&io::Error::last_os_error()) {
        libc::EAGAIN | libc::EACCES => Ok(false),
        errno => Err(errno),
    }
}

/// The kernel's description of a lock. OFD locks want `l_pid` zero.
pub(crate) fn lock(kind: i32, (start, length): (i64, i64)) -> libc::flock {
    // The constants are small: they fit `short` on every target.
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: start, l_len: length, l_pid: 0 }
}

/// [`lock`] for the byte where SQLite's writers meet.
pub(crate) fn posix_lock(kind: i32) -> libc::flock {
    lock(kind, RANGES[0])
}
