//! Rule `selinux-private-label`: a mount labelled for one container alone (`Z`) that another container has as well.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::manifest::compose::Selinux;
use crate::sharing::{DatabaseId, Graph, Mount};

/// `Z` on what others mount too.
pub static RULE: Rule = Rule {
    name: "selinux-private-label",
    line: "A mount labelled `Z`, for one container alone, is mounted by another one too",
    explain: include_str!("selinux_private_label.md"),
    ground: Ground::Elsewhere(
        "https://docs.podman.io/en/latest/markdown/podman-run.1.html#volume-v-source-volume-host-dir-container-dir-options",
    ),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let mount = graph.mount(graph.mount_of(id)?);
    let workload = graph.workload(database.workload);
    let label = mount.selinux.as_ref().filter(|label| label.value == Selinux::Private)?;
    if workload.own_label.is_some() {
        return None;
    }
    let loses = |other: &Mount| {
        let theirs = graph.workload(other.workload);
        theirs.own_label.is_none() && theirs.pod != workload.pod
    };
    let other = graph.reachers(id).into_iter().map(|id| graph.mount(id)).find(|other| loses(other))?;
    let message = format!(
        "{} labels the storage of {} for itself alone (`Z`), and {} mounts it too",
        workload.shown(),
        database.shown(),
        graph.workload(other.workload).shown()
    );
    Some(
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, id), message)
            .at([Some(label.span), mount.span])
            .because(
                "where SELinux is enforcing, the container that starts last takes the label, and the other one may not \
                 touch the files any more: SQLite fails with 14 or 8; without SELinux nothing happens",
            )
            .remedy("write `z` for everybody who mounts it")
            .related(other.span, "the other mount")
            .known_by(database),
    )
}
