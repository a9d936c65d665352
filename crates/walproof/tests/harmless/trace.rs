//! What strace tells, and which of it is harm to the files in a folder.
//!
//! `-f` follows children, `-y` names the file behind each descriptor, so that a file is recognised by whatever way it was
//! reached. A call that another process interrupts is told in two lines, which are put together first.
//! What it must not do: guess. A call is harm by its name and by the words that strace prints for its flags.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use walproof_testbench::{Outcome, Skip, skips};

/// A call that must not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harm {
    /// The call; of an `open` or a `fcntl` with the flag that makes it harm.
    pub call: String,
    /// As strace told it.
    pub line: String,
}

/// Whether strace works here: it may be there and not be allowed. If not, the test's skip is noted in the log as well.
pub fn is_here(test: &str) -> Outcome {
    let why = match Command::new("strace").args(["-o", "/dev/null", "true"]).output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("`strace`: {error}"),
    };
    skips::log(test, &why);
    Err(Skip("strace", why))
}

/// Runs a program under strace; its whole calls, without the numbers of processes.
pub fn run(program: &Path, words: &[String], file: &Path) -> (Output, Vec<String>) {
    let mut command = Command::new("strace");
    // Everything that names a file or a descriptor, and io_uring, by which anything could be done unseen.
    command.args(["-f", "-y", "-qq", "-s", "200", "-e", "trace=%file,%desc,io_uring_setup", "-e", "signal=none", "-o"]);
    let output = command.arg(file).arg("--").arg(program).args(words).current_dir("/").output().expect("strace starts");
    let text = String::from_utf8_lossy(&std::fs::read(file).expect("a trace")).into_owned();
    std::fs::remove_file(file).expect("our own");
    (output, whole_calls(&text))
}

fn whole_calls(text: &str) -> Vec<String> {
    let (mut begun, mut calls) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').unwrap_or(("", line));
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid.to_owned(), first.to_owned());
        } else if let Some((_, second)) = rest.split_once(" resumed>").filter(|_| rest.starts_with("<... ")) {
            calls.push(begun.remove(pid).unwrap_or_default() + second);
        } else {
            calls.push(rest.to_owned());
        }
    }
    // What never came back was begun all the same.
    calls.extend(begun.into_values());
    calls
}

/// Calls that are harm by their name alone, if they name a file in the folder.
const ALWAYS: &[&str] = &[
    "creat",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "truncate",
    "ftruncate",
    "fallocate",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "lchown",
    "fchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "rmdir",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "flock",
    "ioctl",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "syncfs",
];
/// Calls that write to their first descriptor. Their other words may be anything.
const WRITES: &[&str] = &["write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile"];
/// Calls that write to their second file.
const COPIES: &[&str] = &["copy_file_range", "splice"];

/// Every call that is harm to something in this folder.
pub fn harms(lines: &[String], folder: &Path) -> Vec<Harm> {
    let folder = folder.to_str().expect("text");
    lines.iter().filter_map(|line| harm(line, folder).map(|call| Harm { call, line: line.clone() })).collect()
}

fn harm(line: &str, folder: &str) -> Option<String> {
    let (name, rest) = line.split_once('(')?;
    if name == "io_uring_setup" {
        return Some(name.to_owned());
    }
    let first = rest.split_once(',').map_or(rest, |(first, _)| first);
    let of = |words: &[&str]| words.iter().find(|word| rest.contains(**word)).map(|word| format!("{name} {word}"));
    let plain = |harm: bool| harm.then(|| name.to_owned());
    match name {
        _ if WRITES.contains(&name) => plain(first.contains(folder)),
        _ if !rest.contains(folder) => None,
        _ if ALWAYS.contains(&name) || COPIES.contains(&name) => plain(true),
        "open" | "openat" | "openat2" => of(&["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE", "O_APPEND"]),
        // Longer words first: one is the beginning of another.
        "fcntl" => of(&[
            "F_OFD_SETLKW",
            "F_OFD_SETLK",
            "F_OFD_GETLK",
            "F_SETLKW",
            "F_SETLK",
            "F_GETLK",
            "F_SETLEASE",
            "F_NOTIFY",
        ]),
        "mmap" => of(&["MAP_SHARED", "PROT_WRITE"]),
        _ => None,
    }
}
