//! On which kernels the copies of one workload meet at a database.
//!
//! Several processes on one kernel are what SQLite is made for, in however many containers. What decides is whether
//! copies can run on different nodes and still reach one file, or whether each node has a file of its own.
//!
//! What it must not do: judge, or trust an access mode: `ReadWriteOnce` is a promise that only attached devices keep.
//!
//! Where to look next: the rules about copies and updates, which ask [`Graph::kernels`].

use std::collections::HashSet;

use super::{DatabaseId, Graph, Nature, Nodes, Storage, StorageKind};
use crate::manifest::kubernetes::AccessMode;

/// On which kernels the copies of a workload meet at a database that they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// One: the storage, the workload's node or the claim keeps them together.
    One,
    /// One has the device; copies on other nodes wait for it.
    OneAndOthersWait,
    /// Several open one database, through this file system.
    Several(String),
    /// Each node has a database of its own at this place.
    OneEach,
    /// It cannot be told; the question to ask.
    NotKnown(String),
}

impl Graph {
    /// The databases that lie on a mount, each once for the containers of one pod: what is true of the pod need not be
    /// said for each of them.
    pub fn once_for_each_pod(&self) -> Vec<DatabaseId> {
        let mut known = HashSet::new();
        let mounted = self.all_databases().filter_map(|(id, database)| Some((id, database, self.location(id)?)));
        mounted
            .filter(|(_, database, at)| known.insert((self.workload(database.workload).pod, at.clone())))
            .map(|(id, ..)| id)
            .collect()
    }

    /// On which kernels copies of its workload meet at a database. `None`: they share none, since each copy has its own
    /// or can only read.
    pub fn kernels(&self, database: DatabaseId) -> Option<Kernels> {
        let mount = self.mount(self.mount_of(database)?);
        let storage = self.storage(mount.storage);
        if storage.own_for_each_copy || mount.read_only {
            return None;
        }
        let nodes = self.workload(mount.workload).nodes;
        let one_pod = storage.access.as_ref().is_some_and(|access| {
            !access.modes.is_empty() && access.modes.iter().all(|mode| mode.value == AccessMode::ReadWriteOncePod)
        });
        if nodes == Nodes::One || one_pod {
            return Some(Kernels::One);
        }
        let found = on_several_nodes(&storage.kind, &storage.nature);
        let depends = nodes == Nodes::NotKnown && matches!(found, Kernels::Several(_) | Kernels::OneEach);
        Some(if depends {
            Kernels::NotKnown("whether this is deployed to more than one node".to_owned())
        } else {
            found
        })
    }
}

impl Storage {
    /// As people call it: ``the claim `data` ``, ``the path `/srv/data` ``.
    pub fn called(&self) -> String {
        match &self.kind {
            StorageKind::HostPath(path) => format!("the path `{path}`"),
            StorageKind::Named(name) => format!("the volume `{name}`"),
            StorageKind::Claim(_, name) | StorageKind::OwnClaim(name) => format!("the claim `{name}`"),
            StorageKind::Direct(kind) | StorageKind::Projected(kind) => format!("the `{kind}` volume"),
            StorageKind::EmptyDir => "the `emptyDir`".to_owned(),
            StorageKind::Anonymous => "a volume without a name".to_owned(),
            StorageKind::Memory => "memory".to_owned(),
            StorageKind::Seen(what) => format!("`{what}`"),
            StorageKind::NotKnown => "what is mounted".to_owned(),
        }
    }

    /// Whether a claim is for one node by its access modes, which attached devices keep and network file systems do not.
    pub fn asks_for_one_node(&self) -> bool {
        let modes = self.access.as_ref().map_or(&[][..], |access| &access.modes[..]);
        !modes.is_empty() && modes.iter().all(|mode| mode.value == AccessMode::ReadWriteOnce)
    }
}

fn on_several_nodes(kind: &StorageKind, nature: &Nature) -> Kernels {
    // A path of a node and a volume of a node's engine; a claim of local storage ties its pods to the node.
    let on_each_node = matches!(kind, StorageKind::HostPath(_) | StorageKind::Named(_));
    match nature {
        Nature::Local | Nature::Layered | Nature::HostShare(_) | Nature::DependsOnHost if on_each_node => {
            Kernels::OneEach
        }
        Nature::Local | Nature::Layered | Nature::Memory => Kernels::One,
        Nature::Block => Kernels::OneAndOthersWait,
        Nature::Network(name) | Nature::ObjectStore(name) => Kernels::Several(name.clone()),
        Nature::HostShare(name) | Nature::Mirror(name) => {
            Kernels::NotKnown(format!("whether several nodes reach the same files through `{name}`"))
        }
        Nature::DependsOnHost => Kernels::NotKnown("what this path is on the nodes".to_owned()),
        Nature::NotKnown(question) => Kernels::NotKnown(question.clone()),
    }
}
