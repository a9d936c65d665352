//! Rule `unsafe-copy`: a workload copies a database's files while another one has it open.
//!
//! What it must not do: alarm where the backup is made by SQLite itself, where the opener is stopped meanwhile, or where
//! what is copied holds no database.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::finding::Certainty;
use crate::sharing::copying::{Copied, Met, is_image};
use crate::sharing::{DatabaseId, Graph, Role, Workload, WorkloadId};

/// A live database is copied as a file.
pub static RULE: Rule = Rule {
    name: "unsafe-copy",
    line: "A database's files are copied while another workload has it open",
    explain: include_str!("unsafe_copy.md"),
    ground: Ground::Measured("FACTS 3: a copy without its -wal said ok 20 of 20 times and missed up to 344 commits"),
    judge,
};

/// Words that make a copy by SQLite's own means, or of something that stands still.
const SOUND: &[&str] = &[
    ".backup",
    "vacuum into",
    "sqlite3_rsync",
    "fsfreeze",
    "lvcreate",
    "zfs snapshot",
    "subvolume snapshot",
    "docker stop",
    "docker pause",
    "compose stop",
    "compose pause",
    "compose down",
    "kubectl scale",
];

fn judge(graph: &Graph) -> Vec<Finding> {
    (0..graph.workloads.len()).flat_map(|index| of_copier(graph, WorkloadId(index))).collect()
}

fn of_copier(graph: &Graph, copier: WorkloadId) -> Vec<Finding> {
    let workload = graph.workload(copier);
    if workload.role == Role::Init || is_sound(workload) {
        return Vec::new();
    }
    let copies = workload.copies_of_files();
    if copies.is_empty() {
        return Vec::new();
    }
    graph.databases_beside(copier).filter_map(|id| one(graph, copier, &copies, id)).collect()
}

fn is_sound(workload: &Workload) -> bool {
    let variables = workload.environment.iter().filter_map(|variable| variable.value.as_ref());
    let leaves_out = workload
        .variable("BACKUP_EXCLUDE_REGEXP")
        .is_some_and(|pattern| pattern.value.contains("db") || pattern.value.contains("sqlite"));
    leaves_out
        || workload.words.iter().chain(variables).any(|text| {
            let lower = text.value.to_ascii_lowercase();
            SOUND.iter().any(|sound| lower.contains(sound))
        })
}

fn one(graph: &Graph, copier: WorkloadId, copies: &[Copied], id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let file = graph.location(id)?;
    let opener = graph.workload(database.workload);
    if database.workload == copier || is_said_before(graph, copier, id) || !is_written(graph, id) {
        return None;
    }
    let workload = graph.workload(copier);
    let met = copies.iter().filter_map(|copied| Some((copied, graph.meets(copier, copied, &file)?)));
    let (copied, met) = met.min_by_key(|(_, met)| *met)?;
    if stops_it(workload, opener) {
        return None;
    }
    let with_log = met == Met::WithDirectory || database.is_directory || copies_log(copies, copied);
    let (judged, because) = if with_log {
        (
            Judged::always(Severity::Risky),
            "file and log are read one after the other while it goes on writing: the copy may be torn, and a check of \
             it may still say ok",
        )
    } else {
        (
            Judged::each(Severity::Unsafe, Severity::Risky),
            "in WAL mode what was committed last lies in the `-wal` beside it: the copy says ok and misses it; without \
             WAL a copy in the middle of a transaction is torn",
        )
    };
    let certainty = if with_log { Certainty::Documented } else { RULE.ground.certainty() };
    Some(
        RULE.finding(
            judged,
            About { workload: Some(copier), ..About::database(graph, id) },
            format!("{} copies {} with `{}` while {} has it open", workload.shown(), database.shown(), copied.by, opener.shown()),
        )
        .at([copied.span, workload.span])
        .because(format!("{because}; the copy is what is unsafe, the database stays sound"))
        .remedy(
            "copy it by SQLite: `sqlite3 app.db \".backup 'copy.db'\"` or `VACUUM INTO`; or stop the opener meanwhile, or \
             snapshot the whole volume at once; then check the copy",
        )
        .related(database.evidence.span, "opened here")
        .at_most(certainty)
        .known_by(graph.database(id)),
    )
}

/// Whether another opener of the same file was named already.
fn is_said_before(graph: &Graph, copier: WorkloadId, id: DatabaseId) -> bool {
    let before = graph.sharers(id).into_iter().filter(|other| *other < id);
    before.into_iter().any(|other| graph.database(other).workload != copier && is_written(graph, other))
}

fn is_written(graph: &Graph, id: DatabaseId) -> bool {
    !graph.database(id).is_only_read() && graph.mount_of(id).is_some_and(|mount| !graph.mount(mount).read_only)
}

fn copies_log(copies: &[Copied], of: &Copied) -> bool {
    let log = format!("{}-wal", of.path);
    copies.iter().any(|copied| copied.path == log)
}

/// Whether the backup program stops the opener, or runs something in it before.
fn stops_it(copier: &Workload, opener: &Workload) -> bool {
    let by_label = copier.image.as_ref().is_some_and(|image| is_image(&image.value, "docker-volume-backup"));
    by_label
        && opener.labels.iter().any(|label| {
            let rest = label.name.strip_prefix("docker-volume-backup.");
            rest.is_some_and(|rest| {
                ["stop-during-backup", "exec-pre", "archive-pre"].iter().any(|known| rest.starts_with(known))
            })
        })
}
