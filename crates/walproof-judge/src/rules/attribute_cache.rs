//! Rule `attribute-cache`: clients on several machines believe what they have cached of a database in rollback mode.
//!
//! What it must not do: speak of WAL, which such storage breaks anyway, or of one client alone, whose cache is its own.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::sharing::{Graph, Nature, Spread, StorageId};
use crate::storage::mount_options;

/// Several machines believe cached attributes.
pub static RULE: Rule = Rule {
    name: "attribute-cache",
    line: "Several machines share a database through a mount that is told to believe its caches",
    explain: include_str!("attribute_cache.md"),
    ground: Ground::World("two-clients-cached"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_storages().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: StorageId) -> Option<Finding> {
    let storage = graph.storage(id);
    let Nature::Network(kind) = &storage.nature else { return None };
    let option = storage.option_that(believes)?;
    let (database, nodes) = graph.most_scattered_on(id)?;
    let rollback = match nodes {
        Spread::One => return None,
        Spread::Perhaps => Severity::Risky,
        Spread::Several => Severity::Unsafe,
    };
    let shown = graph.database(database).shown();
    let row = mount_options::meaning(kind, &option.value).or_else(|| mount_options::meaning("nfs", &option.value));
    let meaning = row.map_or("what is cached is believed although others may write", |row| row.meaning);
    Some(
        RULE.finding(
            Judged { wal: None, rollback: Some(rollback) },
            About::database(graph, database),
            format!("`{kind}` under {shown} believes its caches, `{}`, and may have several clients", option.value),
        )
        .at([Some(option.span)])
        .because(format!(
            "{meaning}; a rollback journal needs reads that are fresh after a lock, and with caches of 1 s two clients \
             lost commits although every lock worked"
        ))
        .remedy("keep all openers on one machine, or mount it `noac` (SMB: `cache=none`) and test it")
        .settled_by(probe_of(graph, database))
        .known_by(graph.database(database)),
    )
}

/// Options that say so; that caches are on by default is part of `wal-on-network-filesystem`.
fn believes(option: &str) -> bool {
    let times = ["actimeo=", "acregmin=", "acregmax=", "acdirmin=", "acdirmax="];
    let seconds = times.iter().find_map(|name| option.strip_prefix(name));
    matches!(option, "nocto" | "softreval" | "cache=loose" | "lookupcache=all")
        || seconds.is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0))
}
