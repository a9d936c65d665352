//! Rule `several-writers-by-replicas`: several copies of a workload open one database from several kernels, or believe
//! that they do.
//!
//! Copies on one kernel are sound, and so are copies each with a storage of its own: `Graph::kernels` tells them apart.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{CopiesBy, DatabaseId, EvidenceKind, Graph, Kernels, Nature, Role};

/// Several copies open one database from several kernels.
pub static RULE: Rule = Rule {
    name: "several-writers-by-replicas",
    line: "Several copies of one workload open one database from several kernels",
    explain: include_str!("several_writers_by_replicas.md"),
    ground: Ground::World("two-clients-cached"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.once_for_each_pod().into_iter().filter_map(|id| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let workload = graph.workload(graph.database(id).workload);
    let copies = workload.copies;
    let count = match (copies.by, copies.count_max) {
        (CopiesBy::Written, Some(count)) if count > 1 => format!("{count} copies"),
        (CopiesBy::Node, _) => "a copy on each node".to_owned(),
        _ => return None,
    };
    let (judged, message, because) = told(graph, id, &count, copies.by)?;
    if workload.role == Role::Init {
        return None;
    }
    let finding = RULE
        .finding(judged, About::database(graph, id), message)
        .at([copies.span, workload.span])
        .because(because)
        .remedy(match copies.by {
            CopiesBy::Node => "give each node a database of its own on a path of the node, or run one copy",
            _ => {
                "run one copy, whose updates end the old one first, or give the application a server database; copies that \
                 need no common database get a claim of their own from `volumeClaimTemplates`"
            }
        });
    Some(completed(graph, id, finding))
}

/// With what decides beside it, and no surer than the database is known.
pub(super) fn completed(graph: &Graph, id: DatabaseId, finding: Finding) -> Finding {
    let database = graph.database(id);
    let mount = graph.mount_of(id).map(|mount| graph.mount(mount));
    let storage = graph.storage_of(id).map(|storage| graph.storage(storage));
    let finding = finding
        .related(mount.and_then(|mount| mount.span), "the database lies on this mount")
        .related(storage.and_then(|storage| storage.span), "what the storage is made of");
    let finding = match storage.map(|storage| &storage.nature) {
        Some(Nature::NotKnown(_) | Nature::Mirror(_)) if finding.judged.wal == Some(Severity::Unknown) => {
            let directory = database.path.rsplit_once('/').map_or("/", |(directory, _)| directory);
            finding.settled_by(format!("walproof probe {}", if directory.is_empty() { "/" } else { directory }))
        }
        _ => finding,
    };
    // Two kernels are measured; what an orchestrator makes of them is not.
    let measured = finding.judged.wal == Some(Severity::Unsafe);
    let weak = database.evidence.kind == EvidenceKind::FileName;
    if weak || !measured { finding.at_most(Certainty::Suspected) } else { finding }
}

/// How bad it is where several kernels reach one database through a network file system, or an object store.
pub(super) fn through_network(graph: &Graph, id: DatabaseId) -> Judged {
    let storage = graph.storage_of(id).map(|storage| graph.storage(storage));
    match storage.map(|storage| &storage.nature) {
        Some(Nature::ObjectStore(_)) => Judged::always(Severity::Unsafe),
        // In the other modes locks and caches of the file system decide: some hold, some do not.
        _ => Judged::each(Severity::Unsafe, Severity::Risky),
    }
}

/// Why several kernels do not go together, after the storage's own reason.
pub(super) fn why_kernels(graph: &Graph, id: DatabaseId, file_system: &str) -> String {
    let storage = graph.storage_of(id).map(|storage| graph.storage(storage));
    let made = storage.map_or("", |storage| storage.because.as_str());
    let made = if made.is_empty() { String::new() } else { format!("{made}; ") };
    let promise = if storage.is_some_and(|storage| storage.asks_for_one_node()) {
        ", and on a network file system nothing keeps `ReadWriteOnce`"
    } else {
        ""
    };
    format!(
        "{made}copies on different nodes have different kernels: in WAL mode each has its own memory of the wal-index and \
         overwrites what the other one committed, in the other modes locks and caches of `{file_system}` decide{promise}"
    )
}

fn told(graph: &Graph, id: DatabaseId, count: &str, by: CopiesBy) -> Option<(Judged, String, String)> {
    let database = graph.database(id);
    let workload = graph.workload(database.workload).shown();
    let shown = database.shown();
    let called = graph.storage_of(id).map_or(String::new(), |storage| graph.storage(storage).called());
    Some(match graph.kernels(id)? {
        Kernels::Several(name) => (
            through_network(graph, id),
            format!("{workload} runs {count}, which open {shown} from several nodes through `{name}`"),
            why_kernels(graph, id, &name),
        ),
        Kernels::OneEach if by != CopiesBy::Node => (
            Judged::always(Severity::Unknown),
            format!("{workload} runs {count}, and {shown} is another database on each node: how many nodes run them?"),
            format!(
                "{called} is a place of each node: copies on one node share one database, which is sound, copies on \
                 different nodes commit into different ones and never see each other's rows"
            ),
        ),
        Kernels::NotKnown(question) => (
            Judged::each(Severity::Unknown, Severity::Risky),
            format!("{workload} runs {count} that share {shown}; whether that breaks depends on this: {question}"),
            format!(
                "copies on one kernel may share a database; on different nodes {called} is either another one on each, or a \
                 network file system through which two kernels write and commits are lost"
            ),
        ),
        _ => return None,
    })
}
