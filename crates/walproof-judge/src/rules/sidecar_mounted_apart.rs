//! Rule `sidecar-mounted-apart`: a `-wal`, `-shm` or `-journal` lies on another storage than the database, or only some
//! of the files are mounted.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph, Location, MountId};

/// Sidecars apart from their database.
pub static RULE: Rule = Rule {
    name: "sidecar-mounted-apart",
    line: "A sidecar of the database lies on another storage than the database itself",
    explain: include_str!("sidecar_mounted_apart.md"),
    ground: Ground::Documented("https://sqlite.org/howtocorrupt.html#_separating_a_database_file_from_its_journal"),
    judge,
};

/// How a sidecar is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sidecar {
    /// Not by a mount of its own.
    NotMounted,
    /// By a mount of its own, which leads to where it belongs: beside the database.
    Beside(MountId),
    /// By a mount of its own, from somewhere else.
    Apart(MountId),
}

impl Sidecar {
    fn mount(self) -> Option<MountId> {
        match self {
            Self::NotMounted => None,
            Self::Beside(mount) | Self::Apart(mount) => Some(mount),
        }
    }
}

/// How the sidecar of a database with this ending is mounted.
pub(super) fn sidecar(graph: &Graph, id: DatabaseId, ending: &str) -> Sidecar {
    let database = graph.database(id);
    let path = format!("{}{ending}", database.path);
    let Some((mount, _)) = graph.mounts_of(database.workload).find(|(_, mount)| mount.target == path) else {
        return Sidecar::NotMounted;
    };
    let belongs = graph.location(id).map(|here| Location { path: format!("{}{ending}", here.path), ..here });
    if graph.location_of(database.workload, &path) == belongs { Sidecar::Beside(mount) } else { Sidecar::Apart(mount) }
}

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

/// What is mounted of one database.
struct Files {
    /// The database's file is mounted alone, so that what is not mounted lies in the container's own layer.
    alone: bool,
    wal: Sidecar,
    shm: Sidecar,
    journal: Sidecar,
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let mount = graph.mount(graph.mount_of(id)?);
    if database.is_directory {
        return None;
    }
    let files = Files {
        alone: mount.target == database.path,
        wal: sidecar(graph, id, "-wal"),
        shm: sidecar(graph, id, "-shm"),
        journal: sidecar(graph, id, "-journal"),
    };
    let judged = judged(graph, id, &files)?;
    let mounted = [files.wal, files.shm, files.journal].map(Sidecar::mount);
    let span = mounted.into_iter().flatten().find_map(|id| graph.mount(id).span);
    let message = format!(
        "{} has {} and its sidecars on different storage: {}",
        graph.workload(database.workload).shown(),
        database.shown(),
        told(&files)
    );
    Some(
        RULE.finding(judged, About::database(graph, id), message)
            .at([span, mount.span])
            .because(
                "a `-wal` or `-journal` is part of the database: whoever opens the file without it loses what was \
                 committed or takes half a transaction for a whole one, and openers with different `-shm` do not see \
                 each other's locks and frames",
            )
            .remedy(
                "stop every opener, move all files of the database into one directory, and mount only that directory",
            )
            .related(mount.span, "the database")
            .settled_by("walproof verify --compose FILE")
            .known_by(database),
    )
}

fn judged(graph: &Graph, id: DatabaseId, files: &Files) -> Option<Judged> {
    let are_apart = |sidecar: Sidecar| matches!(sidecar, Sidecar::Apart(_));
    let any_mounted = [files.wal, files.shm, files.journal].into_iter().any(|one| one != Sidecar::NotMounted);
    // None of them is `single-file-mount`.
    let in_layer = |sidecar: Sidecar| files.alone && any_mounted && sidecar == Sidecar::NotMounted;
    let goes = |sidecar: Sidecar| match sidecar {
        Sidecar::Apart(mount) => graph.storage(graph.mount(mount).storage).own_for_each_copy,
        _ => in_layer(sidecar),
    };
    let wrong = |sidecar: Sidecar| are_apart(sidecar) || in_layer(sidecar);
    let wal = (wrong(files.wal) || wrong(files.shm)).then(|| {
        let differs = ["-wal", "-shm"].iter().any(|ending| differs_from_others(graph, id, ending));
        if goes(files.wal) || differs { Severity::Unsafe } else { Severity::Risky }
    });
    let rollback = match files.journal {
        // It is a mount point, so that SQLite cannot delete it.
        Sidecar::Beside(_) => Some(Severity::Refuses),
        sidecar if wrong(sidecar) && differs_from_others(graph, id, "-journal") => Some(Severity::Unsafe),
        sidecar => wrong(sidecar).then_some(Severity::Risky),
    };
    // Three files, and no `-journal`, are `three-file-mount`.
    if wal.is_none() && !are_apart(files.journal) {
        return None;
    }
    Some(Judged { wal, rollback })
}

/// Whether another opener finds a sidecar somewhere else.
fn differs_from_others(graph: &Graph, id: DatabaseId, ending: &str) -> bool {
    let place = |id: DatabaseId| {
        let database = graph.database(id);
        let path = format!("{}{ending}", database.path);
        // A file mount leaves the sidecar in the container's own layer, which is nobody else's.
        graph.location_of(database.workload, &path).ok_or(database.workload)
    };
    let here = place(id);
    graph.sharers(id).into_iter().any(|other| place(other) != here)
}

fn told(files: &Files) -> String {
    let one = |name: &str, sidecar: Sidecar| match sidecar {
        Sidecar::Apart(_) => Some(format!("`{name}` comes from another place")),
        Sidecar::NotMounted if files.alone && name != "-journal" => {
            Some(format!("`{name}` lies in the container's own layer"))
        }
        _ => None,
    };
    let all = [one("-wal", files.wal), one("-shm", files.shm), one("-journal", files.journal)];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
