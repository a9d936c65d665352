//! Runtimes: doors through which agents enter containers.
//!
//! What this room is: one trait of few verbs, one small file for each runtime, the [`RUNTIMES`] slice.
//! What it must not do: know what an agent does inside.
//! Where to look next: `embedded.rs` (OCI containers without a daemon), `engine.rs` (docker, podman, nerdctl), `oci.rs`
//! (runc, crun, youki, runsc), `process.rs` (no isolation at all). `../../tests/runtimes.rs` is what all must fulfil.
//!
//! A binary that uses this room gives `argv[1] == "container-helper"` to [`helper_main`] before anything else, and
//! what it runs inside a container speaks first: that is how a start is known to have succeeded.

mod attached;
pub mod bundle;
pub mod cgroups;
pub mod embedded;
pub mod engine;
pub mod oci;
pub mod pidfd;
pub mod process;
mod spec;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::leavings::{LeavingsError, RunDirectory};

pub use embedded::helper::{HELPER, helper_main};
pub use spec::{ContainerSpec, Likeness, Mount};
use spec::{check, check_bundled, check_name, program};

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
    /// Named volumes, images, and containers like one of the user's.
    pub volumes: bool,
    /// The tool's version, where there is a tool.
    pub version: Option<String>,
    /// What is missing and why, a line each; goes into the coverage.
    pub missing: Vec<String>,
    /// What else is to be known of it, and bears on no verdict.
    pub notes: Vec<String>,
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
    /// The tool's own name, as `--runtime` takes it.
    fn name(&self) -> &str;
    /// What it can do here.
    fn abilities(&self) -> &Abilities;
    /// Starts an agent. Everything it makes is noted in `run` before it is made; what runs inside speaks first.
    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError>;
    /// Where the agent finds a path that the mounts put at `inside`; the host's path where there are no mounts.
    fn path_for_agent(&self, mounts: &[Mount], inside: &Path) -> PathBuf;
    /// Adds a line to what is missing here: a better runtime that was tried first, and why it could not serve.
    fn add_missing(&mut self, line: String);
    /// The command line of the engine, for what only an engine knows; `None`: it is none.
    fn engine(&self) -> Option<&engine::Client> {
        None
    }
    /// Where the files of a named volume are on this machine, for as long as this runtime lives.
    fn volume_path(&self, volume: &str) -> Result<PathBuf, RuntimeError> {
        let because = "named volumes belong to an engine, and this runtime is none".to_owned();
        Err(RuntimeError::Unsupported { runtime: self.name().into(), container: volume.into(), because })
    }
}

/// A started agent. Dropping it kills and removes it.
pub trait Container: Send {
    /// The agent's pid as this process sees it; `None`: it lives where it cannot be seen.
    fn pid(&self) -> Option<u32>;
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
    /// Whether it is taken without being asked for by name.
    pub by_itself: bool,
    /// How to reach it.
    door: Door,
}

/// How a runtime is reached.
#[derive(Debug)]
enum Door {
    /// It is our own.
    Own(fn() -> Result<Box<dyn Runtime>, RuntimeError>),
    /// By an engine's command line.
    Engine(&'static engine::Tool),
    /// By an OCI command line.
    Oci(&'static oci::Tool),
}

/// Every runtime, in the order in which they are tried: what needs nobody first, what isolates nothing last.
pub static RUNTIMES: &[Entry] = &[
    Entry { name: "embedded", by_itself: true, door: Door::Own(embedded::detect) },
    Entry { name: "podman", by_itself: true, door: Door::Engine(&engine::podman::PODMAN) },
    Entry { name: "docker", by_itself: true, door: Door::Engine(&engine::docker::DOCKER) },
    Entry { name: "nerdctl", by_itself: false, door: Door::Engine(&engine::nerdctl::NERDCTL) },
    Entry { name: "runc", by_itself: false, door: Door::Oci(oci::TOOLS[1]) },
    Entry { name: "crun", by_itself: false, door: Door::Oci(oci::TOOLS[0]) },
    Entry { name: "youki", by_itself: false, door: Door::Oci(oci::TOOLS[3]) },
    Entry { name: "runsc", by_itself: false, door: Door::Oci(oci::TOOLS[2]) },
    Entry { name: "process", by_itself: true, door: Door::Own(process::detect) },
];

impl Entry {
    /// Finds out by trying whether it can serve here.
    pub fn detect(&self) -> Result<Box<dyn Runtime>, RuntimeError> {
        match self.door {
            Door::Own(detect) => detect(),
            Door::Engine(tool) => engine::detect(tool, None),
            Door::Oci(tool) => oci::detect(tool),
        }
    }

    /// Whether it is an engine, with volumes and images.
    pub fn is_engine(&self) -> bool {
        matches!(self.door, Door::Engine(_))
    }
}

/// The runtime of that name, or the first one that can serve. One that was asked for by name and cannot serve is an
/// error, never a silent fallback. A name with a slash is the path of an OCI command line; `docker:runsc` is an engine
/// with an OCI runtime of its own.
pub fn choose(name: Option<&str>) -> Result<Box<dyn Runtime>, RuntimeError> {
    match name {
        Some(path) if path.contains('/') => oci::detect_at(Path::new(path)),
        Some(name) => by_name(name),
        None => first_that_serves(RUNTIMES.iter().filter(|entry| entry.by_itself)),
    }
}

/// The engine of this machine: the first that is installed, Docker before others. One that is installed and cannot
/// serve is an error: what is asked about is the user's own, and another engine would give another answer.
pub fn choose_engine() -> Result<Box<dyn Runtime>, RuntimeError> {
    let mut engines: Vec<&Entry> = RUNTIMES.iter().filter(|entry| entry.is_engine()).collect();
    engines.sort_by_key(|entry| entry.name != "docker");
    let names: Vec<&str> = engines.iter().map(|entry| entry.name).collect();
    match engines.iter().find(|entry| find_program(entry.name).is_some()) {
        Some(entry) => entry.detect(),
        None => {
            let tried = vec![format!("there is none of {} in PATH", names.join(", "))];
            Err(RuntimeError::Unavailable { name: "engine".to_owned(), tried })
        }
    }
}

fn by_name(name: &str) -> Result<Box<dyn Runtime>, RuntimeError> {
    let (outer, inner) = name.split_once(':').map_or((name, None), |(outer, inner)| (outer, Some(inner)));
    let entry = RUNTIMES.iter().find(|entry| entry.name == outer);
    match (entry.map(|entry| &entry.door), inner) {
        (Some(Door::Engine(tool)), inner) => engine::detect(tool, inner),
        (Some(Door::Own(detect)), None) => detect(),
        (Some(Door::Oci(tool)), None) => oci::detect(tool),
        _ => Err(RuntimeError::UnknownName { name: name.to_owned() }),
    }
}

fn first_that_serves<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<Box<dyn Runtime>, RuntimeError> {
    let mut failures = Vec::new();
    for entry in entries {
        match entry.detect() {
            Ok(mut runtime) => {
                failures.into_iter().for_each(|line| runtime.add_missing(line));
                return Ok(runtime);
            }
            Err(error) => failures.push(format!("runtime `{}`: {}", entry.name, error.because())),
        }
    }
    Err(RuntimeError::Unavailable { name: "any".to_owned(), tried: failures })
}

/// The first program of this name in PATH, or in the folders of root's PATH that a user's may lack.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let executable = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name)).find(executable)
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
        name: String,
        /// What was tried and why it failed, a line each.
        tried: Vec<String>,
    },
    /// The specification asks for something impossible.
    #[error("container `{container}` cannot be made by runtime `{runtime}`")]
    Unsupported {
        /// The runtime.
        runtime: String,
        /// The container.
        container: String,
        /// What it cannot do.
        because: String,
    },
    /// A command of an engine failed.
    #[error("`{command}` failed")]
    Engine {
        /// The command as it would be typed.
        command: String,
        /// What it said.
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
                format!(
                    "the runtimes are {}, an engine with an OCI runtime (`docker:runsc`), and paths",
                    names.join(", ")
                )
            }
            RuntimeError::Unavailable { tried, .. } => tried.join("; "),
            RuntimeError::Engine { because, .. }
            | RuntimeError::Unsupported { because, .. }
            | RuntimeError::Remove { because, .. } => because.clone(),
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
            RuntimeError::Unavailable { name, .. } if name == "any" || name == "embedded" => {
                "run as root, or allow user namespaces, or use `--runtime process` (no containers)"
            }
            RuntimeError::Unavailable { .. } => {
                "`walproof runtimes` says what can serve here; install or start this one"
            }
            RuntimeError::Engine { .. } => "run that command yourself, and see docs/runtimes.md",
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
