//! Rule `database-in-image-layer`: the database goes with the container: it lies in its own layer, or in an anonymous
//! volume.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Database, DatabaseId, EvidenceKind, Graph, Mount, StorageKind, WorkloadId, WorkloadKind};

/// A database that goes with its container.
pub static RULE: Rule = Rule {
    name: "database-in-image-layer",
    line: "The database lies in the container's own layer or in an anonymous volume, and goes with the container",
    explain: include_str!("database_in_image_layer.md"),
    ground: Ground::Elsewhere("https://docs.docker.com/engine/storage/"),
    judge,
};

/// Where programs put what they can do without.
pub(super) const TEMPORARY: &[&str] = &["/dev/shm", "/run", "/tmp", "/var/run", "/var/tmp"];

/// Whether a path lies where programs put what they can do without.
pub(super) fn is_temporary(path: &str) -> bool {
    let below =
        |directory: &&str| path.strip_prefix(*directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    TEMPORARY.iter().any(below)
}

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let is_known =
        matches!(database.evidence.kind, EvidenceKind::Address | EvidenceKind::Application | EvidenceKind::Named);
    if !is_known || is_temporary(&database.path) {
        return None;
    }
    match (graph.mount_of(id).map(|mount| graph.mount(mount)), graph.workload(database.workload).kind) {
        (_, WorkloadKind::Container | WorkloadKind::Process) => None,
        (None, WorkloadKind::Image) => in_image(graph, id, database),
        (Some(_), WorkloadKind::Image) => None,
        (None, _) => in_layer(graph, id, database),
        (Some(mount), _) => in_anonymous_volume(graph, id, database, mount),
    }
}

/// A workload that keeps something, but not this. One that keeps nothing at all is meant so: a test, a trial.
fn in_layer(graph: &Graph, id: DatabaseId, database: &Database) -> Option<Finding> {
    let keeps = graph.mounts_of(database.workload).find(|(_, mount)| is_kept(graph, mount));
    let is_named = database.evidence.kind == EvidenceKind::Named;
    if (keeps.is_none() && !is_named) || may_be_relative(graph, database) {
        return None;
    }
    let workload = graph.workload(database.workload);
    let message = format!("nothing is mounted where {} has {}", workload.shown(), database.shown());
    let mounted = keeps.map_or(String::new(), |(_, mount)| format!("; only `{}` is kept", mount.target));
    let finding = RULE
        .finding(Judged::always(Severity::Risky), About::database(graph, id), message)
        .at([database.evidence.span, workload.span])
        .because(format!("{}{mounted}: {}", database.evidence.because, goes(graph, database.workload)))
        .remedy(format!(
            "mount a directory or a volume at `{}`; copy the database out of the container first, with its `-wal`",
            directory(database)
        ));
    Some(finding.related(keeps.and_then(|(_, mount)| mount.span), "what is kept"))
}

/// Whether its address is one that some libraries read as a path from the directory they start in: `sqlite:///a/b` with
/// three slashes (or two), which is `/a/b` to some and `/app/a/b` to SQLAlchemy in `/app`.
fn may_be_relative(graph: &Graph, database: &Database) -> bool {
    let workload = graph.workload(database.workload);
    let values = workload.environment.iter().filter_map(|variable| variable.value.as_ref());
    let mut texts = values.chain(&workload.words).filter(|text| Some(text.span) == database.evidence.span);
    database.evidence.kind == EvidenceKind::Address
        && texts.any(|text| text.value.contains("://") && !text.value.contains(":////"))
}

/// Something that outlives the container, and is more than a socket or a file of settings.
fn is_kept(graph: &Graph, mount: &Mount) -> bool {
    let lasts = matches!(
        graph.storage(mount.storage).kind,
        StorageKind::HostPath(_) | StorageKind::Named(_) | StorageKind::Claim(..) | StorageKind::OwnClaim(_)
    );
    let last = mount.target.rsplit('/').next().unwrap_or("");
    lasts && !mount.read_only && mount.is_file != Some(true) && !last.contains('.') && !mount.target.starts_with("/etc")
}

fn in_anonymous_volume(graph: &Graph, id: DatabaseId, database: &Database, mount: &Mount) -> Option<Finding> {
    if graph.storage(mount.storage).kind != StorageKind::Anonymous {
        return None;
    }
    let workload = graph.workload(database.workload);
    let message = format!("{} has {} in an anonymous volume", workload.shown(), database.shown());
    let why = match workload.kind {
        WorkloadKind::Quadlet => "Podman removes it with the container, which systemd does at each stop of the unit",
        WorkloadKind::Service => {
            "Compose takes it over to a new container, but after `docker compose down` the next one gets a new, empty one, \
             and `down -v` removes it"
        }
        _ => "each new container gets a new, empty one, and `--rm` removes it with the container",
    };
    Some(
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, id), message)
            .at([mount.span])
            .because(why)
            .remedy("give the volume a name; copy the database out of the old one first, with its `-wal`"),
    )
}

/// A Dockerfile that copies a database to where the application opens it.
fn in_image(graph: &Graph, id: DatabaseId, database: &Database) -> Option<Finding> {
    let workload = graph.workload(database.workload);
    let copied = workload.copied.iter().find(|copied| copied.value == database.path)?;
    let message = format!("the image brings {} along, and the application opens it there", database.shown());
    Some(
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, id), message)
            .at([Some(copied.span)])
            .because(
                "what is written to it goes into the container's own layer: each new container begins with the copy of \
                 the image again; for data that is only read that is fine",
            )
            .remedy("keep it for data that is only read, else make the database at the first start, in a volume")
            .related(database.evidence.span, "where it is opened"),
    )
}

fn goes(graph: &Graph, workload: WorkloadId) -> &'static str {
    match graph.workload(workload).kind {
        WorkloadKind::Quadlet => {
            "systemd removes the container at each stop of the unit, and with it the container's own layer and the \
             volumes that the image declares"
        }
        WorkloadKind::Service => {
            "it lies in the container's own layer, and the next container begins without it; where the image declares a \
             volume there, Compose takes that over to a new container, but not after `docker compose down`"
        }
        WorkloadKind::CommandLine => {
            "it lies in the container's own layer, or in an anonymous volume if the image declares one there, and each \
             new container begins without it"
        }
        _ => "it goes with the container's own layer, at the next restart of the pod",
    }
}

fn directory(database: &Database) -> &str {
    if database.is_directory {
        return &database.path;
    }
    database.path.rsplit_once('/').map_or("/", |(directory, _)| if directory.is_empty() { "/" } else { directory })
}
