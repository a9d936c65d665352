//! Rule `autoscaled-database`: an autoscaler may run several copies that open one database from several kernels.

use super::several_writers_by_replicas::{completed, through_network, why_kernels};
use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{CopiesBy, DatabaseId, Graph, Kernels};

/// An autoscaler may make several writers of one.
pub static RULE: Rule = Rule {
    name: "autoscaled-database",
    line: "An autoscaler may run several copies of a workload that open one database from several kernels",
    explain: include_str!("autoscaled_database.md"),
    ground: Ground::World("two-clients-cached"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.once_for_each_pod().into_iter().filter_map(|id| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let copies = workload.copies;
    let count = copies.count_max.filter(|count| copies.by == CopiesBy::Autoscaler && *count > 1)?;
    let (name, shown) = (workload.shown(), database.shown());
    let (judged, message, because) = match graph.kernels(id)? {
        Kernels::Several(file_system) => (
            through_network(graph, id),
            format!("an autoscaler may run {count} copies of {name}, which open {shown} from several nodes"),
            why_kernels(graph, id, &file_system),
        ),
        Kernels::OneEach => (
            Judged::always(Severity::Unknown),
            format!("an autoscaler may run {count} copies of {name}, and {shown} is another database on each node"),
            "copies on one node share one database, copies on different nodes commit into different ones".to_owned(),
        ),
        Kernels::NotKnown(question) => (
            Judged::each(Severity::Unknown, Severity::Risky),
            format!(
                "an autoscaler may run {count} copies of {name} that share {shown}; whether that breaks depends on this: {question}"
            ),
            "copies on one kernel may share a database; through a network file system copies on different nodes lose \
             commits"
                .to_owned(),
        ),
        Kernels::One | Kernels::OneAndOthersWait => return None,
    };
    let finding = RULE
        .finding(judged, About::database(graph, id), message)
        .at([copies.span, workload.span])
        .because(because)
        .remedy(
            "remove the autoscaler or set `maxReplicas: 1`: load on SQLite is met by a larger pod, not by more of them",
        )
        .related(workload.span, "what it scales");
    Some(completed(graph, id, finding))
}
