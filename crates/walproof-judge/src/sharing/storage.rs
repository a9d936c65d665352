//! What can be mounted, what it is made of, and how that is known.
//!
//! What it must not do: guess. [`Nature::NotKnown`] carries the question to ask; a name of a class or path that merely
//! sounds like a network is no evidence (`/mnt/...` is not one).
//!
//! Where to look next: `lower` for where the natures come from.

use serde::Serialize;

use crate::manifest::compose::Selinux;
use crate::manifest::kubernetes::AccessMode;
use crate::manifest::{Span, Spanned};

use super::{StorageId, WorkloadId};

/// Something that can be mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// What kind of thing.
    pub kind: StorageKind,
    /// What it is made of.
    pub nature: Nature,
    /// How the nature is known, in words that follow "because": ``the class `fast` has provisioner `...` ``. Empty for
    /// what goes without saying.
    pub because: String,
    /// Where what decides the nature is written: a class's provisioner, a driver's options, the mount's source.
    pub span: Option<Span>,
    /// Options of the mount, where they are written or seen: `nolock`, `soft`, `nobrl`, `actimeo=60`.
    pub options: Vec<Spanned<String>>,
    /// What a claim asks for; `None`: it is no claim, or it is not in the files.
    pub access: Option<Access>,
    /// Each copy of a workload has its own: a claim template, an ephemeral volume, an `emptyDir`, an anonymous volume.
    pub own_for_each_copy: bool,
}

impl Storage {
    /// The first option of which this holds.
    pub fn option_that(&self, holds: impl Fn(&str) -> bool) -> Option<&Spanned<String>> {
        self.options.iter().find(|option| holds(&option.value))
    }

    /// Whether an option says that the client believes nothing without asking: `noac`, `actimeo=0`, `cache=none`.
    pub fn asks_each_time(&self) -> bool {
        let has = |wanted: &str| self.option_that(|option| option == wanted).is_some();
        // A kernel writes `actimeo=0` as its parts.
        has("noac") || has("actimeo=0") || has("cache=none") || (has("acregmax=0") && has("acdirmax=0"))
    }
}

/// What a claim asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The modes, as written.
    pub modes: Vec<Spanned<AccessMode>>,
    /// The claim's specification.
    pub span: Span,
}

impl Access {
    /// Whether a mode is asked for.
    pub fn allows(&self, mode: AccessMode) -> bool {
        self.modes.iter().any(|written| written.value == mode)
    }
}

/// What kind of thing is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorageKind {
    /// A path of the host, absolute where that can be told.
    HostPath(String),
    /// A volume of the engine, by the name that tells it from others.
    Named(String),
    /// A volume of the engine without a name.
    Anonymous,
    /// Memory.
    Memory,
    /// A directory of the node that goes with the pod.
    EmptyDir,
    /// A claim of Kubernetes: namespace and name.
    Claim(String, String),
    /// A claim made for each pod, by the name of its template or volume.
    OwnClaim(String),
    /// A volume that the pod itself describes (`nfs`, `csi`, `cephfs`), by its kind.
    Direct(String),
    /// Read-only things of the orchestrator: ConfigMap, Secret, projected files, files of an image.
    Projected(String),
    /// A mount as a running process has it: device and root.
    Seen(String),
    /// It cannot be told.
    NotKnown,
}

/// What a storage is made of, as far as it bears on locks and shared memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "nature", content = "what")]
pub enum Nature {
    /// A file system of one kernel.
    Local,
    /// A block device that one node has at a time, with a local file system on it.
    Block,
    /// Memory of the node.
    Memory,
    /// A network or cluster file system, by its usual name: `nfs`, `cifs`, `cephfs`.
    Network(String),
    /// A share between a virtual machine and its host: `virtiofs`, `9p`.
    HostShare(String),
    /// A path of the host: local on Linux, a share of the host elsewhere, and `Graph::host` does not say.
    DependsOnHost,
    /// A server in user space over other directories: `fuse.mergerfs`.
    Mirror(String),
    /// An object store made to look like a file system: `fuse.s3fs`.
    ObjectStore(String),
    /// Layers over other directories.
    Layered,
    /// It cannot be told; the question to ask, in words.
    NotKnown(String),
}

/// A storage at a path of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Who mounts.
    pub workload: WorkloadId,
    /// What.
    pub storage: StorageId,
    /// Which part of the storage, without slashes at both ends; `None`: all of it.
    pub sub_path: Option<String>,
    /// Where in the container, absolute, without a slash at the end.
    pub target: String,
    /// Whether what is mounted is one file: `Some` as far as it can be told.
    pub is_file: Option<bool>,
    /// Whether the workload can only read.
    pub read_only: bool,
    /// How SELinux is to label it, where it is written.
    pub selinux: Option<Spanned<Selinux>>,
    /// What is mounted, as written: the host's path, the volume's name.
    pub source: Option<Spanned<String>>,
    /// The whole mount; for what was seen on a machine `None`.
    pub span: Option<Span>,
}

impl Mount {
    /// The path in the storage that a path of the container leads to, without slashes at both ends; the empty text for
    /// the storage itself. `None`: the path does not lie on this mount.
    pub fn reaches(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(self.target.trim_end_matches('/'))?;
        if !rest.is_empty() && !rest.starts_with('/') {
            return None;
        }
        let parts = [self.sub_path.as_deref().unwrap_or(""), rest.trim_matches('/')];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
    }

    /// Whether a path of the storage can be reached through this mount.
    pub fn holds(&self, path: &str) -> bool {
        let sub_path = self.sub_path.as_deref().unwrap_or("");
        sub_path.is_empty() || lies_in(path, sub_path)
    }
}

/// Whether a path is another one, or lies below it.
pub(super) fn lies_in(path: &str, whole: &str) -> bool {
    if whole == "." {
        return !path.starts_with(['/', '~', '$', '%']) && !path.starts_with("..");
    }
    let rest = path.strip_prefix(whole.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(target: &str, sub_path: Option<&str>) -> Mount {
        Mount {
            workload: WorkloadId(0),
            storage: StorageId(0),
            sub_path: sub_path.map(str::to_owned),
            target: target.to_owned(),
            is_file: None,
            read_only: false,
            selinux: None,
            source: None,
            span: None,
        }
    }

    #[test]
    fn a_path_of_the_container_leads_to_one_of_the_storage() {
        assert_eq!(mount("/data", None).reaches("/data/x/app.db").as_deref(), Some("x/app.db"));
        assert_eq!(mount("/data", Some("a")).reaches("/data/app.db").as_deref(), Some("a/app.db"));
        assert_eq!(mount("/data/app.db", Some("app.db")).reaches("/data/app.db").as_deref(), Some("app.db"));
        assert_eq!(mount("/data", None).reaches("/database/app.db"), None);
        assert_eq!(mount("/", None).reaches("/data/app.db").as_deref(), Some("data/app.db"));
    }

    #[test]
    fn a_mount_of_a_part_does_not_reach_what_lies_beside_it() {
        assert!(mount("/x", None).holds("a/app.db") && mount("/x", Some("a")).holds("a/app.db"));
        assert!(!mount("/x", Some("a")).holds("ab/app.db") && !mount("/x", Some("b")).holds("a/app.db"));
        assert!(lies_in("data/app.db", ".") && !lies_in("../data/app.db", ".") && !lies_in("/data/app.db", "."));
    }
}
