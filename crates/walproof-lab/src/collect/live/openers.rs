//! From descriptors to databases and their openers.
//!
//! Descriptors of one process are put together by names: what ends in `-wal` is of the database without that. The same
//! file under two names is one database with two openers.
//!
//! What it must not do: take a file for a database because of its name alone.
//! Where to look next: `process.rs` for what a descriptor is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::facts::{LOCAL_FILE_SYSTEMS, Mount};
use walproof_judge::mountinfo::mount_of;
use walproof_judge::sharing::live::{LiveDatabase, LiveHeld, LiveLibrary, LiveLock, LiveMount, LiveOpener};

use super::Looking;
use super::asking::Silence;
use super::containers;
use super::file::live_mount;
use super::maps::Mapped;
use super::process::{Held, Person, Seen, beside};
use super::question::{Identity, Question};

/// File systems whose locks the kernel of whoever looks keeps: no lock to be seen is no lock.
pub fn shows_locks(fstype: &str) -> bool {
    LOCAL_FILE_SYSTEMS.contains(&fstype) || fstype == "overlay"
}

/// What was found of SQLite in a file that is mapped.
pub type Library = Vec<Option<String>>;

/// Whoever makes openers.
pub struct Machine<'a> {
    looking: &'a mut Looking,
    temporary: HashMap<u32, Option<u64>>,
}

/// What one process holds of one database.
struct Holding<'a> {
    /// The database's path, as the process sees it.
    path: &'a str,
    /// The file; `None`: only what lies beside it is held.
    is: Option<Identity>,
    held: Vec<&'a Held>,
}

impl<'a> Machine<'a> {
    /// It works on what is known already.
    pub fn new(looking: &'a mut Looking) -> Self {
        Self { looking, temporary: HashMap::new() }
    }

    /// Takes in the databases of a process; returns it as their opener, as far as its descriptors tell.
    pub fn databases(&mut self, seen: &Seen, any: bool) -> Vec<LiveOpener> {
        let holdings = holdings(&seen.held);
        let mut found = Vec::new();
        for holding in &holdings {
            if let Some(database) = self.database(seen, holding, any) {
                found.push(opener(seen, holding, database));
            }
        }
        found
    }

    /// Takes in the openers of all that is known, or of any database.
    pub fn openers(&mut self, all: &[Seen], any: bool) {
        for seen in all.iter().filter(|seen| !seen.held.is_empty()) {
            for opener in self.databases(seen, any) {
                if let Some(opener) = self.complete(seen, opener) {
                    self.looking.more.of_process(seen);
                    self.looking.kept.holds(seen, &opener.path, opener.database);
                    self.looking.live.openers.push(opener);
                }
            }
        }
    }

    fn database(&mut self, seen: &Seen, holding: &Holding<'_>, any: bool) -> Option<usize> {
        // First: a file that was renamed lies there as a database of another name, and is not what it was opened as.
        if let Some(known) = self.looking.held_before(seen, &holding.held) {
            return Some(known);
        }
        if let Some(is) = holding.is
            && let Some(known) = self.looking.index.get(&is)
        {
            return Some(*known);
        }
        let unknown = holding.is.is_some_and(|is| self.looking.refused.contains(&is));
        if unknown || (!any && holding.is.is_some() && !self.looking.again) {
            return None;
        }
        let ways = self.ways(seen, holding);
        let fd = holding.held.iter().find(|held| held.which == "db").map(|held| (seen.pid, held.fd));
        if self.looking.again
            && let Some(known) = self.looking.live.databases.iter().position(|one| ways.contains(&one.path))
        {
            // Another file of the same name, before or after it was replaced: one database with two generations.
            holding.is.map(|is| self.looking.index.insert(is, known));
            return Some(known);
        }
        if !any && holding.is.is_some() {
            return None;
        }
        let question = Question::Database { ways, is: holding.is, held: fd, log: !self.looking.again };
        let database = match self.looking.asker.ask::<Option<LiveDatabase>>(&question) {
            Ok(Some(database)) => database,
            Ok(None) => return None,
            Err(Silence::Hangs) => {
                self.looking.hangs(holding.path);
                self.looking.refused.extend(holding.is);
                return None;
            }
            Err(Silence::Broken) => return None,
        };
        let at_path = database.file.as_ref().map(|file| (file.device, file.inode));
        if let Some(known) = at_path.and_then(|is| self.looking.index.get(&is)) {
            return Some(*known);
        }
        // Names alone make no database: an empty one has a log that is one.
        let is_one = database.has_magic == Some(true) || (database.has_magic.is_none() && database.shm.is_some());
        if !any || !is_one {
            self.looking.refused.extend(holding.is);
            return None;
        }
        let mount = database.mount.clone().or_else(|| self.mount(seen, holding.path, &holding.held));
        // A name that leads through a process that has ended since stays its name.
        let name = at_path.or(holding.is).and_then(|is| self.looking.kept.name_of(is)).cloned();
        let path = name.filter(|_| database.path.starts_with("/proc/")).unwrap_or(database.path);
        self.looking.add(LiveDatabase { mount, path, ..database }, holding.is)
    }

    /// Paths that may lead to what a process sees at its own: the same one, one through a mount of ours of the same
    /// part of the same file system, one through its root.
    fn ways(&mut self, seen: &Seen, holding: &Holding<'_>) -> Vec<String> {
        let path = holding.path;
        let through_root = format!("/proc/{}/root{path}", seen.pid);
        if seen.mount_namespace == self.looking.own_namespace {
            return vec![path.to_owned(), through_root];
        }
        let its_mount = find_mount(self.looking.table(seen), path, &holding.held).cloned();
        let own = self.looking.own.iter();
        let mut ways: Vec<String> = own.filter_map(|own| translate(its_mount.as_ref()?, own, path)).collect();
        ways.push(through_root);
        ways
    }

    fn mount(&mut self, seen: &Seen, path: &str, held: &[&Held]) -> Option<LiveMount> {
        let mount = find_mount(self.looking.table(seen), path, held).cloned();
        // What lies outside of a root of its own is not in the table of the process.
        let mount = mount.or_else(|| {
            let id = held.first()?.mount?;
            self.looking.own.iter().find(|mount| mount.id == id).cloned()
        });
        mount.map(|mount| live_mount(&mount, path))
    }

    fn complete(&mut self, seen: &Seen, begun: LiveOpener) -> Option<LiveOpener> {
        let person = match self.looking.asker.ask::<Option<Person>>(&Question::Person(seen.pid)) {
            Ok(Some(person)) if person.ticks == seen.ticks => person,
            Ok(_) => {
                self.looking.not_seen("a process that ended while it was looked at");
                return None;
            }
            Err(_) => {
                self.looking.not_seen("who a process is: it could not be told in time");
                Person::default()
            }
        };
        let path = begun.path.clone();
        let held: Vec<&Held> =
            seen.held.iter().filter(|one| one.path == path || beside(&one.path) == Some(&path)).collect();
        let mount = self.mount(seen, &path, &held);
        let fstype = mount.as_ref().map(|mount| mount.fstype.clone()).unwrap_or_default();
        let maps: Option<Vec<Mapped>> = self.looking.asker.ask(&Question::Maps(seen.pid)).unwrap_or_default();
        if maps.is_none() {
            self.looking.not_seen("what a process has mapped");
        }
        let locks = begun.locks.filter(|locks| !locks.is_empty() || shows_locks(&fstype));
        if locks.is_none() {
            self.looking.not_seen(format!("locks on `{fstype}`, where none are shown"));
        }
        Some(LiveOpener {
            command: person.command,
            container: self.container(seen),
            user: person.user,
            group: person.group,
            groups: person.groups,
            mount,
            maps_shm: maps.as_ref().map(|maps| maps_shm(maps, &path, &held)),
            locks,
            libraries: maps.map(|maps| self.libraries(seen, &maps)).unwrap_or_default(),
            temporary_free_bytes: if self.looking.again { None } else { self.temporary(seen.pid) },
            user_namespace: person.user_namespace,
            ..begun
        })
    }

    fn libraries(&mut self, seen: &Seen, maps: &[Mapped]) -> Vec<LiveLibrary> {
        let mut all = Vec::new();
        for mapped in maps.iter().filter(|mapped| mapped.executable) {
            // Inodes of two file systems may be equal; within one mount namespace a path tells them apart.
            let key = (seen.mount_namespace.clone(), mapped.inode, mapped.path.clone(), mapped.deleted);
            if !self.looking.kept.libraries.contains_key(&key) {
                let question = Question::Library { pid: seen.pid, mapped: mapped.clone() };
                let found: Option<Library> = self.looking.asker.ask(&question).unwrap_or_default();
                if found.is_none() {
                    self.looking
                        .not_seen("whether a program or library that was deleted or cannot be read holds SQLite");
                }
                let named = mapped.path.rsplit('/').next().is_some_and(|name| name.starts_with("libsqlite3"));
                // A library by its name whose bytes are out of reach is one all the same.
                let found = found.unwrap_or_else(|| if named { vec![None] } else { Vec::new() });
                self.looking.kept.libraries.insert(key.clone(), found);
            }
            let versions = self.looking.kept.libraries.get(&key).into_iter().flatten();
            all.extend(versions.map(|version| LiveLibrary { path: mapped.path.clone(), version: version.clone() }));
        }
        all
    }

    fn temporary(&mut self, pid: u32) -> Option<u64> {
        let asker = &mut self.looking.asker;
        *self.temporary.entry(pid).or_insert_with(|| asker.ask(&Question::Temporary(pid)).unwrap_or_default())
    }

    /// The container that a process is in, taken in once.
    pub fn container(&mut self, seen: &Seen) -> Option<usize> {
        let looking = &mut *self.looking;
        let told = containers::by_cgroup(seen);
        if told.is_none()
            && let Some(at) = looking.namespaces.get(&seen.mount_namespace)
        {
            return Some(*at);
        }
        let told = told.or_else(|| containers::by_watcher(seen))?;
        let by_id = looking.containers.iter().find(|((_, id), _)| *id == told.id).map(|(_, at)| *at);
        if let Some(at) = by_id {
            looking.more.of_container(at, seen.cgroup.clone(), told.pod);
            return by_id;
        }
        let mut container = containers::unnamed(&told);
        container.mounts = containers::own_mounts(looking.table(seen));
        container.memory_limit_bytes = containers::memory_limit_bytes(&seen.cgroup);
        looking.live.containers.push(container);
        let at = looking.live.containers.len() - 1;
        looking.more.of_container(at, seen.cgroup.clone(), told.pod);
        looking.containers.insert((told.engine.to_owned(), told.id), at);
        looking.has_namespace(seen, at);
        Some(at)
    }
}

/// What a process holds, by database: one for each path and file.
fn holdings(held: &[Held]) -> Vec<Holding<'_>> {
    let mut by_path: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for one in held {
        let path = if one.which == "db" { one.path.as_str() } else { beside(&one.path).unwrap_or(&one.path) };
        by_path.entry(path).or_default().push(one);
    }
    let mut all = Vec::new();
    for (path, held) in by_path {
        let files: BTreeSet<Identity> = held.iter().filter(|one| one.which == "db").map(|one| one.is).collect();
        if files.is_empty() {
            all.push(Holding { path, is: None, held });
            continue;
        }
        let of = |is: Identity| held.iter().copied().filter(|one| one.which != "db" || one.is == is).collect();
        all.extend(files.iter().map(|is| Holding { path, is: Some(*is), held: of(*is) }));
    }
    renamed(all)
}

/// A database that was renamed while it is open has another name than what lies beside it. Put together again where one
/// database without sidecars and one pair of sidecars without a database are all there is, and both are locked as WAL
/// mode locks them: whoever copies files has them open by chance.
fn renamed(mut all: Vec<Holding<'_>>) -> Vec<Holding<'_>> {
    let locked = |one: &Held, lock: Lock| {
        let all = one.locks.iter().flatten();
        all.flat_map(|(_, first, last)| Lock::within(&one.which, *first, *last)).any(|found| found == lock)
    };
    let has = |one: &Holding<'_>, which: &str, lock: Lock| {
        one.held.iter().any(|held| held.which == which && held.link_count > 0 && locked(held, lock))
    };
    let bare = |one: &Holding<'_>| one.held.iter().all(|held| held.which == "db") && has(one, "db", Lock::Shared);
    let orphaned = |one: &Holding<'_>| one.is.is_none() && has(one, "shm", Lock::Dms);
    let only = |what: &dyn Fn(&Holding<'_>) -> bool| {
        let mut found = all.iter().enumerate().filter(|(_, one)| what(one)).map(|(at, _)| at);
        found.next().filter(|_| found.next().is_none())
    };
    if let Some((database, sidecars)) = only(&bare).zip(only(&orphaned)) {
        let Holding { is, held, .. } =
            std::mem::replace(&mut all[database], Holding { path: "", is: None, held: vec![] });
        all[sidecars].is = is;
        all[sidecars].held.extend(held);
        all.remove(database);
    }
    all
}

/// The name that a database has now, where its sidecars bear another.
fn renamed_to(holding: &Holding<'_>) -> Option<String> {
    let named = || holding.held.iter().filter(|one| one.link_count > 0);
    let database = named().find(|one| one.which == "db")?;
    let mut sidecars = named().filter(|one| matches!(&*one.which, "wal" | "shm")).peekable();
    sidecars.peek()?;
    sidecars.all(|one| beside(&one.link).is_some_and(|of| of != database.link)).then(|| database.link.clone())
}

/// An opener with what its descriptors tell.
fn opener(seen: &Seen, holding: &Holding<'_>, database: usize) -> LiveOpener {
    let held = holding.held.iter().map(|one| LiveHeld {
        which: one.which.clone(),
        fd: one.fd,
        device: one.is.0,
        inode: one.is.1,
        link_count: one.link_count,
        read_only: one.read_only,
    });
    LiveOpener {
        database,
        pid: seen.pid,
        path: holding.path.to_owned(),
        renamed_to: renamed_to(holding),
        held: held.collect(),
        locks: locks(&seen.held, &holding.held),
        ..LiveOpener::default()
    }
}

/// The locks on the files that are held, through whichever descriptor they were taken: SQLite takes those of a file once,
/// also if it has that file open under two names. `None`: of one of them they could not be read.
fn locks(all: &[Held], held: &[&Held]) -> Option<Vec<LiveLock>> {
    let mut found = Vec::new();
    for which in ["db", "shm"] {
        let files: BTreeSet<Identity> = held.iter().filter(|one| one.which == which).map(|one| one.is).collect();
        for one in all.iter().filter(|one| files.contains(&one.is)) {
            let locks = one.locks.as_ref()?.iter();
            found.extend(locks.map(|&(exclusive, start, end)| LiveLock {
                which: which.to_owned(),
                exclusive,
                start,
                end,
            }));
        }
    }
    Some(found)
}

/// The mount that a path was opened through, or else the one that it lies on.
fn find_mount<'a>(table: &'a [Mount], path: &str, held: &[&Held]) -> Option<&'a Mount> {
    let first = held.iter().find(|one| one.which == "db").or(held.first());
    match first.and_then(|one| one.mount) {
        Some(id) => table.iter().find(|mount| mount.id == id),
        None => mount_of(table, path),
    }
}

/// Where a path on a mount of another's lies on one of ours.
fn translate(its: &Mount, own: &Mount, path: &str) -> Option<String> {
    if its.device != own.device {
        return None;
    }
    let below = path.strip_prefix(its.mount_point.trim_end_matches('/'))?;
    let on_file_system = format!("{}{below}", its.root.trim_end_matches('/'));
    let below_own = on_file_system.strip_prefix(own.root.trim_end_matches('/'))?;
    let is_below = below_own.is_empty() || below_own.starts_with('/');
    is_below.then(|| format!("{}{below_own}", own.mount_point.trim_end_matches('/')))
}

/// Whether the `-shm` of a database is mapped: by its name, or by the file that is held.
fn maps_shm(maps: &[Mapped], path: &str, held: &[&Held]) -> bool {
    let inodes: Vec<u64> = held.iter().filter(|one| one.which == "shm").map(|one| one.is.1).collect();
    let name = format!("{path}-shm");
    maps.iter().any(|mapped| mapped.path == name || (mapped.path.ends_with("-shm") && inodes.contains(&mapped.inode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(fd: u32, path: &str, which: &str, inode: u64) -> Held {
        let (path, which) = (path.to_owned(), which.to_owned());
        Held {
            fd,
            link: path.clone(),
            path,
            which,
            is: ((8, 1), inode),
            link_count: 1,
            read_only: false,
            mount: None,
            locks: Some(vec![]),
            born: None,
        }
    }

    #[test]
    fn descriptors_are_put_together_by_name_and_file() {
        let all = [
            held(3, "/a/app.db", "db", 1),
            held(4, "/a/app.db-wal", "wal", 2),
            held(5, "/a/app.db", "db", 9),
            held(6, "/b/linked.db", "db", 1),
            held(7, "/c/gone.db-shm", "shm", 5),
        ];
        let found: Vec<(&str, Option<u64>, usize)> =
            holdings(&all).iter().map(|one| (one.path, one.is.map(|is| is.1), one.held.len())).collect();
        let expected = [
            ("/a/app.db", Some(1), 2),
            ("/a/app.db", Some(9), 2),
            ("/b/linked.db", Some(1), 1),
            ("/c/gone.db", None, 1),
        ];
        assert_eq!(found, expected);
    }

    /// What a connection in WAL mode holds when its database is renamed to `old.db`.
    fn renamed_database() -> [Held; 3] {
        let mut all =
            [held(3, "/a/old.db", "db", 1), held(4, "/a/app.db-wal", "wal", 2), held(5, "/a/app.db-shm", "shm", 3)];
        all[0].locks = Some(vec![(false, 0x4000_0002, 0x4000_01ff)]);
        all[2].locks = Some(vec![(false, 128, 128)]);
        all
    }

    #[test]
    fn a_renamed_database_is_put_together_with_its_sidecars() {
        let all = renamed_database();
        let found = holdings(&all);
        let shown: Vec<_> = found.iter().map(|one| (one.path, one.is.map(|is| is.1), one.held.len())).collect();
        assert_eq!(shown, [("/a/app.db", Some(1), 3)]);
        assert_eq!(renamed_to(&found[0]).as_deref(), Some("/a/old.db"));
        // Without the locks of SQLite it is somebody who copies files; with two databases it is not known which.
        let mut copies = renamed_database();
        copies[2].locks = Some(vec![]);
        assert_eq!(holdings(&copies).len(), 2);
        let mut second = held(6, "/a/third.db", "db", 9);
        second.locks.clone_from(&all[0].locks);
        assert_eq!(holdings(&[&all[..], &[second]].concat()).len(), 3);
    }

    #[test]
    fn a_directory_that_was_renamed_takes_all_along() {
        let mut all = renamed_database();
        for (one, name) in all.iter_mut().zip(["app.db", "app.db-wal", "app.db-shm"]) {
            (one.path, one.link) = (format!("/a/{name}"), format!("/b/{name}"));
        }
        assert_eq!(renamed_to(&holdings(&all)[0]), None);
        all[1].link = "/b/other.db-wal".into();
        assert_eq!(renamed_to(&holdings(&all)[0]), None, "it is the log that was renamed");
        all[2].link = "/b/other.db-shm".into();
        assert_eq!(renamed_to(&holdings(&all)[0]).as_deref(), Some("/b/app.db"));
    }

    #[test]
    fn locks_are_those_of_the_file_whatever_its_name() {
        let mut all = [held(3, "/a/app.db", "db", 1), held(6, "/b/linked.db", "db", 1), held(7, "/c/x.db", "db", 2)];
        all[0].locks = Some(vec![(false, 0x4000_0002, 0x4000_01ff)]);
        let through = |at: usize| locks(&all, &[&all[at]]).map(|locks| locks.len());
        assert_eq!([through(0), through(1), through(2)], [Some(1), Some(1), Some(0)]);
        all[0].locks = None;
        assert_eq!(locks(&all, &[&all[1]]), None);
    }

    fn mount(root: &str, mount_point: &str) -> Mount {
        Mount { device: (8, 1), root: root.into(), mount_point: mount_point.into(), ..Mount::default() }
    }

    #[test]
    fn a_path_inside_is_found_outside() {
        let its = mount("/volumes/x/_data", "/data");
        let at = |own: &Mount| translate(&its, own, "/data/app.db");
        assert_eq!(at(&mount("/", "/")).as_deref(), Some("/volumes/x/_data/app.db"));
        assert_eq!(
            at(&mount("/volumes", "/var/lib/docker/volumes")).as_deref(),
            Some("/var/lib/docker/volumes/x/_data/app.db")
        );
        assert_eq!(at(&mount("/vol", "/mnt")), None);
        assert_eq!(at(&Mount { device: (8, 2), ..mount("/", "/") }), None);
        let file = mount("/srv/app.db", "/data/app.db");
        assert_eq!(translate(&file, &mount("/", "/"), "/data/app.db").as_deref(), Some("/srv/app.db"));
    }
}
