//! What to start: a container as the lab asks for it, whatever the runtime.
//!
//! What this file is: [`ContainerSpec`], its mounts, what it takes from a container of the user's, and what every
//! runtime refuses early because tools refuse it late or with a panic.
//! What it must not do: know a runtime.
//! Where to look next: `bundle.rs` and `engine/command.rs`, which say it in other words.

use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RuntimeError;
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
    /// A named volume of an engine, which exists already.
    Volume {
        /// Its name.
        name: String,
        /// Absolute path inside.
        destination: PathBuf,
        /// Whether the container may not write there.
        read_only: bool,
    },
    /// Memory, of this container alone.
    Tmpfs {
        /// Absolute path inside.
        destination: PathBuf,
    },
}

impl Mount {
    /// Where it is inside.
    pub fn destination(&self) -> &Path {
        match self {
            Mount::Bind { destination, .. }
            | Mount::Overlay { destination, .. }
            | Mount::Volume { destination, .. }
            | Mount::Tmpfs { destination } => destination,
        }
    }

    /// The word for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Mount::Bind { .. } => "bind mounts",
            Mount::Overlay { .. } => "overlay mounts",
            Mount::Volume { .. } => "named volumes",
            Mount::Tmpfs { .. } => "tmpfs mounts",
        }
    }

    /// The paths of the host that it is made of.
    fn sources(&self) -> Vec<&PathBuf> {
        match self {
            Mount::Bind { source, .. } => vec![source],
            Mount::Overlay { lower, upper, work, .. } => vec![lower, upper, work],
            Mount::Volume { .. } | Mount::Tmpfs { .. } => Vec::new(),
        }
    }
}

/// What an agent takes from a container of the user's, beside its mounts: what may decide whether SQLite works there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    /// The user's image; the program is mounted into it. `None`: ours, which holds nothing else.
    pub image: Option<String>,
    /// `--user`, as the engine takes it: numbers, or names that only the image knows.
    pub user: Option<String>,
    /// Further groups.
    pub groups: Vec<String>,
    /// `--security-opt`: seccomp, AppArmor, SELinux labels.
    pub security_options: Vec<String>,
    /// `--cap-add`.
    pub capabilities_added: Vec<String>,
    /// `--cap-drop`.
    pub capabilities_dropped: Vec<String>,
    /// `--privileged`.
    pub privileged: bool,
    /// `--userns`.
    pub user_namespace: Option<String>,
    /// `--runtime`: the OCI runtime below the engine.
    pub oci_runtime: Option<String>,
    /// Its own limit of memory in bytes.
    pub memory_bytes_max: Option<u64>,
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
    /// What it takes from a container of the user's; only engines can.
    pub likeness: Option<Likeness>,
}

impl ContainerSpec {
    /// A small container of this very program, to find something out or to hold something.
    pub fn of_ourselves(name: &str, mounts: Vec<Mount>, arguments: &[&str]) -> ContainerSpec {
        ContainerSpec {
            name: name.to_owned(),
            mounts,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            memory_bytes_max: 64 << 20,
            pids_max: 16,
            user: None,
            program: None,
            likeness: None,
        }
    }
}

/// A name must be a host's name, a folder's name and a cgroup's name at once.
pub fn check_name(runtime: &str, name: &str) -> Result<(), RuntimeError> {
    let name_is_good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(name_is_good) {
        let because = "a name is 1 to 64 of `A-Z a-z 0-9 _ - .` and does not begin with a dot".to_owned();
        return Err(RuntimeError::Unsupported { runtime: runtime.into(), container: name.to_owned(), because });
    }
    Ok(())
}

/// What tools would refuse late or with a panic, said early.
pub fn check(runtime: &str, spec: &ContainerSpec) -> Result<(), RuntimeError> {
    check_name(runtime, &spec.name)?;
    for mount in &spec.mounts {
        for path in mount.sources().into_iter().map(PathBuf::as_path).chain([mount.destination()]) {
            if !path.is_absolute() || path.to_str().is_none() {
                let because = format!("path `{}` of a mount is not absolute or not UTF-8", path.display());
                let container = spec.name.clone();
                return Err(RuntimeError::Unsupported { runtime: runtime.into(), container, because });
            }
        }
    }
    for source in spec.mounts.iter().flat_map(Mount::sources) {
        // Opened as a path, not looked at: a question would wait for who serves it, and that may be this very process.
        let found = fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(source);
        found.map_err(|error| RuntimeError::system(format!("mount `{}`", source.display()), error))?;
    }
    Ok(())
}

/// The same for a runtime of bundles, which has no volumes and no images.
pub fn check_bundled(runtime: &str, spec: &ContainerSpec) -> Result<(), RuntimeError> {
    let refuse = |because: &str| {
        let container = spec.name.clone();
        Err(RuntimeError::Unsupported { runtime: runtime.into(), container, because: because.to_owned() })
    };
    if spec.mounts.iter().any(|mount| matches!(mount, Mount::Volume { .. })) {
        return refuse("named volumes belong to an engine, and this runtime is none");
    }
    if spec.likeness.is_some() {
        return refuse("only an engine can make it like a container of yours");
    }
    check(runtime, spec)
}

/// The program to mount into a container: the asked one, else ours. A bind mount of it costs nothing and shares the
/// page cache; ours is copied only when its file was replaced since we started (a rebuild), because agents must be
/// the same build as the lab, or when an agent, who is root without root's capabilities, may not execute it.
pub fn program(run: &RunDirectory, spec: &ContainerSpec) -> Result<PathBuf, RuntimeError> {
    if let Some(program) = &spec.program {
        return Ok(program.clone());
    }
    let running = Path::new("/proc/self/exe");
    let failed = |error| RuntimeError::system("find the running binary by `/proc/self/exe`", error);
    let path = fs::read_link(running).map_err(failed)?;
    let ours = fs::metadata(running).map_err(failed)?;
    let same = fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    let for_everybody = spec.likeness.is_none() || ours.mode() & 0o005 == 0o005;
    if same && for_everybody && executable_without_capabilities(&ours) && path.to_str().is_some() {
        return Ok(path);
    }
    let copy = run.path().join("walproof");
    if !copy.exists() {
        let unfinished = run.path().join(format!("walproof.{:?}", std::thread::current().id()));
        fs::copy(running, &unfinished)
            .and_then(|_| fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755)))
            .and_then(|()| fs::rename(&unfinished, &copy))
            .map_err(failed)?;
    }
    Ok(copy)
}

fn executable_without_capabilities(file: &fs::Metadata) -> bool {
    // SAFETY: geteuid has no preconditions.
    let owner = file.uid() == unsafe { libc::geteuid() };
    if owner { file.mode() & 0o500 == 0o500 } else { file.mode() & 0o005 == 0o005 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_be_a_hostname_and_a_folder() {
        assert!(check_name("docker", "agent-0.life-3").is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "a+b", &"a".repeat(65)] {
            assert!(check_name("docker", bad).is_err(), "{bad}");
        }
    }

    fn spec(mounts: Vec<Mount>) -> ContainerSpec {
        ContainerSpec {
            name: "agent".to_owned(),
            mounts,
            arguments: vec![],
            memory_bytes_max: 0,
            pids_max: 0,
            user: None,
            program: None,
            likeness: None,
        }
    }

    #[test]
    fn paths_of_mounts_are_absolute() {
        let relative = Mount::Tmpfs { destination: "tmp".into() };
        assert!(check("docker", &spec(vec![relative])).is_err());
        assert!(check("docker", &spec(vec![Mount::Tmpfs { destination: "/tmp".into() }])).is_ok());
    }

    #[test]
    fn only_engines_have_volumes() {
        let destination = "/db".into();
        let volume = Mount::Volume { name: "v".to_owned(), destination, read_only: false };
        assert!(check("docker", &spec(vec![volume.clone()])).is_ok());
        assert!(check_bundled("runc", &spec(vec![volume])).is_err());
    }
}
