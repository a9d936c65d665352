//! Rule `stale-sidecar-beside-restore`: words put another file in a database's place and leave its old log there.
//!
//! What it must not do: alarm where the file is put there only if there is none, or where the old sidecars are removed.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::manifest::script::Command;
use crate::sharing::copying::matches_name;
use crate::sharing::{DatabaseId, Graph, WorkloadId};

/// A database is replaced and its old log stays.
pub static RULE: Rule = Rule {
    name: "stale-sidecar-beside-restore",
    line: "A database's file is replaced by another one, and its old `-wal` or `-journal` stays beside it",
    explain: include_str!("stale_sidecar_beside_restore.md"),
    ground: Ground::Documented("https://sqlite.org/howtocorrupt.html#_mispairing_database_files_and_hot_journals"),
    judge,
};

/// Programs that put a file in the place of another one.
const PUT: &[&str] = &["cp", "install", "mv"];

fn judge(graph: &Graph) -> Vec<Finding> {
    (0..graph.workloads.len()).flat_map(|index| of_restorer(graph, WorkloadId(index))).collect()
}

fn of_restorer(graph: &Graph, restorer: WorkloadId) -> Vec<Finding> {
    let commands = graph.workload(restorer).commands();
    if !commands.iter().any(|command| PUT.contains(&command.program.as_str())) {
        return Vec::new();
    }
    let files =
        graph.databases_beside(restorer).filter(|id| !graph.database(*id).is_directory && graph.is_first_entry(*id));
    files.filter_map(|id| one(graph, restorer, &commands, id)).collect()
}

fn one(graph: &Graph, restorer: WorkloadId, commands: &[Command], id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let name = database.path.rsplit('/').next().unwrap_or("");
    let file = graph.location(id)?;
    let puts = |command: &&Command| {
        placed(command, name).is_some_and(|path| graph.location_of(restorer, &path).as_ref() == Some(&file))
    };
    let command = commands.iter().find(puts)?;
    if commands.iter().any(|command| asks(command) || removes_sidecars(command, name)) {
        return None;
    }
    let workload = graph.workload(restorer);
    let repeats = commands.iter().any(|command| command.program == "sleep");
    let other = graph.openers(id).into_iter().find(|opener| *opener != restorer);
    let (severity, because) = match other {
        Some(other) if repeats => (
            Severity::Unsafe,
            format!(
                "{} has the file open meanwhile: it goes on with the old one, or mixes both",
                graph.workload(other).shown()
            ),
        ),
        _ => (
            Severity::Risky,
            "after a crash or a kill the old `-wal` or `-journal` is still there, and SQLite lays it over the new file"
                .to_owned(),
        ),
    };
    Some(
        RULE.finding(
            Judged::always(severity),
            About { workload: Some(restorer), ..About::database(graph, id) },
            format!(
                "{} puts another file in the place of {} with `{}`",
                workload.shown(),
                database.shown(),
                command.program
            ),
        )
        .at([Some(command.span)])
        .because(because)
        .remedy("stop all who have it open, and remove `-wal`, `-shm` and `-journal` before the file is replaced")
        .settled_by("walproof inspect PATH")
        .known_by(graph.database(id)),
    )
}

/// The file of this name that a command puts somewhere.
fn placed(command: &Command, name: &str) -> Option<String> {
    if !PUT.contains(&command.program.as_str()) || command.has_letter('n') {
        return None;
    }
    let operands: Vec<&str> = command.operands().collect();
    let (to, from) = operands.split_last()?;
    let to_path = command.absolute(to)?;
    if to_path.rsplit('/').next() == Some(name) {
        return Some(to_path);
    }
    // Into a directory under the same name.
    let same = from.iter().any(|path| path.rsplit('/').next() == Some(name));
    same.then(|| format!("{}/{name}", to_path.trim_end_matches('/')))
}

/// Whether a command asks whether something is there.
fn asks(command: &Command) -> bool {
    matches!(command.program.as_str(), "[" | "[[" | "test")
}

fn removes_sidecars(command: &Command, name: &str) -> bool {
    let log = format!("{name}-wal");
    let last = |path: &str| path.rsplit('/').next().unwrap_or("").to_owned();
    matches!(command.program.as_str(), "rm" | "unlink" | "mv" | "find")
        && (command.operands().any(|path| matches_name(&last(path), &log) || path.contains("-wal"))
            || (command.program == "rm" && command.has_letter('r')))
}
