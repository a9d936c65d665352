//! What a command line that starts a container says.
//!
//! Everything is as written, variables of the shell included; [`Runs::is_unknown`] tells whether some of it is only
//! known to the machine. Mounts are those of the Compose model.
//!
//! What it must not do: judge, fill in defaults.
//!
//! Where to look next: `options`, which makes these.

use serde::Serialize;

use crate::manifest::compose::{Mount, Pair, Tmpfs, VolumesFrom};
use crate::manifest::error::ManifestError;
use crate::manifest::span::{SourceFile, Span, Spanned, Warning, WarningKind};

/// All command lines of a set of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    /// In the order of the files.
    pub runs: Vec<Run>,
    /// The files; `Span::source` is an index into this list.
    pub files: Vec<SourceFile>,
    /// What was noticed, in the order of the places.
    pub warnings: Vec<Warning>,
    /// Files that are no text or beyond every measure.
    #[serde(skip)]
    pub errors: Vec<ManifestError>,
}

impl Runs {
    /// The name of the file that a span points into.
    pub fn file_of(&self, span: Span) -> &str {
        self.files.get(span.source).map_or("", |file| file.name.as_str())
    }

    /// Whether a part of what is written here is only known to the machine.
    pub fn is_unknown(&self, span: Span) -> bool {
        // They stand in the order of their places.
        let first = self.warnings.partition_point(|warning| warning.span < span);
        let mut here = self.warnings[first..].iter().take_while(|warning| warning.span == span);
        here.any(|warning| warning.kind == WarningKind::NotKnownHere)
    }
}

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// `docker`, `podman`, `nerdctl`, without the folder; or the variable that stands for one, as written.
    pub program: Spanned<String>,
    /// It makes the container and does not start it.
    pub create_only: bool,
    /// What is said before the image.
    pub options: Options,
    /// The image; `None`: it stands in something that is not known here, or nowhere.
    pub image: Option<Spanned<String>>,
    /// What stands after the image.
    pub command: Vec<Spanned<String>>,
    /// From the program to the last word.
    pub span: Span,
}

/// What is said about a container, also by `PodmanArgs=` of a quadlet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Options {
    /// Everything under `--volume` and `--mount`.
    pub mounts: Vec<Mount>,
    /// Mounts of memory by `--tmpfs`.
    pub tmpfs: Vec<Tmpfs>,
    /// Containers whose mounts it has too.
    pub volumes_from: Vec<VolumesFrom>,
    /// A name of its own.
    pub name: Option<Spanned<String>>,
    /// The user, `uid`, `name` or with `:group`.
    pub user: Option<Spanned<String>>,
    /// More groups.
    pub group_add: Vec<Spanned<String>>,
    /// The user namespace: `host`, `keep-id`, `auto` and so on.
    pub user_namespace: Option<Spanned<String>>,
    /// Variables; `None` as a value is passed through from whoever starts it.
    pub environment: Vec<Pair>,
    /// Files with more of them.
    pub environment_files: Vec<Spanned<String>>,
    /// `no`, `always`, `on-failure[:n]`, `unless-stopped`.
    pub restart: Option<Spanned<String>>,
    /// Seconds between the signal to stop and `SIGKILL`; negative, and so none here: for ever.
    pub stop_timeout_seconds: Option<Spanned<u64>>,
    /// The signal to stop.
    pub stop_signal: Option<Spanned<String>>,
    /// The limit of memory.
    pub memory_limit_bytes: Option<Spanned<u64>>,
    /// The size of `/dev/shm`.
    pub shm_size_bytes: Option<Spanned<u64>>,
    /// Whether the image's own files are read-only.
    pub read_only: Option<Spanned<bool>>,
    /// Whether it has every privilege.
    pub privileged: Option<Spanned<bool>>,
    /// Whether an init runs before the command.
    pub init: Option<Spanned<bool>>,
    /// Whether it is removed when it ends.
    pub remove: Option<Spanned<bool>>,
    /// Networks, or `host`, `container:NAME`.
    pub networks: Vec<Spanned<String>>,
    /// The process namespace: `host`, `container:NAME`.
    pub pid: Option<Spanned<String>>,
    /// The namespace of System V memory.
    pub ipc: Option<Spanned<String>>,
    /// The OCI runtime: `runsc`, `kata-runtime` and others.
    pub runtime: Option<Spanned<String>>,
    /// The pod.
    pub pod: Option<Spanned<String>>,
    /// Labels and profiles of security modules.
    pub security_options: Vec<Spanned<String>>,
    /// Capabilities more.
    pub capabilities_added: Vec<Spanned<String>>,
    /// Capabilities less.
    pub capabilities_dropped: Vec<Spanned<String>>,
    /// What replaces the image's entry point.
    pub entrypoint: Option<Spanned<String>>,
    /// The directory that the command starts in.
    pub working_directory: Option<Spanned<String>>,
    /// The check of health.
    pub health_command: Option<Spanned<String>>,
    /// The driver of volumes without one of their own.
    pub volume_driver: Option<Spanned<String>>,
    /// Labels.
    pub labels: Vec<Pair>,
}
