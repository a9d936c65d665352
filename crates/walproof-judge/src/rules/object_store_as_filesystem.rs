//! Rule `object-store-as-filesystem`: the database lies on a bucket that is made to look like a directory.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph, Nature, Spread};

/// The database lies on a mounted bucket.
pub static RULE: Rule = Rule {
    name: "object-store-as-filesystem",
    line: "The database lies on an object store that is mounted as a file system",
    explain: include_str!("object_store_as_filesystem.md"),
    ground: Ground::Documented("https://sqlite.org/wal.html#concurrency"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let storage = graph.storage(graph.storage_of(id)?);
    let Nature::ObjectStore(kind) = &storage.nature else { return None };
    if !graph.is_first_entry(id) {
        return None;
    }
    let rollback = if graph.spread(id) == Spread::Several { Severity::Unsafe } else { Severity::Risky };
    let mount = graph.mount_of(id).and_then(|mount| graph.mount(mount).span);
    Some(
        RULE.finding(
            Judged::each(Severity::Unsafe, rollback),
            About::database(graph, id),
            format!("{} lies on an object store, `{kind}`", graph.database(id).shown()),
        )
        .at([storage.span, mount])
        .because(
            "objects are written whole and late, and no lock reaches another machine: the last upload wins, and what \
             was acknowledged since the one before goes with the machine",
        )
        .remedy("keep the database on a local volume and send copies to the bucket: Litestream, or `VACUUM INTO`")
        .related(mount, "mounted here")
        .known_by(graph.database(id)),
    )
}
