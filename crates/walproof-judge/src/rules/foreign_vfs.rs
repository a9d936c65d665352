//! Rule `foreign-vfs`: a database is opened through a VFS whose locks are not those of the others.
//!
//! What it must not do: alarm where one VFS is the only one and can do what is asked of it.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph, Locking};

/// A database is opened through a VFS with other locks.
pub static RULE: Rule = Rule {
    name: "foreign-vfs",
    line: "A database is opened through a VFS whose locks the others do not see",
    explain: include_str!("foreign_vfs.md"),
    ground: Ground::World("mixed-vfs-none"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let option = database.option("vfs")?;
    let (judged, because) = weigh(graph, id)?;
    Some(
        RULE.finding(
            judged,
            About::database(graph, id),
            format!(
                "{} opens {} with `vfs={}`",
                graph.workload(database.workload).shown(),
                database.shown(),
                option.value.value
            ),
        )
        .at([Some(option.value.span)])
        .because(because)
        .remedy("use one VFS for all who open it, the default one: leave `vfs` out")
        .known_by(graph.database(id)),
    )
}

fn weigh(graph: &Graph, id: DatabaseId) -> Option<(Judged, String)> {
    let several = graph.has_several_openers(id);
    let locking = graph.database(id).locking();
    let others = || graph.sharers(id).into_iter().any(|other| graph.database(other).locking() != locking);
    let who = graph.openers_shown(id);
    match locking {
        // What `nolock=1` does has a rule of its own.
        Locking::Usual => None,
        Locking::None if graph.database(id).switched_on("nolock").is_some() => None,
        Locking::None => {
            let rollback = if several { Severity::Unsafe } else { Severity::Risky };
            let who = match several {
                true => format!("{who} may have it open at once"),
                false => "it holds only while exactly one process has it open".to_owned(),
            };
            let because = format!("its locks do nothing and it has no shared memory, so WAL fails with 14; {who}");
            Some((Judged::each(Severity::Refuses, rollback), because))
        }
        Locking::DotFile if others() => {
            let because = format!(
                "it locks by a directory beside the file, which {who} do not all look at, and it has no shared memory, \
                 so WAL fails with 14"
            );
            Some((Judged::each(Severity::Refuses, Severity::Unsafe), because))
        }
        Locking::DotFile => {
            let because = "it locks by a directory beside the file and has no shared memory, so WAL fails with 14";
            Some((Judged::wal(Severity::Refuses), because.to_owned()))
        }
        Locking::Exclusive if several => {
            let because = format!("it keeps its locks until it closes, so that of {who} all others are BUSY meanwhile");
            Some((Judged::always(Severity::Risky), because))
        }
        Locking::Exclusive => None,
    }
}
