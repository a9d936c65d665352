//! Rule `storage-not-known`: a database lies on storage of which text does not tell what it is. It asks, once for each
//! storage.
//!
//! What it must not do: guess by a name.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::sharing::{Graph, Nature, StorageId};

/// What a storage is made of cannot be told.
pub static RULE: Rule = Rule {
    name: "storage-not-known",
    line: "A database lies on storage of which it cannot be told what it is made of",
    explain: include_str!("storage_not_known.md"),
    ground: Ground::Documented("https://sqlite.org/wal.html#concurrency"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_storages().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: StorageId) -> Option<Finding> {
    let storage = graph.storage(id);
    let Nature::NotKnown(question) = &storage.nature else { return None };
    let files = graph.files_on(id);
    let first = *files.first()?;
    let shown = graph.database(first).shown();
    let lies = match files.len() {
        1 => format!("{shown} lies there"),
        count => format!("{shown} and {} more lie there", count - 1),
    };
    let because = if storage.because.is_empty() { "nothing in the files says it" } else { storage.because.as_str() };
    let mount = graph.mount_of(first).and_then(|mount| graph.mount(mount).span);
    Some(
        RULE.finding(
            Judged::always(Severity::Unknown),
            About::database(graph, first),
            format!("not known: {question}; {lies}"),
        )
        .at([storage.span, mount])
        .because(format!(
            "{because}; a local or block file system keeps locks and shared memory together, a network file system does \
             not, and that decides"
        ))
        .remedy("find out what is mounted: `findmnt -T DIRECTORY` in the container says the type of the file system")
        .related(mount, "mounted here")
        .settled_by(probe_of(graph, first))
        .known_by(graph.database(first)),
    )
}
