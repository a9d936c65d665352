//! Rule `different-users`: two workloads open one database as different users.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::manifest::Spanned;
use crate::sharing::{DatabaseId, Graph, Workload};

/// Different users on one database.
pub static RULE: Rule = Rule {
    name: "different-users",
    line: "Two workloads open one database as different users",
    explain: include_str!("different_users.md"),
    ground: Ground::World("different-users"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, _) in graph.all_databases() {
        // Each pair once, at the later one.
        let before = graph.sharers(id).into_iter().filter(|other| *other < id);
        found.extend(before.filter_map(|other| pair(graph, other, id)).next());
    }
    found
}

fn pair(graph: &Graph, one: DatabaseId, other: DatabaseId) -> Option<Finding> {
    let workload = |id: DatabaseId| graph.workload(graph.database(id).workload);
    let (first, second) = (workload(one), workload(other));
    let shifted = first.user_namespace.is_some() || second.user_namespace.is_some();
    let reads_only =
        [one, other].into_iter().any(|id| graph.mount_of(id).is_some_and(|mount| graph.mount(mount).read_only));
    if shifted || reads_only {
        return None;
    }
    let (user, group) = ids(first)?;
    let (other_user, other_group) = ids(second)?;
    // SQLite gives the files that root makes to the owner of the database.
    if user == other_user || user == 0 || other_user == 0 {
        return None;
    }
    let common = has_group(second, group, other_group) || has_group(first, other_group, group);
    let severity = if common { Severity::Risky } else { Severity::Refuses };
    let because = if common {
        "they have a group in common, which works only with umask 002 or 007 in both: SQLite makes `-wal` and `-shm`, and \
         whoever opens them before their mode is set right stays read-only with 8"
    } else {
        "files that one of them makes the other may not write, `-wal` and `-shm` with them: writes fail with 8, in WAL \
         mode reads with 14"
    };
    let database = graph.database(other);
    let message = format!(
        "{} opens {} as user `{other_user}`, and {} as user `{user}`",
        second.shown(),
        database.shown(),
        first.shown()
    );
    Some(
        RULE.finding(Judged::always(severity), About::database(graph, other), message)
            .at([second.user.as_ref().map(|user| user.span)])
            .because(because)
            .remedy("run both as one user, and give the directory to it")
            .related(first.user.as_ref().map(|user| user.span), "the other user")
            .settled_by("walproof verify --compose FILE")
            .known_by(database),
    )
}

/// User and group, where they are written as numbers. Without a group it is the image's, which is not known.
fn ids(workload: &Workload) -> Option<(u32, Option<u32>)> {
    let Spanned { value, .. } = workload.user.as_ref()?;
    let (user, group) = value.split_once(':').map_or((value.as_str(), None), |(user, group)| (user, Some(group)));
    let group = match group {
        Some(group) => Some(group.parse().ok()?),
        None => None,
    };
    Some((user.parse().ok()?, group))
}

/// Whether a workload has a group that another one has as its main one. Where a group is not written it may be.
fn has_group(workload: &Workload, wanted: Option<u32>, own: Option<u32>) -> bool {
    let Some(wanted) = wanted else { return true };
    let Some(own) = own else { return true };
    own == wanted
        || workload.groups.iter().any(|group| group.value.parse() == Ok(wanted) || group.value.parse::<u32>().is_err())
}
