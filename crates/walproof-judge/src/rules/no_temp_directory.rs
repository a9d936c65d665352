//! Rule `no-temp-directory`: the image's own files are read-only, and SQLite finds nowhere to put temporary files.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{DatabaseId, Graph, WorkloadId};

/// A read-only root without a temporary directory.
pub static RULE: Rule = Rule {
    name: "no-temp-directory",
    line: "The image's own files are read-only and no directory for temporary files is writable",
    explain: include_str!("no_temp_directory.md"),
    ground: Ground::Documented("https://sqlite.org/tempfiles.html"),
    judge,
};

/// Where SQLite looks, after the variables (os_unix.c).
const DIRECTORIES: &[&str] = &["/var/tmp", "/usr/tmp", "/tmp"];
const VARIABLES: &[&str] = &["SQLITE_TMPDIR", "TMPDIR"];

fn judge(graph: &Graph) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (id, database) in graph.all_databases() {
        let is_told = found.iter().any(|finding| finding.about.workload == Some(database.workload));
        if !is_told {
            found.extend(one(graph, id));
        }
    }
    found
}

fn one(graph: &Graph, id: DatabaseId) -> Option<Finding> {
    let database = graph.database(id);
    let workload = graph.workload(database.workload);
    let read_only = workload.read_only_root?;
    let writes = graph.mount_of(id).is_some_and(|mount| !graph.mount(mount).read_only);
    if !writes || has_directory(graph, database.workload) {
        return None;
    }
    let message = format!("{} has no writable directory for SQLite's temporary files", workload.shown());
    Some(
        RULE.finding(Judged::always(Severity::Risky), About::database(graph, id), message)
            .at([Some(read_only)])
            .because(format!(
                "its own files are read-only, nothing writable is mounted at `/var/tmp`, `/usr/tmp` or `/tmp`, and no \
                 `SQLITE_TMPDIR` says where else: {} opens and commits, until a statement needs a temporary file (VACUUM, \
                 CREATE INDEX, a large sort), which fails with 6410",
                database.shown()
            ))
            .remedy("mount memory or a volume at `/tmp`, or set `SQLITE_TMPDIR` to a directory that is writable")
            .known_by(database),
    )
}

/// Whether one of the places where SQLite looks is writable, or may be.
fn has_directory(graph: &Graph, id: WorkloadId) -> bool {
    let workload = graph.workload(id);
    let is_writable = |path: &str| graph.mount_of_path(id, path).is_some_and(|mount| !graph.mount(mount).read_only);
    let by_variable = VARIABLES.iter().any(|name| {
        let written = workload.environment.iter().rev().find(|variable| variable.name == *name);
        // A value that comes from elsewhere may be a good one.
        written.is_some_and(|variable| variable.value.as_ref().is_none_or(|value| is_writable(&value.value)))
    });
    // At last it takes the directory that the process started in.
    let by_start = workload.working_directory.as_ref().is_some_and(|directory| is_writable(&directory.value));
    by_variable || by_start || DIRECTORIES.iter().any(|directory| is_writable(directory))
}
