//! Rule `hard-linked-database`: the file has several names, and each name has sidecars of its own.
//!
//! What it must not do: take the names under which two containers mount one directory for names of the file.
//! Where to look next: `SeenOpener::name_on_device`.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Graph, SeenFile, listed};

/// The file has several names.
pub static RULE: Rule = Rule {
    name: "hard-linked-database",
    line: "The database's file has several names (hard links), and each name has its own sidecars",
    explain: include_str!("hard_linked_database.md"),
    ground: Ground::World("hard-link"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.seen_files().iter().filter_map(|seen| one(graph, seen)).collect()
}

fn one(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let links = seen.file.file.as_ref()?.link_count;
    if links < 2 {
        return None;
    }
    let mut names = Vec::new();
    for ((device, name), shown) in seen.openers.iter().filter_map(|one| Some((one.name_on_device()?, one.shown()))) {
        if !names.iter().any(|(other, known, _)| *other == device && *known == name) {
            names.push((device, name, shown));
        }
    }
    // Two devices are two views of one storage; their names cannot be compared.
    let differ = names.iter().any(|(device, ..)| names.iter().filter(|(other, ..)| other == device).count() > 1);
    let about = About::database(graph, seen.id);
    let shown = graph.database(seen.id).shown();
    let finding = if differ {
        let who: Vec<String> = names.iter().map(|(_, name, who)| format!("{who} as `{name}`")).collect();
        RULE.finding(
            Judged::always(Severity::Unsafe),
            about,
            format!("{shown} is open under several names: {}", listed(&who)),
        )
    } else {
        let judged = Judged::always(Severity::Risky);
        RULE.finding(judged, about, format!("the file of {shown} has {links} names"))
    };
    let finding = finding
        .because(
            "SQLite names `-wal`, `-shm` and `-journal` after the path, not after the file: whoever opens it under \
             another name has another log and does not see the first one",
        )
        .remedy(
            "stop every opener, copy the database with its `-wal`, `-shm` and `-journal` away, then keep one name: \
             `find MOUNT -xdev -samefile FILE` lists them; backups are made with `VACUUM INTO`, not with links",
        );
    Some(finding.settled_by(format!("walproof inspect {}", seen.file.path)))
}
