//! Rule `immutable-uri`: somebody reads a database with `immutable=1` while others may write it.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph};

/// A live database is opened as immutable.
pub static RULE: Rule = Rule {
    name: "immutable-uri",
    line: "A database is opened with `immutable=1` although others may write it",
    explain: include_str!("immutable_uri.md"),
    ground: Ground::Documented("https://sqlite.org/uri.html#uriimmutable"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.all_databases().filter_map(|(id, _)| one(graph, id)).collect()
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let option = database.switched_on("immutable")?;
    let writer = graph.sharers(id).into_iter().find(|other| writes(graph, *other));
    let reacher = graph.writable_reachers(id).into_iter().next();
    let (severity, who) = match (writer, reacher) {
        (Some(writer), _) => {
            let writer = graph.workload(graph.database(writer).workload);
            (Severity::Unsafe, format!("{} writes it", writer.shown()))
        }
        (None, Some(mount)) => {
            let other = graph.workload(graph.mount(mount).workload);
            (Severity::Risky, format!("{} can write where it lies", other.shown()))
        }
        (None, None) => return None,
    };
    let finding = RULE
        .finding(
            Judged::always(severity),
            About::database(graph, id),
            format!("{} opens {} as immutable", graph.workload(database.workload).shown(), database.shown()),
        )
        .at([Some(option.value.span)])
        .because(format!(
            "{who}; with `immutable=1` SQLite takes no locks and does not look at the `-wal`: it reads old, torn or \
             `malformed` pages of a sound database"
        ))
        .remedy("use `mode=ro` and let the reader write the directory, or give it a copy made by `VACUUM INTO`")
        .known_by(graph.database(id));
    Some(match writer {
        Some(writer) => {
            finding.related(graph.database(writer).evidence.span, "written here").known_by(graph.database(writer))
        }
        None => finding,
    })
}

fn writes(graph: &Graph, id: DatabaseId) -> bool {
    let can = graph.mount_of(id).is_none_or(|mount| !graph.mount(mount).read_only);
    can && !graph.database(id).is_only_read()
}
