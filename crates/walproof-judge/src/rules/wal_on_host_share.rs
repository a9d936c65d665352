//! Rule `wal-on-host-share`: the database lies on a directory of the host that reaches containers through a virtual
//! machine.
//!
//! What it must not do: alarm where a bind mount is one on Linux. Where nobody said what the host is, it asks once for
//! each project.

use std::collections::BTreeMap;

use walproof_format::sqlite::db_header::JournalFamily;

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::manifest::Span;
use crate::sharing::{DatabaseId, Graph, Nature, WorkloadKind};

/// The database lies on a share between a virtual machine and its host.
pub static RULE: Rule = Rule {
    name: "wal-on-host-share",
    line: "The database lies on a directory that a virtual machine shares with its host",
    explain: include_str!("wal_on_host_share.md"),
    ground: Ground::Cases(&["C039", "C042", "C045", "C048", "C051", "C057", "C060"]),
    judge,
};

const NAMED: &str = "use a named volume, and open the database only from containers";

fn judge(graph: &Graph) -> Vec<Finding> {
    let shares = graph.all_databases().filter_map(|(id, _)| share(graph, id));
    shares.chain(questions(graph)).collect()
}

/// A share, known as one.
fn share(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let storage = graph.storage(graph.storage_of(id)?);
    let Nature::HostShare(kind) = &storage.nature else { return None };
    if !graph.is_first_entry(id) {
        return None;
    }
    // The file's locks may hold there; what the host itself opens is seen by no rule.
    let judged = Judged::each(Severity::Unsafe, Severity::Risky);
    let message = format!("{} lies on a share of the host, `{kind}`", graph.database(id).shown());
    Some(
        RULE.finding(judged, About::database(graph, id), message)
            .at([mount(graph, id), storage.span])
            .because(format!(
                "{}the host has the other end, and its memory is not that of the containers: WAL has lost databases \
                 there, and a rollback journal lasts only while the host does not open the file too",
                prefixed(&storage.because)
            ))
            .remedy(NAMED)
            .settled_by(probe_of(graph, id))
            .known_by(graph.database(id)),
    )
}

/// Paths of the host, where nobody said what the host is: one question for each project.
fn questions(graph: &Graph) -> Vec<Finding> {
    let mut by_project: BTreeMap<usize, Vec<DatabaseId>> = BTreeMap::new();
    for (id, database) in graph.all_databases() {
        let workload = graph.workload(database.workload);
        let depends = graph.storage_of(id).is_some_and(|id| graph.storage(id).nature == Nature::DependsOnHost);
        // systemd runs on the kernel that has the files. A rollback journal needs no shared memory.
        let asked = depends
            && workload.kind != WorkloadKind::Quadlet
            && database.mode.family != Some(JournalFamily::Rollback)
            && graph.is_first_entry(id);
        if asked {
            by_project.entry(workload.project).or_default().push(id);
        }
    }
    by_project.into_values().map(|databases| question(graph, &databases)).collect()
}

fn question(graph: &Graph, databases: &[DatabaseId]) -> Finding {
    let first = databases[0];
    let what = match databases.len() {
        1 => format!("{} lies on a path of the host", graph.database(first).shown()),
        count => format!("{count} databases lie on paths of the host"),
    };
    let message = format!("{what}: fine on Linux, not on Docker Desktop and its like");
    let finding = RULE
        .finding(Judged::wal(Severity::Unknown), About::database(graph, first), message)
        .at([mount(graph, first)])
        .because(
            "on macOS and Windows the path reaches containers through a virtual machine, whose memory is not the \
             host's; which host it is stands in no file",
        )
        .remedy(format!("on Linux say `--host linux`; else {NAMED}"))
        .settled_by("walproof check --host linux TARGET")
        .known_by(graph.database(first));
    let others = databases[1..].iter();
    others
        .fold(finding, |finding, id| finding.related(mount(graph, *id), format!("{} too", graph.database(*id).shown())))
}

fn mount(graph: &Graph, id: DatabaseId) -> Option<Span> {
    graph.mount_of(id).and_then(|mount| graph.mount(mount).span)
}

fn prefixed(because: &str) -> String {
    if because.is_empty() { String::new() } else { format!("{because}; ") }
}
