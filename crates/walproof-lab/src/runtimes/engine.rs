//! Engines: docker, podman, nerdctl, each by its own command line, so that contexts, authentication and rootless modes
//! come along.
//!
//! What this file is: one driver for the family; what differs between its members is a [`Tool`], a small file each in
//! `engine/`.
//! What it must not do: speak an engine's own protocol; touch what does not carry the run's label.
//! Where to look next: `engine/command.rs` (a container in the words of the command line), `engine/detect.rs` (whether
//! and how an engine can serve), `engine/container.rs` (a started container).

pub mod command;
mod container;
mod detect;
pub mod docker;
pub mod nerdctl;
pub mod podman;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::attached::Attached;
use super::{Abilities, Container, ContainerSpec, HELPER, Mount, Runtime, RuntimeError, check, program};
use crate::run::leavings::{NotedEngine, RunDirectory};
use container::EngineContainer;

pub use detect::{answer_probe, detect};

/// The label that everything of a run carries on an engine.
pub const LABEL: &str = "walproof.run";
const START_MAX: Duration = Duration::from_secs(60);

/// Variables that tell a command line which engine it speaks to; noted, so that `clean` reaches the same one.
const VARIABLES: &[&str] = &[
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "CONTAINER_HOST",
    "CONTAINER_CONNECTION",
    "CONTAINERD_ADDRESS",
    "CONTAINERD_NAMESPACE",
    "CONTAINERS_STORAGE_CONF",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
];

/// One member of the family.
#[derive(Debug)]
pub struct Tool {
    /// Its own name, and its program's.
    pub name: &'static str,
    /// Reads what `info --format '{{json .}}'` says.
    pub read: fn(&Value) -> Told,
    /// OCI runtimes to ask for by name when its own one cannot start anything.
    pub other_oci_runtimes: &'static [&'static str],
    /// Whether its no can be believed when it is asked whether the kernel killed for want of memory.
    pub tells_want_of_memory: bool,
    /// Further flags of `run`. All of them store no output beside what we read.
    pub flags: &'static [&'static str],
    /// Whether it must be told to leave the limits of open files and processes as they are for us.
    pub own_ulimits: bool,
    /// Whether `run` takes `--umask`.
    pub umask: bool,
}

/// What an engine tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its version.
    pub version: String,
    /// The OCI runtime it uses by default.
    pub oci_runtime: String,
    /// `v1`, `v2`.
    pub cgroup_version: String,
    /// Whether it runs without root.
    pub rootless: bool,
    /// Whether files need labels.
    pub selinux: bool,
    /// Whether users inside are other users outside, for a rootful engine (`userns-remap`).
    pub remapped: bool,
    /// A virtual machine between the user and the containers, by the product's name.
    pub virtual_machine: Option<String>,
}

/// An engine that can serve.
#[derive(Debug)]
pub struct Engine {
    client: Client,
    /// `docker`, or `docker:runsc` when an OCI runtime was asked for.
    name: String,
    told: Told,
    abilities: Abilities,
    /// `--runtime` of `run`.
    oci_runtime: Option<String>,
    image: String,
    /// Containers that only hold volumes: some are mounted only as long as somebody has them.
    anchors: Mutex<Vec<Anchor>>,
    /// Holds the notes of the image, which goes with it.
    keeper: RunDirectory,
}

/// A container that holds a volume.
struct Anchor {
    volume: String,
    /// Ends when this is dropped.
    _container: Box<dyn Container>,
}

impl std::fmt::Debug for Anchor {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "Anchor({})", self.volume)
    }
}

/// The command line of an engine.
#[derive(Clone, Debug)]
pub struct Client {
    tool: &'static Tool,
    program: PathBuf,
}

impl Client {
    /// A command of it, without arguments. It does not wait for a terminal.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end: standard output, trimmed.
    pub fn ask(&self, arguments: &[&str]) -> Result<String, RuntimeError> {
        let failed = |because: String| RuntimeError::Engine { command: self.line(arguments), because };
        let output = self.command().args(arguments).output().map_err(|error| failed(error.to_string()))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(failed(complaint(&output))),
        }
    }

    /// The command as it would be typed.
    fn line(&self, arguments: &[&str]) -> String {
        format!("{} {}", self.tool.name, arguments.join(" "))
    }

    /// What `clean` needs to reach the same engine again.
    fn noted(&self) -> NotedEngine {
        let set = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
        let environment: BTreeMap<String, String> = VARIABLES.iter().filter_map(set).collect();
        NotedEngine { program: self.program.clone(), environment, images: Vec::new(), targets: Vec::new() }
    }

    /// The same with a container of the user's that is hurt for a while.
    pub fn noted_with_target(&self, target: &str) -> NotedEngine {
        NotedEngine { targets: vec![target.to_owned()], ..self.noted() }
    }
}

/// What a failed command wrote, without what belongs to the terminal.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| is_said(line)).collect();
    match lines[..] {
        [] => output.status.to_string(),
        _ => lines[lines.len().saturating_sub(4)..].join("; "),
    }
}

/// Whether a line of a complaint says something: not that there is a `--help`.
fn is_said(line: &str) -> bool {
    !line.is_empty() && !(line.contains("--help") && (line.starts_with("Run '") || line.starts_with("See '")))
}

/// The engine's name for a container of ours.
pub fn full_name(run: &str, name: &str) -> String {
    format!("walproof-{run}-{name}")
}

impl Runtime for Engine {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError> {
        check(&self.name, spec)?;
        self.check_own(spec)?;
        run.note_runtime(&self.name)?;
        run.note_engine(&self.client.noted())?;
        run.note_container(&spec.name)?;
        let mounted = match (&spec.program, spec.likeness.as_ref().and_then(|likeness| likeness.image.as_ref())) {
            (None, None) => None,
            _ => Some(program(run, spec)?),
        };
        let folder = run.path().join("engine").join(&spec.name);
        std::fs::create_dir_all(&folder)
            .map_err(|error| RuntimeError::system(format!("make `{}`", folder.display()), error))?;
        let mut command = self.client.command();
        command.current_dir(&folder);
        command.args(command::run(self, run.id().as_str(), spec, mounted.as_deref()));
        let attached = Attached::spawn(&mut command, run, &spec.name)?;
        let mut started = EngineContainer::new(self.client.clone(), run, &spec.name, folder, attached);
        started.wait_until_it_speaks(START_MAX)?;
        Ok(Box::new(started))
    }

    fn path_for_agent(&self, _: &[Mount], inside: &Path) -> PathBuf {
        inside.to_path_buf()
    }

    fn add_missing(&mut self, line: String) {
        self.abilities.missing.push(line);
    }

    fn engine(&self) -> Option<&Client> {
        Some(&self.client)
    }

    fn volume_path(&self, volume: &str) -> Result<PathBuf, RuntimeError> {
        let said = self.client.ask(&["volume", "inspect", "--format", "{{json .}}", volume])?;
        let inspected: Value = serde_json::from_str(&said).unwrap_or_default();
        let refuse = |because: String| {
            Err(RuntimeError::Unsupported { runtime: self.name.clone(), container: volume.into(), because })
        };
        let driver = inspected["Driver"].as_str().unwrap_or_default();
        if driver != "local" {
            return refuse(format!("its driver is `{driver}`, and where that keeps files cannot be seen from here"));
        }
        if inspected["Options"].as_object().is_some_and(|options| !options.is_empty()) {
            self.hold_volume(volume)?;
        }
        let path = PathBuf::from(inspected["Mountpoint"].as_str().unwrap_or_default());
        match std::fs::read_dir(&path) {
            Ok(_) => Ok(path),
            Err(error) => refuse(format!("its files at `{}` cannot be seen: {error}", path.display())),
        }
    }
}

impl Engine {
    /// Root of a rootful engine, without root's capabilities, may not write into what belongs to a user who is not
    /// root: agents are that user then.
    fn own_user(&self) -> Option<(u32, u32)> {
        // SAFETY: these calls have no preconditions.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        (uid != 0 && !self.told.rootless).then_some((uid, gid))
    }

    fn hold_volume(&self, volume: &str) -> Result<(), RuntimeError> {
        let mut anchors = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
        if anchors.iter().any(|anchor| anchor.volume == volume) {
            return Ok(());
        }
        let mount = Mount::Volume { name: volume.to_owned(), destination: "/held".into(), read_only: false };
        let spec = ContainerSpec::of_ourselves(&format!("anchor-{}", anchors.len()), vec![mount], &[HELPER, "probe"]);
        let container = self.start(&self.keeper, &spec)?;
        anchors.push(Anchor { volume: volume.to_owned(), _container: container });
        Ok(())
    }

    fn check_own(&self, spec: &ContainerSpec) -> Result<(), RuntimeError> {
        let overlay = spec.mounts.iter().any(|mount| matches!(mount, Mount::Overlay { .. }));
        if !overlay {
            return Ok(());
        }
        let because = "an engine makes no overlay of directories that you choose".to_owned();
        Err(RuntimeError::Unsupported { runtime: self.name.clone(), container: spec.name.clone(), because })
    }
}
