//! Where SQLite in another process would put temporary files, and how much is free there.
//!
//! The list is that of `unixTempFileDir` in os_unix.c: `$SQLITE_TMPDIR`, `$TMPDIR`, `/var/tmp`, `/usr/tmp`, `/tmp`, and
//! the working directory. The first one wins that is a directory which the process may write to and search.
//!
//! What it must not do: leave the root of the process it looks for; write.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::process::{Person, person};

const PLACES: &[&str] = &["/var/tmp", "/usr/tmp", "/tmp"];
/// Bit of CAP_DAC_OVERRIDE.
const DAC_OVERRIDE: u64 = 1 << 1;

/// Bytes free there for users; 0: there is none that it can write to. `None`: it cannot be told.
pub fn free_bytes(pid: u32) -> Option<u64> {
    let who = person(pid)?;
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let root = open_directory(Path::new(&format!("/proc/{pid}/root")))?;
    let named = [variable(&environment, "SQLITE_TMPDIR"), variable(&environment, "TMPDIR")];
    let places = named.into_iter().flatten().chain(PLACES.iter().map(PathBuf::from));
    let absolute = places.filter_map(|place| inside(&root, pid, &place));
    let working = open_directory(Path::new(&format!("/proc/{pid}/cwd")));
    absolute.chain(working).find_map(|place| free_in(&place, &who)).unwrap_or(Some(0))
}

fn variable(environment: &[u8], name: &str) -> Option<PathBuf> {
    let value =
        environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    (!value.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(value)))
}

fn open_directory(path: &Path) -> Option<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path).ok()
}

/// A place as the process sees it: its symbolic links lead to places inside.
fn inside(root: &File, pid: u32, place: &Path) -> Option<File> {
    if place.is_relative() {
        return open_directory(&Path::new(&format!("/proc/{pid}/cwd")).join(place));
    }
    let path = CString::new(place.as_os_str().as_bytes()).ok()?;
    // SAFETY: open_how is plain data; all zero is a valid value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT;
    let size = size_of::<libc::open_how>();
    // SAFETY: a valid descriptor, a valid C string, and a structure with its size.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &how, size) };
    // SAFETY: the descriptor was just opened and is nobody else's.
    i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| unsafe { File::from_raw_fd(fd) })
}

/// Bytes free in a directory, if this person may write to it; `Some(None)`: it may, and the file system has no size.
fn free_in(place: &File, who: &Person) -> Option<Option<u64>> {
    let metadata = place.metadata().ok()?;
    // SAFETY: statvfs is plain data; all zero is a valid value.
    let mut answer: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: a valid descriptor and a valid out-pointer.
    if unsafe { libc::fstatvfs(place.as_raw_fd(), &mut answer) } != 0 || answer.f_flag & libc::ST_RDONLY != 0 {
        return None;
    }
    let bits = match () {
        () if metadata.uid() == who.user => metadata.mode() >> 6,
        () if metadata.gid() == who.group || who.groups.contains(&metadata.gid()) => metadata.mode() >> 3,
        () => metadata.mode(),
    };
    // Of a namespace of its own, the capability is one over its own users alone.
    let overrides =
        who.capabilities & DAC_OVERRIDE != 0 && (who.user_namespace.is_none() || metadata.uid() == who.user);
    let may = metadata.is_dir() && (overrides || bits & 3 == 3);
    may.then(|| (answer.f_blocks > 0).then(|| answer.f_bavail as u64 * answer.f_frsize as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_place_is_found() {
        assert!(free_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_bytes(u32::MAX), None);
    }

    #[test]
    fn variables_are_read_whole() {
        let environment = b"XTMPDIR=/a\0TMPDIR=/b c\0SQLITE_TMPDIR=\0";
        assert_eq!(variable(environment, "TMPDIR"), Some(PathBuf::from("/b c")));
        assert_eq!(variable(environment, "SQLITE_TMPDIR"), None);
    }
}
