//! Rule `mixed-file-systems`: one database is open through two mounts that do not share locks and memory.
//!
//! Through a server in user space or over a network the same file has another device and another inode; what tells that
//! it is the same is the source of the mount. Only a source that names this very path counts.
//!
//! What it must not do: compare names of files; take two bind mounts of one file system for two.
//! Where to look next: `overlay_lower_database` for overlays.

use super::{About, Finding, Ground, Judged, Rule, Severity};
use crate::sharing::lower::nature_of_type;
use crate::sharing::{Graph, Nature, SeenFile, SeenOpener};

/// One database through two mounts that share neither locks nor memory.
pub static RULE: Rule = Rule {
    name: "mixed-file-systems",
    line: "One database is open through two mounts that share neither locks nor memory",
    explain: include_str!("mixed_file_systems.md"),
    ground: Ground::World("client-and-server"),
    judge,
};

/// An opener, and what its file is to whoever serves it.
struct Way<'a> {
    file: usize,
    one: SeenOpener<'a>,
    /// The path, or `server:path`; of a file that is opened directly the path of the machine.
    serves: String,
    kind: &'a str,
    device: (u32, u32),
    direct: bool,
}

fn judge(graph: &Graph) -> Vec<Finding> {
    let files = graph.seen_files();
    let mut found: Vec<Finding> = Vec::new();
    let ways: Vec<Way<'_>> = files
        .iter()
        .enumerate()
        .flat_map(|(index, seen)| seen.openers.iter().filter_map(move |one| way(index, seen, one)))
        .collect();
    let mut said: Vec<(usize, usize)> = Vec::new();
    for (index, one) in ways.iter().enumerate() {
        for two in &ways[index + 1..] {
            let pair = (one.file.min(two.file), one.file.max(two.file));
            if one.serves == two.serves
                && one.device != two.device
                && !(one.direct && two.direct)
                && !said.contains(&pair)
            {
                said.push(pair);
                found.push(finding(graph, one, two));
            }
        }
    }
    found
}

fn way<'a>(file: usize, seen: &SeenFile<'a>, one: &SeenOpener<'a>) -> Option<Way<'a>> {
    let mount = one.opener.mount.as_ref()?;
    let (device, name) = one.name_on_device()?;
    let served = matches!(
        nature_of_type(&mount.fstype),
        Nature::Network(_) | Nature::Mirror(_) | Nature::HostShare(_) | Nature::NotKnown(_)
    );
    // A path of the machine, not one through the root of a process.
    let on_machine = seen.file.path.starts_with('/') && !seen.file.path.starts_with("/proc/");
    let serves = match (served, mount.source.contains('/')) {
        (true, true) => format!("{}{name}", mount.source.trim_end_matches('/')),
        (false, _) if on_machine && mount.fstype != "overlay" => seen.file.path.clone(),
        _ => return None,
    };
    Some(Way { file, one: *one, serves, kind: &mount.fstype, device, direct: !served })
}

fn finding(graph: &Graph, one: &Way<'_>, two: &Way<'_>) -> Finding {
    let direct = one.direct || two.direct;
    let how = |way: &Way<'_>| match way.direct {
        true => format!("{} directly", way.one.shown()),
        false => format!("{} through a mount of `{}`", way.one.shown(), way.kind),
    };
    let judged =
        if direct { Judged::always(Severity::Unsafe) } else { Judged::each(Severity::Unsafe, Severity::Risky) };
    RULE.finding(
        judged,
        About::database(graph, one.one.id),
        format!("`{}` is open by {} and by {}", one.serves, how(one), how(two)),
    )
    .because(
        "each mount has its own pages, and a store into `-shm` through one of them is not seen through the other; \
         locks meet only if the server takes them where the other one does",
    )
    .remedy(
        "let every opener use one mount, or the directory itself; stop them all first, and copy the database with its \
         `-wal` before any of them opens it again",
    )
    .settled_by("walproof probe DIRECTORY-OF-ONE DIRECTORY-OF-THE-OTHER")
}
