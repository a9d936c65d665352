//! What is kept from one look to the next by whoever looks again and again, so that what is dear is asked once.
//!
//! What it must not do: keep what may have changed by itself. A file is known by its inode only as long as somebody has
//! it open or it lies at its path: an inode without either is given to another file.
//! Where to look next: `walproof_lab::watch`, which looks again and again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use walproof_judge::mountinfo::mount_of;
use walproof_judge::sharing::live::{Live, LiveDatabase};

use super::asking::{Asker, Device, Silence};
use super::containers::{self, Inspected};
use super::openers::Library;
use super::pods::{self, Pod};
use super::process::{Held, Known, Seen, beside};
use super::question::{self, Identity, Question};
use super::{LiveTarget, Looking};
use crate::error::LabError;
use crate::runtimes::pidfd::start_ticks;

/// A container or pod that is not there is asked for again after this time, and so is what a directory holds.
const AGAIN: Duration = Duration::from_secs(3);
/// A file system that did not answer is left alone for so long, unless it is known to answer again.
const DEAD_AGAIN: Duration = Duration::from_secs(5);
/// An engine that does not know a container may not know it yet.
const NAMED_TRIES_MAX: u32 = 3;

/// The mount namespace, inode, path of a mapped file, and whether it is deleted.
type Mapping = (String, u64, String, bool);

/// What an engine or a cluster said, or why it did not.
type Answer<T> = Result<T, String>;
/// Containers that were met: how often they were asked about, what was said.
type Tried = (u32, Answer<Vec<Inspected>>);
/// A container that was asked for by name: when, a mark of what was there then, what was said.
type Named = (Instant, u64, Answer<Inspected>);

/// What is kept.
#[derive(Default)]
pub struct Kept {
    /// The child that looks; taken by the look that goes on.
    pub asker: Option<Asker>,
    /// SQLite in mapped files.
    pub libraries: HashMap<Mapping, Library>,
    /// Databases by their files.
    remembered: BTreeMap<Identity, String>,
    /// What was held of databases at the look before, by process, with the database's name.
    held: BTreeMap<u32, Vec<(Known, String)>>,
    /// The same of the look that goes on: process, database, descriptor.
    holding: Vec<(u32, usize, Known)>,
    /// Databases that are watched by their path, while they lie there or somebody has them open.
    by_path: BTreeSet<String>,
    named: BTreeMap<(String, String), Tried>,
    targets: BTreeMap<(String, String), Named>,
    pods: BTreeMap<(String, String), (Instant, Answer<Pod>)>,
    directories: BTreeMap<PathBuf, (Instant, Vec<PathBuf>)>,
    /// File systems that did not answer, and when.
    dead: BTreeMap<Device, Instant>,
}

/// A look, with what only whoever looks again wants to know.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// What was seen.
    pub live: Live,
    /// When openers were started, and the text of their `/proc/PID/cgroup`.
    pub processes: BTreeMap<u32, (u64, String)>,
    /// The same text of a process in each container, and its pod.
    pub containers: BTreeMap<usize, (String, Option<String>)>,
    /// Databases that are watched by their path: they are waited for when they are gone.
    pub by_path: BTreeSet<String>,
    /// Of these, what was found in a directory that was named: when they are gone, they are gone.
    pub in_directory: BTreeSet<String>,
    /// File systems that were not touched, or did not answer: what lies on them was not found, whatever it is.
    pub untouched: BTreeSet<Device>,
}

impl Looked {
    /// A process that has something open.
    pub(super) fn of_process(&mut self, seen: &Seen) {
        self.processes.insert(seen.pid, (seen.ticks, seen.cgroup.clone()));
    }

    /// A container, with what is known of it; what is known already stays.
    pub(super) fn of_container(&mut self, at: usize, cgroup: String, pod: Option<String>) {
        let known = self.containers.entry(at).or_default();
        if known.0.is_empty() {
            known.0 = cgroup;
        }
        // A name says more than a uid.
        if pod.as_ref().is_some_and(|pod| known.1.is_none() || pod.contains('/')) {
            known.1 = pod;
        }
    }
}

impl Kept {
    /// Starts the child; it has so long for an answer.
    pub fn new(time: Duration) -> Result<Self, LabError> {
        let asker = Some(Asker::start(&question::mounts(None), time)?);
        Ok(Self { asker, ..Self::default() })
    }

    /// Looks at all of these, and will again. File systems that are known to be silent are not touched.
    pub fn look(mut self, targets: &[LiveTarget], silent: &BTreeSet<Device>) -> (Looked, Self) {
        self.dead.retain(|_, since| since.elapsed() < DEAD_AGAIN);
        if let Some(asker) = &mut self.asker {
            asker.dead = self.dead.keys().chain(silent).copied().collect();
        }
        let mut looking = Looking::begin(self, true);
        looking.look(targets);
        let (mut looked, mut kept) = looking.end();
        looked.untouched = kept.asker.iter().flat_map(|asker| &asker.dead).copied().collect();
        let found = kept.asker.iter().flat_map(|asker| &asker.dead).filter(|device| !silent.contains(device));
        for device in found {
            kept.dead.entry(*device).or_insert_with(Instant::now);
        }
        (looked, kept)
    }

    /// After a look: the files of the databases that were seen.
    pub(super) fn remember(&mut self, index: &BTreeMap<Identity, usize>, live: &Live, more: &Looked) {
        let held = |is: &Identity| {
            live.openers.iter().flat_map(|opener| &opener.held).any(|held| (held.device, held.inode) == *is)
        };
        let lies = |is: &Identity, at: usize| {
            live.databases[at].file.as_ref().is_some_and(|file| (file.device, file.inode) == *is)
        };
        self.by_path.clone_from(&more.by_path);
        self.held = self.holding.drain(..).fold(BTreeMap::new(), |mut all: BTreeMap<_, Vec<_>>, (pid, at, known)| {
            all.entry(pid).or_default().push((known, live.databases[at].path.clone()));
            all
        });
        let kept = index.iter().filter(|(is, at)| lies(is, **at) || held(is));
        self.remembered = kept.map(|(is, at)| (*is, live.databases[*at].path.clone())).collect();
    }

    /// An opener of the look that goes on.
    pub(super) fn holds(&mut self, seen: &Seen, path: &str, database: usize) {
        let of = |held: &&Held| held.which != "journal" && (held.path == path || beside(&held.path) == Some(path));
        let known = seen.held.iter().filter(of).map(|held| Known { ticks: seen.ticks, held: held.clone() });
        self.holding.extend(known.map(|known| (seen.pid, database, known)));
    }

    /// What is known of the descriptors of a process.
    pub(super) fn known_of(&self, pid: u32) -> Vec<Known> {
        self.held.get(&pid).into_iter().flatten().map(|(known, _)| known.clone()).collect()
    }

    /// The name that a file had before.
    pub(super) fn name_of(&self, is: Identity) -> Option<&String> {
        self.remembered.get(&is)
    }

    /// A container that was asked for by its name.
    pub(super) fn target(&mut self, engine: &str, name: &str, all: &[Seen], again: bool) -> Result<Inspected, String> {
        let ticks = |answer: &Result<Inspected, String>| {
            let pid = answer.as_ref().ok().and_then(|inspected| inspected.pid)?;
            all.iter().find(|seen| seen.pid == pid).map(|seen| seen.ticks)
        };
        let key = (engine.to_owned(), name.to_owned());
        if let Some((asked, started, answer)) = self.targets.get(&key).filter(|_| again) {
            let runs = ticks(answer).is_some_and(|ticks| ticks == *started);
            if runs || asked.elapsed() < AGAIN {
                let ended = !runs && answer.is_ok();
                return if ended { Err("it does not run".to_owned()) } else { answer.clone() };
            }
        }
        let answer = containers::inspect(engine, std::slice::from_ref(&key.1)).and_then(|mut found| {
            let first = (!found.is_empty()).then(|| found.remove(0));
            first.ok_or_else(|| "it could not be read what is said of it".to_owned())
        });
        self.targets.insert(key, (Instant::now(), ticks(&answer).unwrap_or(0), answer.clone()));
        answer
    }

    /// A pod.
    pub(super) fn pod(&mut self, namespace: &str, name: &str, again: bool) -> Result<Pod, String> {
        let key = (namespace.to_owned(), name.to_owned());
        if let Some((asked, answer)) = self.pods.get(&key)
            && again
            && asked.elapsed() < AGAIN * 3
        {
            return answer.clone();
        }
        let answer = match pods::manifest(namespace, name).map(|manifest| pods::read(&manifest)) {
            Ok(Some(pod)) => Ok(pod),
            Ok(None) => Err("what `kubectl` said of it".to_owned()),
            Err(error) => Err(error.because),
        };
        self.pods.insert(key, (Instant::now(), answer.clone()));
        answer
    }

    /// What an engine says of the container with this id; asked a few times at most.
    pub(super) fn named(&mut self, engine: &str, id: &str, again: bool) -> Result<Vec<Inspected>, String> {
        let key = (engine.to_owned(), id.to_owned());
        let tries = self.named.get(&key).map_or(0, |(tries, _)| *tries);
        if let Some((_, answer)) = self.named.get(&key)
            && again
            && (tries >= NAMED_TRIES_MAX || answer.as_ref().is_ok_and(|found| !found.is_empty()))
        {
            return answer.clone();
        }
        let answer = containers::inspect(engine, std::slice::from_ref(&key.1));
        self.named.insert(key, (tries + 1, answer.clone()));
        answer
    }
}

impl Looking {
    /// The databases that a path means. What a directory holds is not read at each look.
    pub(super) fn databases_of(&mut self, path: PathBuf) -> Result<Result<Vec<PathBuf>, String>, Silence> {
        let known = self.kept.directories.get(&path).filter(|(asked, _)| self.again && asked.elapsed() < AGAIN);
        if let Some((_, found)) = known {
            return Ok(Ok(found.clone()));
        }
        let found: Result<Vec<PathBuf>, String> = self.asker.ask(&Question::Databases(path.clone()))?;
        if let Ok(found) = &found
            && found.len() > 1
        {
            self.kept.directories.insert(path, (Instant::now(), found.clone()));
        }
        Ok(found)
    }

    /// Whether a path lies on a file system that did not answer, as far as the mount table tells without touching it.
    pub(super) fn is_silent(&self, path: &Path) -> bool {
        let mount = mount_of(&self.own, &path.to_string_lossy());
        mount.is_some_and(|mount| self.asker.dead.contains(&mount.device))
    }

    /// Databases of which somebody had something open at the look before, and still may: they are looked for by their
    /// names and descriptors, also when nothing lies at the path any more. An inode alone is nobody's: that of a file
    /// which nobody has open any more is given to another.
    pub(super) fn remembered(&mut self) {
        for (pid, held) in &self.kept.held {
            for (known, name) in held.iter().filter(|(known, _)| known.held.which == "db") {
                let is = known.held.is;
                let at = self.live.databases.iter().position(|one| one.path == *name);
                // What lies on storage that does not answer is kept as it was by whoever watches.
                let is_silent = self.asker.dead.contains(&is.0);
                let lives = || !is_silent && start_ticks(*pid) == Some(known.ticks);
                let at = at.or_else(|| {
                    (self.kept.by_path.contains(name) && lives()).then(|| {
                        self.more.by_path.insert(name.clone());
                        self.live.databases.push(LiveDatabase { path: name.clone(), ..LiveDatabase::default() });
                        self.live.databases.len() - 1
                    })
                });
                if let Some(at) = at {
                    self.was.entry(is).or_insert(at);
                }
            }
        }
    }

    /// The database whose file a process held through the same descriptor at the look before.
    pub(super) fn held_before(&self, seen: &Seen, held: &[&Held]) -> Option<usize> {
        let before = self.kept.held.get(&seen.pid)?.iter().filter(|(known, _)| known.ticks == seen.ticks);
        let same = |one: &Held, was: &Held| {
            was.which == "db" && (one.fd, one.is, one.born, &one.path) == (was.fd, was.is, was.born, &was.path)
        };
        let mut found = before.filter(|(known, _)| held.iter().any(|one| same(one, &known.held)));
        let (_, name) = found.next()?;
        self.live.databases.iter().position(|one| one.path == *name)
    }
}
