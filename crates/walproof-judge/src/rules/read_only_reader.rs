//! Rule `read-only-reader`: one workload may only read a database that another one writes.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph};

/// A reader that cannot make `-shm`.
pub static RULE: Rule = Rule {
    name: "read-only-reader",
    line: "A workload reads a WAL database through a read-only mount, and needs the writer to be there",
    explain: include_str!("read_only_reader.md"),
    ground: Ground::World("read-only-side"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let mount = graph.mount(graph.mount_of(id)?);
    // Who opens it as one that never changes looks neither at `-shm` nor at `-wal`: `immutable-uri`.
    let is_immutable = database.option("immutable").is_some_and(|option| option.value.value != "0");
    // Of a file that is mounted alone the reader makes sidecars of its own, in its own layer: `single-file-mount`.
    let is_alone = mount.target == database.path && mount.is_file != Some(false);
    if !mount.read_only || is_immutable || is_alone {
        return None;
    }
    let writer = graph.reachers(id).into_iter().map(|id| graph.mount(id)).find(|other| !other.read_only)?;
    let message = format!(
        "{} has {} read-only, and {} may write it",
        graph.workload(database.workload).shown(),
        database.shown(),
        graph.workload(writer.workload).shown()
    );
    Some(
        RULE.finding(Judged::wal(Severity::Risky), About::database(graph, id), message)
            .at([mount.span])
            .because(
                "in WAL mode a reader needs a `-shm`, which it cannot make here: it reads as long as a writer keeps one \
                 alive, and fails with 14 as soon as the last writer has closed",
            )
            .remedy(
                "let the reader mount the directory writable and open the database with `mode=ro`, or give it a copy made \
                 by `VACUUM INTO`",
            )
            .related(writer.span, "the writer's mount")
            .settled_where_it_lies(graph, id, "verify")
            .known_by(database),
    )
}
