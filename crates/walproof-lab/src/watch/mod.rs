//! Looks at live databases again and again, and harms none: [`Watcher`] makes [`Moment`]s.
//!
//! Files are opened read-only and once; locks come from `/proc`, openers from the collectors of `check`; a child looks, so
//! that storage that does not answer holds nobody.
//!
//! What it must not do: open a database with SQLite, take a lock, open anything for writing, map a file, judge.
//! Where to look next: `walproof_judge::watch` for what is concluded; `collect/live.rs` for openers.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use walproof_judge::watch::moment::{HeaderSeen, HeldLock, Moment, Watched, WatchedContainer, WatchedOpener};

use crate::collect::live::{LiveTarget, look};
use crate::error::LabError;
use walproof_format::sqlite::lock_bytes::Lock;

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
#[derive(Debug)]
pub struct Watcher {
    settings: WatchSettings,
    began: Instant,
    due: Instant,
}

impl Watcher {
    /// Begins; an error means that nothing can be looked at at all. A target that is not there yet is waited for.
    pub fn start(settings: WatchSettings) -> Result<Self, LabError> {
        let now = Instant::now();
        Ok(Self { settings, began: now, due: now })
    }

    /// When the next look is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Waits until the next look is due, and looks. Never longer than a second more than that, whatever storage does.
    pub fn next_moment(&mut self) -> Moment {
        std::thread::sleep(self.due.saturating_duration_since(Instant::now()));
        self.due = Instant::now() + self.settings.every;
        let begun = Instant::now();
        let live = look(&self.settings.targets).unwrap_or_default();
        let mut moment = Moment { not_seen: live.not_seen, ..Moment::default() };
        moment.containers =
            live.containers.into_iter().map(|container| WatchedContainer { container, ..Default::default() }).collect();
        for database in live.databases {
            moment.databases.push(Watched {
                path: database.path,
                file: database.file,
                wal: database.wal,
                shm: database.shm,
                journal: database.journal,
                header: Some(HeaderSeen { family: database.family, ..HeaderSeen::default() }),
                free_bytes: database.free_bytes,
                total_bytes: database.total_bytes,
                ..Watched::default()
            });
        }
        for opener in live.openers {
            let locks = opener.locks.map(|locks| {
                let all = locks.iter().flat_map(|one| {
                    let named = Lock::within(&one.which, one.start, one.end);
                    named.map(|lock| HeldLock { lock, exclusive: one.exclusive })
                });
                all.collect()
            });
            moment.databases[opener.database].openers.push(WatchedOpener {
                pid: opener.pid,
                command: opener.command,
                container: opener.container,
                path: opener.path,
                locks,
                ..WatchedOpener::default()
            });
        }
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        moment.unix_ms = u64::try_from(since_1970.as_millis()).unwrap_or(0);
        moment.elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(0);
        moment.took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(0);
        moment
    }
}
