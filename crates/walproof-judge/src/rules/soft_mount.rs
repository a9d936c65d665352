//! Rule `soft-mount`: a network mount that fails calls when the server is slow.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Graph, Nature, StorageId};
use crate::storage::mount_options;

/// A network mount gives up on a slow server.
pub static RULE: Rule = Rule {
    name: "soft-mount",
    line: "A network mount under a database gives up when the server is slow: `soft`, `softerr`",
    explain: include_str!("soft_mount.md"),
    ground: Ground::Elsewhere("https://man7.org/linux/man-pages/man5/nfs.5.html"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_storages().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: StorageId) -> Option<Finding> {
    let storage = graph.storage(id);
    let Nature::Network(kind) = &storage.nature else { return None };
    let option = storage.option_that(|option| matches!(option, "soft" | "softerr"))?;
    let (database, _) = graph.most_scattered_on(id)?;
    let shown = graph.database(database).shown();
    let row = mount_options::meaning(kind, &option.value).or_else(|| mount_options::meaning("nfs", &option.value))?;
    Some(
        RULE.finding(
            Judged::always(Severity::Risky),
            About::database(graph, database),
            format!("`{kind}` under {shown} is mounted with `{}`", option.value),
        )
        .at([Some(option.span)])
        .because(format!(
            "{}; what was written before may or may not have reached the server, and SQLite is told `disk I/O error`",
            row.meaning
        ))
        .remedy("mount it `hard`; better, move the database to a local or block volume")
        .known_by(graph.database(database)),
    )
}
