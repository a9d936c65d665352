//! The sharing graph: which containers reach which storage, where databases lie, and who opens each of them.
//!
//! What this room is: the one model that rules look at. `lower` turns every kind of manifest, and what was seen on a
//! live machine, into it; [`Graph`] holds it. A path through it reads: a [`Workload`] (a service, a container of a pod,
//! a command line, a running container) has a [`Mount`] of a [`Storage`], on which lies a [`Database`].
//!
//! ```text
//!  Workload --- Mount --- Storage          what is written, with the span of each word
//!      \___ Database ___/                  where it lies there, and how that is known
//! ```
//!
//! Two workloads open one database if it lies at the same [`Location`]: the same storage, the same path in it. Ids are
//! indices into the lists of one graph. Every [`Span`] of a graph points into [`Graph::files`].
//!
//! What it must not do: judge. A storage says what it is ([`Nature`]) and how that is known; rules say what follows.
//!
//! Where to look next: `lower` for how it is made, `crate::rules` for what is made of it.

mod applications;
pub mod copying;
mod database;
mod index;
mod kernels;
pub mod live;
pub mod lower;
mod openers;
mod seen;
mod storage;
mod workload;

use serde::Serialize;

pub use applications::{Application, Applications};
pub use database::{Database, Evidence, EvidenceKind, Location, Locking, Mode, On, OpenOption};
pub use kernels::Kernels;
pub use openers::Spread;
pub(crate) use seen::listed;
pub use seen::{Seen, SeenFile, SeenOpener};
pub use storage::{Access, Mount, Nature, Storage, StorageKind};
pub use workload::{Copies, CopiesBy, Nodes, Overlap, Role, Rollout, StopTime, Variable, Workload, WorkloadKind};

use crate::manifest::{SourceFile, Span, Spanned};

/// An index into [`Graph::workloads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct WorkloadId(pub usize);

/// An index into [`Graph::storages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StorageId(pub usize);

/// An index into [`Graph::mounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct MountId(pub usize);

/// An index into [`Graph::databases`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DatabaseId(pub usize);

/// What kind of machine the containers run on: whether a path of the host is reached through a share of a virtual
/// machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Host {
    /// Nobody said.
    #[default]
    Unknown,
    /// The engine runs on the kernel that has the files.
    Linux,
    /// Docker Desktop: virtiofs, gRPC-FUSE or osxfs.
    DockerDesktop,
    /// OrbStack on macOS.
    Orbstack,
    /// `podman machine`.
    PodmanMachine,
    /// Engines in WSL 2 with paths of Windows.
    Wsl,
}

impl Host {
    /// Every host with its word, as the command line takes it.
    pub const ALL: &'static [(Host, &'static str)] = &[
        (Host::Unknown, "unknown"),
        (Host::Linux, "linux"),
        (Host::DockerDesktop, "docker-desktop"),
        (Host::Orbstack, "orbstack"),
        (Host::PodmanMachine, "podman-machine"),
        (Host::Wsl, "wsl"),
    ];

    /// The word of the command line.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(host, _)| *host == self).map_or("unknown", |(_, word)| word)
    }

    /// Whether paths of the host come through a share between two kernels; `None`: nobody said.
    pub const fn shares_paths(self) -> Option<bool> {
        match self {
            Host::Unknown => None,
            Host::Linux => Some(false),
            Host::DockerDesktop | Host::Orbstack | Host::PodmanMachine | Host::Wsl => Some(true),
        }
    }
}

/// Who reaches which storage, and which databases lie where.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    /// The files; `Span::source` is an index into this list.
    pub files: Vec<SourceFile>,
    /// What starts processes.
    pub workloads: Vec<Workload>,
    /// What can be mounted.
    pub storages: Vec<Storage>,
    /// What is mounted where.
    pub mounts: Vec<Mount>,
    /// Databases, one entry for each workload that is known to open it.
    pub databases: Vec<Database>,
    /// Where the containers run.
    pub host: Host,
    /// What was seen on a machine, for rules about what runs.
    pub live: Option<live::Live>,
    /// Which entries of [`Graph::databases`] were seen there.
    pub seen: Vec<Seen>,
    /// Addresses of SQLite that are written, and of which it is not known where they lead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unplaced: Vec<(WorkloadId, Spanned<String>)>,
    /// Who has which mounts and where databases lie, so that questions take no walk over everything.
    #[serde(skip)]
    index: index::Index,
}

impl Graph {
    /// A workload by its id.
    pub fn workload(&self, id: WorkloadId) -> &Workload {
        &self.workloads[id.0]
    }

    /// A storage by its id.
    pub fn storage(&self, id: StorageId) -> &Storage {
        &self.storages[id.0]
    }

    /// A mount by its id.
    pub fn mount(&self, id: MountId) -> &Mount {
        &self.mounts[id.0]
    }

    /// A database by its id.
    pub fn database(&self, id: DatabaseId) -> &Database {
        &self.databases[id.0]
    }

    /// The name of the file that a span points into.
    pub fn file_of(&self, span: Span) -> &str {
        self.files.get(span.source).map_or("", |file| file.name.as_str())
    }

    /// Every database with its id.
    pub fn all_databases(&self) -> impl Iterator<Item = (DatabaseId, &Database)> {
        self.databases.iter().enumerate().map(|(index, database)| (DatabaseId(index), database))
    }

    /// Every storage with its id.
    pub fn all_storages(&self) -> impl Iterator<Item = (StorageId, &Storage)> {
        self.storages.iter().enumerate().map(|(index, storage)| (StorageId(index), storage))
    }

    /// Every mount with its id.
    pub fn all_mounts(&self) -> impl Iterator<Item = (MountId, &Mount)> {
        self.mounts.iter().enumerate().map(|(index, mount)| (MountId(index), mount))
    }

    /// The mounts of a workload.
    pub fn mounts_of(&self, workload: WorkloadId) -> impl Iterator<Item = (MountId, &Mount)> {
        let ids = self.index.mounts_of(self, workload);
        ids.into_iter().map(|id| (id, self.mount(id))).filter(move |(_, mount)| mount.workload == workload)
    }

    /// The mount of a workload that a path in it lies on: the longest one that the path begins with. `None`: the path
    /// lies in the container's own layer.
    pub fn mount_of_path(&self, workload: WorkloadId, path: &str) -> Option<MountId> {
        let over = self.mounts_of(workload).filter(|(_, mount)| mount.reaches(path).is_some());
        over.max_by_key(|(_, mount)| mount.target.len()).map(|(id, _)| id)
    }

    /// The mount that a database lies on.
    pub fn mount_of(&self, database: DatabaseId) -> Option<MountId> {
        let database = self.database(database);
        self.mount_of_path(database.workload, &database.path)
    }

    /// The storage that a database lies on.
    pub fn storage_of(&self, database: DatabaseId) -> Option<StorageId> {
        self.mount_of(database).map(|mount| self.mount(mount).storage)
    }

    /// Where a database lies, for comparison with others. `None`: in the container's own layer.
    pub fn location(&self, database: DatabaseId) -> Option<Location> {
        if let Some(known) = self.index.location(self, database) {
            return known.clone();
        }
        if let Some(seen) = self.seen(database) {
            return Some(seen.location.clone());
        }
        let entry = self.database(database);
        self.location_of(entry.workload, &entry.path)
    }

    /// Where a path of a workload lies. `None`: in the container's own layer.
    pub fn location_of(&self, workload: WorkloadId, path: &str) -> Option<Location> {
        let mount = self.mount(self.mount_of_path(workload, path)?);
        let path = mount.reaches(path)?;
        let project = self.workload(workload).project;
        Some(match &self.storage(mount.storage).kind {
            StorageKind::HostPath(root) => Location { on: On::Host(project), path: joined(root, &path) },
            _ => Location { on: On::Storage(mount.storage), path },
        })
    }

    /// Every other entry for the same database, in the order of the graph: other workloads that are known to open it.
    pub fn sharers(&self, database: DatabaseId) -> Vec<DatabaseId> {
        let Some(here) = self.location(database) else { return Vec::new() };
        let workload = self.database(database).workload;
        let there = self.index.databases_at(self, &here).into_iter();
        let others = there.filter(|id| self.database(*id).workload != workload);
        others.filter(|id| self.location(*id).is_some_and(|there| there == here)).collect()
    }

    /// Every mount of another workload that reaches the file of a database, whether that workload is known to open it
    /// or not. Of processes outside of containers it is known what they open: that they could reach more says nothing.
    pub fn reachers(&self, database: DatabaseId) -> Vec<MountId> {
        let Some(here) = self.location(database) else { return Vec::new() };
        let workload = self.database(database).workload;
        let is_process = |id| matches!(self.workload(id).kind, WorkloadKind::Process | WorkloadKind::Machine);
        // A location lies in one project, and only that project's mounts reach it.
        let mounts = self.index.mounts_in(self, self.workload(workload).project);
        let mounts = mounts.into_iter().map(|id| (id, self.mount(id)));
        let others = mounts.filter(|(_, mount)| mount.workload != workload && !is_process(mount.workload));
        others.filter(|(_, mount)| self.mount_holds(mount, &here)).map(|(id, _)| id).collect()
    }

    /// To be called when all mounts are there.
    fn index_mounts(&mut self) {
        self.index = index::Index::of_mounts(self);
    }

    /// To be called when all databases are there, after [`Self::index_mounts`].
    fn index_databases(&mut self) {
        self.index = self.index.clone().with_locations(self);
    }

    /// Whether what lies at a location can be reached through a mount.
    fn mount_holds(&self, mount: &Mount, location: &Location) -> bool {
        match (&self.storage(mount.storage).kind, location.on) {
            (StorageKind::HostPath(root), On::Host(project)) if self.workload(mount.workload).project == project => {
                storage::lies_in(&location.path, &joined(root, mount.sub_path.as_deref().unwrap_or("")))
            }
            (_, On::Storage(storage)) => mount.storage == storage && mount.holds(&location.path),
            _ => false,
        }
    }
}

/// A path under another one.
fn joined(root: &str, path: &str) -> String {
    match (root, path) {
        (_, "") => root.to_owned(),
        (".", path) => path.to_owned(),
        (root, path) => format!("{}/{path}", root.trim_end_matches('/')),
    }
}
