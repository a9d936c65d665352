//! What `check` knows of a set-up, as facts for the suspects of a log.
//!
//! Two things are taken: what the storage of a database is made of, and findings. [`BY_RULE`] says which cause a rule's
//! finding speaks for and which ground it names; that table is data, and a test holds it complete.
//! What it must not do: overclaim. A storage that depends on the host is no fact, a question is none, and of several
//! databases only what holds for all of them is one, unless the log names the path of one.
//! Where to look next: `ground.rs` for grounds, `crate::check` for findings, `suspects.rs` for what a fact weighs.

use std::collections::BTreeSet;

use super::ground::{Given, Ground};
use crate::check::checked::{Checked, Reported};
use crate::finding::Certainty;
use crate::rules::Severity;
use crate::sharing::{DatabaseId, Graph, Nature, WorkloadKind};

/// What a rule's finding speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByRule {
    /// The rule.
    pub rule: &'static str,
    /// The cause that it makes likelier.
    pub cause: &'static str,
    /// The ground that it names.
    pub ground: Option<Ground>,
}

const fn by(rule: &'static str, cause: &'static str, ground: Option<Ground>) -> ByRule {
    ByRule { rule, cause, ground }
}

/// Rules and the causes that they speak for, by rule.
pub const BY_RULE: &[ByRule] = &[
    by("access-mode-trusted", "two-writers-by-orchestration", None),
    by("attribute-cache", "wal-on-network-filesystem", None),
    by("autoscaled-database", "two-writers-by-orchestration", Some(Ground::SeveralReplicas)),
    by("deleted-sidecar-held", "files-replaced-while-open", None),
    by("different-users", "directory-not-writable", Some(Ground::OtherUser)),
    by("disk-nearly-full", "disk-full", None),
    by("fuse-without-shared-memory", "fuse-without-mmap-or-locks", None),
    by("hard-linked-database", "single-file-mount", None),
    by("immutable-uri", "immutable-on-live-database", None),
    by("lock-missing", "locks-lost-inside-process", None),
    by("no-temp-directory", "no-temporary-directory", Some(Ground::ReadOnlyRoot)),
    by("nobrl-mount", "locks-not-sent", Some(Ground::LocksNotSent)),
    by("nolock-mount", "locks-not-sent", Some(Ground::LocksNotSent)),
    by("nolock-uri", "locks-not-sent", None),
    by("object-store-as-filesystem", "object-store-as-filesystem", None),
    by("old-sqlite", "wal-reset-bug", None),
    by("overlapping-rollout", "two-writers-by-orchestration", Some(Ground::RollingUpdate)),
    by("read-only-reader", "read-only-reader", Some(Ground::ReadOnlyMount)),
    by("selinux-private-label", "selinux-denies", Some(Ground::Selinux)),
    by("several-writers-by-replicas", "two-writers-by-orchestration", Some(Ground::SeveralReplicas)),
    by("shared-by-two-kernels", "locks-emulated", None),
    by("sidecar-mounted-apart", "single-file-mount", None),
    by("sidecar-of-another-database", "unsafe-copy", None),
    by("single-file-mount", "single-file-mount", Some(Ground::SingleFile)),
    by("soft-mount", "storage-server-away", None),
    by("stale-sidecar-beside-restore", "unsafe-copy", Some(Ground::Backup)),
    by("start-first-rollout", "two-writers-by-orchestration", Some(Ground::RollingUpdate)),
    by("three-file-mount", "single-file-mount", None),
    by("two-sqlite-copies", "locks-lost-inside-process", None),
    by("unsafe-copy", "unsafe-copy", Some(Ground::Backup)),
    by("unwritable-directory", "directory-not-writable", None),
    by("user-namespace-shift", "directory-not-writable", Some(Ground::OtherUser)),
    by("wal-grows", "checkpoint-starvation", None),
    by("wal-on-host-share", "shared-through-virtual-machine", None),
    by("wal-on-network-filesystem", "wal-on-network-filesystem", None),
];

/// Rules that say again what the storage is made of: their findings name its ground, so that it does not count twice.
const OF_STORAGE: &[&str] =
    &["fuse-without-shared-memory", "object-store-as-filesystem", "wal-on-host-share", "wal-on-network-filesystem"];

/// What was taken, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Facts.
    pub given: Vec<Given>,
    /// What is known and was not taken, and why, in words.
    pub left_out: Vec<String>,
}

/// The facts of what was checked. `paths`: those of databases that the log names.
pub fn facts_of(checked: &Checked, paths: &[&str]) -> Taken {
    let graph = &checked.graph;
    let named = |id: &DatabaseId| paths.iter().any(|path| is_of(graph, *id, path));
    let all: Vec<DatabaseId> = graph.all_databases().map(|(id, _)| id).collect();
    let meant: Vec<DatabaseId> = match all.iter().copied().filter(named).collect::<Vec<_>>() {
        none if none.is_empty() => all,
        named => named,
    };
    let mut taken = Taken::default();
    if meant.is_empty() {
        taken.left_out.push("it names no database; `--database` of `walproof check` shows how to name one".to_owned());
        return taken;
    }
    storage(checked, &meant, &mut taken);
    around(graph, &meant, &mut taken);
    let files: BTreeSet<String> = meant.iter().map(|id| file(graph, *id)).collect();
    for reported in &checked.findings {
        finding(checked, reported, &meant, files.len() == 1, &mut taken);
    }
    taken
}

/// Whether a path of the log is this database or one of its files.
fn is_of(graph: &Graph, id: DatabaseId, path: &str) -> bool {
    let database = graph.database(id);
    let stem = ["-wal", "-shm", "-journal"].iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path);
    match database.is_directory {
        true => stem.rsplit_once('/').is_some_and(|(directory, _)| directory == database.path),
        false => stem == database.path,
    }
}

/// What tells one database from another, whoever opens it.
fn file(graph: &Graph, id: DatabaseId) -> String {
    let own = || format!("{:?} {}", graph.database(id).workload, graph.database(id).path);
    graph.location(id).map_or_else(own, |location| format!("{location:?}"))
}

/// What the storage is made of, if all databases that may be meant agree.
fn storage(checked: &Checked, meant: &[DatabaseId], taken: &mut Taken) {
    let graph = &checked.graph;
    let grounds: BTreeSet<Option<Ground>> =
        meant.iter().map(|id| nature(graph, *id).map(|(ground, _)| ground)).collect();
    let [only] = grounds.into_iter().collect::<Vec<_>>()[..] else {
        taken.left_out.push("storage: the databases lie on different kinds, and the log names none of them".to_owned());
        return;
    };
    let Some((ground, word)) = only.and_then(|_| nature(graph, meant[0])) else {
        taken.left_out.push("storage: what it is made of cannot be told from this".to_owned());
        return;
    };
    let id = meant[0];
    let storage = graph.storage_of(id).map(|id| graph.storage(id));
    let mount = graph.mount_of(id).and_then(|id| graph.mount(id).span);
    let span = storage.and_then(|storage| storage.span).or(mount).filter(|span| span.source < graph.files.len());
    let from = span.map_or_else(|| graph.place_of(id), |span| checked.place(span));
    let text = format!("storage of {}: {word}", graph.database(id).shown());
    taken.given.push(Given { text, grounds: vec![ground], from: Some(from), raises: None });
}

/// What a database lies on, with a word for it; `None`: it cannot be told.
fn nature(graph: &Graph, id: DatabaseId) -> Option<(Ground, String)> {
    let Some(storage) = graph.storage_of(id) else {
        return Some((Ground::Local, "the container's own layer".to_owned()));
    };
    Some(match &graph.storage(storage).nature {
        Nature::Local | Nature::Block | Nature::Memory | Nature::Layered => (Ground::Local, "of one kernel".to_owned()),
        Nature::Network(name) if ["cifs", "smb", "smb3"].contains(&name.as_str()) => (Ground::Smb, name.clone()),
        Nature::Network(name) => (Ground::NetworkFilesystem, name.clone()),
        Nature::HostShare(name) => (Ground::VirtualMachineShare, name.clone()),
        Nature::Mirror(name) => (Ground::Fuse, name.clone()),
        Nature::ObjectStore(name) => (Ground::ObjectStore, name.clone()),
        Nature::DependsOnHost | Nature::NotKnown(_) => return None,
    })
}

/// Who else there is: an orchestrator, other openers of the same file.
fn around(graph: &Graph, meant: &[DatabaseId], taken: &mut Taken) {
    let mut push = |text: String, ground: Ground, id: DatabaseId| {
        taken.given.push(Given { text, grounds: vec![ground], from: Some(graph.place_of(id)), raises: None });
    };
    let kind = |id: &DatabaseId| graph.workload(graph.database(*id).workload).kind;
    let of_kubernetes = |id: &DatabaseId| {
        use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet};
        matches!(kind(id), Deployment | StatefulSet | DaemonSet | ReplicaSet | Job | CronJob | Pod)
    };
    if meant.iter().all(of_kubernetes) {
        push("Kubernetes starts it".to_owned(), Ground::Orchestrated, meant[0]);
    }
    if meant.iter().all(|id| !graph.sharers(*id).is_empty()) {
        push(format!("{} has several openers", graph.database(meant[0]).shown()), Ground::SeveralOpeners, meant[0]);
    }
}

/// A finding that is more than a question, about what is meant and nothing else.
fn finding(checked: &Checked, reported: &Reported, meant: &[DatabaseId], one_file: bool, taken: &mut Taken) {
    let finding = &reported.weighed.finding;
    let Some(by) = BY_RULE.iter().find(|by| by.rule == finding.rule) else { return };
    let is_certain = match reported.weighed.severity {
        Severity::Unsafe | Severity::Refuses => true,
        Severity::Risky => finding.certainty != Certainty::Suspected,
        Severity::Unknown => false,
    };
    let place = checked.place_of(reported);
    if !is_certain {
        taken.left_out.push(format!("{} ({place}): it is not certain", finding.rule));
        return;
    }
    let is_meant = finding.about.database.is_none_or(|id| meant.contains(&id));
    if !is_meant {
        return;
    }
    if !one_file {
        taken.left_out.push(format!("{} ({place}): there are several databases, and the log names none", finding.rule));
        return;
    }
    let is_of_storage = OF_STORAGE.contains(&by.rule);
    let of_storage = || is_of_storage.then(|| nature(&checked.graph, meant[0])).flatten().map(|(ground, _)| ground);
    let given = Given {
        text: format!("{}: {}", finding.rule, finding.message),
        grounds: by.ground.or_else(of_storage).into_iter().collect(),
        from: Some(place),
        raises: Some(by.cause),
    };
    taken.given.push(given);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes;
    use crate::rules::RULES;

    #[test]
    fn every_rule_speaks_for_a_cause_or_is_known_not_to() {
        // They lose data or ask, and no line of a log comes of them, or of several causes.
        const MUTE: &[&str] = &[
            "database-in-image-layer",
            "emptydir-database",
            "foreign-vfs",
            "mixed-file-systems",
            "mixed-journal-modes",
            "overlay-lower-database",
            "storage-not-known",
            "tmpfs-database",
        ];
        assert!(BY_RULE.windows(2).all(|pair| pair[0].rule < pair[1].rule));
        assert!(BY_RULE.iter().all(|by| causes::find(by.cause).is_some()), "{BY_RULE:?}");
        let speaks = |name: &str| BY_RULE.iter().any(|by| by.rule == name);
        let mute: Vec<&str> = RULES.iter().map(|rule| rule.name).filter(|name| !speaks(name)).collect();
        assert_eq!(mute, MUTE);
        assert!(OF_STORAGE.iter().all(|rule| BY_RULE.iter().any(|by| by.rule == *rule && by.ground.is_none())));
        assert!(BY_RULE.iter().all(|by| RULES.iter().any(|rule| rule.name == by.rule)));
    }
}
