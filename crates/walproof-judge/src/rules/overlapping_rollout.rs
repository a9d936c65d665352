//! Rule `overlapping-rollout`: an update of Kubernetes runs the new pod beside the old one, on one database.
//!
//! What follows depends on the storage: on one kernel nothing, on a device the update can hang, through a network file
//! system two kernels write. `start-first-rollout` is the same of a swarm.

use super::several_writers_by_replicas::{completed, through_network, why_kernels};
use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::manifest::kubernetes::AccessMode;
use crate::sharing::{DatabaseId, Graph, Kernels, Overlap, Role, Storage, Workload, WorkloadKind};

/// The new pod starts while the old one runs.
pub static RULE: Rule = Rule {
    name: "overlapping-rollout",
    line: "An update starts the new pod while the old one still has the database open",
    explain: include_str!("overlapping_rollout.md"),
    ground: Ground::World("two-clients-cached"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.once_for_each_pod().into_iter().filter_map(|id| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let workload = graph.workload(graph.database(id).workload);
    let overlaps = matches!(workload.rollout.overlap, Overlap::Yes | Overlap::WhileEnding);
    if workload.kind != WorkloadKind::Deployment || !overlaps || workload.role == Role::Init {
        return None;
    }
    let (judged, message, because) = told(graph, id, workload)?;
    let finding = RULE
        .finding(judged, About::database(graph, id), message)
        .at([workload.rollout.span, workload.span])
        .because(because)
        .remedy(
            "`strategy: {type: Recreate}`, or a StatefulSet with one replica; with `ReadWriteOncePod` on the claim \
             Kubernetes keeps a second pod away where the driver can",
        );
    Some(completed(graph, id, finding))
}

fn told(graph: &Graph, id: DatabaseId, workload: &Workload) -> Option<(Judged, String, String)> {
    let shown = graph.database(id).shown();
    let storage = graph.storage(graph.storage_of(id)?);
    let name = workload.shown();
    let when = match (workload.rollout.overlap, workload.rollout.span) {
        (Overlap::WhileEnding, _) => "while the old one is still ending",
        (_, None) => "before it ends the old one, which is the default",
        _ => "before it ends the old one",
    };
    Some(match graph.kernels(id)? {
        Kernels::Several(file_system) => (
            through_network(graph, id),
            format!("an update of {name} starts the new pod {when}: two nodes may have {shown} open"),
            why_kernels(graph, id, &file_system),
        ),
        // While the old one is told to end, the new one waits for something that happens.
        Kernels::OneAndOthersWait if workload.rollout.overlap == Overlap::Yes => device(storage, &name, &shown),
        Kernels::One if workload.rollout.overlap == Overlap::Yes && is_for_one_pod(storage) => one_pod(&name),
        Kernels::NotKnown(question) => (
            Judged::each(Severity::Unknown, Severity::Risky),
            format!(
                "an update of {name} starts the new pod {when}, on {shown}; whether that breaks depends on this: {question}"
            ),
            "on one kernel both pods may open it; a device of another node makes the new pod wait for an old one that \
             waits for the new one; through a network file system two kernels write and commits are lost"
                .to_owned(),
        ),
        _ => return None,
    })
}

fn is_for_one_pod(storage: &Storage) -> bool {
    storage.access.as_ref().is_some_and(|access| access.allows(AccessMode::ReadWriteOncePod))
}

fn device(storage: &Storage, name: &str, shown: &str) -> (Judged, String, String) {
    let message =
        format!("an update of {name} hangs if the new pod comes to another node: it starts beside the old one");
    let because = format!(
        "{} is a device that one node has at a time: the new pod waits for it (`Multi-Attach error`), and the old one ends \
         only when the new one is ready; on the same node both have {shown} open, on one kernel",
        storage.called()
    );
    (Judged::always(Severity::Risky), message, because)
}

fn one_pod(name: &str) -> (Judged, String, String) {
    let message = format!("an update of {name} hangs: it starts beside the old pod, which has the claim for itself");
    let because = "`ReadWriteOncePod` lets no second pod start, and the old one ends only when the new one is ready";
    (Judged::always(Severity::Risky), message, because.to_owned())
}
