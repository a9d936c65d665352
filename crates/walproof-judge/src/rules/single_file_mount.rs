//! Rule `single-file-mount`: the database's file is mounted alone, so that its sidecars lie somewhere else.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::{DatabaseId, EvidenceKind, Graph, Location};

/// The database's file is mounted alone.
pub static RULE: Rule = Rule {
    name: "single-file-mount",
    line: "The database's file is mounted alone, so that its sidecars lie in the container's own layer",
    explain: include_str!("single_file_mount.md"),
    ground: Ground::World("single-file"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let mount_id = graph.mount_of(id)?;
    let mount = graph.mount(mount_id);
    if mount.target != database.path || database.is_directory || mount.is_file == Some(false) {
        return None;
    }
    // Sidecars that are mounted as well are another situation: `three-file-mount`.
    let sidecar = |suffix: &str| {
        graph.mounts_of(database.workload).any(|(_, mount)| mount.target == format!("{}{suffix}", database.path))
    };
    if sidecar("-wal") || sidecar("-shm") || sidecar("-journal") {
        return None;
    }
    // The directory is mounted too, from where the file lies: its sidecars lie beside it for everybody who has both.
    let log = graph.location_of(database.workload, &format!("{}-wal", database.path));
    let beside = graph.location(id).map(|file| Location { path: format!("{}-wal", file.path), ..file });
    if log.is_some() && log == beside {
        return None;
    }
    let others = graph.sharers(id).len() + graph.reachers(id).len();
    let judged = match others {
        // Alone, a rollback journal is lost only if the container is removed after a crash.
        0 => Judged::each(Severity::Unsafe, Severity::Risky),
        _ => Judged::always(Severity::Unsafe),
    };
    let directory = database.path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let by_name = database.evidence.kind == EvidenceKind::FileName;
    let finding = RULE
        .finding(
            judged,
            About::database(graph, id),
            format!("{} mounts the file {} alone", graph.workload(database.workload).shown(), database.shown()),
        )
        .at([mount.span])
        .because(format!(
            "SQLite keeps `-wal`, `-shm` and `-journal` beside the database, in `{directory}`, which is {}: whoever else \
             opens the file has others{}",
            if log.is_some() { "another mount" } else { "the container's own layer" },
            if log.is_some() { "" } else { ", and they go with the container" },
        ))
        .remedy("stop every opener, move the database with its sidecars into a directory of its own, and mount that directory");
    // What was seen on a machine is in no file that could be run again.
    let finding = if mount.span.is_some() { finding.settled_by("walproof verify --compose FILE") } else { finding };
    Some(if by_name { finding.at_most(Certainty::Suspected) } else { finding })
}
