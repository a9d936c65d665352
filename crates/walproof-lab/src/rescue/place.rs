//! Where copies are written: only what is not there yet, and lies apart from the originals.
//!
//! A file is written under a temporary name in its own directory, synced, and given its name in one step that replaces
//! nothing: a run that is killed leaves only the temporary file. Directories are compared by device and inode, so that
//! links and mounts lead nobody back beside the originals.
//!
//! What it must not do: remove anything but its own temporary file.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::collect::quiet::FileIdentity;
use crate::error::LabError;

/// What SQLite would lay over a database of that name.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];
const ELSEWHERE: &str = "a new name in a directory of its own, such as /tmp/rescue";

/// A file that is being written and has no name yet.
#[derive(Debug)]
pub struct FreshFile {
    /// To be written.
    pub file: File,
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl FreshFile {
    /// A file that is to have this name. `originals` are files: nothing is written in or below their directories.
    pub fn create(path: &Path, originals: &[PathBuf]) -> Result<Self, LabError> {
        let path = place(path, originals)?;
        for suffix in SIDECARS {
            let mut beside = path.as_os_str().to_owned();
            beside.push(suffix);
            if fs::symlink_metadata(&beside).is_ok() {
                let because = format!("`{}` lies there, and SQLite would take it for this one's", beside.display());
                return Err(LabError::path("refused to write", &path, because, ELSEWHERE));
            }
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".walproof-{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(|error| cannot_write(&temporary, &error))?;
        Ok(Self { file, path, temporary: Some(temporary) })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Synced and named; returns its name.
    pub fn finish(mut self) -> Result<PathBuf, LabError> {
        self.file.sync_all().map_err(|error| cannot_write(&self.path, &error))?;
        let Some(temporary) = &self.temporary else { return Ok(self.path.clone()) };
        rename_to_nothing(temporary, &self.path).map_err(|error| cannot_write(&self.path, &error))?;
        self.temporary = None;
        sync_directory(&self.path)?;
        Ok(self.path.clone())
    }
}

impl Drop for FreshFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Makes a directory that is not there yet, for its owner alone.
pub fn fresh_directory(path: &Path, originals: &[PathBuf]) -> Result<PathBuf, LabError> {
    let path = place(path, originals)?;
    fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| cannot_write(&path, &error))?;
    sync_directory(&path)?;
    Ok(path)
}

/// The real place of a name that does not exist, or why nothing is written there.
fn place(path: &Path, originals: &[PathBuf]) -> Result<PathBuf, LabError> {
    let refused = |because: String| Err(LabError::path("refused to write", path, because, ELSEWHERE));
    if fs::symlink_metadata(path).is_ok() {
        return refused("it exists already, and nothing is replaced".into());
    }
    let Some(name) = path.file_name() else { return refused("it names no file".into()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = match fs::canonicalize(parent) {
        Ok(parent) => parent,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let try_this = format!("`mkdir -p {}`", parent.display());
            return Err(LabError::path("cannot write", path, "its directory does not exist", &try_this));
        }
        Err(error) => return Err(cannot_write(path, &error)),
    };
    for original in originals {
        let directory = original.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(theirs) = identity(directory) else { continue };
        if parent.ancestors().any(|ancestor| identity(ancestor) == Some(theirs)) {
            let because = format!("`{}`, where the originals lie, is left as it is", directory.display());
            return refused(because);
        }
    }
    Ok(parent.join(name))
}

fn identity(directory: &Path) -> Option<FileIdentity> {
    fs::metadata(directory).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The error of a write, with what can be done about a full disk.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> LabError {
    let try_this = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "a file system with more room: `df -h`; what was begun is removed, or can be"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "a directory that this user may write to",
        _ => "another directory",
    };
    LabError::path("cannot write", path, error, try_this)
}

/// The name of a file is safe once its directory is synced.
pub fn sync_directory(of: &Path) -> Result<(), LabError> {
    let parent = of.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| cannot_write(parent, &error))
}

/// Renames, and fails where something bears the name.
fn rename_to_nothing(from: &Path, to: &Path) -> std::io::Result<()> {
    let names = [from, to].map(|path| CString::new(path.as_os_str().as_bytes()));
    let [Ok(old), Ok(new)] = names else { return Err(ErrorKind::InvalidInput.into()) };
    // SAFETY: both are valid C strings, and the call keeps neither.
    let code = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            old.as_ptr(),
            libc::AT_FDCWD,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if code == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        // A file system that cannot: a second name fails as well where there is one, and needs no flag.
        Some(libc::EINVAL | libc::ENOSYS) => fs::hard_link(from, to).and_then(|()| fs::remove_file(from)),
        _ => Err(error),
    }
}

/// Bytes that this user may still write in the file system of a directory; `None`: it does not tell.
pub fn free_bytes(directory: &Path) -> Option<u64> {
    let path = CString::new(directory.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs is plain data; all zero is a valid value.
    let mut answer: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: a valid C string and a valid out-pointer.
    let code = unsafe { libc::statvfs(path.as_ptr(), &mut answer) };
    (code == 0 && answer.f_blocks > 0).then(|| answer.f_bavail as u64 * answer.f_frsize as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use walproof_testbench::Folder;

    use super::*;

    fn folder() -> Folder {
        let folder = Folder::new("place");
        for inner in ["data/below", "out"] {
            folder.folder(inner);
        }
        folder.write("data/app.db", b"x");
        folder
    }

    #[track_caller]
    fn refuses(path: PathBuf, folder: &Folder, word: &str) {
        let error = FreshFile::create(&path, &[folder.at("data/app.db")]).expect_err("refused");
        assert!(error.because.contains(word), "{error}");
    }

    #[test]
    fn nothing_is_written_beside_or_over() {
        let folder = folder();
        let at = |name: &str| folder.at(name);
        std::os::unix::fs::symlink(at("data"), at("link")).expect("a link");
        std::os::unix::fs::symlink(at("data/new.db"), at("out/dangling.db")).expect("a link");
        fs::write(at("out/there.db"), b"y").expect("a file");
        fs::write(at("out/lone.db-wal"), b"y").expect("a file");
        for inside in ["data/new.db", "data/below/new.db", "link/new.db", "link/below/new.db", "out/../data/new.db"] {
            refuses(at(inside), &folder, "left as it is");
        }
        refuses(at("out/there.db"), &folder, "exists already");
        refuses(at("out/dangling.db"), &folder, "exists already");
        refuses(at("out/lone.db"), &folder, "would take it for this one's");
        refuses(at("none/new.db"), &folder, "does not exist");
        assert_eq!(fs::read_dir(at("data")).expect("a folder").count(), 2);
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_or_never() {
        let folder = folder();
        let path = folder.at("out/new.db");
        let mut fresh = FreshFile::create(&path, &[]).expect("it may be written");
        fresh.file.write_all(b"all").expect("writes");
        assert!(!path.exists());
        drop(fresh);
        assert_eq!(fs::read_dir(folder.at("out")).expect("a folder").count(), 0);
        let mut fresh = FreshFile::create(&path, &[]).expect("it may be written");
        fresh.file.write_all(b"all").expect("writes");
        assert_eq!(fresh.finish().ok().as_deref().and_then(Path::file_name), path.file_name());
        assert_eq!(fs::read(&path).expect("there"), b"all");
        // Somebody else takes the name meanwhile.
        let other = folder.at("out/other.db");
        let fresh = FreshFile::create(&other, &[]).expect("it may be written");
        fs::write(&other, b"theirs").expect("writes");
        assert!(fresh.finish().is_err());
        assert_eq!(fs::read(&other).expect("there"), b"theirs");
        assert_eq!(fs::read_dir(folder.at("out")).expect("a folder").count(), 2);
    }
}
