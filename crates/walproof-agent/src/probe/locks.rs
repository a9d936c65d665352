//! Byte-range locks as `fcntl` gives them: by process (POSIX), which SQLite takes, and by open file description.

use std::io;

use walproof_format::probe_step::{ByteRange, LockKind, LockOwner, ProbeAnswer};

/// 1: got it; 0: somebody else has a conflicting one.
pub fn lock(fd: i32, range: ByteRange, kind: LockKind, owner: LockOwner) -> io::Result<u64> {
    let command = match owner {
        LockOwner::Process => libc::F_SETLK,
        LockOwner::OpenFile => libc::F_OFD_SETLK,
    };
    let request = request(range, kind);
    // SAFETY: `request` is a valid flock and lives through the call.
    if unsafe { libc::fcntl(fd, command, &request) } == 0 {
        return Ok(1);
    }
    refused(io::Error::last_os_error())
}

/// 0 for the two errors by which a lock is refused.
pub fn refused(error: io::Error) -> io::Result<u64> {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(0),
        _ => Err(error),
    }
}

/// Who is in the way, as F_GETLK says.
pub fn holder(fd: i32, range: ByteRange, kind: LockKind) -> io::Result<ProbeAnswer> {
    let mut asked = request(range, kind);
    // SAFETY: `asked` is a valid flock that the kernel may overwrite.
    if unsafe { libc::fcntl(fd, libc::F_GETLK, &mut asked) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let somebody = asked.l_type != libc::F_UNLCK as i16;
    Ok(ProbeAnswer { value: somebody.into(), pid: somebody.then_some(asked.l_pid), ..ProbeAnswer::default() })
}

/// The kernel's form of a lock.
pub fn request(range: ByteRange, kind: LockKind) -> libc::flock {
    // SAFETY: flock is plain data; all zero is a valid value, and OFD locks want l_pid 0.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = match kind {
        LockKind::Read => libc::F_RDLCK,
        LockKind::Write => libc::F_WRLCK,
        LockKind::None => libc::F_UNLCK,
    } as i16;
    request.l_whence = libc::SEEK_SET as i16;
    request.l_start = range.start as i64;
    request.l_len = range.length as i64;
    request
}
