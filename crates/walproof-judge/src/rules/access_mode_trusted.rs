//! Rule `access-mode-trusted`: `ReadWriteOnce` is taken for one pod, or for storage of one node.
//!
//! It is a promise about nodes, which attached devices keep. It counts no pods, and on a network file system nobody
//! keeps it.

use super::several_writers_by_replicas::through_network;
use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{CopiesBy, DatabaseId, EvidenceKind, Graph, Kernels, Overlap, Role, Workload, WorkloadId};

/// `ReadWriteOnce` is taken for more than it is.
pub static RULE: Rule = Rule {
    name: "access-mode-trusted",
    line: "`ReadWriteOnce` is taken for one pod, or for storage of one node",
    explain: include_str!("access_mode_trusted.md"),
    ground: Ground::World("two-clients-cached"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for id in graph.once_for_each_pod() {
        // One claim, one finding, whoever mounts it.
        let known = |finding: &Finding| finding.about.storage == graph.storage_of(id);
        if !found.iter().any(known) {
            found.extend(one(graph, id));
        }
    }
    found
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let storage = graph.storage(graph.storage_of(id)?);
    let access = storage.access.as_ref().filter(|_| storage.asks_for_one_node())?;
    let kernels = graph.kernels(id)?;
    let workload = graph.workload(graph.database(id).workload);
    let (judged, message, because) = match kernels {
        Kernels::Several(name) => by_network(graph, id, &name)?,
        Kernels::OneAndOthersWait if has_copies(workload) => by_copies(graph, id),
        _ => return None,
    };
    let finding = RULE
        .finding(judged, About::database(graph, id), message)
        .at([access.modes.first().map(|mode| mode.span), Some(access.span)])
        .because(because)
        .remedy(
            "`ReadWriteOncePod`, with one replica and `strategy: {type: Recreate}`: Kubernetes then keeps a second pod \
             away; on a network file system move the database to a block or local volume as well",
        )
        .related(storage.span, "what the storage is made of")
        .related(workload.copies.span, "how many open it");
    let weak = graph.database(id).evidence.kind == EvidenceKind::FileName;
    Some(if weak { finding.at_most(Certainty::Suspected) } else { finding })
}

fn by_network(graph: &Graph, id: DatabaseId, file_system: &str) -> Option<(Judged, String, String)> {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let others = other_pods(graph, id);
    // Copies and updates have rules of their own, which say how bad they are.
    let (judged, who) = match others.first() {
        Some(other) => (through_network(graph, id), format!("{} mounts it as well", graph.workload(*other).shown())),
        None if has_copies(workload) => {
            (Judged::always(Severity::Risky), "its copies may run on several nodes".to_owned())
        }
        None if overlaps(workload) => (
            Judged::always(Severity::Risky),
            "an update runs two pods at once, on two nodes if it so happens".to_owned(),
        ),
        None => return None,
    };
    let storage = graph.storage(graph.storage_of(id)?);
    let message = format!(
        "{} is `ReadWriteOnce`, which on `{file_system}` keeps no second node away from {}",
        storage.called(),
        database.shown()
    );
    let made = if storage.because.is_empty() { String::new() } else { format!("{}; ", storage.because) };
    let because = format!(
        "{made}{who}: only attached devices are kept to one node, a network file system is mounted wherever a pod comes, \
         and each node is a kernel of its own"
    );
    Some((judged, message, because))
}

fn by_copies(graph: &Graph, id: DatabaseId) -> (Judged, String, String) {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let message =
        format!("`ReadWriteOnce` does not make {} the only one that opens {}", workload.shown(), database.shown());
    let because =
        "it is for one node, not for one pod: every copy on the node that has the device opens the database, which \
                   is sound on one kernel if the application is made for it; copies on other nodes never start"
            .to_owned();
    (Judged::always(Severity::Risky), message, because)
}

fn has_copies(workload: &Workload) -> bool {
    workload.copies.by == CopiesBy::Node || workload.copies.count_max.is_some_and(|count| count > 1)
}

fn overlaps(workload: &Workload) -> bool {
    matches!(workload.rollout.overlap, Overlap::Yes | Overlap::WhileEnding)
}

/// Workloads of other pods that can write to the file; what only reads is another situation.
fn other_pods(graph: &Graph, id: DatabaseId) -> Vec<WorkloadId> {
    let pod = graph.workload(graph.database(id).workload).pod;
    let reachers = graph.reachers(id).into_iter().map(|mount| graph.mount(mount));
    let others = reachers.filter(|mount| !mount.read_only).map(|mount| mount.workload);
    others.filter(|other| graph.workload(*other).pod != pod && graph.workload(*other).role != Role::Init).collect()
}
