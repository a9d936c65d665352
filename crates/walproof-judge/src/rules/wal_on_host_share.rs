//! Rule `wal-on-host-share`: the database lies on a directory of the host that reaches containers through a virtual
//! machine.
//!
//! What it must not do: alarm where a bind mount is one on Linux. Where nobody said what the host is, it asks once for
//! each database.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::sharing::{DatabaseId, Graph, Nature, WorkloadKind};

/// The database lies on a share between a virtual machine and its host.
pub static RULE: Rule = Rule {
    name: "wal-on-host-share",
    line: "The database lies on a directory that a virtual machine shares with its host",
    explain: include_str!("wal_on_host_share.md"),
    ground: Ground::Cases(&["C039", "C042", "C045", "C048", "C051", "C057", "C060"]),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let storage = graph.storage(graph.storage_of(id)?);
    let shown = graph.database(id).shown();
    let (judged, message, because) = match &storage.nature {
        Nature::HostShare(kind) => (
            // The file's locks may hold there; what the host itself opens is seen by no rule.
            Judged::each(Severity::Unsafe, Severity::Risky),
            format!("{shown} lies on a share of the host, `{kind}`"),
            format!(
                "{}the host has the other end, and its memory is not that of the containers: WAL has lost databases \
                 there, and a rollback journal lasts only while the host does not open the file too",
                prefixed(&storage.because)
            ),
        ),
        Nature::DependsOnHost => (
            Judged::wal(Severity::Unknown),
            format!("{shown} lies on a path of the host: fine on Linux, not on Docker Desktop and its like"),
            "on macOS and Windows the path reaches containers through a virtual machine, whose memory is not the \
             host's; which host it is stands in no file"
                .to_owned(),
        ),
        _ => return None,
    };
    // systemd runs on the kernel that has the files.
    let kind = graph.workload(graph.database(id).workload).kind;
    let is_of_linux = storage.nature == Nature::DependsOnHost && kind == WorkloadKind::Quadlet;
    if is_of_linux || !graph.is_first_entry(id) {
        return None;
    }
    let named = "use a named volume, and open the database only from containers";
    let (remedy, settle) = match storage.nature {
        Nature::DependsOnHost => {
            (format!("on Linux say `--host linux`; else {named}"), "walproof check --host linux TARGET".to_owned())
        }
        _ => (named.to_owned(), probe_of(graph, id)),
    };
    let mount = graph.mount_of(id).and_then(|mount| graph.mount(mount).span);
    Some(
        RULE.finding(judged, About::database(graph, id), message)
            .at([mount, storage.span])
            .because(because)
            .remedy(remedy)
            .settled_by(settle)
            .as_sure_as(graph, id),
    )
}

fn prefixed(because: &str) -> String {
    if because.is_empty() { String::new() } else { format!("{because}; ") }
}
