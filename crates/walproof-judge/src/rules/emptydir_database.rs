//! Rule `emptydir-database`: the database lies in an `emptyDir` and goes with its pod.
//!
//! Memory is another situation (`tmpfs-database`). A cache is meant to go, and so is what something puts there at each
//! start or copies elsewhere all the time.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, EvidenceKind, Graph, Nature, Role, StorageId, StorageKind, Workload, WorkloadId};

/// The database goes with its pod.
pub static RULE: Rule = Rule {
    name: "emptydir-database",
    line: "The database lies in an `emptyDir`, which goes with its pod",
    explain: include_str!("emptydir_database.md"),
    ground: Ground::Elsewhere("https://kubernetes.io/docs/concepts/storage/volumes/#emptydir"),
    judge,
};

/// Parts of paths of things that are made anew.
const MADE_ANEW: &[&str] = &["cache", "caches", "run", "scratch", "temp", "tmp"];
/// Programs that copy a database elsewhere all the time and bring it back at the start.
const REPLICATORS: &[&str] = &["litefs", "litestream"];
/// What an init container does that puts nothing there.
const PUTS_NOTHING: &[&str] = &["chgrp", "chmod", "chown", "install -d", "mkdir"];

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.once_for_each_pod().into_iter().filter_map(|id| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let mount = graph.mount(graph.mount_of(id)?);
    let storage = graph.storage(mount.storage);
    let is_kept = storage.kind != StorageKind::EmptyDir || storage.nature == Nature::Memory;
    // A name alone does not tell a database that somebody will miss from an index that is made anew.
    let is_weak = database.evidence.kind == EvidenceKind::FileName;
    if is_kept || is_weak || mount.read_only || workload.role != Role::Main || is_made_anew(&database.path) {
        return None;
    }
    if is_replicated(graph, workload) || is_filled(graph, database.workload, mount.storage) {
        return None;
    }
    let finding = RULE
        .finding(
            Judged::always(Severity::Risky),
            About::database(graph, id),
            format!("{} keeps {} in an `emptyDir`, which goes with its pod", workload.shown(), database.shown()),
        )
        .at([storage.span, mount.span])
        .because(
            "an `emptyDir` is made for each pod and removed with it: an update, a drained node or an eviction begins with an \
             empty database; only a restart of the container keeps it",
        )
        .remedy(
            "a claim (`volumeClaimTemplates` of a StatefulSet with one replica), or a sidecar that replicates the database \
             and an init container that restores it",
        )
        .related(mount.span, "where it is mounted");
    Some(finding)
}

fn is_made_anew(path: &str) -> bool {
    path.to_ascii_lowercase().split('/').any(|part| MADE_ANEW.contains(&part.trim_start_matches('.')))
}

fn mates<'a>(graph: &'a Graph, pod: usize) -> impl Iterator<Item = (WorkloadId, &'a Workload)> {
    let all = graph.workloads.iter().enumerate().map(|(index, workload)| (WorkloadId(index), workload));
    all.filter(move |(_, workload)| workload.pod == pod)
}

/// Whether a container of the pod copies the database elsewhere all the time.
fn is_replicated(graph: &Graph, workload: &Workload) -> bool {
    mates(graph, workload.pod).any(|(_, mate)| {
        let image = mate.image.as_ref().map_or("", |image| image.value.as_str());
        let texts = mate.words.iter().map(|word| word.value.as_str()).chain([image]);
        texts.into_iter().any(|text| REPLICATORS.iter().any(|name| text.contains(name)))
    })
}

/// Whether something that runs before the others puts something there.
fn is_filled(graph: &Graph, workload: WorkloadId, storage: StorageId) -> bool {
    let mut before = mates(graph, graph.workload(workload).pod).filter(|(_, mate)| mate.role == Role::Init);
    before.any(|(id, mate)| {
        let words: Vec<&str> = mate.words.iter().map(|word| word.value.as_str()).collect();
        let words = words.join(" ");
        let puts = !PUTS_NOTHING.iter().any(|nothing| words.contains(nothing));
        puts && graph.mounts_of(id).any(|(_, mount)| mount.storage == storage && !mount.read_only)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!([MADE_ANEW, REPLICATORS, PUTS_NOTHING].iter().all(|list| list.is_sorted()));
    }

    #[test]
    fn caches_are_made_anew() {
        assert!(
            is_made_anew("/var/cache/app/index.db") && is_made_anew("/app/.cache/x.db") && is_made_anew("/tmp/x.db")
        );
        assert!(!is_made_anew("/data/cached.db") && !is_made_anew("/data/app.db"));
    }
}
