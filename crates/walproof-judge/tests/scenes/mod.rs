//! A small world that is looked at: two containers with one database, and what they do.
//!
//! Looks come every half second; openers are looked for every 900 ms, so that what is told of them is older than what is
//! told of files, locks and states, as it is in a real watch.
//!
//! What it must not do: judge.
//! Where to look next: `stories.rs` for what happens in it; `tests/alarms.rs`.

pub mod random;
pub mod stories;

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::sharing::live::{JournalFamilyWord, LiveContainer, LiveFile, LiveHeld, LiveMount};
use walproof_judge::watch::moment::{
    Event, HeaderSeen, HeldLock, IndexSeen, Moment, Runs, Watched, WatchedContainer, WatchedOpener,
};

/// Between two looks.
pub const EVERY_MS: u64 = 500;
const OPENERS_EVERY_MS: u64 = 900;
/// 2026-11-26.
const BEGAN_UNIX_MS: u64 = 1_795_651_200_000;
pub const PAGE_BYTES: u32 = 4096;
pub const DISK: (u32, u32) = (8, 1);

/// The world as it is, and what was seen of it.
pub struct Scene {
    pub now: Moment,
    pub seen: Vec<Moment>,
    found: Option<(u64, Vec<Vec<WatchedOpener>>)>,
    next_inode: u64,
}

impl Scene {
    /// `web` (pid 101) and `worker` (pid 202) have `/srv/app.db` open, and nothing happens.
    pub fn new() -> Self {
        let watched = Watched {
            path: "/srv/app.db".into(),
            file: Some(file(10, 400 * u64::from(PAGE_BYTES))),
            wal: Some(file(11, 0)),
            shm: Some(file(12, 32768)),
            header: Some(HeaderSeen {
                has_magic: true,
                family: Some(JournalFamilyWord::Wal),
                page_size_bytes: Some(PAGE_BYTES),
                pages: Some(400),
                change_counter: Some(7),
            }),
            index: Some(IndexSeen {
                change_counter: 100,
                max_frame: 0,
                read_marks: [Some(0), Some(0), None, None, None],
                salts: "1:1".into(),
                database_pages: 400,
                page_size_bytes: PAGE_BYTES,
                tries: 1,
                ..IndexSeen::default()
            }),
            mount: Some(mount("/", "ext4")),
            free_bytes: Some(50 << 30),
            total_bytes: Some(100 << 30),
            openers: vec![opener(101, Some(0), "node server.js"), opener(202, Some(1), "python3 worker.py")],
            ..Watched::default()
        };
        let now = Moment {
            unix_ms: BEGAN_UNIX_MS,
            containers: vec![container("web"), container("worker")],
            databases: vec![watched],
            ..Moment::default()
        };
        Self { now, seen: Vec::new(), found: None, next_inode: 100 }
    }

    /// So many looks, before each of which something happens.
    pub fn looks(&mut self, times: u64, mut happens: impl FnMut(&mut Self, u64)) -> &mut Self {
        for time in 0..times {
            happens(self, time);
            self.look();
        }
        self
    }

    pub fn calm(&mut self, times: u64) -> &mut Self {
        self.looks(times, |_, _| {})
    }

    fn look(&mut self) {
        let due = self.found.as_ref().is_none_or(|(at, _)| self.now.elapsed_ms >= at + OPENERS_EVERY_MS);
        if due {
            let all = self.now.databases.iter().map(|watched| watched.openers.clone());
            self.found = Some((self.now.elapsed_ms, all.collect()));
        }
        let mut seen = self.now.clone();
        let (at, found) = self.found.as_ref().expect("looked for above");
        for (watched, before) in seen.databases.iter_mut().zip(found) {
            let now = std::mem::replace(&mut watched.openers, before.clone());
            for opener in &mut watched.openers {
                // A lock that is gone is seen at once, its process at the next look for openers.
                let is = now.iter().find(|one| (one.pid, one.started_ticks) == (opener.pid, opener.started_ticks));
                opener.locks = is.map_or(opener.locks.as_ref().map(|_| Vec::new()), |is| is.locks.clone());
                opener.runs = is.map_or_else(|| opener.runs.clone(), |is| is.runs.clone());
            }
        }
        seen.openers_looked_ms = at + 20;
        self.now.elapsed_ms += EVERY_MS;
        self.now.unix_ms += EVERY_MS;
        (seen.elapsed_ms, seen.unix_ms) = (seen.elapsed_ms + 30, seen.unix_ms + 30);
        seen.took_us = 400;
        self.seen.push(seen);
        self.now.events.clear();
    }

    pub fn db(&mut self) -> &mut Watched {
        &mut self.now.databases[0]
    }

    pub fn index(&mut self) -> &mut IndexSeen {
        self.db().index.as_mut().expect("an index")
    }

    pub fn opener(&mut self, pid: u32) -> &mut WatchedOpener {
        self.db().openers.iter_mut().find(|one| one.pid == pid).expect("an opener")
    }

    /// Commits of one frame each; the log grows as far as it must.
    pub fn commit(&mut self, commits: u32) {
        let index = self.index();
        index.change_counter = index.change_counter.wrapping_add(commits);
        index.max_frame += commits;
        let bytes = 32 + u64::from(index.max_frame) * u64::from(PAGE_BYTES + 24);
        let wal = self.db().wal.as_mut().expect("a log");
        wal.size_bytes = wal.size_bytes.max(bytes);
    }

    /// What a passive checkpoint does: as far as the lowest mark of a reader, and the next writer begins the log anew if
    /// all was copied and nobody reads it.
    pub fn checkpoint(&mut self) {
        let marks = self.index().read_marks;
        let held =
            |at: usize, lock: Lock| self.now.databases[0].openers.iter().any(|one| one.holds(lock)).then_some(at);
        let readers = [(1, Lock::Read1), (2, Lock::Read2), (3, Lock::Read3), (4, Lock::Read4)];
        let lowest = readers.into_iter().filter_map(|(at, lock)| marks[held(at, lock)?]).min();
        let none = readers.into_iter().all(|(at, lock)| held(at, lock).is_none());
        if held(0, Lock::Read0).is_some() {
            return;
        }
        let index = self.index();
        let safe = index.max_frame.min(lowest.unwrap_or(index.max_frame));
        index.backfilled_frames = index.backfilled_frames.max(safe);
        index.backfill_attempted_frames = index.backfilled_frames;
        if none {
            index.read_marks[1] = Some(index.backfilled_frames);
        }
        if none && index.backfilled_frames == index.max_frame {
            let salts = index.salts.len() as u64 + u64::from(index.change_counter);
            (index.max_frame, index.backfilled_frames, index.backfill_attempted_frames) = (0, 0, 0);
            (index.salts, index.read_marks[1]) = (format!("{salts}:{salts}"), Some(0));
        }
    }

    /// Commits, with the checkpoints that go along.
    pub fn traffic(&mut self, commits: u32) {
        self.commit(commits);
        if self.index().max_frame - self.index().backfilled_frames >= 1000 {
            self.checkpoint();
        }
    }

    /// A read transaction begins at the last frame.
    pub fn read(&mut self, pid: u32, lock: Lock) {
        let at = lock.read_mark().expect("a read lock");
        let frame = self.index().max_frame;
        self.index().read_marks[at] = Some(frame);
        self.lock(pid, lock, false);
    }

    pub fn lock(&mut self, pid: u32, lock: Lock, exclusive: bool) {
        self.unlock(pid, lock);
        self.opener(pid).locks.get_or_insert_default().push(HeldLock { lock, exclusive });
    }

    pub fn unlock(&mut self, pid: u32, lock: Lock) {
        if let Some(locks) = &mut self.opener(pid).locks {
            locks.retain(|held| held.lock != lock);
        }
    }

    pub fn inode(&mut self) -> u64 {
        self.next_inode += 1;
        self.next_inode
    }

    /// Another `-wal` and `-shm` lie there; whoever held the last ones holds files without names.
    pub fn new_sidecars(&mut self) {
        self.delete_sidecars();
        let (wal, shm) = (self.inode(), self.inode());
        self.db().wal = Some(file(wal, 0));
        self.db().shm = Some(file(shm, 32768));
    }

    pub fn delete_sidecars(&mut self) {
        (self.db().wal, self.db().shm, self.db().index) = (None, None, None);
        for held in self.now.databases[0].openers.iter_mut().flat_map(|one| &mut one.held) {
            if held.which != "db" {
                held.link_count = 0;
            }
        }
    }

    /// A process opens what lies there.
    pub fn open(&mut self, pid: u32, container: Option<usize>, command: &str) {
        let mut new = opener(pid, container, command);
        new.started_ticks = 1000 + self.now.elapsed_ms / 10;
        let watched = &self.now.databases[0];
        let there = [("wal", &watched.wal), ("shm", &watched.shm), ("db", &watched.file)];
        for held in &mut new.held {
            let file = there.iter().find(|(which, _)| *which == held.which).and_then(|(_, file)| file.as_ref());
            held.inode = file.expect("it lies there").inode;
        }
        self.db().openers.push(new);
    }

    /// A process ends; the last one removes log and index.
    pub fn close(&mut self, pid: u32) {
        self.db().openers.retain(|one| one.pid != pid);
        if self.db().openers.is_empty() {
            self.delete_sidecars();
        }
    }

    /// A process ends, without closing anything.
    pub fn ends(&mut self, pid: u32, container: &str) {
        let database = self.db().path.clone();
        let command = self.opener(pid).command.clone();
        self.db().openers.retain(|one| one.pid != pid);
        self.now.events.push(Event::Closed { database, pid, container: Some(container.into()), command, ended: true });
    }

    /// The first process of an empty database makes log and index.
    pub fn open_first(&mut self, pid: u32, container: Option<usize>, command: &str) {
        self.new_sidecars();
        self.recover();
        self.open(pid, container, command);
    }

    /// An index that was made anew, as recovery of an empty log leaves it.
    pub fn recover(&mut self) {
        let salts = format!("{}:0", self.inode());
        self.db().index = Some(IndexSeen {
            read_marks: [Some(0), Some(0), None, None, None],
            salts,
            database_pages: 400,
            page_size_bytes: PAGE_BYTES,
            tries: 1,
            ..IndexSeen::default()
        });
    }

    /// A rollback journal instead of a log.
    pub fn rollback(&mut self) {
        (self.db().wal, self.db().shm, self.db().index) = (None, None, None);
        self.db().header.as_mut().expect("a header").family = Some(JournalFamilyWord::Rollback);
        for opener in &mut self.now.databases[0].openers {
            opener.held.retain(|held| held.which == "db");
            (opener.maps_shm, opener.locks, opener.locks_when_mapped) =
                (Some(false), Some(Vec::new()), Some(Vec::new()));
        }
    }

    pub fn halt(&mut self, pid: u32, runs: Runs) {
        self.opener(pid).runs = runs;
    }
}

pub fn file(inode: u64, size_bytes: u64) -> LiveFile {
    LiveFile { device: DISK, inode, link_count: 1, size_bytes, mode: 0o644, ..LiveFile::default() }
}

pub fn mount(mount_point: &str, fstype: &str) -> LiveMount {
    LiveMount {
        mount_point: mount_point.into(),
        fstype: fstype.into(),
        source: "/dev/sda1".into(),
        device: DISK,
        options: vec!["rw".into()],
        ..LiveMount::default()
    }
}

fn container(name: &str) -> WatchedContainer {
    let container = LiveContainer { name: name.into(), engine: "docker".into(), ..LiveContainer::default() };
    WatchedContainer { container, memory_bytes: Some(90 << 20), oom_kills: Some(0), ..WatchedContainer::default() }
}

/// An opener as SQLite leaves it when it is idle.
fn opener(pid: u32, container: Option<usize>, command: &str) -> WatchedOpener {
    let held = |which: &str, fd, inode| LiveHeld {
        which: which.into(),
        fd,
        device: DISK,
        inode,
        link_count: 1,
        read_only: false,
    };
    let locks = || [Lock::Shared, Lock::Dms].map(|lock| HeldLock { lock, exclusive: false }).to_vec();
    WatchedOpener {
        pid,
        pid_inside: container.map(|_| 1),
        started_ticks: u64::from(pid),
        command: command.into(),
        container,
        path: "/data/app.db".into(),
        mount: Some(mount("/data", "ext4")),
        held: vec![held("db", 5, 10), held("wal", 6, 11), held("shm", 7, 12)],
        maps_shm: Some(true),
        locks: Some(locks()),
        locks_when_mapped: Some(locks()),
        ..WatchedOpener::default()
    }
}
