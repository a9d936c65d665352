//! The storage under a directory: its mount, what else could mount it, how much is free.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use walproof_judge::facts::{Mount, OtherKernels, other_kernels};
use walproof_judge::mountinfo;

/// The storage under a directory.
#[derive(Clone, Debug, Serialize)]
pub struct Storage {
    /// The mount with the longest prefix; `None`: `/proc/self/mountinfo` cannot be read.
    pub mount: Option<Mount>,
    /// Whether another kernel may have the same files.
    pub other_kernels: OtherKernels,
    /// Bytes free for this user; `None`: it does not tell.
    pub free_bytes: Option<u64>,
}

/// Looks at the storage under an absolute path without symbolic links.
pub fn look(path: &Path) -> Storage {
    let mounts =
        std::fs::read_to_string("/proc/self/mountinfo").map(|text| mountinfo::parse(&text)).unwrap_or_default();
    let mount = mountinfo::mount_of(&mounts, &path.to_string_lossy()).cloned();
    let other_kernels = match &mount {
        // `upperdir` of an overlay is the mounting process's string: here it may name another directory, or none. So
        // an overlay is never followed, and never called local.
        Some(mount) => other_kernels(&mount.fstype, &[&mount.options[..], &mount.super_options].concat()),
        None => OtherKernels::Perhaps("`/proc/self/mountinfo` does not tell the mount".into()),
    };
    Storage { mount, other_kernels, free_bytes: free_bytes(path) }
}

/// The argument by which this program is asked to be [`answer_main`].
pub const ANSWER: &str = "storage-answers";

/// Whether the storage under a directory answers in time. A child asks: whoever asks a frozen server may not even be
/// killed before that answers.
pub fn answers_within(directory: &Path, time: Duration) -> bool {
    let child = Command::new("/proc/self/exe")
        .arg0("walproof")
        .arg(ANSWER)
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // Who cannot ask finds out otherwise.
    let Ok(mut child) = child else { return true };
    let end = Instant::now() + time;
    while !matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
        if Instant::now() >= end {
            let _ = child.kill();
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// The child's life: a question that no cache answers.
pub fn answer_main(directory: &Path) -> i32 {
    i32::from(free_bytes(directory).is_none())
}

/// Bytes free for this user; `None`: the file system has no such notion, or does not tell.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs is plain data; all zero is a valid value.
    let mut answer: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: a valid C string and a valid out-pointer.
    let code = unsafe { libc::statvfs(path.as_ptr(), &mut answer) };
    (code == 0 && answer.f_blocks > 0).then(|| answer.f_bavail as u64 * answer.f_frsize as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temporary_directory_lies_somewhere() {
        let storage = look(&std::env::temp_dir());
        assert!(storage.mount.is_some());
        assert!(storage.free_bytes.is_some());
    }
}
