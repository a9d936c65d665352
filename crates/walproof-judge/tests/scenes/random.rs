//! Made-up moments: a sound life of any length, and moments that make no sense.
//!
//! What it must not do: use a source of chance; a seed gives the same life each time.
//! Where to look next: `tests/alarms.rs`.

use walproof_format::sqlite::lock_bytes::{LOCKS, Lock};
use walproof_judge::sharing::live::{JournalFamilyWord, LiveFile, LiveHeld};
use walproof_judge::watch::moment::{
    Event, HeaderSeen, HeldLock, IndexSeen, Moment, Runs, Watched, WatchedContainer, WatchedOpener,
};

use super::{Scene, mount};

/// Numbers from a seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    fn wild(&mut self) -> u64 {
        match self.roll(5) {
            0 => 0,
            1 => u64::MAX,
            2 => self.roll(20),
            3 => self.roll(5_000),
            _ => self.roll(u64::MAX),
        }
    }

    fn wild_u32(&mut self) -> u32 {
        u32::try_from(self.wild() & 0xffff_ffff).unwrap_or(u32::MAX)
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(3) > 0).then(|| make(self))
    }

    fn some<T>(&mut self, at_most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll(at_most + 1)).map(|_| make(self)).collect()
    }
}

/// A sound life: commits, checkpoints, reads of seconds, write transactions, processes that come and go, pauses of those
/// who hold nothing, a disk that breathes.
pub fn sound_life(seed: u64, looks: u64) -> Scene {
    let (mut scene, mut dice) = (Scene::new(), Dice(seed));
    let mut next_pid = 1000;
    let mut read_for = 0;
    scene.looks(looks, |scene, _| {
        let free = 30 << 30;
        scene.db().free_bytes = Some(free + dice.roll(1 << 30));
        if scene.db().openers.is_empty() {
            if dice.roll(2) == 0 {
                next_pid += 1;
                scene.open_first(next_pid, Some(0), "node task.js");
                // A program below the container's first process.
                scene.opener(next_pid).pid_inside = Some(40);
            }
            return;
        }
        // Who becomes the first one goes on.
        scene.db().openers[0].runs = Runs::Freely;
        let pid = first(scene);
        scene.unlock(pid, Lock::Write);
        read_for += 1;
        if read_for > 6 {
            read_for = 0;
            scene.unlock(pid, Lock::Read1);
        }
        match dice.roll(12) {
            0..=4 => scene.traffic(dice.roll(400) as u32),
            5 => scene.checkpoint(),
            6 if !scene.opener(pid).holds(Lock::Read1) => scene.read(pid, Lock::Read1),
            7 => scene.lock(pid, Lock::Write, true),
            8 if scene.db().openers.len() < 5 => {
                next_pid += 1;
                scene.open(next_pid, None, "sqlite3 /srv/app.db");
            }
            9 => scene.close(pid),
            10 => pause(scene, true),
            11 => pause(scene, false),
            _ => {}
        }
    });
    scene
}

fn first(scene: &mut Scene) -> u32 {
    scene.db().openers[0].pid
}

/// The last opener is paused if it holds nothing that others need, or goes on; never the first one, which works.
fn pause(scene: &mut Scene, pauses: bool) {
    let others = &mut scene.db().openers[1..];
    let Some(last) = others.last_mut() else { return };
    let idle = !last.holds(Lock::Read1) && !last.holds(Lock::Write);
    last.runs = if pauses && idle { Runs::Frozen } else { Runs::Freely };
}

/// A moment that need not make any sense.
pub fn wild_moment(dice: &mut Dice) -> Moment {
    Moment {
        unix_ms: dice.wild(),
        elapsed_ms: dice.wild(),
        took_us: dice.wild(),
        openers_looked_ms: dice.wild(),
        databases: dice.some(3, wild_database),
        containers: dice.some(3, wild_container),
        events: dice.some(4, wild_event),
        ..Moment::default()
    }
}

fn name(dice: &mut Dice) -> String {
    ["/srv/app.db", "web", "", "/tmp/etilqs_1"][dice.roll(4) as usize].to_owned()
}

fn lock(dice: &mut Dice) -> Lock {
    LOCKS[dice.roll(LOCKS.len() as u64) as usize].0
}

fn wild_file(dice: &mut Dice) -> LiveFile {
    LiveFile {
        device: (8, dice.roll(2) as u32),
        inode: dice.roll(3),
        link_count: dice.roll(3),
        size_bytes: dice.wild(),
        ..LiveFile::default()
    }
}

fn wild_index(dice: &mut Dice) -> IndexSeen {
    IndexSeen {
        change_counter: dice.wild_u32(),
        max_frame: dice.wild_u32(),
        backfilled_frames: dice.wild_u32(),
        backfill_attempted_frames: dice.wild_u32(),
        read_marks: std::array::from_fn(|_| dice.maybe(Dice::wild_u32)),
        salts: name(dice),
        database_pages: dice.wild_u32(),
        page_size_bytes: dice.wild_u32(),
        tries: 1,
    }
}

fn wild_database(dice: &mut Dice) -> Watched {
    Watched {
        path: name(dice),
        file: dice.maybe(wild_file),
        wal: dice.maybe(wild_file),
        shm: dice.maybe(wild_file),
        journal: dice.maybe(wild_file),
        header: dice.maybe(|dice| HeaderSeen {
            family: dice.maybe(|_| JournalFamilyWord::Rollback),
            change_counter: dice.maybe(Dice::wild_u32),
            ..HeaderSeen::default()
        }),
        index: dice.maybe(wild_index),
        index_damage: dice.maybe(name),
        mount: dice.maybe(|_| mount("/", "ext4")),
        free_bytes: dice.maybe(Dice::wild),
        total_bytes: dice.maybe(Dice::wild),
        silent_ms: (dice.roll(4) == 0).then(|| dice.wild()),
        openers: dice.some(3, wild_opener),
        locks_of_unseen: dice.some(2, wild_lock),
    }
}

fn wild_lock(dice: &mut Dice) -> HeldLock {
    HeldLock { lock: lock(dice), exclusive: dice.roll(2) == 0 }
}

fn wild_opener(dice: &mut Dice) -> WatchedOpener {
    let held = |dice: &mut Dice| LiveHeld {
        which: ["db", "wal", "shm", "journal", ""][dice.roll(5) as usize].into(),
        fd: dice.wild_u32(),
        device: (8, dice.roll(2) as u32),
        inode: dice.roll(3),
        link_count: dice.roll(3),
        read_only: false,
    };
    WatchedOpener {
        pid: dice.roll(3) as u32,
        pid_inside: dice.maybe(|dice| dice.roll(3) as u32),
        started_ticks: dice.wild(),
        command: name(dice),
        container: dice.maybe(|dice| dice.roll(4) as usize),
        path: name(dice),
        mount: dice.maybe(|_| mount("/", "ext4")),
        held: dice.some(5, held),
        maps_shm: dice.maybe(|dice| dice.roll(2) == 0),
        locks: dice.maybe(|dice| dice.some(5, wild_lock)),
        locks_when_mapped: dice.maybe(|dice| dice.some(5, wild_lock)),
        waits_for: dice.some(2, lock),
        runs: [Runs::Freely, Runs::Frozen, Runs::Stopped, Runs::Zombie, Runs::InKernel { at: dice.maybe(name) }]
            [dice.roll(5) as usize]
            .clone(),
        ..WatchedOpener::default()
    }
}

fn wild_container(dice: &mut Dice) -> WatchedContainer {
    let mut one = WatchedContainer { oom_kills: dice.maybe(Dice::wild), ..WatchedContainer::default() };
    one.container.name = name(dice);
    one.container.memory_limit_bytes = dice.maybe(Dice::wild);
    one.memory_bytes = dice.maybe(Dice::wild);
    one
}

fn wild_event(dice: &mut Dice) -> Event {
    let (database, container, pid) = (name(dice), dice.maybe(name), dice.roll(3) as u32);
    match dice.roll(4) {
        0 if dice.roll(2) == 0 => Event::OutOfMemoryElsewhere { kills: dice.wild() },
        0 => Event::OutOfMemory { container: name(dice), kills: dice.wild() },
        1 => Event::Closed { database, pid, container, command: name(dice), ended: true },
        2 => Event::LockRefused { database, lock: lock(dice), pid, container, times: dice.wild() },
        _ => Event::LockHeld {
            database,
            lock: lock(dice),
            exclusive: true,
            pid,
            container,
            held_us: dice.wild(),
            total_us: dice.wild(),
            times: dice.wild(),
        },
    }
}
