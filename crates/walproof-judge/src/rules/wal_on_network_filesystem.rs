//! Rule `wal-on-network-filesystem`: the database lies on storage that other machines can mount.
//!
//! What it must not do: call a rollback journal there safe, or broken where one client alone has it.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::sharing::{DatabaseId, Graph, Nature, Spread, Storage};

/// The database lies on a network file system.
pub static RULE: Rule = Rule {
    name: "wal-on-network-filesystem",
    line: "The database lies on a network or cluster file system",
    explain: include_str!("wal_on_network_filesystem.md"),
    ground: Ground::Documented("https://sqlite.org/wal.html#concurrency"),
    judge,
};

/// They keep mappings and locks together between nodes by design; with SQLite that was not measured.
const COHERENT_BY_DESIGN: &[&str] = &["gfs2", "gpfs", "ocfs2"];

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let storage = graph.storage(graph.storage_of(id)?);
    let Nature::Network(kind) = &storage.nature else { return None };
    if !graph.is_first_entry(id) {
        return None;
    }
    let nodes = graph.spread(id);
    let database = graph.database(id);
    let because = match storage.because.as_str() {
        "" => String::new(),
        because => format!("{because}; "),
    };
    let is_coherent = COHERENT_BY_DESIGN.contains(&kind.as_str());
    let (judged, message) = match is_coherent {
        true => {
            let message = format!("does `{kind}` keep shared memory and locks together for {}", database.shown());
            (Judged::each(Severity::Unknown, Severity::Risky), message)
        }
        false => {
            let message = format!("{} lies on a network file system, `{kind}`", database.shown());
            (Judged::each(Severity::Unsafe, rollback(storage, nodes)), message)
        }
    };
    let mount = graph.mount_of(id).and_then(|mount| graph.mount(mount).span);
    Some(
        RULE.finding(judged, About::database(graph, id), message)
            .at([storage.span, mount])
            .because(match is_coherent {
                true => format!("{because}it is made to, for several machines; with SQLite it was not measured"),
                false => format!("{because}{}", consequence(graph, id, nodes)),
            })
            .remedy(
                "use a local or block volume, or a server database; else one process alone on one machine, with \
                 `journal_mode=DELETE`",
            )
            .related(mount, "mounted here")
            .settled_by(probe_of(graph, id))
            .known_by(graph.database(id)),
    )
}

/// Two clients with usual caches break a rollback journal within a second; with none the locks decide.
fn rollback(storage: &Storage, nodes: Spread) -> Severity {
    if nodes == Spread::Several && !storage.asks_each_time() { Severity::Unsafe } else { Severity::Risky }
}

fn consequence(graph: &Graph, id: DatabaseId, nodes: Spread) -> String {
    let who = graph.openers_shown(id);
    let wal = "WAL needs memory that all openers share, and SQLite documents that it does not work over a network file system";
    match nodes {
        Spread::Several => {
            format!("{wal}; {who} may run on several machines, whose caches break a rollback journal as well")
        }
        _ => {
            format!("{wal}; on one machine, as far as {who} goes, its locks and caches decide about a rollback journal")
        }
    }
}
