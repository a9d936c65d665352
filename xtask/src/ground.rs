//! File systems to prove things on: an image in the temporary directory, mounted where nobody else can see it.
//!
//! [`private_mounts`] gives this process a mount namespace of its own, so that every mount and its loop device go
//! away with the process, however it ends. An image loses its name as soon as it is mounted. What a killed proof leaves
//! are empty folders here and its copy of the binary under `target/prove/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::result::at;

/// The file systems that a sound boundary is proved on.
pub const FILE_SYSTEMS: [&str; 4] = ["ext4", "tmpfs", "xfs", "btrfs"];
/// Bytes of an image; it is sparse.
const IMAGE_SIZE: u64 = 2 << 30;

/// A mount namespace of our own. Must be called while the process has one thread.
pub fn private_mounts() -> Result<(), String> {
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: unshare takes a flag; mount reads two strings that outlive the call, and null where it is ignored.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), private, std::ptr::null()) != 0
    };
    let error = std::io::Error::last_os_error();
    let message = "cannot make mounts of our own";
    if failed { Err(format!("{message}\nbecause: {error}\ntry: as root")) } else { Ok(()) }
}

/// A folder that goes away.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new one in the temporary directory.
    pub fn make(name: &str) -> Result<Self, String> {
        Self::make_in(&std::env::temp_dir(), name)
    }

    /// A new one in a directory.
    pub fn make_in(parent: &Path, name: &str) -> Result<Self, String> {
        let path = parent.join(format!("walproof-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| at(&path, &error))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A mounted file system; unmounted and forgotten when dropped.
#[derive(Debug)]
pub struct Mounted {
    point: Folder,
}

impl Mounted {
    /// Makes and mounts one of [`FILE_SYSTEMS`].
    pub fn make(file_system: &str) -> Result<Self, String> {
        let point = Folder::make(&format!("prove-{file_system}"))?;
        // From here on, whatever fails, dropping unmounts.
        let mounted = Self { point };
        if file_system == "tmpfs" {
            let size = format!("size={IMAGE_SIZE}");
            command("mount", &["-t", "tmpfs", "-o", &size, "walproof-prove"], mounted.path())?;
            return Ok(mounted);
        }
        let image = mounted.path().with_extension("image");
        let made = make_image(file_system, &image).and_then(|()| {
            let image = image.to_string_lossy();
            command("mount", &["-t", file_system, "-o", "loop", &image], mounted.path())
        });
        let _ = fs::remove_file(&image);
        made.map(|()| mounted)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.point.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Fails where nothing was mounted yet, which is as good.
        let _ = Command::new("umount").arg(self.point.path()).output();
    }
}

fn make_image(file_system: &str, image: &Path) -> Result<(), String> {
    let file = File::create(image).map_err(|error| at(image, &error))?;
    file.set_len(IMAGE_SIZE).map_err(|error| at(image, &error))?;
    command(&format!("mkfs.{file_system}"), &["-q"], image)
}

/// Runs a program on a path; what it says is the cause when it fails.
fn command(program: &str, arguments: &[&str], path: &Path) -> Result<(), String> {
    let packages = "try: install e2fsprogs, xfsprogs, btrfs-progs, mount; or leave a file system out with `--only`";
    let failed = |why: &str| format!("`{program}` failed on `{}`\nbecause: {why}\n{packages}", path.display());
    let output = Command::new(program).args(arguments).arg(path).output();
    let output = output.map_err(|error| failed(&error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(failed(String::from_utf8_lossy(&output.stderr).trim())) }
}
