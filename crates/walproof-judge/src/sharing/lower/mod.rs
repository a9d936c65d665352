//! From models of manifests, and from what was seen on a machine, to the sharing graph.
//!
//! What this room is: one file for each kind of source. Each takes a [`Builder`], adds workloads, storages and mounts,
//! and leaves the databases to [`databases`], which every source shares.
//!
//! | file | from |
//! |---|---|
//! | [`compose`] | one Compose project |
//!
//! What it must not do: judge, open files. A storage is added once for everything that mounts it in one project.
//!
//! Where to look next: [`Builder`].

pub mod compose;
mod databases;

use std::collections::HashMap;

use super::{Applications, Graph, Host, Mount, MountId, Nature, Storage, StorageId, StorageKind, Workload, WorkloadId};
use crate::facts::{LOCAL_FILE_SYSTEMS, OtherKernels, other_kernels};
use crate::manifest::{SourceFile, Span, Spanned};

pub use databases::NamedDatabase;

/// A graph under construction.
pub struct Builder<'a> {
    graph: Graph,
    applications: &'a Applications,
    named: &'a [NamedDatabase],
    /// Storages of this project that others can mount too.
    known: HashMap<(usize, StorageKind), StorageId>,
    project: usize,
    pods: usize,
}

impl<'a> Builder<'a> {
    /// An empty graph. `named`: databases that the user names.
    pub fn new(host: Host, applications: &'a Applications, named: &'a [NamedDatabase]) -> Self {
        let graph = Graph { host, ..Graph::default() };
        Self { graph, applications, named, known: HashMap::new(), project: 0, pods: 0 }
    }

    /// The graph, with the databases of all workloads.
    pub fn finish(mut self) -> Graph {
        self.graph.index_mounts();
        databases::find(&mut self.graph, self.applications, self.named);
        self.graph.index_databases();
        self.graph
    }

    /// Begins a project: storages of the ones before are others. Gives what its spans are moved by.
    pub fn begin(&mut self, files: &[SourceFile]) -> Moved {
        self.project += 1;
        let by = self.graph.files.len();
        self.graph.files.extend(files.iter().cloned());
        Moved { by }
    }

    /// A number for containers that share a node and a life.
    pub fn new_pod(&mut self) -> usize {
        self.pods += 1;
        self.pods
    }

    /// Adds a workload of the current project; one that has no pod yet gets one of its own.
    pub fn workload(&mut self, mut workload: Workload) -> WorkloadId {
        workload.project = self.project;
        if workload.pod == 0 {
            workload.pod = self.new_pod();
        }
        self.graph.workloads.push(workload);
        WorkloadId(self.graph.workloads.len() - 1)
    }

    /// The storage of this kind in the current project, made by `new` if it is not there. Kinds that cannot be mounted
    /// twice ([`StorageKind::Anonymous`], memory, own claims and the like) are new each time.
    pub fn storage(&mut self, kind: StorageKind, new: impl FnOnce(StorageKind) -> Storage) -> StorageId {
        let shared = matches!(
            kind,
            StorageKind::HostPath(_) | StorageKind::Named(_) | StorageKind::Claim(..) | StorageKind::Seen(_)
        );
        let key = (self.project, kind.clone());
        if shared && let Some(id) = self.known.get(&key) {
            return *id;
        }
        self.graph.storages.push(new(kind));
        let id = StorageId(self.graph.storages.len() - 1);
        if shared {
            self.known.insert(key, id);
        }
        id
    }

    /// Adds a mount.
    pub fn mount(&mut self, mount: Mount) -> MountId {
        self.graph.mounts.push(mount);
        MountId(self.graph.mounts.len() - 1)
    }

    /// The graph so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

/// Spans of one model, moved to where its files stand in the graph.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    by: usize,
}

impl Moved {
    /// A span.
    pub fn span(self, span: Span) -> Span {
        Span { source: span.source + self.by, ..span }
    }

    /// A value with its span.
    pub fn spanned<T: Clone>(self, spanned: &Spanned<T>) -> Spanned<T> {
        Spanned::new(spanned.value.clone(), self.span(spanned.span))
    }

    /// One that may not be there.
    pub fn option<T: Clone>(self, spanned: Option<&Spanned<T>>) -> Option<Spanned<T>> {
        spanned.map(|spanned| self.spanned(spanned))
    }
}

/// What a type of file system is, as `mount -t` and mountinfo name it.
pub fn nature_of_type(kind: &str) -> Nature {
    let lower = kind.to_ascii_lowercase();
    match lower.as_str() {
        "tmpfs" | "ramfs" => Nature::Memory,
        "overlay" | "aufs" => Nature::Layered,
        "fuse.virtiofs" | "virtiofs" | "9p" | "drvfs" | "vboxsf" | "vmhgfs" | "prl_fs" | "fakeowner"
        | "fuse.grpcfuse" | "fuse.osxfs" => Nature::HostShare(lower),
        "fuse.s3fs" | "fuse.rclone" | "fuse.gcsfuse" | "fuse.goofys" | "fuse.mount-s3" | "fuse.blobfuse"
        | "fuse.blobfuse2" | "fuse.geesefs" => Nature::ObjectStore(lower),
        _ if LOCAL_FILE_SYSTEMS.contains(&lower.as_str()) => Nature::Local,
        _ => match other_kernels(&lower, &[]) {
            OtherKernels::Yes(_) => Nature::Network(lower),
            _ if lower.starts_with("fuse") => Nature::Mirror(lower),
            _ => Nature::NotKnown(format!("whether `{lower}` keeps locks and shared memory between containers")),
        },
    }
}
