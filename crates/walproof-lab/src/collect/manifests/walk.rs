//! Files below a folder that may be manifests, by their names.
//!
//! Hidden folders are passed over, those with other people's or generated files, and those of the kernel. Symbolic links
//! are not followed.
//!
//! What it must not do: read files, except the first two bytes of those whose name says nothing.
//!
//! Where to look next: `opened`, which reads them.

use std::fs;
use std::path::{Path, PathBuf};

use walproof_judge::manifest::recognise::may_be;

use super::opened::starts_with;

/// More entries are not looked at.
pub const ENTRIES_MAX: usize = 500_000;
/// Folders in folders.
const DEPTH_MAX: usize = 64;
/// Folders with other people's or generated files.
const PASSED_OVER: &[&str] = &["__pycache__", "node_modules", "target", "vendor"];

/// Folders of the kernel, whose files do something when they are read.
const OF_KERNEL: &[&str] = &["/dev", "/proc", "/sys"];

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walked {
    /// Regular files, sorted.
    pub files: Vec<PathBuf>,
    /// Folders that cannot be listed, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// There was more than is looked at.
    pub cut: bool,
}

/// Walks a folder. `is_left_out`: paths that the user does not want.
pub fn walk(folder: &Path, is_left_out: &dyn Fn(&Path) -> bool) -> Walked {
    let mut walked = Walked::default();
    let mut entries_left = ENTRIES_MAX;
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                walked.unreadable.push((folder, error.to_string()));
                continue;
            }
        };
        for entry in entries.flatten() {
            if entries_left == 0 {
                walked.cut = true;
                folders.clear();
                break;
            }
            entries_left -= 1;
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !is_passed_over(&path, &name) && !is_left_out(&path) {
                walked.cut |= depth >= DEPTH_MAX;
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if kind.is_file() && is_candidate(&path, &name) && !is_left_out(&path) {
                walked.files.push(path);
            }
        }
    }
    walked.files.sort();
    walked
}

fn is_passed_over(path: &Path, name: &str) -> bool {
    let of_kernel = || std::path::absolute(path).is_ok_and(|path| OF_KERNEL.iter().any(|of| path == Path::new(of)));
    name.starts_with('.') || PASSED_OVER.contains(&name) || of_kernel()
}

fn is_candidate(path: &Path, name: &str) -> bool {
    // Drop-ins are known by their folder, quadlets and the like by the end of the name.
    if !may_be(&path.to_string_lossy()) {
        return false;
    }
    let is_bare = !name.contains('.') && !matches!(name, "Containerfile" | "Dockerfile" | "Makefile");
    !is_bare || starts_with(path, b"#!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_foreign_or_linked_is_passed_over() {
        let root = std::env::temp_dir().join(format!("walproof-walk-{}", std::process::id()));
        for folder in ["a/b", ".git", "node_modules/x", "out"] {
            fs::create_dir_all(root.join(folder)).expect("a folder of the test");
        }
        for file in ["a/b/c.yaml", ".git/c.yaml", "node_modules/x/c.yaml", "a/c.png", "start", "out/c.yaml"] {
            fs::write(root.join(file), "x").expect("a file of the test");
        }
        fs::write(root.join("run"), "#!/bin/sh\n").expect("a file of the test");
        std::os::unix::fs::symlink(&root, root.join("a/loop")).expect("a link of the test");
        let walked = walk(&root, &|path| path.ends_with("out"));
        let names: Vec<_> = walked.files.iter().map(|path| path.strip_prefix(&root).expect("below it")).collect();
        assert_eq!(names, [Path::new("a/b/c.yaml"), Path::new("run")]);
        assert!(!walked.cut && walked.unreadable.is_empty());
        fs::remove_dir_all(root).expect("our own");
    }
}
