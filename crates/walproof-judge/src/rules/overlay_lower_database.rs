//! Rule `overlay-lower-database`: the file lies in the lower directory of an overlay that is mounted.
//!
//! What it must not do: take a container's view of its own file for the lower file.
//! Where to look next: `two_sqlite_copies` for the next rule about openers.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::{Graph, SeenFile, SeenOpener};

/// The file lies in the lower directory of an overlay.
pub static RULE: Rule = Rule {
    name: "overlay-lower-database",
    line: "The database lies in the lower directory of an overlay that is mounted over it",
    explain: include_str!("overlay_lower_database.md"),
    ground: Ground::World("overlay-and-lower"),
    judge,
};

fn judge(graph: &Graph) -> Vec<Finding> {
    graph.seen_files().iter().filter_map(|seen| one(graph, seen)).collect()
}

fn one(graph: &Graph, seen: &SeenFile<'_>) -> Option<Finding> {
    let lower = seen.file.overlay_lower.as_deref()?;
    let shown = graph.database(seen.id).shown();
    let all = graph.seen_files();
    let above = all.iter().flat_map(|other| &other.openers).find(|one| opens_over(one, lower, &seen.file.path));
    let (severity, message) = match above {
        Some(one) => {
            let how = format!("{} has it open through an overlay over `{lower}`", one.shown());
            (Severity::Unsafe, format!("{shown} is a lower file, and {how}"))
        }
        None => (Severity::Risky, format!("{shown} lies in `{lower}`, the lower directory of an overlay")),
    };
    let finding = RULE
        .finding(Judged::always(severity), About::database(graph, seen.id), message)
        .because(
            "the first write through the overlay copies the file up: from then on there are two databases of one \
             name, both without an error, and a change of a lower file below a mounted overlay is undefined",
        )
        .remedy(
            "put the database on a volume that every opener mounts; stop them first, and copy each side's database \
             with its `-wal` away: which commits are where has to be decided by hand",
        );
    Some(finding.settled_by("walproof probe DIRECTORY-OF-ONE DIRECTORY-OF-THE-OTHER"))
}

/// Whether a process has this very path open through an overlay over `lower`.
fn opens_over(one: &SeenOpener<'_>, lower: &str, path: &str) -> bool {
    let Some(mount) = one.opener.mount.as_ref().filter(|mount| mount.fstype == "overlay") else { return false };
    let lowers = mount.options.iter().filter_map(|option| option.strip_prefix("lowerdir"));
    let lowers = lowers.filter_map(|rest| rest.trim_start_matches('+').strip_prefix('='));
    let rest = path.strip_prefix(lower.trim_end_matches('/'));
    lowers.flat_map(|list| list.split(':')).any(|layer| layer.trim_end_matches('/') == lower.trim_end_matches('/'))
        && one.name_on_device().is_some_and(|(_, name)| Some(name.as_str()) == rest)
}
