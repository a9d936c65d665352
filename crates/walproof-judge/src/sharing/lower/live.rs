//! What was seen on a machine: containers and processes with their mounts, and the databases that they have open.
//!
//! A storage is a file system of the machine, by its device; the root of a mount is the part of it that is mounted
//! ([`Mount::sub_path`]). So one file has one [`Location`], whoever reaches it through whichever mount. Entries of one
//! file (device and inode) have one location even under several names; two files of one name have two.
//!
//! What it must not do: judge; trust an index of the record; take the root of a container for more than its own layer.
//!
//! Where to look next: `sharing::live` for the record, `sharing::seen` for how rules look at it.

use std::collections::HashMap;

use super::{Builder, nature_of_type};
use crate::manifest::{Span, Spanned};
use crate::sharing::live::{Live, LiveContainer, LiveDatabase, LiveMount, LiveOpener};
use crate::sharing::seen::{name_on, path_of_its_viewer};
use crate::sharing::{
    Database, DatabaseId, Evidence, EvidenceKind, Graph, Location, Mode, Mount, On, Seen, Storage, StorageId,
    StorageKind, Workload, WorkloadId, WorkloadKind,
};

/// Letters of a command line that are shown.
const COMMAND_LETTERS: usize = 40;

/// Adds what was seen on a machine.
pub fn add(builder: &mut Builder<'_>, live: &Live) {
    let _no_files = builder.begin(&[]);
    let base = append(&mut builder.graph, live);
    let mut machine =
        Machine { builder, live, base, containers: Vec::new(), processes: HashMap::new(), locations: Vec::new() };
    machine.containers();
    machine.locations();
    for (index, opener) in live.openers.iter().enumerate() {
        machine.opener(index, opener);
    }
    machine.without_openers();
}

/// How many entries of earlier records stand before those of this one.
struct Base {
    databases: usize,
    openers: usize,
}

/// Keeps the record in the graph; indices that lead nowhere go on leading nowhere.
fn append(graph: &mut Graph, live: &Live) -> Base {
    let record = graph.live.get_or_insert_default();
    let base = Base { databases: record.databases.len(), openers: record.openers.len() };
    let containers = record.containers.len();
    record.openers.extend(live.openers.iter().map(|opener| LiveOpener {
        database: match opener.database < live.databases.len() {
            true => base.databases + opener.database,
            false => usize::MAX,
        },
        container: opener.container.filter(|index| *index < live.containers.len()).map(|index| containers + index),
        ..opener.clone()
    }));
    record.databases.extend(live.databases.iter().cloned());
    record.containers.extend(live.containers.iter().cloned());
    record.not_seen.extend(live.not_seen.iter().cloned());
    base
}

struct Machine<'a, 'b> {
    builder: &'a mut Builder<'b>,
    live: &'a Live,
    base: Base,
    containers: Vec<WorkloadId>,
    processes: HashMap<u32, WorkloadId>,
    locations: Vec<Location>,
}

impl Machine<'_, '_> {
    fn containers(&mut self) {
        for container in &self.live.containers {
            let id = self.builder.workload(workload_of(container));
            self.containers.push(id);
            // What is mounted at the root is the container's own layer.
            for mount in container.mounts.iter().filter(|mount| mount.mount_point != "/") {
                self.mount(id, mount);
            }
        }
    }

    fn mount(&mut self, workload: WorkloadId, seen: &LiveMount) {
        let target = target_of(seen);
        let graph = &mut self.builder.graph;
        let is_here = |mount: &&mut Mount| mount.workload == workload && mount.target == target;
        if let Some(known) = graph.mounts.iter_mut().rev().find(is_here) {
            // The table of the container does not say which of its mounts is the database's file; the opener's does.
            known.is_file = Some(known.is_file == Some(true) || seen.is_file);
            return;
        }
        let storage = self.storage(seen);
        let root = seen.root.trim_matches('/');
        self.builder.mount(Mount {
            workload,
            storage,
            sub_path: (!root.is_empty()).then(|| root.to_owned()),
            target,
            is_file: Some(seen.is_file),
            read_only: seen.options.iter().any(|option| option == "ro"),
            selinux: None,
            source: None,
            span: None,
        });
    }

    fn storage(&mut self, seen: &LiveMount) -> StorageId {
        let kind = StorageKind::Seen(format!("{}:{}", seen.device.0, seen.device.1));
        let of_file_system = |option: &&String| !matches!(option.as_str(), "ro" | "rw");
        self.builder.storage(kind, |kind| Storage {
            kind,
            nature: nature_of_type(&seen.fstype),
            because: format!("the mount table says `{}`", seen.fstype),
            span: None,
            options: seen.options.iter().filter(of_file_system).map(|option| nowhere(option)).collect(),
            access: None,
            own_for_each_copy: false,
        })
    }

    /// Where each file lies.
    fn locations(&mut self) {
        for index in 0..self.live.databases.len() {
            let mut location = self.location(index);
            if self.locations.contains(&location) {
                location.path = format!("{} (file {index})", location.path);
            }
            self.locations.push(location);
        }
    }

    fn location(&mut self, index: usize) -> Location {
        let live = self.live;
        let file = &live.databases[index];
        let own = file.mount.as_ref().map(|mount| (mount, path_of_its_viewer(&file.path)));
        let openers = live.openers.iter().filter(|opener| opener.database == index);
        let theirs = openers.filter_map(|opener| Some((opener.mount.as_ref()?, opener.path.as_str())));
        let named = own.into_iter().chain(theirs).find_map(|(mount, path)| Some((mount, name_on(mount, path)?)));
        match named {
            Some((mount, name)) => {
                Location { on: On::Storage(self.storage(mount)), path: name.trim_matches('/').to_owned() }
            }
            None => {
                let unnamed = LiveMount { device: (u32::MAX, u32::MAX), ..LiveMount::default() };
                Location { on: On::Storage(self.storage(&unnamed)), path: format!("file {index}") }
            }
        }
    }

    fn opener(&mut self, index: usize, opener: &LiveOpener) {
        let Some(file) = self.live.databases.get(opener.database).filter(|file| is_sqlite(file)) else { return };
        let container = opener.container.and_then(|index| self.containers.get(index)).copied();
        let workload = container.unwrap_or_else(|| self.process(opener));
        let is_root = |mount: &&LiveMount| container.is_some() && mount.mount_point == "/";
        if let Some(mount) = opener.mount.as_ref().filter(|mount| !is_root(mount)) {
            self.mount(workload, mount);
        }
        let path = if opener.path.starts_with('/') { &opener.path } else { &file.path };
        let index = self.base.openers + index;
        let number = self.base.databases + opener.database;
        let graph = &mut self.builder.graph;
        let databases = &graph.databases;
        let is_it = |seen: &&mut Seen| {
            let known = &databases[seen.id.0];
            seen.file == number && known.workload == workload && known.path == *path
        };
        if let Some(known) = graph.seen.iter_mut().find(is_it) {
            known.openers.push(index);
            return;
        }
        let because = format!("process {} has it open", opener.pid);
        self.database(workload, path, because, opener.database, vec![index]);
    }

    fn process(&mut self, opener: &LiveOpener) -> WorkloadId {
        if let Some(known) = self.processes.get(&opener.pid) {
            return *known;
        }
        let command: String = opener.command.chars().take(COMMAND_LETTERS).collect();
        let name = format!("{} {command}", opener.pid);
        let id = self.builder.workload(Workload::new(WorkloadKind::Process, name.trim()));
        self.processes.insert(opener.pid, id);
        id
    }

    fn without_openers(&mut self) {
        let live = self.live;
        let mut here = None;
        for (index, file) in live.databases.iter().enumerate() {
            let is_open = live.openers.iter().any(|opener| opener.database == index);
            if is_open || !is_sqlite(file) {
                continue;
            }
            let workload = match here {
                Some(known) => known,
                None => *here.insert(self.builder.workload(Workload::new(WorkloadKind::Machine, "here"))),
            };
            if let Some(mount) = &file.mount {
                self.mount(workload, mount);
            }
            self.database(workload, &file.path, "its bytes were read".to_owned(), index, Vec::new());
        }
    }

    fn database(&mut self, workload: WorkloadId, path: &str, because: String, file: usize, openers: Vec<usize>) {
        let graph = &mut self.builder.graph;
        let id = DatabaseId(graph.databases.len());
        let family = self.live.databases[file].family.map(Into::into);
        let mode = match family {
            Some(_) => Mode { family, because: "its header says so".to_owned(), span: None },
            None => Mode::not_known(),
        };
        graph.databases.push(Database {
            workload,
            path: path.to_owned(),
            is_directory: false,
            evidence: Evidence { kind: EvidenceKind::Seen, because, span: None },
            mode,
            options: Vec::new(),
        });
        let location = self.locations[file].clone();
        graph.seen.push(Seen { id, file: self.base.databases + file, openers, location });
    }
}

/// A file that begins with something else is another engine's.
fn is_sqlite(file: &LiveDatabase) -> bool {
    file.has_magic != Some(false)
}

fn workload_of(container: &LiveContainer) -> Workload {
    let engines = ["docker", "podman", "kubernetes", "embedded"];
    Workload {
        // The image is not said: the application table is for what one cannot look into.
        runtime: (!container.runtime.is_empty()).then(|| nowhere(&container.runtime)),
        engine: engines.into_iter().find(|engine| *engine == container.engine),
        ..Workload::new(WorkloadKind::Container, &container.name)
    }
}

fn target_of(mount: &LiveMount) -> String {
    match mount.mount_point.trim_end_matches('/') {
        "" => "/".to_owned(),
        target => target.to_owned(),
    }
}

fn nowhere(word: &str) -> Spanned<String> {
    Spanned::new(word.to_owned(), Span::NOWHERE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sharing::live::LiveFile;
    use crate::sharing::{Applications, Host, Nature};

    fn mount(root: &str, mount_point: &str) -> LiveMount {
        LiveMount {
            mount_point: mount_point.to_owned(),
            fstype: "ext4".to_owned(),
            root: root.to_owned(),
            device: (8, 1),
            options: vec!["rw".to_owned(), "noatime".to_owned()],
            is_file: mount_point.ends_with(".db"),
            ..LiveMount::default()
        }
    }

    fn file(path: &str, inode: u64) -> LiveDatabase {
        let stat = LiveFile { device: (8, 1), inode, link_count: 1, ..LiveFile::default() };
        LiveDatabase { path: path.to_owned(), file: Some(stat), has_magic: Some(true), ..LiveDatabase::default() }
    }

    fn opener(database: usize, container: Option<usize>, path: &str, mount: LiveMount) -> LiveOpener {
        let pid = 100 + u32::try_from(container.unwrap_or(99)).unwrap_or(0);
        LiveOpener { database, container, pid, path: path.to_owned(), mount: Some(mount), ..LiveOpener::default() }
    }

    fn container(name: &str, mounts: Vec<LiveMount>) -> LiveContainer {
        LiveContainer { name: name.to_owned(), mounts, ..LiveContainer::default() }
    }

    fn graph(live: &Live) -> Graph {
        let applications = Applications::default();
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        add(&mut builder, live);
        builder.finish()
    }

    #[test]
    fn one_file_is_one_database_whatever_its_path() {
        let live = Live {
            databases: vec![file("/srv/data/app.db", 12)],
            containers: vec![
                container("a", vec![mount("/srv/data", "/data")]),
                container("idle", vec![mount("/srv", "/backup")]),
                container("other", vec![mount("/srv/else", "/data")]),
            ],
            openers: vec![
                opener(0, Some(0), "/data/app.db", mount("/srv/data", "/data")),
                opener(0, None, "/srv/data/app.db", mount("/", "/")),
            ],
            ..Live::default()
        };
        let graph = graph(&live);
        assert_eq!(graph.databases.len(), 2);
        assert_eq!(graph.location(DatabaseId(0)), graph.location(DatabaseId(1)));
        assert_eq!(graph.sharers(DatabaseId(0)), [DatabaseId(1)]);
        let reachers = graph.reachers(DatabaseId(0));
        let names: Vec<&str> =
            reachers.iter().map(|id| graph.workload(graph.mount(*id).workload).name.as_str()).collect();
        assert_eq!(names, ["idle"]);
        let storage = graph.storage_of(DatabaseId(0)).map(|id| graph.storage(id).nature.clone());
        assert_eq!(storage, Some(Nature::Local));
        assert_eq!(graph.place_of(DatabaseId(0)), "container a, /data/app.db");
    }

    #[test]
    fn two_files_of_one_name_are_two() {
        let gone = LiveDatabase { file: None, ..file("/srv/data/app.db", 0) };
        let live = Live {
            databases: vec![file("/srv/data/app.db", 12), gone],
            openers: vec![
                opener(0, None, "/srv/data/app.db", mount("/", "/")),
                LiveOpener { pid: 7, ..opener(1, None, "/srv/data/app.db", mount("/", "/")) },
            ],
            ..Live::default()
        };
        let graph = graph(&live);
        assert!(graph.sharers(DatabaseId(0)).is_empty());
        assert_eq!(graph.seen_files().len(), 2);
    }

    #[test]
    fn what_is_none_and_what_leads_nowhere_is_left_out() {
        let bolt = LiveDatabase { has_magic: Some(false), ..file("/a.db", 1) };
        let live = Live {
            databases: vec![bolt, file("/b.db", 2)],
            openers: vec![LiveOpener { database: 9, container: Some(9), ..LiveOpener::default() }],
            ..Live::default()
        };
        let graph = graph(&live);
        assert_eq!(graph.databases.len(), 1);
        assert_eq!(graph.place_of(DatabaseId(0)), "machine here, /b.db");
    }

    #[test]
    fn two_machines_do_not_share() {
        let live = Live { databases: vec![file("/b.db", 2)], ..Live::default() };
        let applications = Applications::default();
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        add(&mut builder, &live);
        add(&mut builder, &live);
        let graph = builder.finish();
        assert_eq!((graph.seen_files().len(), graph.sharers(DatabaseId(0)).len()), (2, 0));
    }
}
