//! Rule `user-namespace-shift`: two workloads with one database, in different user namespaces.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph};

/// Numbers of users that mean different people.
pub static RULE: Rule = Rule {
    name: "user-namespace-shift",
    line: "Two workloads with one database are in different user namespaces, so that their ids differ",
    explain: include_str!("user_namespace_shift.md"),
    ground: Ground::Cases(&["C093"]),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let mut found = Vec::new();
    for (id, _) in graph.all_databases() {
        let others = graph.sharers(id);
        found.extend(others.into_iter().filter_map(|other| pair(graph, id, other)).next());
    }
    found
}

/// A finding at the first of them, if that one is the odd one.
fn pair(graph: &Graph, id: DatabaseId, other: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let (one, two) = (graph.workload(database.workload), graph.workload(graph.database(other).workload));
    let mode = one.user_namespace_mode.as_ref()?;
    let theirs = two.user_namespace_mode.as_ref();
    // `auto` gives each its own range of ids. The same words otherwise give the same ids, and containers of one pod
    // have one namespace.
    let is_auto = mode.value.starts_with("auto");
    let same = theirs.is_some_and(|theirs| theirs.value == mode.value) && !is_auto;
    let is_reported_there = theirs.is_some() && other < id;
    if same || is_reported_there || one.pod == two.pod {
        return None;
    }
    let message = format!(
        "{} opens {} in a user namespace of its own (`{}`), and {} in another one",
        one.shown(),
        database.shown(),
        mode.value,
        two.shown()
    );
    Some(
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, id), message)
            .at([Some(mode.span)])
            .because(
                "one number of a user is then another user to the files: what one of them makes, `-wal` and `-shm` with it, \
                 the other may not write (8) or open (14), unless the two numbers happen to be one user of the host",
            )
            .remedy("run both in one user namespace: the same `userns`, or one pod")
            .related(theirs.map(|theirs| theirs.span).or(two.span), "the other one")
            .settled_by("walproof probe --compose FILE")
            .known_by(database),
    )
}
