//! Files read as bytes, within bounds.
//!
//! What it must not do: open a pipe, which would wait, or a device, which may act on being opened.
//!
//! Where to look next: `walk`, which finds them.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use walproof_judge::manifest::kubernetes;
use walproof_judge::manifest::recognise::kind_of;

/// The most that any parser takes.
pub const FILE_BYTES_MAX: u64 = kubernetes::SOURCE_BYTES_MAX as u64;
/// As much of a file that is too large tells its kind.
const HEAD_BYTES: u64 = 64 << 10;

/// The bytes of a regular file, or why not.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let (file, bytes) = open(path)?;
    if bytes > FILE_BYTES_MAX {
        return Err(too_large(bytes));
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    // It may have grown.
    if content.len() as u64 > FILE_BYTES_MAX { Err(too_large(content.len() as u64)) } else { Ok(content) }
}

/// Whether a regular file begins with these bytes.
pub fn starts_with(path: &Path, start: &[u8]) -> bool {
    head(path, start.len() as u64).is_some_and(|head| head == start)
}

/// Whether a file that is not read seems to be of a kind that is judged.
pub fn looks_like_one(path: &Path) -> bool {
    let name = path.to_string_lossy();
    match head(path, HEAD_BYTES) {
        Some(head) => kind_of(&name, &String::from_utf8_lossy(&head)).is_some(),
        // Nothing of it can be read: by its name alone.
        None => kind_of(&name, "").is_some(),
    }
}

fn head(path: &Path, byte_count: u64) -> Option<Vec<u8>> {
    let (file, _) = open(path).ok()?;
    let mut head = Vec::new();
    file.take(byte_count).read_to_end(&mut head).ok()?;
    Some(head)
}

fn open(path: &Path) -> Result<(File, u64), String> {
    let seen = fs::metadata(path).map_err(|error| error.to_string())?;
    if !seen.is_file() {
        return Err("it is no regular file".to_owned());
    }
    // Should it become a pipe in between, opening does not wait.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| error.to_string())?;
    let opened = file.metadata().map_err(|error| error.to_string())?;
    if opened.is_file() { Ok((file, opened.len())) } else { Err("it is no regular file".to_owned()) }
}

fn too_large(bytes: u64) -> String {
    format!("it has {bytes} bytes, and more than {FILE_BYTES_MAX} are not read")
}
