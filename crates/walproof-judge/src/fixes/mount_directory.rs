//! `single-file-mount`: the directory of the database is mounted instead of its file, after the file was moved into it.
//!
//! The new mount hides what the image has in that directory, and the log of the old container lies in its own layer. So
//! this is never applied unless it is named, and it says every command that must come first.
//!
//! What it must not do: mount over a directory that an image fills (`/app`, `/etc`); offer the change where more than one
//! name or one path of the file is in use; do without the log.
//!
//! Where to look next: `crate::rules::single_file_mount`, for what is found.

use super::layout::Node;
use super::question::Question;
use super::{Change, Edit, Fix, Step};
use crate::sharing::{Graph, Mount, MountId, StorageKind, WorkloadKind};

pub(super) static CHANGE: Change =
    Change { rule: "single-file-mount", line: "mounts the directory of a database instead of its file", make };

/// Directories that images fill, exactly these.
const FILLED: &[&str] = &[
    "",
    "/",
    "/app",
    "/code",
    "/workspace",
    "/root",
    "/home",
    "/var",
    "/var/lib",
    "/var/www",
    "/var/www/html",
    "/var/run",
    "/opt",
    "/srv",
    "/mnt",
    "/tmp",
    "/run",
];
/// The same with everything below.
const FILLED_BELOW: &[&str] =
    &["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr"];
/// What lies directly in these is the home of somebody or of an application.
const HOMES: &[&str] = &["/home", "/opt", "/srv"];

/// Names that are tried for a new directory.
const NAMES_MAX: usize = 9;

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let (id, mount) = question.mount()?;
    let graph = question.graph;
    let workload = graph.workload(mount.workload);
    if workload.kind != WorkloadKind::Service {
        return Err(
            "a container that is removed when it stops takes the log in its layer with it: pause it, copy `-wal` out \
             (`docker cp`, `podman cp`), and only then move the file"
                .to_owned(),
        );
    }
    let StorageKind::HostPath(path) = &graph.storage(mount.storage).kind else {
        return Err("what is mounted is no path of the host".to_owned());
    };
    if mount.sub_path.is_some() {
        return Err("what is mounted is no path of the host".to_owned());
    }
    let (directory, name) = mount.target.rsplit_once('/').ok_or("the target is no absolute path")?;
    refuse_filled(directory)?;
    refuse_company(question, id, directory, name)?;
    let source = mount.source.as_ref().ok_or("the source is written nowhere")?;
    let (new, made) = free_source(graph, &source.value, path)?;
    let edits = edits(question, mount, &source.value, (&new, directory))?;
    let title = format!("{} mounts `{directory}` from `{new}`", workload.shown());
    let needs = steps(graph, mount, (&source.value, &new), (directory, name));
    Ok(Fix { needs, moves_data: true, also: question.also(id), makes: vec![made], ..question.fix(title, edits) })
}

/// Whether images have files of their own directly in a directory, which a mount there would hide.
pub(crate) fn filled_by_images(directory: &str) -> bool {
    let home = directory.rsplit_once('/').is_some_and(|(above, _)| HOMES.contains(&above));
    let lies_in =
        |top: &&str| directory.strip_prefix(*top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    home || FILLED.contains(&directory) || FILLED_BELOW.iter().any(lies_in)
}

fn refuse_filled(directory: &str) -> Result<(), String> {
    if filled_by_images(directory) {
        let shown = if directory.is_empty() { "/" } else { directory };
        return Err(format!(
            "a mount at `{shown}` would hide what the image has there: let the application keep its database in a directory \
             of its own, and mount that"
        ));
    }
    Ok(())
}

/// Other mounts that the change would collide with, or leave without the file.
fn refuse_company(question: &Question<'_>, id: MountId, directory: &str, name: &str) -> Result<(), String> {
    let graph = question.graph;
    let mount = graph.mount(id);
    for (other_id, other) in graph.all_mounts().filter(|(other, _)| *other != id) {
        let same_file = other.storage == mount.storage;
        if same_file && other.target.rsplit('/').next() != Some(name) {
            return Err(format!(
                "{} has the file under another name, `{}`",
                graph.workload(other.workload).shown(),
                other.target
            ));
        }
        if other.workload != mount.workload {
            continue;
        }
        if other.target == directory {
            return Err(format!("`{directory}` is a mount already: move the file there and take this mount out"));
        }
        let also_alone = graph
            .all_databases()
            .any(|(_, database)| database.workload == other.workload && database.path == other.target);
        if also_alone && other.target.rsplit_once('/').is_some_and(|(above, _)| above == directory) && other_id != id {
            return Err(format!("another database is mounted alone in `{directory}`: both belong into one directory"));
        }
    }
    let database = question.finding.about.database.ok_or("the finding names no database")?;
    let reacher =
        graph.reachers(database).into_iter().map(|id| graph.mount(id)).find(|other| other.storage != mount.storage);
    match reacher {
        Some(other) => Err(format!(
            "{} reaches the file through `{}` and would not find it any more",
            graph.workload(other.workload).shown(),
            other.target
        )),
        None => Ok(()),
    }
}

/// `./db/app.sqlite` becomes `./db/app-data`.
fn new_source(source: &str) -> Option<String> {
    if source.contains(['$', '\\', '\n', '"', '\'']) {
        return None;
    }
    let (above, name) = source.rsplit_once('/').map_or(("", source), |(above, name)| (&source[..=above.len()], name));
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).trim_start_matches('.');
    let stem = if stem.is_empty() { "database" } else { stem };
    Some(format!("{above}{stem}-data"))
}

/// The first new directory beside the file that no workload mounts: as it is written, and its path of the host.
fn free_source(graph: &Graph, source: &str, path: &str) -> Result<(String, String), String> {
    let first = new_source(source).ok_or_else(|| format!("`{source}` is a path that is not followed"))?;
    let above = path.rsplit_once('/').map_or("", |(above, _)| &path[..=above.len()]);
    let mounted = |made: &str| {
        graph.storages.iter().any(|storage| match &storage.kind {
            StorageKind::HostPath(other) => {
                other.strip_prefix(made).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            _ => false,
        })
    };
    let names = std::iter::once(first.clone()).chain((2..=NAMES_MAX).map(|number| format!("{first}-{number}")));
    let places = names.map(|new| {
        let made = format!("{above}{}", new.rsplit('/').next().unwrap_or(&new));
        (new, made)
    });
    let free = places.into_iter().find(|(_, made)| !mounted(made));
    free.ok_or_else(|| format!("`{first}` and its like are mounted already: choose a directory for the database"))
}

fn edits(question: &Question<'_>, mount: &Mount, source: &str, new: (&str, &str)) -> Result<Vec<Edit>, String> {
    let span = Question::place(mount.span)?;
    let written = question.own(span)?;
    let sheet = question.sheet(span)?;
    let chain = sheet.layout.chain(written.start);
    let long = chain.iter().rev().find(|node| node.get("target").is_some() || node.get("source").is_some());
    if let Some(long) = long.filter(|node| node.start >= written.start) {
        let part = |names: &[&str], new: &str| -> Result<Edit, String> {
            let node = names
                .iter()
                .find_map(|name| long.get(name))
                .ok_or("the mount is written in a way that is not followed")?;
            sheet.layout.own(node)?;
            refuse_variable(node, &sheet.layout.text[node.start..node.end])?;
            Ok(sheet.replace_scalar(node, new))
        };
        return Ok(vec![part(&["source", "src"], new.0)?, part(&["target", "destination", "dst"], new.1)?]);
    }
    if let Some(variable) = variable(written.text) {
        return Err(from_variable(variable));
    }
    let short = format!("{source}:{}", mount.target);
    let mut found = written.text.match_indices(&short);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => {
            let start = written.start + at;
            Ok(vec![sheet.edit(start, start + short.len(), format!("{}:{}", new.0, new.1))])
        }
        _ => Err("the mount is not written as `source:target`".to_owned()),
    }
}

fn refuse_variable(node: &Node, written: &str) -> Result<(), String> {
    match variable(written) {
        Some(name) => Err(from_variable(name)),
        None => {
            node.scalar().map(|_| ()).ok_or_else(|| "the mount is written in a way that is not followed".to_owned())
        }
    }
}

fn from_variable(name: &str) -> String {
    format!("the mount's source or target comes from the variable `{name}`")
}

/// The first variable of Compose in a text; `$$` is a dollar.
fn variable(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(more) = after.strip_prefix('$') {
            rest = more;
            continue;
        }
        let name = after.strip_prefix('{').unwrap_or(after);
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        return Some(&name[..end]);
    }
    None
}

/// Everything that must be done before the new mount is used, in order.
fn steps(graph: &Graph, mount: &Mount, (old, new): (&str, &str), (directory, name): (&str, &str)) -> Vec<Step> {
    let same = graph.mounts.iter().filter(|other| other.storage == mount.storage);
    let mut openers: Vec<(&str, &str)> =
        same.map(|other| (graph.workload(other.workload).name.as_str(), other.target.as_str())).collect();
    openers.sort_unstable();
    openers.dedup();
    let services: Vec<&str> = openers.iter().map(|(service, _)| *service).collect();
    let alone = openers.len() == 1;
    let copies = openers.iter().flat_map(|(service, target)| {
        let own = if alone { String::new() } else { format!(".of-{service}") };
        ["-wal", "-journal"].map(|side| {
            format!("docker compose cp {service}:{target}{side} {}", quoted(&format!("{new}/{name}{side}{own}")))
        })
    });
    let after_copy = match alone {
        true => "a `-wal` or `-journal` there belongs to the database and must stay beside it".to_owned(),
        false => format!(
            "if only one was copied, rename it to `{name}-wal` or `{name}-journal`; if several were, stop here: each holds \
             commits that the others do not have (`walproof inspect` shows them)"
        ),
    };
    vec![
        Step::new(
            "stop every opener, without removing its container",
            [format!("docker compose stop {}", services.join(" "))],
        ),
        Step::new(
            format!(
                "make the directory, as the file's owner has it; what the image has in `{directory}` will be hidden"
            ),
            [format!("mkdir {}", quoted(new)), format!("chown --reference={} {}", quoted(old), quoted(new))],
        ),
        Step::new(
            format!(
                "copy each log out of the stopped container's own layer, before anything makes the container anew; `not found` is well: it was closed. {after_copy}"
            ),
            copies,
        ),
        Step::new(
            "move the database; if a `-wal` or `-journal` lies beside it here as well, stop: then two logs belong to it",
            [format!("ls {}*", quoted(old)), format!("mv -n {} {}", quoted(old), quoted(&format!("{new}/{name}")))],
        ),
        Step::new(
            "look at it, then start with the new text",
            [format!("walproof inspect {}", quoted(&format!("{new}/{name}"))), "docker compose up -d".to_owned()],
        ),
    ]
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-~".contains(c);
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    if word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_directory_is_named_after_the_file() {
        for (old, new) in [
            ("./app.db", "./app-data"),
            ("/srv/x/app.sqlite3", "/srv/x/app-data"),
            ("~/db", "~/db-data"),
            ("./.db", "./database-data"),
        ] {
            assert_eq!(new_source(old).as_deref(), Some(new), "{old}");
        }
        assert_eq!(new_source("$HOME/a.db"), None);
    }

    #[test]
    fn directories_that_images_fill_are_left_alone() {
        for filled in ["", "/app", "/etc/grafana", "/usr/src/app", "/root", "/home/node", "/opt/seafile"] {
            assert!(refuse_filled(filled).is_err(), "{filled}");
        }
        for free in ["/data", "/root/.evcc", "/app/data", "/var/lib/grafana", "/home/node/.n8n"] {
            assert!(refuse_filled(free).is_ok(), "{free}");
        }
    }
}
