//! What runs: live databases, who has them open, and through what; filled into [`Live`] for judging.
//!
//! Everything comes from `stat`, `/proc` and bytes that are read; a child of ours looks, so that storage that does not
//! answer holds nobody. What cannot be seen is said in [`Live::not_seen`], once for each kind, with a count.
//!
//! What it must not do: open a database with SQLite, take a lock, write, open what is no regular file, judge.
//! Where to look next: `live/asking.rs` (the child), `live/openers.rs` (from descriptors to openers), `live/file.rs`
//! (a database's files), `live/process.rs`, `live/library.rs`, `live/containers.rs`; `walproof_judge::sharing::live`.

mod asking;
mod containers;
mod file;
mod glance;
mod kept;
mod library;
mod log;
mod maps;
mod openers;
mod pods;
mod process;
mod question;
mod stopped;
mod temporary;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walproof_judge::facts::Mount;
use walproof_judge::sharing::live::{Live, LiveDatabase};

pub use asking::{LOOK, look_main};
pub(crate) use asking::{Line, Silence};
pub(crate) use file::databases;
pub(crate) use glance::{Glance, GlanceAt, Glanced, HeldAt};
pub(crate) use kept::{Kept, Looked};
pub(crate) use openers::shows_locks;
pub(crate) use question::{Identity, Question};
pub use stopped::places_of_stopped;

use crate::error::LabError;
use asking::{Asker, TIME};
use containers::{ENGINES, Inspected};
use openers::Machine;
use process::Seen;

/// Databases that are taken from one directory, at most.
const DATABASES_MAX: usize = 50;
/// File systems that may hang while one process is looked at.
const HANGS_MAX: u32 = 8;
/// The process namespace of a machine, rather than of a container (PROC_PID_INIT_INO of linux/proc_ns.h).
pub(crate) const FIRST_PROCESS_NAMESPACE: &str = "pid:[4026531836]";

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveTarget {
    /// A database, a file beside one, or a directory with databases in it.
    Path(PathBuf),
    /// What a process has open.
    Process(u32),
    /// What the processes of a container have open.
    Container {
        /// `docker`, `podman`, `nerdctl`, or `embedded` for containers of our own.
        engine: String,
        /// Its name or id; of ours `NAME` or `RUN/NAME`.
        name: String,
    },
    /// What the processes of a pod have open, if it runs on this node. Its manifest: [`manifest_of_pod`].
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Everything on this machine that has a database open.
    Host,
}

impl LiveTarget {
    /// `docker://NAME`, `podman://NAME`, `nerdctl://NAME`, `embedded://NAME`, `k8s://NAMESPACE/POD`; `None`: something
    /// else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, name) = text.split_once("://").filter(|(_, name)| !name.is_empty() && !name.starts_with('-'))?;
        if scheme == "k8s" {
            let (namespace, name) = name.split_once('/').filter(|(namespace, name)| {
                !namespace.is_empty() && !namespace.starts_with('-') && !name.is_empty() && !name.contains('/')
            })?;
            return Some(Self::Pod { namespace: namespace.to_owned(), name: name.to_owned() });
        }
        let known = ENGINES.contains(&scheme) || scheme == "embedded";
        known.then(|| Self::Container { engine: scheme.to_owned(), name: name.to_owned() })
    }
}

/// Containers that are called so, of every engine that is here, and ours. An engine that stands in for another (a
/// `docker` that is Podman) is counted once.
pub fn containers_called(name: &str) -> Vec<LiveTarget> {
    let mut ids = BTreeSet::new();
    let mut found = Vec::new();
    for engine in ENGINES {
        let all = containers::inspect(engine, &[name.to_owned()]).unwrap_or_default();
        if all.into_iter().next().is_some_and(|one| ids.insert(one.id)) {
            found.push(LiveTarget::Container { engine: (*engine).to_owned(), name: name.to_owned() });
        }
    }
    let ours = Kept::new(TIME).is_ok_and(|kept| {
        let mut looking = Looking::begin(kept, false);
        let all = looking.scan(true);
        !looking.embedded(name, &all).is_empty()
    });
    if ours {
        found.push(LiveTarget::Container { engine: "embedded".to_owned(), name: name.to_owned() });
    }
    found
}

/// The manifest of a pod, as JSON, so that it can be judged like one in a file.
pub fn manifest_of_pod(namespace: &str, name: &str) -> Result<String, LabError> {
    pods::manifest(namespace, name)
}

/// Whether an engine has a container of this name or id, running or not; why not, or why it cannot be told.
pub fn container_is_there(engine: &str, name: &str) -> Result<(), String> {
    let found = containers::inspect(engine, &[name.to_owned()])?;
    if found.is_empty() { Err(format!("`{engine}` has no container `{name}`")) } else { Ok(()) }
}

/// Looks at all of these. An error means that nothing could be looked at; a target that is not there, or went away,
/// stands in [`Live::not_seen`].
pub fn look(targets: &[LiveTarget]) -> Result<Live, LabError> {
    let mut looking = Looking::begin(Kept::new(TIME)?, false);
    looking.look(targets);
    Ok(looking.end().0.live)
}

/// A look that goes on.
struct Looking {
    asker: Asker,
    kept: Kept,
    /// More looks follow: databases keep their names, logs are not read, what is dear is not asked again.
    again: bool,
    /// What only whoever looks again wants to know.
    more: Looked,
    live: Live,
    not_seen: BTreeMap<String, usize>,
    /// Databases by file.
    index: BTreeMap<Identity, usize>,
    /// Files that were held of databases at the look before: they are looked at, and their names or holders decide.
    was: BTreeMap<Identity, usize>,
    /// Files that belong to no database that can be told, so that each is asked about once.
    refused: BTreeSet<Identity>,
    /// The mount table of whoever looks, and of each other mount namespace.
    own: Vec<Mount>,
    own_namespace: String,
    tables: BTreeMap<String, Vec<Mount>>,
    /// Containers by engine and id.
    containers: BTreeMap<(String, String), usize>,
    /// The same by mount namespace, for processes whose cgroup tells nothing.
    namespaces: BTreeMap<String, usize>,
}

impl Looking {
    fn begin(mut kept: Kept, again: bool) -> Self {
        let own = question::mounts(None);
        let asker = kept.asker.take().expect("it is there between looks");
        Self {
            asker,
            kept,
            again,
            more: Looked::default(),
            live: Live::default(),
            not_seen: BTreeMap::new(),
            index: BTreeMap::new(),
            was: BTreeMap::new(),
            refused: BTreeSet::new(),
            own,
            own_namespace: process::namespace("self", "mnt").unwrap_or_default(),
            tables: BTreeMap::new(),
            containers: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        }
    }

    fn look(&mut self, targets: &[LiveTarget]) {
        self.own_eyes();
        let paths = targets.iter().filter_map(|target| match target {
            LiveTarget::Path(path) => Some(path),
            _ => None,
        });
        paths.for_each(|path| self.path(path));
        self.remembered();
        let host = targets.contains(&LiveTarget::Host);
        let mut seen = self.scan(host);
        let known = self.index.len();
        for target in targets {
            self.processes_of(target, &seen, host);
        }
        if self.index.len() > known {
            seen = self.scan(host);
        }
        Machine::new(self).openers(&seen, host);
        if !self.again {
            self.lower_directories();
        }
        self.name_containers();
    }

    fn not_seen(&mut self, what: impl Into<String>) {
        *self.not_seen.entry(what.into()).or_default() += 1;
    }

    fn hangs(&mut self, path: &str) {
        self.not_seen(format!("`{path}`: its storage did not answer within {} s", TIME.as_secs()));
    }

    /// What whoever looks cannot see at all.
    fn own_eyes(&mut self) {
        if process::namespace("self", "pid").is_some_and(|own| own != FIRST_PROCESS_NAMESPACE) {
            self.not_seen("processes outside of this container's process namespace");
        }
        let proc = self.own.iter().rev().find(|mount| mount.mount_point == "/proc");
        let hides =
            |option: &String| option.starts_with("hidepid=") && option != "hidepid=0" && option != "hidepid=off";
        // SAFETY: geteuid has no preconditions.
        if proc.is_some_and(|proc| proc.super_options.iter().any(hides)) && unsafe { libc::geteuid() } != 0 {
            self.not_seen("processes of other users, which `/proc` hides (`hidepid`)");
        }
    }

    fn path(&mut self, path: &Path) {
        let shown = path.display().to_string();
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if self.again && self.is_silent(&absolute) {
            return self.hangs(&shown);
        }
        let found = match self.databases_of(absolute.clone()) {
            Ok(Ok(found)) => found,
            Ok(Err(because)) => return self.not_seen(format!("`{shown}`: {because}")),
            Err(_) => return self.hangs(&shown),
        };
        if found.len() > DATABASES_MAX {
            self.not_seen(format!("`{shown}`: more than the first {DATABASES_MAX} of its {} databases", found.len()));
        }
        for database_path in found.iter().take(DATABASES_MAX) {
            let Some(way) = database_path.to_str() else {
                self.not_seen(format!("`{}`: its name is no UTF-8", database_path.display()));
                continue;
            };
            let in_directory = *database_path != absolute && database_path.starts_with(&absolute);
            let question = Question::Database { ways: vec![way.to_owned()], is: None, held: None, log: !self.again };
            match self.asker.ask::<Option<LiveDatabase>>(&question) {
                Ok(Some(database)) => {
                    self.more.by_path.insert(way.to_owned());
                    if in_directory {
                        self.more.in_directory.insert(way.to_owned());
                    }
                    self.add(database, None);
                }
                // What a directory has is known from a moment ago: databases come and go there.
                Ok(None) if in_directory && self.again => {}
                Ok(None) => self.not_seen(format!("`{way}`: it went away while it was looked at")),
                Err(_) => self.hangs(way),
            }
        }
    }

    /// Takes a database in, once; its file is told for one that has no name any more.
    fn add(&mut self, database: LiveDatabase, is: Option<Identity>) -> Option<usize> {
        let is = database.file.as_ref().map(|file| (file.device, file.inode)).or(is)?;
        let databases = &mut self.live.databases;
        Some(*self.index.entry(is).or_insert_with(|| {
            databases.push(database);
            databases.len() - 1
        }))
    }

    /// What all processes have open: of the databases that are known, or of any.
    fn scan(&mut self, any: bool) -> Vec<Seen> {
        let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut numbers: Vec<u32> = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        let wanted = (!any).then(|| self.index.keys().chain(self.was.keys()).copied().collect::<Vec<Identity>>());
        self.not_seen.retain(|what, _| !what.starts_with(HIDDEN));
        let seen: Vec<Seen> = numbers.into_iter().filter_map(|pid| self.process(pid, wanted.clone())).collect();
        for _ in seen.iter().filter(|seen| seen.hidden) {
            self.not_seen(HIDDEN);
        }
        seen
    }

    fn process(&mut self, pid: u32, wanted: Option<Vec<Identity>>) -> Option<Seen> {
        let known = self.kept.known_of(pid);
        for turn in 0..HANGS_MAX {
            let dead = self.asker.dead.clone();
            match self.asker.ask(&Question::Process {
                pid,
                wanted: wanted.clone(),
                known: known.clone(),
                dead: dead.clone(),
            }) {
                Ok(seen) => {
                    self.untouched(&seen);
                    return seen;
                }
                // A busy machine is given another chance, one.
                Err(Silence::Hangs) if self.asker.dead.len() > dead.len() || turn == 0 => {}
                Err(_) => break,
            }
        }
        self.not_seen("what a process has open: it could not be told in time");
        None
    }

    /// Only what may be a database is worth a word.
    fn untouched(&mut self, seen: &Option<Seen>) {
        let links = seen.iter().flat_map(|seen| &seen.untouched);
        let bases: BTreeSet<&str> = links.filter_map(|link| process::beside(link)).collect();
        for base in bases {
            let what = format!("`{base}`: its storage did not answer within {} s", TIME.as_secs());
            self.not_seen.entry(what).or_insert(1);
        }
    }

    /// The databases that the processes of a target have open.
    fn processes_of(&mut self, target: &LiveTarget, all: &[Seen], host: bool) {
        let pids: Vec<u32> = match target {
            LiveTarget::Path(_) | LiveTarget::Host => return,
            LiveTarget::Process(pid) => match all.iter().find(|seen| seen.pid == *pid) {
                Some(_) => vec![*pid],
                None => return self.not_seen(format!("process {pid}: there is none")),
            },
            LiveTarget::Container { engine, name } if engine == "embedded" => self.embedded(name, all),
            LiveTarget::Container { engine, name } => self.container(engine, name, all),
            LiveTarget::Pod { namespace, name } => self.pod(namespace, name, all),
        };
        for pid in pids.into_iter().filter(|_| !host) {
            if let Some(seen) = self.process(pid, None) {
                Machine::new(self).databases(&seen, true);
            }
        }
    }

    fn embedded(&mut self, name: &str, all: &[Seen]) -> Vec<u32> {
        let is = |seen: &&Seen| {
            let told = containers::by_cgroup(seen)
                .or_else(|| containers::by_watcher(seen))
                .filter(|told| told.engine == "embedded");
            told.is_some_and(|told| told.id == name || told.id.rsplit('/').next() == Some(name))
        };
        let found: Vec<&Seen> = all.iter().filter(is).collect();
        if found.is_empty() {
            self.not_seen(format!("container `{name}`: no process of it runs here"));
        }
        for seen in &found {
            Machine::new(self).container(seen);
        }
        found.iter().map(|seen| seen.pid).collect()
    }

    fn container(&mut self, engine: &str, name: &str, all: &[Seen]) -> Vec<u32> {
        let inspected = match self.kept.target(engine, name, all, self.again) {
            Ok(inspected) => inspected,
            Err(because) => return self.no_container(engine, name, &because),
        };
        let Some(pid) = inspected.pid else { return self.no_container(engine, name, "it does not run") };
        let first = all.iter().find(|seen| seen.pid == pid).filter(|seen| containers::is_of(seen, &inspected.id));
        let namespace = first.map(|first| first.mount_namespace.clone()).filter(|name| *name != self.own_namespace);
        let Inspected { id, mut container, .. } = inspected;
        let is = |seen: &&Seen| {
            seen.cgroup.contains(&id) || namespace.as_ref().is_some_and(|own| *own == seen.mount_namespace)
        };
        let pids: Vec<u32> = all.iter().filter(is).map(|seen| seen.pid).collect();
        if pids.is_empty() {
            return self.no_container(engine, name, "its processes are not to be seen on this machine");
        }
        let witness = first.or_else(|| all.iter().find(is));
        container.memory_limit_bytes =
            container.memory_limit_bytes.or_else(|| containers::memory_limit_bytes(&witness?.cgroup));
        container.mounts = witness.map(|seen| containers::own_mounts(self.table(seen))).unwrap_or_default();
        self.live.containers.push(container);
        let at = self.live.containers.len() - 1;
        self.more.of_container(at, witness.map(|seen| seen.cgroup.clone()).unwrap_or_default(), None);
        self.containers.insert((engine.to_owned(), id), at);
        if let Some(namespace) = namespace {
            self.namespaces.insert(namespace, at);
        }
        pids
    }

    /// A mount namespace that is not that of whoever looks is its container's own.
    fn has_namespace(&mut self, seen: &Seen, container: usize) {
        if seen.mount_namespace != self.own_namespace && !seen.mount_namespace.is_empty() {
            self.namespaces.insert(seen.mount_namespace.clone(), container);
        }
    }

    fn no_container(&mut self, engine: &str, name: &str, because: &str) -> Vec<u32> {
        self.not_seen(format!("container `{name}` of {engine}: {because}"));
        Vec::new()
    }

    fn pod(&mut self, namespace: &str, name: &str, all: &[Seen]) -> Vec<u32> {
        let pod = match self.kept.pod(namespace, name, self.again) {
            Ok(pod) => pod,
            Err(because) => {
                self.not_seen(format!("pod `{namespace}/{name}`: {because}"));
                return Vec::new();
            }
        };
        let is = |seen: &&Seen| containers::by_cgroup(seen).is_some_and(|told| told.pod.as_ref() == Some(&pod.uid));
        let found: Vec<&Seen> = all.iter().filter(is).collect();
        if found.is_empty() {
            self.not_seen(format!("pod `{namespace}/{name}`: no process of it runs on this machine"));
        }
        for seen in &found {
            let (Some(at), Some(told)) = (Machine::new(self).container(seen), containers::by_cgroup(seen)) else {
                continue;
            };
            if let Some((_, container, image)) = pod.containers.iter().find(|(id, _, _)| *id == told.id) {
                self.live.containers[at].name = format!("{namespace}/{name}/{container}");
                self.live.containers[at].image.clone_from(image);
                self.more.of_container(at, seen.cgroup.clone(), Some(format!("{namespace}/{name}")));
            }
        }
        found.iter().map(|seen| seen.pid).collect()
    }

    /// The mount table of a process, read once for each mount namespace.
    fn table(&mut self, seen: &Seen) -> &[Mount] {
        if seen.mount_namespace == self.own_namespace || seen.mount_namespace.is_empty() {
            return &self.own;
        }
        let asker = &mut self.asker;
        let read = || asker.ask(&Question::Mounts(Some(seen.pid))).unwrap_or_default();
        self.tables.entry(seen.mount_namespace.clone()).or_insert_with(read)
    }

    /// Which databases lie in a lower directory of an overlay that is mounted.
    fn lower_directories(&mut self) {
        let tables = self.tables.values().chain([&self.own]);
        let overlays = tables.flatten().filter(|mount| mount.fstype == "overlay");
        let directories: BTreeSet<String> = overlays.flat_map(|mount| lowers(&mount.super_options)).collect();
        if directories.is_empty() {
            return;
        }
        let directories: Vec<String> = directories.into_iter().filter(|one| one.starts_with('/')).collect();
        for database in &mut self.live.databases {
            let near: Vec<String> =
                directories.iter().filter(|one| shares_name(&database.path, one)).cloned().collect();
            if database.file.is_some() && !near.is_empty() {
                let question = Question::Within { path: database.path.clone(), directories: near };
                database.overlay_lower = self.asker.ask(&question).unwrap_or_default();
            }
        }
    }

    /// Names, images and runtimes of containers that were known by a cgroup alone.
    fn name_containers(&mut self) {
        for engine in ENGINES {
            let unnamed = self.containers.iter().filter(|((of, id), at)| {
                (of == engine || of == "containerd") && id.starts_with(&self.live.containers[**at].name)
            });
            let unnamed: Vec<(String, String, usize)> =
                unnamed.map(|((of, id), at)| (of.clone(), id.clone(), *at)).collect();
            for (of, id, at) in unnamed {
                match self.kept.named(engine, &id, self.again) {
                    Ok(found) => found.into_iter().filter(|one| one.id == id).for_each(|one| self.name(at, one)),
                    Err(because) if of == *engine => {
                        self.not_seen(format!("the names of containers of {engine}: {because}"));
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
    }

    fn name(&mut self, at: usize, inspected: Inspected) {
        let known = &mut self.live.containers[at];
        let mounts = std::mem::take(&mut known.mounts);
        let memory = known.memory_limit_bytes;
        *known = inspected.container;
        known.mounts = mounts;
        known.memory_limit_bytes = known.memory_limit_bytes.or(memory);
    }

    fn end(mut self) -> (Looked, Kept) {
        let said = |(what, count): (String, usize)| if count > 1 { format!("{what} ({count} times)") } else { what };
        self.live.not_seen = std::mem::take(&mut self.not_seen).into_iter().map(said).collect();
        self.kept.asker = Some(self.asker);
        self.kept.remember(&self.index, &self.live, &self.more);
        (Looked { live: self.live, ..self.more }, self.kept)
    }
}

/// What is said of a process whose descriptors this user may not look at.
const HIDDEN: &str = "what a process of another user has open";

/// The lower directories that an overlay's options name, as the mounting process saw them.
fn lowers(options: &[String]) -> Vec<String> {
    let values = options
        .iter()
        .filter_map(|option| ["lowerdir=", "lowerdir+="].iter().find_map(|name| option.strip_prefix(name)));
    values.flat_map(split_at_colons).collect()
}

/// Colons part directories; one in a name is escaped.
fn split_at_colons(text: &str) -> Vec<String> {
    let (mut all, mut escaped) = (vec![String::new()], false);
    for letter in text.chars() {
        match (letter, escaped) {
            ('\\', false) => escaped = true,
            (':', false) => all.push(String::new()),
            _ => {
                all.last_mut().expect("one at least").push(letter);
                escaped = false;
            }
        }
    }
    all.retain(|one| !one.is_empty());
    all
}

/// Whether it is worth asking the file system: the last names of a directory stand in the path, or it may be a link.
fn shares_name(path: &str, directory: &str) -> bool {
    let name = directory.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    name.is_empty() || path.split('/').any(|part| part == name) || directory.contains("/l/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_parsed() {
        let container =
            |engine: &str, name: &str| Some(LiveTarget::Container { engine: engine.into(), name: name.into() });
        assert_eq!(LiveTarget::parse("docker://web"), container("docker", "web"));
        assert_eq!(LiveTarget::parse("embedded://0011/agent-0"), container("embedded", "0011/agent-0"));
        let pod = LiveTarget::Pod { namespace: "default".into(), name: "web-0".into() };
        assert_eq!(LiveTarget::parse("k8s://default/web-0"), Some(pod));
        for other in ["docker://", "docker://--help", "k8s://web-0", "k8s:///web", "http://x", "/data/app.db"] {
            assert_eq!(LiveTarget::parse(other), None, "{other}");
        }
    }

    #[test]
    fn lower_directories_are_told_apart() {
        let options = ["rw", "lowerdir=/a:/b\\:c: d::/e", "upperdir=/u"].map(str::to_owned);
        assert_eq!(lowers(&options), ["/a", "/b:c", " d", "/e"]);
        assert_eq!(lowers(&["lowerdir+=/a".to_owned(), "lowerdir+=/b".to_owned()]), ["/a", "/b"]);
    }
}
