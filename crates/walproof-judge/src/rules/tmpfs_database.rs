//! Rule `tmpfs-database`: the database lies in memory.

use super::database_in_image_layer::is_temporary;
use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph, Nature, StorageKind};

/// A database in memory.
pub static RULE: Rule = Rule {
    name: "tmpfs-database",
    line: "The database lies in memory and is gone after a restart",
    explain: include_str!("tmpfs_database.md"),
    ground: Ground::Elsewhere("https://docs.docker.com/engine/storage/tmpfs/"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let mount = graph.mount(graph.mount_of(id)?);
    let storage = graph.storage(mount.storage);
    if storage.nature != Nature::Memory || is_temporary(&database.path) {
        return None;
    }
    let goes = match storage.kind {
        StorageKind::Named(_) => "it is gone when no container mounts it any more, and at every start of the machine",
        StorageKind::EmptyDir => "it goes with the pod, every commit in it included",
        _ => "it is gone when the container stops, every commit in it included",
    };
    let message = format!("{} has {} in memory", graph.workload(database.workload).shown(), database.shown());
    Some(
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, id), message)
            .at([mount.span, storage.span])
            .because(format!(
                "locks and shared memory work there, so it breaks nothing; but {goes}, which is fine for a cache"
            ))
            .remedy("mount a directory or a named volume there, unless it is a cache that may go")
            .known_by(database),
    )
}
