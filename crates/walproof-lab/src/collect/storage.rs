//! The storage under a directory: its mount, what else could mount it, how much is free.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;
use walproof_judge::facts::{Mount, OtherKernels, other_kernels, other_kernels_of_overlay, overlay_upper};
use walproof_judge::mountinfo;

/// Overlays over overlays are followed this far.
const OVERLAY_DEPTH_MAX: u32 = 8;

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
        Some(mount) => judge(&mounts, mount, OVERLAY_DEPTH_MAX),
        None => OtherKernels::Perhaps("`/proc/self/mountinfo` does not tell the mount".into()),
    };
    Storage { mount, other_kernels, free_bytes: free_bytes(path) }
}

/// An overlay is what its upper directory lies on, as far as that can be found from here.
fn judge(mounts: &[Mount], mount: &Mount, depth: u32) -> OtherKernels {
    let own = other_kernels(&mount.fstype, &mount.options);
    let upper = overlay_upper(&mount.options).filter(|_| mount.fstype == "overlay" && depth > 0);
    // The option holds the path as the mounting process saw it: it means something here only if it exists here.
    match upper.filter(|upper| Path::new(upper).is_dir()).and_then(|upper| mountinfo::mount_of(mounts, upper)) {
        Some(below) => other_kernels_of_overlay(&judge(mounts, below, depth - 1)),
        None => own,
    }
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
