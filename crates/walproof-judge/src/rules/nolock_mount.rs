//! Rule `nolock-mount`: an NFS mount whose client answers locks by itself.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::sharing::{Graph, Nature, Spread, StorageId};
use crate::storage::mount_options;

/// The client of a network file system answers locks by itself.
pub static RULE: Rule = Rule {
    name: "nolock-mount",
    line: "An NFS mount under a database keeps locks to itself: `nolock`, `local_lock`",
    explain: include_str!("nolock_mount.md"),
    ground: Ground::World("two-clients-local-locks"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_storages().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: StorageId) -> Option<Finding> {
    let storage = graph.storage(id);
    let Nature::Network(kind) = &storage.nature else { return None };
    let option = storage
        .option_that(|option| matches!(option, "nolock" | "local_lock=all" | "local_lock=posix" | "localflock"))?;
    let (database, nodes) = graph.most_scattered_on(id)?;
    let judged = Judged::always(if nodes == Spread::Several { Severity::Unsafe } else { Severity::Risky });
    let shown = graph.database(database).shown();
    let row = mount_options::meaning(kind, &option.value).or_else(|| mount_options::meaning("nfs", &option.value));
    let meaning = row.map_or("locks stay on this client", |row| row.meaning);
    Some(
        RULE.finding(
            judged,
            About::database(graph, database),
            format!("`{kind}` under {shown} is mounted with `{}`", option.value),
        )
        .at([Some(option.span)])
        .because(format!(
            "{meaning}; {}",
            match nodes {
                Spread::Several => {
                    format!(
                        "{} may run on several machines, which then write at once without a sign",
                        graph.openers_shown(database)
                    )
                }
                _ => "it holds only while all who open the database, a shell and a backup included, are on one machine"
                    .to_owned(),
            }
        ))
        .remedy("move the database to a local or block volume; taking the option away shows errors that it hides")
        .settled_by(probe_of(graph, database))
        .known_by(graph.database(database)),
    )
}
