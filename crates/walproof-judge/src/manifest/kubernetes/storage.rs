//! What Kubernetes can mount: volumes of pods, claims, persistent volumes and storage classes.
//!
//! What it must not do: read YAML, judge, say from a driver's name what lies behind it; rules do.
//!
//! Where to look next: [`super::Set::mounted`], which follows these from a container to what lies behind.

use serde::Serialize;

use super::model::{Identity, Setting};
use crate::manifest::compose::Pair;
use crate::manifest::span::{Span, Spanned};

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// What mounts call it.
    pub name: Spanned<String>,
    /// What it is.
    pub source: VolumeSource,
    /// The whole.
    pub span: Span,
}

/// What a volume of a pod or a persistent volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeSource {
    /// A directory of the node that is made with the pod and removed with it. Also a volume that says nothing.
    EmptyDir {
        /// `Memory` for a tmpfs.
        medium: Option<Spanned<String>>,
        /// The most that it may hold.
        size_limit_bytes: Option<Spanned<u64>>,
    },
    /// A path of the node.
    HostPath {
        /// The path.
        path: Option<Spanned<String>>,
        /// `Directory`, `DirectoryOrCreate`, `File` and so on.
        kind: Option<Spanned<String>>,
    },
    /// A claim in the pod's namespace.
    Claim {
        /// Its name.
        name: Spanned<String>,
        /// Whether nobody in this pod may write.
        read_only: Option<Spanned<bool>>,
    },
    /// A claim made with the pod and removed with it.
    Ephemeral(Box<ClaimTerms>),
    /// Entries of ConfigMaps, read-only.
    ConfigMap(Option<Spanned<String>>),
    /// Entries of Secrets, read-only.
    Secret(Option<Spanned<String>>),
    /// Several of these in one directory.
    Projected,
    /// Fields of the pod as files.
    DownwardApi,
    /// Files of an image, read-only.
    Image(Option<Spanned<String>>),
    /// A container storage driver.
    Csi(Csi),
    /// NFS without a driver.
    Nfs(Share),
    /// CephFS without a driver: the monitors and the path.
    CephFs(Share),
    /// Gluster without a driver: the endpoints and the path.
    Glusterfs(Share),
    /// Azure Files without a driver: the secret and the share.
    AzureFile(Share),
    /// A block device by iSCSI: the portal and the name.
    Iscsi(Share),
    /// A directory or device of one node, of a persistent volume.
    Local {
        /// The path.
        path: Option<Spanned<String>>,
    },
    /// Another kind, such as `rbd`, `awsElasticBlockStore` or `flexVolume`.
    Other {
        /// The key that names it.
        kind: Spanned<String>,
        /// The driver of a `flexVolume`.
        driver: Option<Spanned<String>>,
    },
}

impl VolumeSource {
    /// As Kubernetes writes it: `emptyDir`, `nfs` and so on.
    pub fn kind(&self) -> &str {
        match self {
            Self::EmptyDir { .. } => "emptyDir",
            Self::HostPath { .. } => "hostPath",
            Self::Claim { .. } => "persistentVolumeClaim",
            Self::Ephemeral(_) => "ephemeral",
            Self::ConfigMap(_) => "configMap",
            Self::Secret(_) => "secret",
            Self::Projected => "projected",
            Self::DownwardApi => "downwardAPI",
            Self::Image(_) => "image",
            Self::Csi(_) => "csi",
            Self::Nfs(_) => "nfs",
            Self::CephFs(_) => "cephfs",
            Self::Glusterfs(_) => "glusterfs",
            Self::AzureFile(_) => "azureFile",
            Self::Iscsi(_) => "iscsi",
            Self::Local { .. } => "local",
            Self::Other { kind, .. } => &kind.value,
        }
    }
}

/// A part of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Who serves it, as the kind has it: a host, monitors joined by commas, endpoints, a portal.
    pub server: Option<Spanned<String>>,
    /// What of it.
    pub path: Option<Spanned<String>>,
    /// Whether nobody may write.
    pub read_only: Option<Spanned<bool>>,
}

/// A volume of a container storage driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Csi {
    /// The driver, such as `nfs.csi.k8s.io`.
    pub driver: Option<Spanned<String>>,
    /// What the driver calls the volume.
    pub volume_handle: Option<Spanned<String>>,
    /// The file system on it.
    pub fs_type: Option<Spanned<String>>,
    /// What else the driver is told.
    pub attributes: Vec<Pair>,
    /// Whether nobody may write.
    pub read_only: Option<Spanned<bool>>,
}

/// A PersistentVolumeClaim, or the template for those of a StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// Its name.
    pub identity: Identity,
    /// What it asks for.
    pub terms: ClaimTerms,
    /// The whole object.
    pub span: Span,
}

/// What a claim asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimTerms {
    /// Who may mount it.
    pub access_modes: Vec<Spanned<AccessMode>>,
    /// The storage class. Empty text: none, so that only an existing volume fits. `None`: the cluster's default.
    pub storage_class: Option<Spanned<String>>,
    /// How much.
    pub storage_bytes: Option<Spanned<u64>>,
    /// `Filesystem` (the default) or `Block`.
    pub volume_mode: Setting<String>,
    /// The one volume.
    pub volume_name: Option<Spanned<String>>,
    /// Labels that a volume must have.
    pub selector: Option<Span>,
    /// A snapshot or claim that it is filled from.
    pub source: Option<Span>,
    /// The whole specification.
    pub span: Span,
}

impl ClaimTerms {
    /// Whether this mode is among those asked for.
    pub fn allows(&self, mode: AccessMode) -> bool {
        self.access_modes.iter().any(|written| written.value == mode)
    }
}

/// Who may mount a volume. Modes are promises about nodes, not pods, but for the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum AccessMode {
    /// Any number of pods of one node.
    ReadWriteOnce,
    /// Any number of nodes, reading.
    ReadOnlyMany,
    /// Any number of nodes.
    ReadWriteMany,
    /// A single pod.
    ReadWriteOncePod,
}

impl AccessMode {
    /// As a manifest or `kubectl` writes it.
    pub(super) fn named(text: &str) -> Option<Self> {
        match text {
            "ReadWriteOnce" | "RWO" => Some(Self::ReadWriteOnce),
            "ReadOnlyMany" | "ROX" => Some(Self::ReadOnlyMany),
            "ReadWriteMany" | "RWX" => Some(Self::ReadWriteMany),
            "ReadWriteOncePod" | "RWOP" => Some(Self::ReadWriteOncePod),
            _ => None,
        }
    }
}

/// A PersistentVolume. It has no namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PersistentVolume {
    /// Its name.
    pub identity: Identity,
    /// Who may mount it.
    pub access_modes: Vec<Spanned<AccessMode>>,
    /// How much it holds.
    pub capacity_bytes: Option<Spanned<u64>>,
    /// What it is; `None`: nothing that this reader found.
    pub source: Option<VolumeSource>,
    /// Options of the mount, such as `nolock` or `nobrl`.
    pub mount_options: Vec<Spanned<String>>,
    /// `Retain` (the default), `Delete` or `Recycle`.
    pub reclaim_policy: Setting<String>,
    /// The storage class; a claim must name the same.
    pub storage_class: Option<Spanned<String>>,
    /// `Filesystem` (the default) or `Block`.
    pub volume_mode: Setting<String>,
    /// The one claim that may have it.
    pub claim: Option<ClaimReference>,
    /// On which nodes it can be reached.
    pub node_affinity: Option<Span>,
    /// The whole object.
    pub span: Span,
}

/// A claim by its name and namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClaimReference {
    /// The namespace.
    pub namespace: Option<Spanned<String>>,
    /// The name.
    pub name: Option<Spanned<String>>,
    /// The whole.
    pub span: Span,
}

/// A StorageClass. It has no namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StorageClass {
    /// Its name.
    pub identity: Identity,
    /// Who makes the volumes, such as `nfs.csi.k8s.io`.
    pub provisioner: Option<Spanned<String>>,
    /// What the provisioner is told.
    pub parameters: Vec<Pair>,
    /// Options of the mounts, such as `nolock` or `nobrl`.
    pub mount_options: Vec<Spanned<String>>,
    /// `Delete` (the default) or `Retain`.
    pub reclaim_policy: Setting<String>,
    /// `Immediate` (the default) or `WaitForFirstConsumer`.
    pub volume_binding_mode: Setting<String>,
    /// The whole object.
    pub span: Span,
}

impl StorageClass {
    /// Whether claims that name no class get this one.
    pub fn is_default(&self) -> bool {
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            .iter()
            .any(|name| self.identity.annotation(name) == Some("true"))
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&Spanned<String>> {
        self.parameters.iter().find(|pair| pair.name.value == name)?.value.as_ref()
    }
}
