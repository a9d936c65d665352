//! What Podman's quadlets say, and which of them name each other.
//!
//! Everything is as written, specifiers of systemd (`%h`) included; [`Set::is_unknown`] tells whether one stands there.
//! Mounts are those of the Compose model. `None` and empty lists mean that nothing is written.
//!
//! What it must not do: read text, judge, fill in defaults.
//!
//! Where to look next: `units`, which makes these.

use serde::Serialize;

use crate::manifest::compose::{Mount, MountKind, Pair, Tmpfs};
use crate::manifest::docker_run::Options;
use crate::manifest::error::ManifestError;
use crate::manifest::span::{SourceFile, Span, Spanned, Warning, WarningKind};

/// All quadlets of a set of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Set {
    /// `.container` files.
    pub containers: Vec<ContainerUnit>,
    /// `.volume` files.
    pub volumes: Vec<VolumeUnit>,
    /// `.pod` files.
    pub pods: Vec<PodUnit>,
    /// `.kube` files.
    pub kubes: Vec<KubeUnit>,
    /// The files; `Span::source` is an index into this list.
    pub files: Vec<SourceFile>,
    /// What was noticed, in the order of the places.
    pub warnings: Vec<Warning>,
    /// Files that are no text or beyond every measure.
    #[serde(skip)]
    pub errors: Vec<ManifestError>,
    /// Files of other kinds, `.network` and `.image` among them: their names.
    pub left_out: Vec<String>,
}

impl Set {
    /// The name of the file that a span points into.
    pub fn file_of(&self, span: Span) -> &str {
        self.files.get(span.source).map_or("", |file| file.name.as_str())
    }

    /// Whether a part of what is written here is only known to the machine.
    pub fn is_unknown(&self, span: Span) -> bool {
        self.warnings.iter().any(|warning| warning.span == span && warning.kind == WarningKind::NotKnownHere)
    }

    /// The unit of a volume that a mount names, as `Volume=data.volume:/data` does.
    pub fn volume_of(&self, mount: &Mount) -> Option<&VolumeUnit> {
        let MountKind::Named { volume } = &mount.kind else { return None };
        self.volumes.iter().find(|unit| unit.is_called(&volume.value))
    }

    /// The pod that a container is in.
    pub fn pod_of(&self, container: &ContainerUnit) -> Option<&PodUnit> {
        let named = container.pod.as_ref()?;
        self.pods.iter().find(|pod| pod.unit.name == named.value)
    }

    /// Every mount of a container: its own, those of `PodmanArgs=`, and those of its pod.
    pub fn mounts_of<'a>(&'a self, container: &'a ContainerUnit) -> impl Iterator<Item = &'a Mount> {
        let of_pod = self.pod_of(container).map_or(&[][..], |pod| &pod.mounts);
        container.mounts.iter().chain(&container.arguments.mounts).chain(of_pod)
    }

    /// Who mounts the volume of a unit.
    pub fn mounters<'a>(&'a self, volume: &VolumeUnit) -> Vec<(&'a ContainerUnit, &'a Mount)> {
        let all = self.containers.iter().flat_map(|one| self.mounts_of(one).map(move |mount| (one, mount)));
        all.filter(|(_, mount)| self.volume_of(mount).is_some_and(|found| found.unit == volume.unit)).collect()
    }
}

/// The file of a quadlet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// The name without folders, such as `vaultwarden.container`.
    pub name: String,
    /// From the first to the last assignment; the beginning of the file if there is none.
    pub span: Span,
}

impl Unit {
    /// The name without its ending.
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem)
    }
}

/// A `.container` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerUnit {
    /// The file.
    pub unit: Unit,
    /// `ContainerName=`; `systemd-` and the unit's name without it.
    pub name: Option<Spanned<String>>,
    /// `Image=`.
    pub image: Option<Spanned<String>>,
    /// `Entrypoint=`.
    pub entrypoint: Option<Spanned<String>>,
    /// `Exec=`, in words.
    pub command: Vec<Spanned<String>>,
    /// `Volume=` and `Mount=`.
    pub mounts: Vec<Mount>,
    /// `Tmpfs=`.
    pub tmpfs: Vec<Tmpfs>,
    /// `Pod=`.
    pub pod: Option<Spanned<String>>,
    /// `User=`.
    pub user: Option<Spanned<String>>,
    /// `Group=`.
    pub group: Option<Spanned<String>>,
    /// `GroupAdd=`.
    pub group_add: Vec<Spanned<String>>,
    /// `UserNS=`, or `RemapUsers=` of older files.
    pub user_namespace: Option<Spanned<String>>,
    /// `UIDMap=`, `GIDMap=`, `SubUIDMap=`, `SubGIDMap=`.
    pub id_maps: Vec<Spanned<String>>,
    /// `Environment=`.
    pub environment: Vec<Pair>,
    /// `EnvironmentFile=` of the container.
    pub environment_files: Vec<Spanned<String>>,
    /// `Network=`.
    pub networks: Vec<Spanned<String>>,
    /// `ReadOnly=`.
    pub read_only: Option<Spanned<bool>>,
    /// `ReadOnlyTmpfs=`: with `ReadOnly=`, whether `/tmp` and others are memory.
    pub read_only_tmpfs: Option<Spanned<bool>>,
    /// `RunInit=`.
    pub init: Option<Spanned<bool>>,
    /// `SecurityLabelDisable=`: SELinux keeps nobody from the files.
    pub security_label_disable: Option<Spanned<bool>>,
    /// `SecurityLabelLevel=`.
    pub security_label_level: Option<Spanned<String>>,
    /// `StopTimeout=`: seconds between the signal to stop and `SIGKILL`.
    pub stop_timeout_seconds: Option<Spanned<u64>>,
    /// `StopSignal=`.
    pub stop_signal: Option<Spanned<String>>,
    /// `AutoUpdate=`: `registry` or `local`.
    pub auto_update: Option<Spanned<String>>,
    /// `HealthCmd=`.
    pub health_command: Option<Spanned<String>>,
    /// `HealthOnFailure=`: `kill`, `restart`, `stop` or `none`.
    pub health_on_failure: Option<Spanned<String>>,
    /// `ShmSize=`.
    pub shm_size_bytes: Option<Spanned<u64>>,
    /// `Memory=`.
    pub memory_limit_bytes: Option<Spanned<u64>>,
    /// `PodmanArgs=` as written, in words.
    pub podman_args: Vec<Spanned<String>>,
    /// The same as options.
    pub arguments: Options,
    /// What systemd does with it.
    pub service: Service,
}

/// What stands in `[Service]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Service {
    /// `Restart=`.
    pub restart: Option<Spanned<String>>,
    /// `TimeoutStopSec=`.
    pub timeout_stop: Option<Spanned<TimeSpan>>,
    /// `KillMode=`.
    pub kill_mode: Option<Spanned<String>>,
    /// `MemoryMax=`; a percentage is none.
    pub memory_max_bytes: Option<Spanned<u64>>,
}

/// A time as systemd writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSpan {
    /// So many milliseconds, rounded down.
    Milliseconds(u64),
    /// `infinity`.
    Forever,
}

/// A `.volume` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeUnit {
    /// The file.
    pub unit: Unit,
    /// `VolumeName=`; `systemd-` and the unit's name without it.
    pub name: Option<Spanned<String>>,
    /// `Driver=`.
    pub driver: Option<Spanned<String>>,
    /// `Device=`.
    pub device: Option<Spanned<String>>,
    /// `Type=`: of the file system.
    pub kind: Option<Spanned<String>>,
    /// `Options=`: of the mount.
    pub options: Option<Spanned<String>>,
    /// `Copy=`: whether a new volume gets the image's files.
    pub copy: Option<Spanned<bool>>,
    /// `User=`: whose it is.
    pub user: Option<Spanned<String>>,
    /// `Group=`.
    pub group: Option<Spanned<String>>,
}

impl VolumeUnit {
    /// Whether a mount's source is this volume: the unit's file name, or the name that Podman knows it by.
    fn is_called(&self, name: &str) -> bool {
        let real = match &self.name {
            Some(real) => name == real.value,
            None => name.strip_prefix("systemd-") == Some(self.unit.stem()),
        };
        name == self.unit.name || real
    }
}

/// A `.pod` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PodUnit {
    /// The file.
    pub unit: Unit,
    /// `PodName=`.
    pub name: Option<Spanned<String>>,
    /// `Volume=`: every container of the pod has these.
    pub mounts: Vec<Mount>,
    /// `UserNS=`, or `RemapUsers=` of older files.
    pub user_namespace: Option<Spanned<String>>,
    /// `Network=`.
    pub networks: Vec<Spanned<String>>,
    /// What systemd does with it.
    pub service: Service,
}

/// A `.kube` file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KubeUnit {
    /// The file.
    pub unit: Unit,
    /// `Yaml=`: manifests of Kubernetes, to be read by `kubernetes`.
    pub manifests: Vec<Spanned<String>>,
    /// `UserNS=`, or `RemapUsers=` of older files.
    pub user_namespace: Option<Spanned<String>>,
    /// What systemd does with it.
    pub service: Service,
}
