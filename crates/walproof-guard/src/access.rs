//! Rights and room, asked of the kernel by path: nothing is opened.
//!
//! What this file must not do: open, create or change anything.
//! Where to look next: `look`.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::resolve::errno;

/// Whether this process may write there: `Ok`, or the errno that it would meet.
pub(crate) fn may_write(path: &Path) -> Result<(), i32> {
    may(path, libc::W_OK)
}

/// Whether this process may make and remove files in that directory.
pub(crate) fn may_make_files(directory: &Path) -> Result<(), i32> {
    may(directory, libc::W_OK | libc::X_OK)
}

fn may(path: &Path, mode: libc::c_int) -> Result<(), i32> {
    let path = c_path(path)?;
    // The raw call: the C library's emulation of AT_EACCESS may clone a child.
    // SAFETY: `path` is a NUL-terminated string that lives over the call.
    let answer = unsafe { libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) };
    match (answer, errno(&io::Error::last_os_error())) {
        (0, _) => Ok(()),
        // Before Linux 5.8, and under seccomp filters that do not know the call.
        (_, libc::ENOSYS | libc::EPERM) => may_by_real_ids(&path, mode),
        (_, errno) => Err(errno),
    }
}

fn may_by_real_ids(path: &CString, mode: libc::c_int) -> Result<(), i32> {
    // SAFETY: `path` is a NUL-terminated string that lives over the call.
    let answer = unsafe { libc::access(path.as_ptr(), mode) };
    if answer == 0 { Ok(()) } else { Err(errno(&io::Error::last_os_error())) }
}

/// What `statvfs` says of the file system below a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes that this process may still write; `None`: the file system does not count.
    pub free_bytes: Option<u64>,
    /// Longest name of a file in bytes; `None`: it does not say.
    pub name_bytes_max: Option<u64>,
    pub read_only: bool,
}

pub(crate) fn room(directory: &Path) -> Result<Room, i32> {
    let path = c_path(directory)?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: both pointers are valid over the call, and the kernel's answer is read only when it gave one.
    if unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(errno(&io::Error::last_os_error()));
    }
    // SAFETY: statvfs returned 0, so it filled the structure.
    let answer = unsafe { answer.assume_init() };
    Ok(Room {
        free_bytes: (answer.f_blocks > 0).then(|| answer.f_bavail.saturating_mul(answer.f_frsize)),
        name_bytes_max: (answer.f_namemax > 0).then_some(answer.f_namemax),
        read_only: answer.f_flag & libc::ST_RDONLY != 0,
    })
}

/// The user whose rights count.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

fn c_path(path: &Path) -> Result<CString, i32> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)
}
