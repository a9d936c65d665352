//! Rule `old-sqlite`: several processes write one database in WAL mode, and one of them has the WAL-reset bug.
//!
//! Whoever checkpoints has to be fixed; any connection that writes may. So one process with the bug is enough, however
//! new the others are.
//!
//! What it must not do: fire for a single process, for readers alone, or without a version that was read: nearly
//! everybody has a version with the bug, and hardly anybody runs into it.
//! Where to look next: `signatures::version_with_reset_bug`, the same bug in log text.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Graph, SeenFile, SeenOpener, listed};

/// Several processes write it, and one has the WAL-reset bug.
pub static RULE: Rule = Rule {
    name: "old-sqlite",
    line: "Several processes write one database in WAL mode with a version that has the WAL-reset bug",
    explain: include_str!("old_sqlite.md"),
    ground: Ground::Measured("two writers and a looping PASSIVE checkpointer on 3.51.1 lose commits in 23 to 100 s"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.seen_files().iter().filter_map(|seen| one(graph, seen)).collect()
}

fn one(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let mut writers: Vec<&SeenOpener<'_>> = seen.openers.iter().filter(|one| one.writes()).collect();
    writers.sort_by_key(|one| one.opener.pid);
    writers.dedup_by_key(|one| one.opener.pid);
    if writers.len() < 2 {
        return None;
    }
    let old = writers.iter().filter_map(|one| Some((*one, versions(one).find(|version| has_reset_bug(version))?)));
    let found: Vec<(&SeenOpener<'_>, &String)> = old.collect();
    let (first, _) = found.first()?;
    let who: Vec<String> = found.iter().map(|(one, version)| format!("{} with {version}", one.shown())).collect();
    let others = writers.len() - found.len();
    let rest = match others {
        0 => String::new(),
        1 => "; the other one has no version with the bug, which does not help".to_owned(),
        _ => format!("; the other {others} have no version with the bug, which does not help"),
    };
    let shown = graph.database(seen.id).shown();
    let message =
        format!("{} processes write {shown}, and the WAL-reset bug is in {}{rest}", writers.len(), listed(&who));
    let finding = RULE
        .finding(Judged::wal(Severity::Risky), About::database(graph, first.id), message)
        .because(
            "in 3.7.0 to 3.51.2 (but 3.44.6 and 3.50.7 and later ones of those lines) a PASSIVE or automatic checkpoint \
             that meets a restart of the log by another connection may take new frames for backfilled ones, and commits \
             are lost. It needs a narrow race: rare with two ordinary applications, likely beside a replicator or a loop \
             that checkpoints",
        )
        .remedy(
            "bring every process that writes it to 3.51.3 (or 3.50.7, 3.44.6) or later; until then let a single process \
             write, or checkpoint with `PRAGMA wal_checkpoint(TRUNCATE)` and `wal_autocheckpoint=0` in every connection",
        );
    Some(finding.settled_by("walproof explore"))
}

fn versions<'a>(one: &SeenOpener<'a>) -> impl Iterator<Item = &'a String> {
    one.opener.libraries.iter().filter_map(|library| library.version.as_ref())
}

/// The numbers of a version, `3.45.1`.
pub(super) fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.trim().split('.').map(|part| part.parse::<u32>().ok());
    Some((parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?))
}

/// Fixed in 3.51.3 and carried back to 3.50.7 and 3.44.6.
fn has_reset_bug(version: &str) -> bool {
    match numbers(version) {
        Some((3, 44, patch)) => patch < 6,
        Some((3, 50, patch)) => patch < 7,
        Some((3, 51, patch)) => patch < 3,
        Some((3, minor, _)) => (7..=50).contains(&minor),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_the_bug_are_told_from_those_with_the_fix() {
        for version in ["3.7.0", "3.40.1", "3.44.5", "3.45.0", "3.50.6", "3.51.2", "3.8.11.1"] {
            assert!(has_reset_bug(version), "{version}");
        }
        for version in ["3.6.23", "3.44.6", "3.50.7", "3.51.3", "3.54.1", "4.0.0", "", "x", "3.x.1", "3"] {
            assert!(!has_reset_bug(version), "{version}");
        }
    }
}
