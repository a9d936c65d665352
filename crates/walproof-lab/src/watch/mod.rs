//! Looks at live databases again and again, and harms none: [`Watcher`] makes [`Moment`]s.
//!
//! Three rhythms: files, locks and states at each look; openers and containers about once a second; what a database's
//! storage or an engine has to say whenever it says it. Files are opened read-only, by children of ours (`eyes.rs`), so
//! that storage that does not answer holds nobody; openers are found by a thread (`finder.rs`); locks come from
//! `/proc/locks` and from the kernel's trace (`trace.rs`), states from `/proc` and cgroups.
//!
//! POSIX locks belong to a process and go when it closes any descriptor of the file. Nothing here has a database open
//! through SQLite, so nothing here holds a lock that could go.
//!
//! What it must not do: open a database with SQLite, take a lock, open anything for writing, map a file, judge.
//! Where to look next: `walproof_judge::watch` for what is concluded; `tracked.rs` for what is known between looks.

mod eyes;
mod finder;
mod locks;
mod processes;
mod trace;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use walproof_judge::sharing::live::JournalFamilyWord;
use walproof_judge::watch::moment::{Event, HeldLock, Moment, Watched};

use crate::collect::live::{GlanceAt, LiveTarget};
use crate::error::LabError;
use eyes::{Eyes, Sight};
use finder::{Device, Finder, Found};
use locks::Held;
use trace::{Holds, Trace, Traced};
use tracked::Known;

pub use trace::clean as clean_traces;

/// How long the first look waits for openers.
const FIRST_WAIT: Duration = Duration::from_millis(400);
/// A lock of a process that was not among the openers for so many slow looks is one of nobody who can be seen.
const LOOKS_IN_VAIN: u32 = 2;

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// What is watched.
    pub targets: Vec<LiveTarget>,
    /// The time between looks at files and locks.
    pub every: Duration,
    /// Read the kernel's trace of locks, if this user may.
    pub trace: bool,
    /// Where trace instances are made; without it, where tracefs is mounted.
    pub tracefs: Option<PathBuf>,
}

/// Looks again and again.
pub struct Watcher {
    settings: WatchSettings,
    began: Instant,
    due: Instant,
    finder: Finder,
    eyes: Eyes,
    known: Known,
    /// When openers were looked for last.
    found: Option<Instant>,
    /// Processes that hold locks and are not among the openers, and since how many slow looks.
    strangers: BTreeMap<i64, u32>,
    /// Since when file systems have been silent.
    silent: BTreeMap<Device, Duration>,
    /// The kernel's trace, or why there is none; `None`: it was not asked for.
    trace: Option<Result<Trace, String>>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Watcher").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Watcher {
    /// Begins; an error means that nothing can be looked at at all. A target that is not there yet is waited for.
    pub fn start(settings: WatchSettings) -> Result<Self, LabError> {
        let now = Instant::now();
        let finder = Finder::start(settings.targets.clone())?;
        let trace = settings.trace.then(|| Trace::start(settings.tracefs.as_deref()));
        Ok(Self {
            settings,
            began: now,
            due: now,
            finder,
            eyes: Eyes::default(),
            known: Known::default(),
            found: None,
            strangers: BTreeMap::new(),
            silent: BTreeMap::new(),
            trace,
        })
    }

    /// When the next look is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Waits until the next look is due, and looks. Never longer than a second more than that, whatever storage does.
    pub fn next_moment(&mut self) -> Moment {
        std::thread::sleep(self.due.saturating_duration_since(Instant::now()));
        self.due = Instant::now() + self.settings.every;
        let mut moment = Moment::default();
        self.openers(&mut moment);
        let begun = Instant::now();
        let blind = self.files();
        self.states(&mut moment.events);
        self.known.memory(&mut moment.events);
        self.locks(&mut moment.not_seen);
        self.traced(&mut moment);
        moment.not_seen.extend(self.known.not_seen.iter().cloned());
        if blind > 0 {
            moment.not_seen.push("files of databases: no process to look at them could be started".to_owned());
        }
        moment.databases = self.known.databases.iter().map(|one| self.watched(one)).collect();
        moment.containers = self.known.containers.iter().map(|one| one.watched.clone()).collect();
        moment.openers_looked_ms = self.found.map_or(0, |found| ms(found - self.began));
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        moment.unix_ms = ms(since_1970);
        moment.elapsed_ms = ms(self.began.elapsed());
        moment.took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        moment
    }

    /// Takes in what was found since the look before.
    fn openers(&mut self, moment: &mut Moment) {
        let wait = if self.found.is_none() { FIRST_WAIT } else { Duration::ZERO };
        match self.finder.newest(wait) {
            Ok(Some(found)) => self.take(found, &mut moment.events),
            Ok(None) if self.found.is_none() => moment.not_seen.push("openers: they are still looked for".to_owned()),
            Ok(None) => {}
            Err(finder::Ended) => moment.not_seen.push("openers: whoever looks for them has ended".to_owned()),
        }
    }

    fn take(&mut self, found: Found, events: &mut Vec<Event>) {
        let first = self.found.is_none();
        self.found = Some(found.ended);
        self.strangers.values_mut().for_each(|looks| *looks += 1);
        self.known.take(found, events);
        if first {
            // Who had it open before the watch began did not open it now.
            events.clear();
        }
    }

    /// Looks at the files; how many file systems have nobody who looks.
    fn files(&mut self) -> usize {
        let mut wanted: BTreeMap<Device, Vec<GlanceAt>> = BTreeMap::new();
        for one in &self.known.databases {
            wanted.entry(one.device).or_default().push(one.glance_at());
        }
        let Sight { mut seen, silent, blind } = self.eyes.look(&wanted);
        for one in &mut self.known.databases {
            if let Some(seen) = seen.remove(&one.glance_at().path) {
                one.see(seen);
            }
        }
        if silent.keys().ne(self.silent.keys()) {
            self.finder.silent(silent.keys().copied().collect());
        }
        self.silent = silent;
        blind
    }

    /// Whether openers run; those that have ended go.
    fn states(&mut self, events: &mut Vec<Event>) {
        let mut frozen: BTreeMap<usize, Option<bool>> = BTreeMap::new();
        let mut ended = Vec::new();
        for (at, database) in self.known.databases.iter_mut().enumerate() {
            for (which, opener) in database.openers.iter_mut().enumerate() {
                let is_frozen = match opener.watched.container {
                    Some(container) => *frozen.entry(container).or_insert_with(|| opener.cgroup.is_frozen()),
                    None => opener.cgroup.is_frozen(),
                };
                match processes::runs(opener.watched.pid, opener.watched.started_ticks, is_frozen) {
                    Some(runs) => opener.watched.runs = runs,
                    None => ended.push((at, which)),
                }
            }
        }
        for (at, which) in ended.into_iter().rev() {
            self.known.ended(at, which, events);
        }
    }

    /// Who holds which locks.
    fn locks(&mut self, not_seen: &mut Vec<String>) {
        let Some(lines) = locks::read() else {
            not_seen.push("locks: `/proc/locks` cannot be read".to_owned());
            for opener in self.known.databases.iter_mut().flat_map(|one| &mut one.openers) {
                (opener.watched.locks, opener.watched.waits_for) = (None, Vec::new());
            }
            return;
        };
        let mut held = locks::sort(&lines, &self.known.locked_files());
        for (at, database) in self.known.databases.iter_mut().enumerate() {
            for opener in &mut database.openers {
                let key = (at, i64::from(opener.watched.pid));
                let locks = held.held.remove(&key).map(named);
                let none_is_none = opener.shows_locks;
                opener.watched.locks = locks.or_else(|| none_is_none.then(Vec::new));
                opener.watched.waits_for = held.waits.remove(&key).unwrap_or_default();
            }
            database.watched.locks_of_unseen.clear();
        }
        self.strangers(held);
    }

    /// Locks of processes that are not among the openers: they are looked for, and named after that.
    fn strangers(&mut self, held: Held) {
        let pids: BTreeSet<i64> = held.held.keys().map(|(_, pid)| *pid).filter(|pid| *pid > 0).collect();
        self.strangers.retain(|pid, _| pids.contains(pid));
        if pids.iter().any(|pid| self.strangers.get(pid).is_none_or(|looks| *looks < LOOKS_IN_VAIN)) {
            self.finder.hurry();
        }
        for pid in pids {
            self.strangers.entry(pid).or_insert(0);
        }
        for ((at, pid), locks) in held.held {
            let unseen = pid <= 0 || self.strangers.get(&pid).is_some_and(|looks| *looks >= LOOKS_IN_VAIN);
            if unseen {
                self.known.databases[at].watched.locks_of_unseen.extend(named(locks));
            }
        }
    }

    /// What the kernel's trace told of locks since the look before.
    fn traced(&mut self, moment: &mut Moment) {
        let files = self.known.locked_files();
        let rollback = |(at, one): (usize, &tracked::Tracked)| {
            let family = one.watched.header.as_ref().and_then(|header| header.family);
            (family == Some(JournalFamilyWord::Rollback)).then_some(at)
        };
        let rollback: BTreeSet<usize> = self.known.databases.iter().enumerate().filter_map(rollback).collect();
        if let Some(Ok(trace)) = &mut self.trace {
            let Traced { held, refused, lost } = trace.read(&files);
            for ((at, pid, lock, exclusive), Holds { longest_us: held_us, total_us, times }) in held {
                let Some((database, pid, container)) = self.known.who(at, pid) else { continue };
                let event = Event::LockHeld { database, lock, exclusive, pid, container, held_us, total_us, times };
                moment.events.push(event);
            }
            for ((at, pid, lock), times) in refused {
                let Some((database, pid, container)) = self.known.who(at, pid) else { continue };
                moment.events.push(Event::LockRefused { database, lock, pid, container, times });
            }
            if lost > 0 {
                moment.not_seen.push("all of the kernel's trace of locks: more came than is kept".to_owned());
            }
            if let Err(because) = trace.watch(&files, &rollback) {
                self.trace = Some(Err(because));
            }
        }
        moment.trace = self.trace.as_ref().map(|trace| trace.as_ref().map(|_| ()).map_err(Clone::clone));
    }

    fn watched(&self, one: &tracked::Tracked) -> Watched {
        Watched {
            openers: one.openers.iter().map(|opener| one.told(opener)).collect(),
            silent_ms: self.silent.get(&one.device).map(|since| ms(*since)),
            ..one.watched.clone()
        }
    }
}

fn named(locks: Vec<(walproof_format::sqlite::lock_bytes::Lock, bool)>) -> Vec<HeldLock> {
    locks.into_iter().map(|(lock, exclusive)| HeldLock { lock, exclusive }).collect()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
