//! Who opens a database, seen as one file: how many, and on how many machines they may run.
//!
//! What it must not do: judge, or take two services for two machines because nothing says that they are on one.
//!
//! Where to look next: `Graph::sharers`, `Graph::reachers`, on which this stands.

use super::{CopiesBy, DatabaseId, Graph, MountId, Overlap, StorageId, Workload, WorkloadId, WorkloadKind};

/// On how many machines the openers of a database run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spread {
    /// On one, as far as it is written.
    One,
    /// Perhaps on several: copies that a scheduler may put anywhere, an update that overlaps.
    Perhaps,
    /// On several: nothing ties them to one machine, or one runs on each.
    Several,
}

impl Graph {
    /// Whether no earlier entry is about the same file: rules speak once of a file, not once for each who opens it.
    pub fn is_first_entry(&self, id: DatabaseId) -> bool {
        self.sharers(id).into_iter().all(|other| other > id)
    }

    /// The workloads that are known to open the file, each once.
    pub fn openers(&self, id: DatabaseId) -> Vec<WorkloadId> {
        let mut openers = vec![self.database(id).workload];
        openers.extend(self.sharers(id).into_iter().map(|other| self.database(other).workload));
        openers.sort_unstable();
        openers.dedup();
        openers
    }

    /// Whether more than one process may have the file open: another workload, another copy, an update that overlaps.
    pub fn has_several_openers(&self, id: DatabaseId) -> bool {
        let own = self.storage_of(id).is_none_or(|storage| self.storage(storage).own_for_each_copy);
        let openers = self.openers(id);
        let many = |workload: &Workload| {
            workload.copies.count_max != Some(1) || matches!(workload.rollout.overlap, Overlap::Yes | Overlap::Schedule)
        };
        openers.len() > 1 || (!own && openers.iter().any(|opener| many(self.workload(*opener))))
    }

    /// On how many machines the openers of the file run.
    pub fn spread(&self, id: DatabaseId) -> Spread {
        if self.storage_of(id).is_none_or(|storage| self.storage(storage).own_for_each_copy) {
            return Spread::One;
        }
        let openers: Vec<&Workload> = self.openers(id).into_iter().map(|opener| self.workload(opener)).collect();
        let of_copies = openers.iter().map(|workload| of_copies(workload)).max().unwrap_or(Spread::One);
        // Pods are put wherever there is room; services of one file, and units and commands of one machine, are not.
        let pods = openers.iter().filter(|workload| is_scheduled(workload.kind));
        let is_scattered = pods.clone().any(|one| pods.clone().any(|two| one.pod != two.pod));
        of_copies.max(if is_scattered { Spread::Several } else { Spread::One })
    }

    /// The databases of a workload's project, its own among them.
    pub fn databases_beside(&self, workload: WorkloadId) -> impl Iterator<Item = DatabaseId> {
        let project = self.workload(workload).project;
        let all = self.index.databases_in(self, project).into_iter();
        all.filter(move |id| self.workload(self.database(*id).workload).project == project)
    }

    /// The databases on a storage, each file once.
    pub fn files_on(&self, storage: StorageId) -> Vec<DatabaseId> {
        let here = self.all_databases().map(|(id, _)| id).filter(|id| self.storage_of(*id) == Some(storage));
        here.filter(|id| self.is_first_entry(*id)).collect()
    }

    /// The database on a storage whose openers run on most machines: what is wrong with a storage is said of it.
    pub fn most_scattered_on(&self, storage: StorageId) -> Option<(DatabaseId, Spread)> {
        let files = self.files_on(storage).into_iter().map(|id| (id, self.spread(id)));
        // The first of those that are alike.
        files.rev().max_by_key(|(_, nodes)| *nodes)
    }

    /// Mounts of others through which the file can be written.
    pub fn writable_reachers(&self, id: DatabaseId) -> Vec<MountId> {
        self.reachers(id).into_iter().filter(|mount| !self.mount(*mount).read_only).collect()
    }

    /// The openers in words: ``service `a` and service `b` ``, or their number.
    pub fn openers_shown(&self, id: DatabaseId) -> String {
        let openers = self.openers(id);
        match openers.as_slice() {
            [one] => self.workload(*one).shown(),
            [one, two] => format!("{} and {}", self.workload(*one).shown(), self.workload(*two).shown()),
            [one, rest @ ..] => format!("{} and {} others", self.workload(*one).shown(), rest.len()),
            [] => String::new(),
        }
    }
}

fn of_copies(workload: &Workload) -> Spread {
    let several = if is_scheduled(workload.kind) { Spread::Several } else { Spread::Perhaps };
    match (workload.copies.by, workload.copies.count_max) {
        (CopiesBy::Node, _) => Spread::Several,
        (CopiesBy::Unreadable, _) => Spread::Perhaps,
        (_, Some(0 | 1)) if matches!(workload.rollout.overlap, Overlap::Yes | Overlap::Schedule) => Spread::Perhaps,
        (_, Some(0 | 1)) => Spread::One,
        _ => several,
    }
}

/// Whether a scheduler chooses the machine of each.
const fn is_scheduled(kind: WorkloadKind) -> bool {
    matches!(
        kind,
        WorkloadKind::Deployment
            | WorkloadKind::StatefulSet
            | WorkloadKind::DaemonSet
            | WorkloadKind::ReplicaSet
            | WorkloadKind::Job
            | WorkloadKind::CronJob
            | WorkloadKind::Pod
    )
}

#[cfg(test)]
mod tests {
    use walproof_format::sqlite::db_header::JournalFamily;

    use super::*;
    use crate::rules::Severity;
    use crate::sharing::lower::{Builder, NamedDatabase};
    use crate::sharing::{Applications, Copies, Host, Mount, Nature, Storage, StorageKind};

    fn workload(kind: WorkloadKind, count_max: Option<u64>, by: CopiesBy) -> Workload {
        Workload { copies: Copies { count_max, by, span: None }, ..Workload::new(kind, "a") }
    }

    #[test]
    fn copies_of_pods_are_on_several_machines_and_those_of_services_perhaps() {
        let nodes = |kind, count, by| of_copies(&workload(kind, count, by));
        assert_eq!(nodes(WorkloadKind::Service, Some(1), CopiesBy::Default), Spread::One);
        assert_eq!(nodes(WorkloadKind::Service, Some(3), CopiesBy::Written), Spread::Perhaps);
        assert_eq!(nodes(WorkloadKind::Service, None, CopiesBy::Node), Spread::Several);
        assert_eq!(nodes(WorkloadKind::Deployment, Some(3), CopiesBy::Written), Spread::Several);
        assert_eq!(nodes(WorkloadKind::Deployment, Some(9), CopiesBy::Autoscaler), Spread::Several);
        assert_eq!(nodes(WorkloadKind::StatefulSet, Some(1), CopiesBy::Written), Spread::One);
    }

    /// Two workloads with one claim and a database on it.
    fn shared(kind: WorkloadKind, in_one_pod: bool) -> Graph {
        let applications = Applications::default();
        let named = [NamedDatabase { workload: None, path: "/data/a.db".to_owned(), family: None }];
        let mut builder = Builder::new(Host::Linux, &applications, &named);
        builder.begin(&[]);
        let pod = builder.new_pod();
        for _ in 0..2 {
            let pod = if in_one_pod { pod } else { 0 };
            let workload = builder.workload(Workload { pod, ..Workload::new(kind, "a") });
            let storage =
                builder.storage(StorageKind::Claim("default".to_owned(), "data".to_owned()), |kind| Storage {
                    kind,
                    nature: Nature::Network("nfs".to_owned()),
                    because: String::new(),
                    span: None,
                    options: Vec::new(),
                    access: None,
                    own_for_each_copy: false,
                });
            builder.mount(Mount {
                workload,
                storage,
                sub_path: None,
                target: "/data".to_owned(),
                is_file: Some(false),
                read_only: false,
                selinux: None,
                source: None,
                span: None,
            });
        }
        builder.finish()
    }

    #[test]
    fn pods_may_land_anywhere_and_containers_of_one_pod_do_not() {
        let first = DatabaseId(0);
        assert_eq!(shared(WorkloadKind::Deployment, false).spread(first), Spread::Several);
        assert_eq!(shared(WorkloadKind::Deployment, true).spread(first), Spread::One);
        assert_eq!(shared(WorkloadKind::Service, false).spread(first), Spread::One);
        let graph = shared(WorkloadKind::Deployment, true);
        assert!(graph.has_several_openers(first));
        assert!(graph.is_first_entry(first) && !graph.is_first_entry(DatabaseId(1)));
    }

    #[test]
    fn a_rollback_journal_is_unsafe_only_between_machines() {
        let found = |graph: &Graph| crate::check::judge(graph, Some(JournalFamily::Rollback));
        let severity = |graph: &Graph| {
            let own = found(graph).into_iter().filter(|weighed| weighed.finding.rule == "wal-on-network-filesystem");
            own.map(|weighed| weighed.severity).max()
        };
        assert_eq!(severity(&shared(WorkloadKind::Deployment, false)), Some(Severity::Unsafe));
        assert_eq!(severity(&shared(WorkloadKind::Service, false)), Some(Severity::Risky));
    }
}
