//! What is known of each database from one look to the next, and what came of the slow looks.
//!
//! What it must not do: look at files itself.
//! Where to look next: `finder.rs`, from which openers come; `mod.rs`, which puts a moment together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::sharing::live::{LiveContainer, LiveOpener};
use walproof_judge::watch::moment::{Event, HeldLock, Watched, WatchedContainer, WatchedOpener};

use super::finder::{Device, Found};
use super::locks::{self, Of};
use super::processes::{Cgroup, oom_kills_of_machine, pid_inside};
use crate::collect::live::{Glance, GlanceAt, HeldAt, Identity, Looked, shows_locks};
use crate::runtimes::cgroups::{self, Hierarchy};
use crate::runtimes::pidfd::{is_zombie, start_ticks};

/// A database that was found with a process, a container or in a directory is forgotten this long after the last one closed it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// A database.
pub struct Tracked {
    /// What was seen of it last.
    pub watched: Watched,
    /// The file system that it lies on.
    pub device: Device,
    /// Who has it open.
    pub openers: Vec<Opener>,
    /// It was named: it is waited for when it is gone.
    by_path: bool,
    /// Descriptors of other files than those that lie there, as [`Glance::apart`] has them.
    apart: Vec<(u32, u32, Option<u64>)>,
    last_found: Instant,
}

/// An opener.
pub struct Opener {
    /// As it is told.
    pub watched: WatchedOpener,
    /// The name of its container: openers outlive the list of containers that they were found with.
    pub container: Option<String>,
    /// Its cgroup.
    pub cgroup: Cgroup,
    /// No lock to be seen is no lock.
    pub shows_locks: bool,
}

/// A container.
pub struct Contained {
    /// As it is told.
    pub watched: WatchedContainer,
    /// Its cgroup.
    pub cgroup: Cgroup,
}

/// All that is watched.
#[derive(Default)]
pub struct Known {
    /// Databases, in the order in which they were found.
    pub databases: Vec<Tracked>,
    /// Containers; openers point here.
    pub containers: Vec<Contained>,
    /// What could not be seen by the last slow look.
    pub not_seen: Vec<String>,
    /// How files are spelled in `/proc/locks`.
    spellings: BTreeMap<Identity, String>,
    /// OOM kills by container, also of those that are gone: the count of one that comes back begins anew.
    oom_kills: BTreeMap<(String, String), u64>,
    machine: MachineKills,
}

impl Tracked {
    /// The way to its files: its name, or through a process that still lives.
    pub fn glance_at(&self) -> GlanceAt {
        let through = self.watched.path.strip_prefix("/proc/").and_then(|rest| rest.split('/').next());
        let ended = through.is_some_and(|pid| !self.openers.iter().any(|one| one.watched.pid.to_string() == pid));
        let way = self.openers.first().map(|one| format!("/proc/{}/root{}", one.watched.pid, one.watched.path));
        let path = way.filter(|_| ended).unwrap_or_else(|| self.watched.path.clone());
        let held = self.openers.iter().flat_map(|one| {
            let pid = one.watched.pid;
            one.watched.held.iter().map(move |held| HeldAt {
                pid,
                fd: held.fd,
                which: held.which.clone(),
                is: (held.device, held.inode),
            })
        });
        GlanceAt { path, keep: !self.openers.is_empty(), held: held.collect() }
    }

    /// Takes in what was seen of its files; its name stays.
    pub fn see(&mut self, Glance { watched: seen, apart }: Glance) {
        let path = std::mem::take(&mut self.watched.path);
        let mount = seen.mount.clone().or_else(|| self.watched.mount.take());
        self.watched = Watched { path, mount, ..seen };
        self.apart = apart;
    }

    /// An opener as it is told: what it held when it was looked for and lies elsewhere is told only if it was still so
    /// in the same breath as the files. Whoever closes and opens all the time has other files each time.
    pub fn told(&self, opener: &Opener) -> WatchedOpener {
        let mut told = opener.watched.clone();
        for (_, fd, names) in self.apart.iter().filter(|(pid, _, _)| *pid == told.pid) {
            match names {
                Some(names) => told.held.iter_mut().filter(|one| one.fd == *fd).for_each(|one| one.link_count = *names),
                None => told.held.retain(|one| one.fd != *fd),
            }
        }
        told
    }
}

impl Known {
    /// Takes in a slow look; what came and went stands in `events`.
    pub fn take(&mut self, found: Found, events: &mut Vec<Event>) {
        let hierarchies = cgroups::hierarchies();
        let before = std::mem::take(&mut self.containers);
        let Looked { live, processes, containers: told, by_path, in_directory, untouched } = found.looked;
        self.not_seen = live.not_seen;
        let containers = live.containers.into_iter().enumerate();
        self.containers = containers.map(|(at, container)| contained(container, told.get(&at), &hierarchies)).collect();
        let mut openers: Vec<Vec<Opener>> = live.databases.iter().map(|_| Vec::new()).collect();
        for opener in live.openers {
            let Some((ticks, cgroup)) = processes.get(&opener.pid) else { continue };
            // Whoever ended since is not brought back.
            if start_ticks(opener.pid) == Some(*ticks) {
                let container = opener.container.and_then(|at| self.containers.get(at));
                let container = container.map(|one| one.watched.container.name.clone());
                openers[opener.database].push(opened(opener, *ticks, container, Cgroup::of(cgroup, &hierarchies)));
            }
        }
        for (database, openers) in live.databases.into_iter().zip(openers) {
            let at = self.place(database.path.clone(), || {
                let device = database.mount.as_ref().map(|mount| mount.device);
                let device = device.or(database.file.as_ref().map(|file| file.device)).unwrap_or_default();
                (device, by_path.contains(&database.path) && !in_directory.contains(&database.path))
            });
            self.databases[at].last_found = found.ended;
            self.replace(at, openers, events);
        }
        self.unfound(found.ended, &untouched, &before, events);
        self.learn();
    }

    fn place(&mut self, path: String, new: impl FnOnce() -> (Device, bool)) -> usize {
        if let Some(at) = self.databases.iter().position(|one| one.watched.path == path) {
            return at;
        }
        let (device, by_path) = new();
        let watched = Watched { path, ..Watched::default() };
        let last_found = Instant::now();
        self.databases.push(Tracked { watched, device, openers: Vec::new(), by_path, apart: Vec::new(), last_found });
        self.databases.len() - 1
    }

    /// New openers of a database, and what that tells.
    fn replace(&mut self, at: usize, openers: Vec<Opener>, events: &mut Vec<Event>) {
        let before = std::mem::replace(&mut self.databases[at].openers, openers);
        let tracked = &self.databases[at];
        let key = |one: &Opener| (one.watched.pid, one.watched.started_ticks);
        let among = |one: &Opener, all: &[Opener]| all.iter().any(|other| key(other) == key(one));
        for gone in before.iter().filter(|one| !among(one, &tracked.openers)) {
            events.push(closed(&tracked.watched.path, gone));
        }
        for new in tracked.openers.iter().filter(|one| !among(one, &before)) {
            events.push(Event::Opened {
                database: tracked.watched.path.clone(),
                pid: new.watched.pid,
                container: new.container.clone(),
                command: new.watched.command.clone(),
            });
        }
    }

    /// Databases that the last look did not find: gone, not open any more, or on storage that does not answer.
    fn unfound(&mut self, ended: Instant, silent: &BTreeSet<Device>, before: &[Contained], events: &mut Vec<Event>) {
        for at in 0..self.databases.len() {
            if self.databases[at].last_found == ended {
                continue;
            }
            let (kept, gone): (Vec<Opener>, Vec<Opener>) = match silent.contains(&self.databases[at].device) {
                true => std::mem::take(&mut self.databases[at].openers).into_iter().partition(lives),
                false => (Vec::new(), std::mem::take(&mut self.databases[at].openers)),
            };
            for opener in kept {
                let container = opener.watched.container.and_then(|at| before.get(at));
                let container = container.map(|container| self.container_again(container));
                let watched = WatchedOpener { container, ..opener.watched };
                self.databases[at].openers.push(Opener { watched, ..opener });
            }
            events.extend(gone.iter().map(|opener| closed(&self.databases[at].watched.path, opener)));
        }
        let stays =
            |one: &Tracked| one.by_path || !one.openers.is_empty() || one.last_found.elapsed() < FORGOTTEN_AFTER;
        self.databases.retain(stays);
    }

    fn container_again(&mut self, one: &Contained) -> usize {
        let is = |other: &Contained| {
            let [a, b] = [one, other].map(|one| &one.watched.container);
            (&a.name, &a.engine) == (&b.name, &b.engine)
        };
        self.containers.iter().position(is).unwrap_or_else(|| {
            self.containers.push(Contained { watched: one.watched.clone(), cgroup: one.cgroup.clone() });
            self.containers.len() - 1
        })
    }

    /// An opener that has ended is taken out at once.
    pub fn ended(&mut self, database: usize, opener: usize, events: &mut Vec<Event>) {
        let gone = self.databases[database].openers.remove(opener);
        events.push(closed(&self.databases[database].watched.path, &gone));
    }

    /// A process for an event of the trace: the database's name, its number, its container. It may have ended since.
    pub fn who(&self, database: usize, pid: i64) -> Option<(String, u32, Option<String>)> {
        let (database, pid) = (self.databases.get(database)?, u32::try_from(pid).ok()?);
        let opener = database.openers.iter().find(|one| one.watched.pid == pid);
        Some((database.watched.path.clone(), pid, opener.and_then(|one| one.container.clone())))
    }

    /// Learns how the files that are locked are spelled; what nobody has any more is forgotten.
    fn learn(&mut self) {
        let before = std::mem::take(&mut self.spellings);
        let openers = self.databases.iter().flat_map(|one| &one.openers);
        for opener in openers {
            let held = opener.watched.held.iter().filter(|held| held.which == "db" || held.which == "shm");
            for held in held {
                let is = (held.device, held.inode);
                let known = self.spellings.get(&is).or_else(|| before.get(&is)).cloned();
                if let Some(spelling) = known.or_else(|| locks::learn(opener.watched.pid, held.fd)) {
                    self.spellings.insert(is, spelling);
                }
            }
        }
    }

    /// The files whose locks are looked for.
    pub fn locked_files(&self) -> locks::Files {
        let mut files = locks::Files::default();
        for (at, database) in self.databases.iter().enumerate() {
            let watched = &database.watched;
            for (file, which) in [(&watched.file, "db"), (&watched.shm, "shm")] {
                if let Some(file) = file {
                    files.named(locks::spelled((file.device, file.inode)), (at, which));
                }
            }
            for opener in &database.openers {
                for held in &opener.watched.held {
                    let of: Of = match held.which.as_str() {
                        "db" => (at, "db"),
                        "shm" => (at, "shm"),
                        _ => continue,
                    };
                    let is = (held.device, held.inode);
                    files.held(held.inode, opener.watched.pid, of);
                    files.named(self.spellings.get(&is).cloned().unwrap_or_else(|| locks::spelled(is)), of);
                }
            }
        }
        files
    }

    /// Reads what the cgroups of containers tell, and the machine; kills since the look before are events.
    pub fn memory(&mut self, events: &mut Vec<Event>) {
        // First: what a cgroup counts afterwards is ahead of it for one look, and not the other way round.
        let of_machine = oom_kills_of_machine();
        let mut explained = 0;
        for one in &mut self.containers {
            let container = &one.watched.container;
            one.watched.memory_bytes = one.cgroup.memory_bytes();
            let key = (container.engine.clone(), container.name.clone());
            let Some(kills) = one.cgroup.oom_kills() else {
                one.watched.oom_kills = self.oom_kills.get(&key).copied();
                continue;
            };
            let before = self.oom_kills.insert(key, kills);
            one.watched.oom_kills = Some(kills);
            let new = kills.saturating_sub(before.unwrap_or(kills));
            if new > 0 {
                explained += new;
                events.push(Event::OutOfMemory { container: container.name.clone(), kills: new });
            }
        }
        let kills = self.machine.unexplained(of_machine, explained);
        if kills > 0 {
            events.push(Event::OutOfMemoryElsewhere { kills });
        }
    }
}

/// What the machine counts, of which the cgroups that are seen account for a part: one that is removed with its last
/// process is never seen to count it.
#[derive(Default)]
struct MachineKills {
    counted: Option<u64>,
    /// Cgroups told of so many before the machine did.
    ahead: u64,
}

impl MachineKills {
    /// Since it was asked before.
    fn unexplained(&mut self, counted: Option<u64>, explained: u64) -> u64 {
        let before = std::mem::replace(&mut self.counted, counted);
        let more = counted.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        let known = explained + std::mem::take(&mut self.ahead);
        self.ahead = explained.saturating_sub(more);
        more.saturating_sub(known)
    }
}

fn lives(opener: &Opener) -> bool {
    start_ticks(opener.watched.pid) == Some(opener.watched.started_ticks)
}

fn closed(database: &str, opener: &Opener) -> Event {
    Event::Closed {
        database: database.to_owned(),
        pid: opener.watched.pid,
        container: opener.container.clone(),
        command: opener.watched.command.clone(),
        ended: !lives(opener) || is_zombie(opener.watched.pid),
    }
}

fn contained(
    container: LiveContainer,
    told: Option<&(String, Option<String>)>,
    hierarchies: &[Hierarchy],
) -> Contained {
    let (cgroup, pod) = told.cloned().unwrap_or_default();
    let watched = WatchedContainer { container, pod, ..WatchedContainer::default() };
    Contained { watched, cgroup: Cgroup::of(&cgroup, hierarchies) }
}

fn opened(opener: LiveOpener, started_ticks: u64, container: Option<String>, cgroup: Cgroup) -> Opener {
    let fstype = opener.mount.as_ref().map(|mount| mount.fstype.clone()).unwrap_or_default();
    // Read in one breath with its maps.
    let locks_when_mapped = opener.locks.as_ref().map(|locks| {
        let named = locks.iter().flat_map(|one| {
            let locks = Lock::within(&one.which, one.start, one.end);
            locks.map(|lock| HeldLock { lock, exclusive: one.exclusive })
        });
        named.collect()
    });
    let watched = WatchedOpener {
        pid: opener.pid,
        pid_inside: pid_inside(opener.pid),
        started_ticks,
        command: opener.command,
        container: opener.container,
        user: opener.user,
        path: opener.path,
        renamed_to: opener.renamed_to,
        mount: opener.mount,
        held: opener.held,
        maps_shm: opener.maps_shm,
        locks_when_mapped,
        libraries: opener.libraries,
        ..WatchedOpener::default()
    };
    Opener { watched, container, cgroup, shows_locks: shows_locks(&fstype) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_that_no_cgroup_tells_of_are_those_of_others() {
        let mut machine = MachineKills::default();
        // (what the machine counts, what cgroups told of since, what is left)
        for (counted, explained, left) in [
            (Some(360), 0, 0),
            (Some(361), 1, 0),
            (Some(363), 0, 2),
            // The cgroup was read after the machine's count, which follows.
            (Some(363), 1, 0),
            (Some(364), 0, 0),
            (Some(365), 0, 1),
            (None, 1, 0),
            (Some(400), 0, 0),
        ] {
            assert_eq!(machine.unexplained(counted, explained), left, "{counted:?}, {explained}");
        }
    }
}
