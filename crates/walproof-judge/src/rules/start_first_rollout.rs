//! Rule `start-first-rollout`: Swarm starts the new container before the old one has ended, on one database.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Copies, DatabaseId, Graph, Nature, Overlap, StorageKind, WorkloadKind};

/// `order: start-first` with a database that both have.
pub static RULE: Rule = Rule {
    name: "start-first-rollout",
    line: "An update of the service runs old and new container at once on one database",
    explain: include_str!("start_first_rollout.md"),
    ground: Ground::Cases(&["C087"]),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let mount = graph.mount(graph.mount_of(id)?);
    let storage = graph.storage(mount.storage);
    let overlaps = workload.kind == WorkloadKind::Service && workload.rollout.overlap == Overlap::Yes;
    if !overlaps || is_none(workload.copies) || mount.read_only || storage.own_for_each_copy {
        return None;
    }
    let (judged, where_it_lies) = match &storage.nature {
        Nature::Network(kind) => (
            Judged::each(Severity::Unsafe, Severity::Risky),
            format!(
                "the storage is `{kind}`, and where Swarm puts the new one on another node two kernels have one log"
            ),
        ),
        _ => (Judged::always(Severity::Risky), on_one_node(&storage.kind).to_owned()),
    };
    let message = format!(
        "an update of {} starts the new container before the old one ends, both with {}",
        workload.shown(),
        database.shown()
    );
    Some(
        RULE.finding(judged, About::database(graph, id), message)
            .at([workload.rollout.span])
            .because(format!("{where_it_lies}; Swarm alone reads this, `docker compose up` does not"))
            .remedy("set `order: stop-first`, and keep it at one replica")
            .related(mount.span, "the storage that both have")
            .settled_by("walproof probe --compose FILE")
            .known_by(database),
    )
}

fn is_none(copies: Copies) -> bool {
    copies.count_max == Some(0)
}

fn on_one_node(kind: &StorageKind) -> &'static str {
    match kind {
        StorageKind::Named(_) => {
            "on one node SQLite itself stands two openers, but few applications stand two of themselves on one database \
             (migrations, caches, locks of their own); and a volume of the engine is another one on each node, so that \
             on another node the new container begins with an empty one"
        }
        _ => {
            "on one node SQLite itself stands two openers, but few applications stand two of themselves on one database \
             (migrations, caches, locks of their own); on another node the same path is another directory"
        }
    }
}
