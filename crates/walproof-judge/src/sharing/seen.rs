//! What was seen on a machine, as rules look at it: one entry for each file, with its openers.
//!
//! The record ([`super::live`]) may hold anything: an index that leads nowhere was left out when the graph was made.
//!
//! What it must not do: judge.
//!
//! Where to look next: `lower::live`, which makes [`Seen`]; rules that call [`Graph::seen_files`].

use serde::Serialize;

use super::live::{LiveContainer, LiveDatabase, LiveHeld, LiveMount, LiveOpener};
use super::{DatabaseId, Graph, Location, WorkloadId};
use crate::facts::LOCAL_FILE_SYSTEMS;
use crate::manifest::Span;

/// That an entry of the graph was seen on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The entry.
    pub id: DatabaseId,
    /// The file: an index into the record's databases.
    pub file: usize,
    /// Who has it open under this path in this workload: indices into the record's openers.
    pub openers: Vec<usize>,
    /// Where the file lies: equal for every entry of one file (device and inode), whatever their paths.
    pub location: Location,
}

/// A file that is a database, with everybody who has it open.
#[derive(Clone, Debug)]
pub struct SeenFile<'a> {
    /// The first entry of the graph for it.
    pub id: DatabaseId,
    /// The file.
    pub file: &'a LiveDatabase,
    /// Who has it open.
    pub openers: Vec<SeenOpener<'a>>,
}

/// A process that has a database open.
#[derive(Clone, Copy, Debug)]
pub struct SeenOpener<'a> {
    /// The entry of the graph.
    pub id: DatabaseId,
    /// The process.
    pub opener: &'a LiveOpener,
    /// The container it runs in.
    pub container: Option<&'a LiveContainer>,
}

impl Graph {
    /// What was seen of a database, if it was.
    pub fn seen(&self, id: DatabaseId) -> Option<&Seen> {
        // They were added in the order of their ids.
        let at = self.seen.binary_search_by_key(&id, |seen| seen.id).ok()?;
        self.seen.get(at)
    }

    /// Every file that was seen, once.
    pub fn seen_files(&self) -> Vec<SeenFile<'_>> {
        let Some(live) = &self.live else { return Vec::new() };
        let mut files: Vec<(usize, SeenFile<'_>)> = Vec::new();
        for seen in &self.seen {
            let Some(file) = live.databases.get(seen.file) else { continue };
            let openers = seen.openers.iter().filter_map(|index| live.openers.get(*index));
            let openers = openers.map(|opener| SeenOpener {
                id: seen.id,
                opener,
                container: opener.container.and_then(|index| live.containers.get(index)),
            });
            match files.iter_mut().find(|(index, _)| *index == seen.file) {
                Some((_, known)) => known.openers.extend(openers),
                None => files.push((seen.file, SeenFile { id: seen.id, file, openers: openers.collect() })),
            }
        }
        files.into_iter().map(|(_, file)| file).collect()
    }

    /// Where a database is, in words without backticks, for findings that no text holds: `container web, /data/app.db`.
    pub fn place_of(&self, id: DatabaseId) -> String {
        let database = self.database(id);
        format!("{}, {}", self.place_of_workload(database.workload), database.path)
    }

    /// Where a workload is, in the same form: `container web`.
    pub fn place_of_workload(&self, id: WorkloadId) -> String {
        self.workload(id).shown().replace('`', "")
    }

    /// Whether a span points into a file.
    pub fn is_written(&self, span: Span) -> bool {
        span.source < self.files.len()
    }
}

impl SeenFile<'_> {
    /// The size of a page; SQLite's default where it could not be read.
    pub fn page_size_bytes(&self) -> u64 {
        self.file.page_size_bytes.filter(|size| *size > 0).map_or(4096, u64::from)
    }

    /// Whether what lies beside the file is what lies beside it for an opener: it has it open by the same name.
    pub fn is_named_as_by(&self, one: &SeenOpener<'_>) -> bool {
        let path = path_of_its_viewer(&self.file.path);
        let own = self.file.mount.as_ref().and_then(|mount| Some((mount.device, name_on(mount, path)?)));
        match own {
            Some(own) => Some(own) == one.name_on_device(),
            // Through the root of a process, by the path that some opener has.
            None => path != self.file.path && path == one.opener.path,
        }
    }

    /// Whether it lies on a file system of this kernel alone, as far as that was seen.
    pub fn is_local(&self) -> bool {
        let mounts = self.openers.iter().filter_map(|one| one.opener.mount.as_ref()).chain(&self.file.mount);
        let mut kinds = mounts.map(|mount| mount.fstype.as_str()).peekable();
        kinds.peek().is_some() && kinds.all(|kind| LOCAL_FILE_SYSTEMS.contains(&kind))
    }
}

impl<'a> SeenOpener<'a> {
    /// In backticks, as people would say it: ``container `web` (process 4211, `gunicorn`)``.
    pub fn shown(&self) -> String {
        let LiveOpener { pid, command, .. } = self.opener;
        match self.container {
            Some(container) => format!("container `{}` (process {pid}, `{command}`)", container.name),
            None => format!("process {pid} (`{command}`)"),
        }
    }

    /// Its descriptors of the database (`db`) or of a file beside it.
    pub fn held(self, which: &'static str) -> impl Iterator<Item = &'a LiveHeld> {
        self.opener.held.iter().filter(move |held| held.which == which)
    }

    /// Whether it holds the database for writing; what was not seen counts as yes.
    pub fn writes(self) -> bool {
        self.held("db").count() == 0 || self.held("db").any(|held| !held.read_only)
    }

    /// The name that it opened on the file system, with the device: other names are other sidecars.
    pub fn name_on_device(self) -> Option<((u32, u32), String)> {
        let mount = self.opener.mount.as_ref()?;
        Some((mount.device, name_on(mount, &self.opener.path)?))
    }
}

/// A path through the root of a process, as that process sees it; its mount is then one of that process's.
pub(super) fn path_of_its_viewer(path: &str) -> &str {
    let rest = path.strip_prefix("/proc/").and_then(|rest| rest.split_once("/root/"));
    match rest {
        Some((pid, rest)) if !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()) => {
            &path[path.len() - rest.len() - 1..]
        }
        _ => path,
    }
}

/// Where a path of a mount lies on its file system; `None`: it does not lie on it.
pub(super) fn name_on(mount: &LiveMount, path: &str) -> Option<String> {
    let rest = path.strip_prefix(mount.mount_point.trim_end_matches('/'))?;
    let lies_there = rest.is_empty() || rest.starts_with('/');
    lies_there.then(|| format!("{}{rest}", mount.root.trim_end_matches('/')))
}

/// Several in a row: `a`, `a and b`, `a, b and 3 more`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_through_the_root_of_a_process_is_its_own() {
        assert_eq!(path_of_its_viewer("/proc/42/root/data/app.db"), "/data/app.db");
        for path in ["/proc/self/root/a", "/proc/42/rootless/a", "/srv/proc/1/root/a", "", "/proc//root/a"] {
            assert_eq!(path_of_its_viewer(path), path);
        }
    }

    #[test]
    fn several_are_listed_in_words() {
        let words: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let said: Vec<String> = (0..=4).map(|count| listed(&words[..count])).collect();
        assert_eq!(said, ["", "a", "a and b", "a, b and c", "a, b and 2 more"]);
    }
}
