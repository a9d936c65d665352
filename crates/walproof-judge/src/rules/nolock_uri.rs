//! Rule `nolock-uri`: a database is opened with `nolock=1`.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph};

/// A database is opened without locks.
pub static RULE: Rule = Rule {
    name: "nolock-uri",
    line: "A database is opened with `nolock=1`",
    explain: include_str!("nolock_uri.md"),
    ground: Ground::World("mixed-vfs-nolock"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let option = database.switched_on("nolock")?;
    let several = graph.has_several_openers(id);
    let rollback = if several { Severity::Unsafe } else { Severity::Risky };
    let who = match several {
        true => format!("{} may have it open at once", graph.openers_shown(id)),
        false => "it holds only while exactly one process has it open, a shell and a backup included".to_owned(),
    };
    Some(
        RULE.finding(
            Judged::each(Severity::Refuses, rollback),
            About::database(graph, id),
            format!("{} opens {} with `nolock=1`", graph.workload(database.workload).shown(), database.shown()),
        )
        .at([Some(option.value.span)])
        .because(format!(
            "without locks there is no shared memory, so WAL fails with 14, `unable to open database file`, and a \
             rollback journal is written while others write; {who}"
        ))
        .remedy("take `nolock=1` away; if the storage has no locks that work, move the database to storage that has")
        .known_by(graph.database(id)),
    )
}
