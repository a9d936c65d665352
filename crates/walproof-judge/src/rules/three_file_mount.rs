//! Rule `three-file-mount`: the database, its `-wal` and its `-shm` are mounted one by one.

use super::sidecar_mounted_apart::{Sidecar, sidecar};
use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph, Mount};

/// Three files, mounted one by one.
pub static RULE: Rule = Rule {
    name: "three-file-mount",
    line: "The database, its `-wal` and its `-shm` are mounted one by one instead of their directory",
    explain: include_str!("three_file_mount.md"),
    ground: Ground::World("three-files-and-directory"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let mount = graph.mount(graph.mount_of(id)?);
    if mount.target != database.path || database.is_directory || mount.is_file == Some(false) {
        return None;
    }
    let (Sidecar::Beside(wal), Sidecar::Beside(shm)) = (sidecar(graph, id, "-wal"), sidecar(graph, id, "-shm")) else {
        return None;
    };
    let opens =
        |other: &Mount| graph.sharers(id).iter().any(|sharer| graph.database(*sharer).workload == other.workload);
    let others: Vec<&Mount> = graph.reachers(id).into_iter().map(|other| graph.mount(other)).collect();
    let by_directory = others.iter().find(|other| opens(other) && is_directory(graph, other, id));
    let judged = match (by_directory, others.is_empty()) {
        (Some(_), _) => Judged::always(Severity::Unsafe),
        (None, false) => Judged::each(Severity::Risky, Severity::Unsafe),
        (None, true) => Judged::always(Severity::Risky),
    };
    let because = match by_directory {
        Some(other) => format!(
            "{} has the whole directory: when it closes last it deletes `-wal` and `-shm` there, those who came by the \
             mounts keep the deleted files, and the next opener makes new ones, which are two logs (measured: broken \
             after 0.6 s)",
            graph.workload(other.workload).shown()
        ),
        None => "in WAL mode it holds only as long as everybody comes through these mounts (measured: no anomaly in \
                 342,567 commits and 86 kills); whoever opens the database by its directory, as the host does, deletes \
                 the files under the others, and in DELETE mode the `-journal` lies in the container's own layer, where \
                 nobody else finds it after a crash (measured: broken 1.4 s after the first commit)"
            .to_owned(),
    };
    let message = format!(
        "{} mounts {} and its sidecars one by one",
        graph.workload(database.workload).shown(),
        database.shown()
    );
    Some(
        RULE.finding(judged, About::database(graph, id), message)
            .at([mount.span])
            .because(because)
            .remedy(
                "stop every opener, move the three files together into a directory of their own, and mount that \
                 directory everywhere",
            )
            .related(graph.mount(wal).span, "the `-wal`")
            .related(graph.mount(shm).span, "the `-shm`")
            .related(by_directory.and_then(|other| other.span), "the directory")
            .settled_by("walproof verify --compose FILE")
            .known_by(database),
    )
}

/// Whether a mount holds more than the database's own file.
fn is_directory(graph: &Graph, mount: &Mount, id: DatabaseId) -> bool {
    graph.location_of(mount.workload, &mount.target) != graph.location(id)
}
