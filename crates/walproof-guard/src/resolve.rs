//! Where SQLite would find the database: an absolute path without symbolic links.
//!
//! SQLite walks a path by its components and follows every symbolic link, up to 200 of them, the last one too; what
//! does not exist is taken as it is written, and `..` takes one component away (`unixFullPathname` in os_unix.c). The
//! sidecars lie beside the place where that ends, so a dangling link decides where `-wal` will be. `realpath` fails on
//! what does not exist, hence this walk.
//!
//! What this file must not do: open anything. `lstat` and `readlink` only.
//! Where to look next: `look`.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// SQLITE_MAX_SYMLINK.
const LINKS_MAX: u32 = 200;
/// MAX_PATHNAME of os_unix.c: SQLite's own name for the file has no room for more.
const PATH_BYTES_MAX: usize = 512;

/// A path followed to its end, or as far as it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Absolute; what could not be followed stands at its end as it was written.
    pub path: PathBuf,
    /// Why it could not be followed to its end, if so.
    pub fault: Option<Fault>,
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The path is empty, `:memory:` or a URI: there is no file to judge.
    NoFile(&'static str),
    /// A NUL byte, which no path can hold.
    NulByte,
    /// More than 200 symbolic links.
    LinksWithoutEnd,
    /// Longer than SQLite's own buffer.
    TooLong(usize),
    /// This component answers with an errno: no permission, a file where a directory is needed.
    Unreachable(PathBuf, i32),
    /// The working directory of a relative path is gone.
    NoWorkingDirectory(i32),
}

/// Follows the path as SQLite does.
pub(crate) fn resolve(path: &Path) -> Resolved {
    match begin(path) {
        Ok(start) => walk(start, path),
        Err(fault) => Resolved { path: path.to_owned(), fault: Some(fault) },
    }
}

/// The directory from which the walk starts.
fn begin(path: &Path) -> Result<PathBuf, Fault> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() {
        return Err(Fault::NoFile("an empty name makes SQLite open a private temporary database"));
    }
    if bytes == b":memory:" {
        return Err(Fault::NoFile("`:memory:` is no file"));
    }
    if bytes.starts_with(b"file:") {
        return Err(Fault::NoFile("a URI is no path"));
    }
    if bytes.contains(&0) {
        return Err(Fault::NulByte);
    }
    if path.is_absolute() {
        return Ok(PathBuf::from("/"));
    }
    std::env::current_dir().map_err(|error| Fault::NoWorkingDirectory(errno(&error)))
}

fn walk(start: PathBuf, path: &Path) -> Resolved {
    let mut at = start;
    let mut rest = Vec::new();
    push_components(&mut rest, path);
    let mut links = 0;
    let mut fault = None;
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(&name);
        if fault.is_some() {
            continue;
        }
        match next(&at) {
            Ok(None) => {}
            Ok(Some(_)) if links == LINKS_MAX => fault = Some(Fault::LinksWithoutEnd),
            Ok(Some(target)) => {
                links += 1;
                at.pop();
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                push_components(&mut rest, &target);
            }
            Err(errno) => fault = Some(Fault::Unreachable(at.clone(), errno)),
        }
    }
    let length = at.as_os_str().len();
    let too_long = (length > PATH_BYTES_MAX).then_some(Fault::TooLong(length));
    Resolved { path: at, fault: fault.or(too_long) }
}

/// The target, if a symbolic link lies here; `None` also when nothing does.
fn next(at: &Path) -> Result<Option<PathBuf>, i32> {
    match std::fs::symlink_metadata(at) {
        Ok(found) if found.is_symlink() => std::fs::read_link(at).map(Some).map_err(|error| errno(&error)),
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(errno(&error)),
    }
}

/// Puts the components on top of the stack, the first one uppermost.
fn push_components(stack: &mut Vec<OsString>, path: &Path) {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let names: Vec<OsString> = names.collect();
    stack.extend(names.into_iter().rev());
}

pub(crate) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
