//! Runtimes: doors through which agents enter containers.
//!
//! What this room is: one trait of few verbs, one small file for each runtime, the [`RUNTIMES`] slice.
//! What it must not do: know what an agent does inside.
//! Where to look next: `embedded.rs` (OCI containers without a daemon), `process.rs` (no isolation at all).
//!
//! A binary that uses this room gives `argv[1] == "container-helper"` to [`helper_main`] before anything else.

pub mod embedded;
pub mod pidfd;
pub mod process;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::leavings::{LeavingsError, RunDirectory};

pub use embedded::helper::{HELPER, helper_main};

/// What a container sees in one place of its file system, beyond a read-only root that holds only `/walproof`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// A directory or a single file of the host.
    Bind {
        /// Absolute path on the host.
        source: PathBuf,
        /// Absolute path inside.
        destination: PathBuf,
        /// Whether the container may not write there.
        read_only: bool,
    },
    /// An overlay made inside the container: `upper` and `work` on one file system of the host.
    Overlay {
        /// Read-only lower directory.
        lower: PathBuf,
        /// Where changes go.
        upper: PathBuf,
        /// Overlay's own working directory.
        work: PathBuf,
        /// Absolute path inside.
        destination: PathBuf,
    },
}

/// What to start.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Unique within the run: `agent-0.life-3`.
    pub name: String,
    /// Mounts in order; a later one may lie inside an earlier one (a single file in a private directory).
    pub mounts: Vec<Mount>,
    /// Arguments after the program: `["agent"]`.
    pub arguments: Vec<String>,
    /// Memory limit in bytes, where the runtime can.
    pub memory_bytes_max: u64,
    /// Limit of tasks, where the runtime can.
    pub pids_max: u32,
    /// User and group inside; `None`: root.
    pub user: Option<(u32, u32)>,
    /// The program instead of this one: another build of the agent.
    pub program: Option<PathBuf>,
}

/// What a runtime can do on this machine for this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// One line for the report: `embedded OCI, own pid/mnt/ipc/uts/net, cgroup v1 memory+pids`.
    pub isolation: String,
    /// Containers (true) or plain processes (false).
    pub containers: bool,
    /// Bind mounts.
    pub bind_mounts: bool,
    /// Overlay mounts.
    pub overlay_mounts: bool,
    /// Limits of memory and tasks.
    pub limits: bool,
    /// What is missing and why, a line each; goes into the coverage.
    pub missing: Vec<String>,
}

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It died of this signal.
    Signal(i32),
}

/// The agent's ends of the line.
#[derive(Debug)]
pub struct Line {
    /// What we write is its standard input.
    pub to_agent: File,
    /// Its standard output.
    pub from_agent: File,
}

/// A door to containers.
pub trait Runtime: Send + Sync {
    /// The tool's own name.
    fn name(&self) -> &'static str;
    /// What it can do here.
    fn abilities(&self) -> &Abilities;
    /// Starts an agent. Everything it makes is noted in `run` before it is made.
    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError>;
    /// Where the agent finds a path that the mounts put at `inside`; the host's path where there are no mounts.
    fn path_for_agent(&self, mounts: &[Mount], inside: &Path) -> PathBuf;
    /// Adds a line to what is missing here: a better runtime that was tried first, and why it could not serve.
    fn add_missing(&mut self, line: String);
}

/// A started agent. Dropping it kills and removes it.
pub trait Container: Send {
    /// The agent's pid as this process sees it.
    fn pid(&self) -> u32;
    /// The line to the agent; `None` when it was taken before.
    fn take_line(&mut self) -> Option<Line>;
    /// SIGKILL.
    fn kill(&mut self) -> Result<(), RuntimeError>;
    /// SIGSTOP.
    fn pause(&mut self) -> Result<(), RuntimeError>;
    /// SIGCONT.
    fn resume(&mut self) -> Result<(), RuntimeError>;
    /// Stops it by the cgroup's freezer, where the runtime can: no signal, and every task of it at once.
    fn freeze(&mut self) -> Result<(), RuntimeError>;
    /// Lets it go on after [`Self::freeze`].
    fn thaw(&mut self) -> Result<(), RuntimeError>;
    /// Waits for its end, at most `timeout`; `None`: it lives.
    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError>;
    /// Removes what is left of it (cgroup, state); it must have ended or is killed.
    fn remove(&mut self) -> Result<(), RuntimeError>;
    /// Whether the kernel killed it for want of memory; `None` where nobody counts, or as long as it lives.
    fn oom_killed(&self) -> Option<bool>;
    /// The last lines of its standard error.
    fn stderr_tail(&self) -> String;
}

/// One runtime as it stands in the slice.
#[derive(Debug)]
pub struct Entry {
    /// The tool's own name.
    pub name: &'static str,
    /// Finds out by trying whether it can serve here.
    pub detect: fn() -> Result<Box<dyn Runtime>, RuntimeError>,
}

/// Every runtime, the strongest boundary first: the order in which they are tried.
pub static RUNTIMES: &[Entry] =
    &[Entry { name: "embedded", detect: embedded::detect }, Entry { name: "process", detect: process::detect }];

/// The runtime of that name, or the first one that can serve. One that was asked for by name and cannot serve is an
/// error, never a silent fallback.
pub fn choose(name: Option<&str>) -> Result<Box<dyn Runtime>, RuntimeError> {
    match name {
        Some(name) => by_name(name),
        None => first_that_serves(),
    }
}

fn by_name(name: &str) -> Result<Box<dyn Runtime>, RuntimeError> {
    let entry = RUNTIMES.iter().find(|entry| entry.name == name);
    (entry.ok_or_else(|| RuntimeError::UnknownName { name: name.to_owned() })?.detect)()
}

fn first_that_serves() -> Result<Box<dyn Runtime>, RuntimeError> {
    let mut failures = Vec::new();
    for entry in RUNTIMES {
        match (entry.detect)() {
            Ok(mut runtime) => {
                failures.into_iter().for_each(|line| runtime.add_missing(line));
                return Ok(runtime);
            }
            Err(error) => failures.push(format!("runtime `{}`: {}", entry.name, error.because())),
        }
    }
    Err(RuntimeError::Unavailable { name: "any", tried: failures })
}

/// A runtime's work failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No runtime bears this name.
    #[error("there is no runtime `{name}`")]
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// The runtime cannot serve on this machine for this user.
    #[error("runtime `{name}` cannot serve here")]
    Unavailable {
        /// The runtime.
        name: &'static str,
        /// What was tried and why it failed, a line each.
        tried: Vec<String>,
    },
    /// The specification asks for something impossible.
    #[error("container `{container}` cannot be made by runtime `{runtime}`")]
    Unsupported {
        /// The runtime.
        runtime: &'static str,
        /// The container.
        container: String,
        /// What it cannot do.
        because: String,
    },
    /// A container did not start.
    #[error("container `{container}` did not start")]
    Start {
        /// The container.
        container: String,
        /// What the runtime said.
        because: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// The process that watches over a container is gone.
    #[error("the helper of container `{container}` is gone")]
    HelperLost {
        /// The container.
        container: String,
        /// The last lines of its standard error.
        stderr: String,
    },
    /// A container could not be removed.
    #[error("container `{container}` could not be removed")]
    Remove {
        /// The container.
        container: String,
        /// What is in the way.
        because: String,
    },
    /// A system call failed.
    #[error("could not {action}")]
    System {
        /// What was tried, with its path or container.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// What the run would leave could not be written down.
    #[error(transparent)]
    Leavings(#[from] LeavingsError),
}

impl RuntimeError {
    pub(crate) fn system(action: impl Into<String>, source: std::io::Error) -> RuntimeError {
        RuntimeError::System { action: action.into(), source }
    }

    /// Why it happened.
    pub fn because(&self) -> String {
        match self {
            RuntimeError::UnknownName { .. } => {
                let names: Vec<String> = RUNTIMES.iter().map(|entry| format!("`{}`", entry.name)).collect();
                format!("the runtimes are {}", names.join(", "))
            }
            RuntimeError::Unavailable { tried, .. } => tried.join("; "),
            RuntimeError::Unsupported { because, .. } | RuntimeError::Remove { because, .. } => because.clone(),
            RuntimeError::Start { because, stderr, .. } if stderr.is_empty() => because.clone(),
            RuntimeError::Start { because, stderr, .. } => format!("{because}; it wrote: {stderr}"),
            RuntimeError::HelperLost { stderr, .. } => format!("it was killed from outside; it wrote: {stderr}"),
            RuntimeError::System { source, .. } => source.to_string(),
            RuntimeError::Leavings(error) => error.because(),
        }
    }

    /// What the user can try.
    pub fn remedy(&self) -> &'static str {
        match self {
            RuntimeError::UnknownName { .. } => "leave `--runtime` out, the best one that can serve is chosen",
            RuntimeError::Unavailable { .. } => {
                "run as root, or allow user namespaces, or use `--runtime process` (no containers)"
            }
            RuntimeError::Unsupported { .. } => "use another `--runtime` or another `--world`",
            RuntimeError::Start { .. } => "use `--runtime process`, or report this with the whole message",
            RuntimeError::HelperLost { .. } => "look for what killed it (the kernel's log tells of want of memory)",
            RuntimeError::Remove { .. } => "`walproof clean`",
            RuntimeError::System { .. } => "look at the limits of this user (`ulimit -a`) and at the free space",
            RuntimeError::Leavings(error) => error.remedy(),
        }
    }
}

/// The last lines of a file, as an error shows them.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
