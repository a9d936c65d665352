//! Runtimes: doors through which agents enter containers.
//!
//! What this room is: one trait of few verbs, one small file for each runtime, the [`RUNTIMES`] slice.
//! What it must not do: know what an agent does inside.
//! Where to look next: `embedded.rs` (OCI containers without a daemon), `process.rs` (no isolation at all).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::leavings::RunDirectory;

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
    /// Waits for its end, at most `timeout`; `None`: it lives.
    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError>;
    /// Removes what is left of it (cgroup, state); it must have ended or is killed.
    fn remove(&mut self) -> Result<(), RuntimeError>;
}
