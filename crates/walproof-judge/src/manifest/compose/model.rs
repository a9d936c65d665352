//! What a Compose file says, as far as it bears on who has which files open how, and who is stopped when.
//!
//! Values are what Compose would use: variables put in, files merged, `extends` and `include` followed. Each carries
//! the place where it was written. `None` and empty lists mean that nothing is written; defaults are not filled in.
//!
//! What it must not do: read YAML, judge.
//!
//! Where to look next: `read` and `mounts`, which make these.

use serde::Serialize;

use super::paths;
use crate::manifest::span::{SourceFile, Span, Spanned, Warning, WarningKind};

/// All files of a project, merged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compose {
    /// The project's name, if a file states it.
    pub name: Option<Spanned<String>>,
    /// In the order of the files.
    pub services: Vec<Service>,
    /// The volumes that are declared at the top, in the order of the files.
    pub volumes: Vec<Volume>,
    /// The files that were read; `Span::source` is an index into this list.
    pub files: Vec<SourceFile>,
    /// What was noticed, in the order of the places.
    pub warnings: Vec<Warning>,
}

impl Compose {
    /// A path as written in one of the files, against the directory that this file's paths start from.
    ///
    /// The result is absolute only if that directory or the path is: nothing is asked of the machine. For `~` see
    /// [`paths::resolve`].
    pub fn resolve(&self, path: &Spanned<String>, home: Option<&str>) -> String {
        let directory = self.files.get(path.span.source).map_or(".", |file| file.directory.as_str());
        paths::resolve(directory, &path.value, home)
    }

    /// Whether a variable without a value stands in what is written here, so that the value may be another one where
    /// the file is used.
    pub fn has_unset_variable(&self, span: Span) -> bool {
        let unset = |kind| matches!(kind, WarningKind::UnsetVariable | WarningKind::RequiredVariable);
        // They stand in the order of their places.
        let first = self.warnings.partition_point(|warning| warning.span < span);
        self.warnings[first..].iter().take_while(|warning| warning.span == span).any(|warning| unset(warning.kind))
    }

    /// The name of the file that a span points into.
    pub fn file_of(&self, span: Span) -> &str {
        self.files.get(span.source).map_or("", |file| file.name.as_str())
    }

    /// The service of a name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name.value == name)
    }

    /// The declaration of a volume by its key.
    pub fn volume(&self, key: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.key.value == key)
    }
}

/// A volume declared at the top.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// What services call it.
    pub key: Spanned<String>,
    /// What the engine calls it (`name:`); without it the project's name stands before the key.
    pub real_name: Option<Spanned<String>>,
    /// Made by somebody else.
    pub external: bool,
    /// The driver; none is the engine's own, `local`.
    pub driver: Option<Spanned<String>>,
    /// What the driver is told: `type`, `o` and `device` for `local`.
    pub driver_opts: Vec<Pair>,
    /// The whole declaration.
    pub span: Span,
}

/// A name, with a value if one is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The name. In the list form (`- NAME=value`) it has the place of the whole item, and so has the value.
    pub name: Spanned<String>,
    /// The value; for an environment `None` means that it is passed through from whoever starts Compose.
    pub value: Option<Spanned<String>>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its key, where it stands in the last of the files that has it.
    pub name: Spanned<String>,
    /// Whether the chosen profiles start it.
    pub active: bool,
    /// Its profiles; none: it always starts.
    pub profiles: Vec<Spanned<String>>,
    /// The image.
    pub image: Option<Spanned<String>>,
    /// Where it is said how the image is built.
    pub build: Option<Span>,
    /// A name of its own for the container.
    pub container_name: Option<Spanned<String>>,
    /// What replaces the image's command.
    pub command: Option<Command>,
    /// What replaces the image's entry point.
    pub entrypoint: Option<Command>,
    /// Variables of the containers.
    pub environment: Vec<Pair>,
    /// Files with more of them, as written (see [`Compose::resolve`]).
    pub env_file: Vec<Spanned<String>>,
    /// The user, `uid`, `name` or with `:group`.
    pub user: Option<Spanned<String>>,
    /// More groups.
    pub group_add: Vec<Spanned<String>>,
    /// The directory that the command starts in.
    pub working_dir: Option<Spanned<String>>,
    /// Whether the image's own files are read-only.
    pub read_only: Option<Spanned<bool>>,
    /// Whether it has every privilege.
    pub privileged: Option<Spanned<bool>>,
    /// Whether an init runs before the command.
    pub init: Option<Spanned<bool>>,
    /// Capabilities more.
    pub cap_add: Vec<Spanned<String>>,
    /// Capabilities less.
    pub cap_drop: Vec<Spanned<String>>,
    /// Labels and profiles of security modules, `seccomp=...` among them.
    pub security_opt: Vec<Spanned<String>>,
    /// The user namespace, `host` or of the engine's choice.
    pub userns_mode: Option<Spanned<String>>,
    /// The process namespace: `host`, `service:NAME`, `container:NAME`.
    pub pid: Option<Spanned<String>>,
    /// The namespace of shared memory.
    pub ipc: Option<Spanned<String>>,
    /// The OCI runtime: `runsc`, `kata-runtime` and others.
    pub runtime: Option<Spanned<String>>,
    /// The network namespace.
    pub network_mode: Option<Spanned<String>>,
    /// The limit of memory, from `deploy.resources.limits.memory` or else `mem_limit`.
    pub memory_limit_bytes: Option<Spanned<u64>>,
    /// The limit of processes, from `deploy.resources.limits.pids` or else `pids_limit`; none if negative.
    pub process_count_limit: Option<Spanned<u64>>,
    /// Mounts of memory in the short form.
    pub tmpfs: Vec<Tmpfs>,
    /// Everything under `volumes:`.
    pub mounts: Vec<Mount>,
    /// Services and containers whose mounts it has too.
    pub volumes_from: Vec<VolumesFrom>,
    /// `no`, `always`, `on-failure`, `unless-stopped`.
    pub restart: Option<Spanned<String>>,
    /// The time between the signal to stop and `SIGKILL`.
    pub stop_grace_period_ms: Option<Spanned<u64>>,
    /// The signal to stop.
    pub stop_signal: Option<Spanned<String>>,
    /// What is said for orchestrators.
    pub deploy: Option<Deploy>,
    /// How many containers.
    pub scale: Option<Spanned<u64>>,
    /// Where a check of health is set up and not disabled.
    pub healthcheck: Option<Span>,
    /// Services that start before it.
    pub depends_on: Vec<Spanned<String>>,
    /// Labels of the containers.
    pub labels: Vec<Pair>,
    /// The whole service, where its last file has it.
    pub span: Span,
}

/// Words that replace a command. No words at all mean that the image's are removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The words. In the string form, which is split by the shell's rules, each has the place of the whole.
    pub words: Vec<Spanned<String>>,
    /// The whole.
    pub span: Span,
}

/// A mount of memory in the short form, `/run:size=64m,mode=1777`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tmpfs {
    /// Where in the container.
    pub target: String,
    /// What stands after the colon, at its commas.
    pub options: Vec<String>,
    /// The whole.
    pub span: Span,
}

/// Whose mounts a service has too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumesFrom {
    /// A service, or a container if `is_container`.
    pub name: String,
    /// A container that Compose did not make.
    pub is_container: bool,
    /// Whether it may only read.
    pub read_only: bool,
    /// The whole.
    pub span: Span,
}

/// What is said for orchestrators. Limits are in [`Service`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deploy {
    /// `replicated`, `global` or a job.
    pub mode: Option<Spanned<String>>,
    /// How many containers.
    pub replicas: Option<Spanned<u64>>,
    /// `start-first` runs the new one beside the old one.
    pub update_order: Option<Spanned<String>>,
    /// The same for going back.
    pub rollback_order: Option<Spanned<String>>,
    /// When it is started again.
    pub restart_condition: Option<Spanned<String>>,
    /// The whole.
    pub span: Span,
}

/// One mount of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// Where in the container, without `.`, `..` and double slashes.
    pub target: Spanned<String>,
    /// Whether the container may only read.
    pub read_only: bool,
    /// What else is said.
    pub options: MountOptions,
    /// The whole.
    pub span: Span,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountKind {
    /// A path of the host.
    Bind {
        /// As written, variables put in (see [`Compose::resolve`]).
        source: Spanned<String>,
    },
    /// A volume of the engine with a name.
    Named {
        /// The key under `volumes:` at the top.
        volume: Spanned<String>,
    },
    /// A volume of the engine without one.
    Anonymous,
    /// Memory, in the long form.
    Tmpfs {
        /// The size.
        size_bytes: Option<Spanned<u64>>,
        /// The mode of its root.
        mode: Option<Spanned<u32>>,
    },
    /// `npipe`, `image`, `cluster` and what is to come.
    Other {
        /// The type as written.
        kind: Spanned<String>,
        /// The source as written.
        source: Option<Spanned<String>>,
    },
    /// The source cannot be told: a variable without a value stands there, or nothing does. There is a warning.
    Unknown,
}

/// What is said of a mount besides source and target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MountOptions {
    /// `rprivate`, `rshared`, `rslave` and the like.
    pub propagation: Option<Spanned<String>>,
    /// Whether the host's path is made if it is missing. The short form always makes it.
    pub create_host_path: Option<Spanned<bool>>,
    /// Whether and for whom the files are relabelled.
    pub selinux: Option<Spanned<Selinux>>,
    /// Whether a new volume stays empty where the image has files.
    pub nocopy: Option<Spanned<bool>>,
    /// Which part of the volume is mounted.
    pub subpath: Option<Spanned<String>>,
    /// `consistent`, `cached`, `delegated`.
    pub consistency: Option<Spanned<String>>,
    /// Words of the short form that are none of these, such as Podman's `U`.
    pub others: Vec<Spanned<String>>,
}

/// How SELinux labels a mounted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selinux {
    /// `z`: for every container.
    Shared,
    /// `Z`: for this container alone; another one that mounts it too loses it.
    Private,
}
