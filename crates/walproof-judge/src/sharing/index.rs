//! Answers to the questions that rules ask of every database, kept so that a graph of a thousand projects takes no time
//! that grows with its square.
//!
//! What this file is: [`Index`], made when a graph is finished. It holds only while the graph has as many workloads,
//! mounts and databases as it had then; otherwise everything is walked over, as if there were none.
//!
//! What it must not do: answer differently from a walk over everything.
//!
//! Where to look next: `Graph`, which asks.

use std::collections::HashMap;

use super::{DatabaseId, Graph, Location, MountId, WorkloadId};

/// What is known of a graph.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    counts: Counts,
    of_workload: Vec<Vec<MountId>>,
    of_project: HashMap<usize, Vec<MountId>>,
    locations: Vec<Option<Location>>,
    at_location: HashMap<Location, Vec<DatabaseId>>,
}

/// How much there was when the index was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    workloads: usize,
    mounts: usize,
    databases: usize,
}

impl Index {
    /// The index of the mounts of a graph; `locations` follow when its databases are found.
    pub fn of_mounts(graph: &Graph) -> Self {
        let mut index = Self { counts: Counts { databases: 0, ..counts(graph) }, ..Self::default() };
        index.of_workload = vec![Vec::new(); graph.workloads.len()];
        for (id, mount) in graph.all_mounts() {
            index.of_workload[mount.workload.0].push(id);
            index.of_project.entry(graph.workload(mount.workload).project).or_default().push(id);
        }
        index
    }

    /// The same with the places of all databases.
    pub fn with_locations(mut self, graph: &Graph) -> Self {
        let location = |(id, _): (DatabaseId, _)| graph.location(id);
        self.locations = graph.all_databases().map(location).collect();
        for (number, location) in self.locations.iter().enumerate() {
            if let Some(location) = location {
                self.at_location.entry(location.clone()).or_default().push(DatabaseId(number));
            }
        }
        self.counts = counts(graph);
        self
    }

    /// The mounts of a workload, and perhaps others.
    pub fn mounts_of(&self, graph: &Graph, workload: WorkloadId) -> Vec<MountId> {
        let of_workload = self.of_workload.get(workload.0).filter(|_| self.knows_mounts(graph));
        of_workload.cloned().unwrap_or_else(|| all_mounts(graph))
    }

    /// The mounts of a project, and perhaps others.
    pub fn mounts_in(&self, graph: &Graph, project: usize) -> Vec<MountId> {
        let of_project = self.of_project.get(&project).filter(|_| self.knows_mounts(graph));
        of_project.cloned().unwrap_or_else(|| all_mounts(graph))
    }

    /// Where a database lies, if that is known here.
    pub fn location(&self, graph: &Graph, database: DatabaseId) -> Option<&Option<Location>> {
        self.locations.get(database.0).filter(|_| self.counts == counts(graph))
    }

    /// The databases at a location, and perhaps others.
    pub fn databases_at(&self, graph: &Graph, location: &Location) -> Vec<DatabaseId> {
        match self.at_location.get(location).filter(|_| self.counts == counts(graph)) {
            Some(databases) => databases.clone(),
            None => (0..graph.databases.len()).map(DatabaseId).collect(),
        }
    }

    fn knows_mounts(&self, graph: &Graph) -> bool {
        (self.counts.workloads, self.counts.mounts) == (graph.workloads.len(), graph.mounts.len())
    }
}

fn counts(graph: &Graph) -> Counts {
    Counts { workloads: graph.workloads.len(), mounts: graph.mounts.len(), databases: graph.databases.len() }
}

fn all_mounts(graph: &Graph) -> Vec<MountId> {
    (0..graph.mounts.len()).map(MountId).collect()
}

#[cfg(test)]
mod tests {
    use crate::manifest::Source;
    use crate::manifest::compose::{self, Profiles};
    use crate::sharing::lower::{self, Builder};
    use crate::sharing::{Applications, Host};

    #[test]
    fn the_index_answers_as_a_walk_does() {
        let applications = Applications::built_in();
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        let text = "services:\n  a: {image: vaultwarden/server, volumes: [\"vol:/data\", \"./x:/x\"]}\n  \
                    b: {image: vaultwarden/server, volumes: [\"vol:/data\"]}\n  c: {image: c, volumes: [\"vol:/d\"]}\n";
        for name in ["/1/compose.yaml", "/2/compose.yaml"] {
            let source = Source { name, text };
            let read = compose::parse(&[source], &|_| None, &mut |_| Err(String::new()), &Profiles::none());
            lower::compose::add(&mut builder, &read.expect("a Compose file"), None);
        }
        let graph = builder.finish();
        let mut bare = graph.clone();
        bare.index = super::Index::default();
        assert_eq!(graph.databases.len(), 4);
        for (id, database) in graph.all_databases() {
            assert_eq!((graph.sharers(id).len(), graph.reachers(id).len()), (1, 2));
            assert_eq!((graph.sharers(id), graph.reachers(id)), (bare.sharers(id), bare.reachers(id)));
            assert_eq!((graph.location(id), graph.mount_of(id)), (bare.location(id), bare.mount_of(id)));
            assert_eq!(graph.mounts_of(database.workload).count(), bare.mounts_of(database.workload).count());
        }
    }
}
