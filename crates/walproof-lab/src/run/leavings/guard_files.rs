//! Scratch files of the guard library, left by a host that was killed within its millisecond.
//!
//! The library runs in programs of others, in containers of others; nothing notes what it makes. Its files are known by
//! name, size and age, and removed only where the user says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::CleanReport;
use crate::error::LabError;

/// How the library calls them (`walproof-guard/src/scratch.rs`).
const NAME_START: &str = ".walproof-guard-";
/// One region of a wal-index, and what it appends.
const SIZE_MAX: u64 = 64 * 1024;
/// A guard is done in a millisecond; on storage that hangs it may still be at work.
const AGE_MIN: Duration = Duration::from_secs(60);

/// Removes those that lie directly in a directory and that no guard can still be using.
pub fn clean(directory: &Path) -> Result<CleanReport, LabError> {
    let entries = fs::read_dir(directory)
        .map_err(|error| LabError::path("cannot look for guard files in", directory, error, "name a directory"))?;
    let mut report = CleanReport::default();
    for entry in entries.flatten().filter(|entry| is_of_the_guard(&entry.file_name().to_string_lossy())) {
        let path = entry.path();
        let what = format!("guard file `{}`", path.display());
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if !metadata.is_file() || metadata.len() > SIZE_MAX {
            report.kept.push(format!("{what}: it is not what the guard makes"));
        } else if age < AGE_MIN {
            report.kept.push(format!("{what}: it is less than a minute old"));
        } else {
            match fs::remove_file(&path) {
                Ok(()) => report.removed.push(what),
                Err(error) => report.failed.push(format!("{what}: {error}")),
            }
        }
    }
    Ok(report)
}

/// `.walproof-guard-PID-TIME-N`.
fn is_of_the_guard(name: &str) -> bool {
    name.strip_prefix(NAME_START).is_some_and(|rest| {
        let parts: Vec<&str> = rest.split('-').collect();
        parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_old_small_files_of_that_name_go() {
        let folder = std::env::temp_dir().join(format!("walproof-guard-files-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let long_ago = SystemTime::now() - 2 * AGE_MIN;
        for (name, size, old) in
            [("1-17-0", 32_768, true), ("2-17-0", 32_768, false), ("3-17-0", SIZE_MAX + 1, true), ("notes", 8, true)]
        {
            let name = format!("{NAME_START}{name}");
            let file = File::create(folder.join(name)).expect("a file");
            file.set_len(size).expect("a size");
            if old {
                file.set_modified(long_ago).expect("an age");
            }
        }
        let report = clean(&folder).expect("it is a directory");
        assert_eq!((report.removed.len(), report.kept.len(), report.failed.len()), (1, 2, 0), "{report:?}");
        assert!(!folder.join(".walproof-guard-1-17-0").exists() && folder.join(".walproof-guard-notes").exists());
        fs::remove_dir_all(folder).expect("removes");
    }
}
