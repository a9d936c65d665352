//! Rule `unwritable-directory`: an opener may not write the directory, or the sidecars of somebody else.
//!
//! What it must not do: judge a file system whose server decides who may write; judge users who override modes; call
//! it a loss: SQLite refuses, loudly.
//! Where to look next: `single_file_mount` for directories that are not what they seem.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::live::{LiveFile, LiveOpener};
use crate::sharing::{Graph, SeenFile, SeenOpener, listed};

/// An opener may not write the directory or the sidecars.
pub static RULE: Rule = Rule {
    name: "unwritable-directory",
    line: "A process has the database open and may not write its directory or its sidecars",
    explain: include_str!("unwritable_directory.md"),
    ground: Ground::World("different-users"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    let local = files.iter().filter(|seen| seen.is_local());
    local.flat_map(|seen| seen.openers.iter().filter_map(|one| one_process(graph, seen, one))).collect()
}

fn one_process(graph: &Graph, seen: &SeenFile<'_>, one: &SeenOpener<'_>) -> Option<Finding> {
    let opener = one.opener;
    let overrides = opener.overrides_modes.unwrap_or(opener.user == 0 || opener.user_namespace.is_some());
    // A file that is mounted alone has another directory than the one that was looked at.
    if overrides || opener.mount.as_ref().is_none_or(|mount| mount.is_file) {
        return None;
    }
    let path = &graph.database(one.id).path;
    let directory = seen.file.directory.as_ref()?;
    let closed_directory = !may_write(opener, directory);
    let beside = [("-wal", &seen.file.wal), ("-shm", &seen.file.shm)];
    let closed: Vec<String> = beside
        .iter()
        .filter_map(|(suffix, file)| Some((suffix, file.as_ref().filter(|file| !may_write(opener, file))?)))
        .map(|(suffix, file)| format!("`{path}{suffix}` ({})", owner(file)))
        .collect();
    let all_there = beside.iter().all(|(_, file)| file.is_some());
    let judged = if one.writes() {
        let wal = match (closed_directory, closed.is_empty()) {
            (_, false) => Some(Severity::Refuses),
            (true, true) if !all_there => Some(Severity::Refuses),
            (true, true) => Some(Severity::Risky),
            (false, true) => None,
        };
        Judged { wal, rollback: closed_directory.then_some(Severity::Refuses) }
    } else {
        // It only reads, or can only read: it does as long as a writer keeps the sidecars there.
        Judged { wal: closed_directory.then_some(Severity::Risky), rollback: None }
    };
    if judged.wal.is_none() && judged.rollback.is_none() {
        return None;
    }
    let mut what = closed;
    if closed_directory {
        what.insert(0, format!("its directory ({})", owner(directory)));
    }
    if what.is_empty() {
        return None;
    }
    Some(told(graph, one, judged, &what))
}

fn told(graph: &Graph, one: &SeenOpener<'_>, judged: Judged, what: &[String]) -> Finding {
    let LiveOpener { user, group, .. } = one.opener;
    let shown = graph.database(one.id).shown();
    let message =
        format!("{} runs as {user}:{group}, has {shown} open and may not write {}", one.shown(), listed(what));
    RULE.finding(judged, About::database(graph, one.id), message)
        .because(
            "SQLite makes and removes `-wal`, `-shm` or `-journal` in that directory and writes `-shm` even to read: \
             it answers 1544, 520, 1288, 8 or 14, at the latest when the last other opener has gone",
        )
        .remedy(
            "give the directory and all three files to one user or one group that every opener has, with the group's \
             write bit (`chgrp -R GROUP DIR; chmod g+rws DIR`) and a umask of 002; access lists are not shown by the \
             mode (`getfacl DIR`)",
        )
        .settled_by(format!(
            "walproof probe {}",
            one.opener.path.rsplit_once('/').map_or("/", |(directory, _)| directory)
        ))
}

fn may_write(opener: &LiveOpener, file: &LiveFile) -> bool {
    let bit = if opener.user == file.user {
        0o200
    } else if opener.group == file.group || opener.groups.contains(&file.group) {
        0o020
    } else {
        0o002
    };
    file.mode & bit != 0
}

fn owner(file: &LiveFile) -> String {
    format!("{}:{}, mode {:o}", file.user, file.group, file.mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = LiveFile { user: 1000, group: 100, mode: 0o075, ..LiveFile::default() };
        let opener =
            |user, group, groups: &[u32]| LiveOpener { user, group, groups: groups.to_vec(), ..LiveOpener::default() };
        assert!(!may_write(&opener(1000, 100, &[]), &file));
        assert!(may_write(&opener(7, 100, &[]), &file) && may_write(&opener(7, 7, &[5, 100]), &file));
        assert!(!may_write(&opener(7, 7, &[]), &file));
    }
}
