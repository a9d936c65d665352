//! Rule `nobrl-mount`: an SMB mount that does not send locks to the server.

use super::{About, Finding, Ground, Judged, Rule, Severity, probe_of};
use crate::sharing::{Graph, Nature, Spread, StorageId};
use crate::storage::mount_options;

/// An SMB mount does not send locks.
pub static RULE: Rule = Rule {
    name: "nobrl-mount",
    line: "An SMB mount under a database does not send locks: `nobrl`",
    explain: include_str!("nobrl_mount.md"),
    ground: Ground::World("two-clients-local-locks"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_storages().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: StorageId) -> Option<Finding> {
    let storage = graph.storage(id);
    let Nature::Network(kind) = &storage.nature else { return None };
    let option = storage.option_that(|option| option == "nobrl")?;
    let (database, nodes) = graph.most_scattered_on(id)?;
    let judged = Judged::always(if nodes == Spread::Several { Severity::Unsafe } else { Severity::Risky });
    let shown = graph.database(database).shown();
    let meaning = mount_options::meaning("cifs", &option.value).map_or("locks are not sent", |row| row.meaning);
    Some(
        RULE.finding(
            judged,
            About::database(graph, database),
            format!("`{kind}` under {shown} is mounted with `nobrl`"),
        )
        .at([Some(option.span)])
        .because(format!(
            "{meaning}; it makes `database is locked` go away, and keeps nobody else on the server from writing at \
                 the same time as {}",
            graph.openers_shown(database)
        ))
        .remedy(
            "use a disk instead of a share (Azure: `disk.csi.azure.com`); else exactly one process, with \
                 `journal_mode=DELETE`, and say so where others read it",
        )
        .settled_by(probe_of(graph, database))
        .known_by(graph.database(database)),
    )
}
