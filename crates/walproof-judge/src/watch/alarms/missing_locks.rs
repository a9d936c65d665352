//! A process has `-shm` mapped and lacks the locks that go with it.
//!
//! From the moment that it maps `-shm` a connection holds DMS (byte 128 of `-shm`) and SHARED on the database, idle or
//! not. Maps are looked at less often than locks, so a process that opens and closes all the time looks the same now and
//! then: what was seen in one breath decides, and where that is not told it takes long.
//!
//! What it must not do: conclude anything where locks are not shown; from a descriptor that was not seen.
//! Where to look next: `rules/lock_missing.rs`, which judges one look.

use walproof_format::sqlite::lock_bytes::Lock;

use super::{Alarm, Found, Level, Patience, Seen};
use crate::watch::Raised;
use crate::watch::moment::{HeldLock, Runs, Watched, WatchedOpener};

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "missing-locks",
    line: "a process uses the wal-index without the locks that say so",
    explain: include_str!("missing_locks.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    let all = seen.databases();
    all.flat_map(|(watched, _)| watched.openers.iter().filter_map(move |one| lacks(seen, watched, one))).collect()
}

fn lacks(seen: &Seen<'_>, watched: &Watched, opener: &WatchedOpener) -> Option<Found> {
    let holds_file = |which: &str| opener.held.iter().any(|held| held.which == which && held.link_count > 0);
    let ends = opener.runs == Runs::Zombie;
    if opener.maps_shm != Some(true) || !holds_file("db") || !holds_file("shm") || ends {
        return None;
    }
    let missing = missing(opener.locks.as_deref()?);
    let in_one_breath = opener.locks_when_mapped.as_deref();
    if missing.is_empty() || in_one_breath.is_some_and(|locks| missing.iter().all(|lock| has(locks, *lock))) {
        return None;
    }
    let others: Vec<&WatchedOpener> = watched.openers.iter().filter(|other| other.pid != opener.pid).collect();
    // Somebody's locks have to be seen on this file, or it may be that none are shown.
    let shown = watched.openers.iter().any(|other| other.locks.as_ref().is_some_and(|locks| !locks.is_empty()));
    let twin = others.iter().find(|other| is_twin(opener, other));
    let level = match (twin, others.is_empty() || !shown) {
        (Some(_), _) => Level::Notice,
        (None, true) => Level::Warning,
        (None, false) => Level::Critical,
    };
    let names: Vec<&str> = missing.iter().map(|lock| lock.name()).collect();
    let mut witness = vec![format!("it has `{}-shm` mapped and holds no {}", watched.path, names.join(" and no "))];
    witness.extend(twin.map(|twin| {
        format!("it holds the same descriptors as {}: it may have inherited them by `fork`", seen.moment.who(twin))
    }));
    if !shown {
        witness.push("no lock of anybody is seen on this database".to_owned());
    }
    let raised = Raised {
        says: format!(
            "{} uses the wal-index of `{}` without {}",
            seen.moment.who(opener),
            watched.path,
            names.join(" and ")
        ),
        witness,
        try_this:
            "copy the database with `-wal` and `-shm` from another process, stop this one before any other opener, \
                   start it again; nothing in it may open and close these files besides SQLite"
                .to_owned(),
        ..seen.of_opener(&ALARM, level, watched, opener)
    };
    let patience = match in_one_breath {
        Some(_) => Patience { ms: 900, looks: 2, opener_looks: 2 },
        None => Patience { ms: 10_000, looks: 12, opener_looks: 8 },
    };
    Some(Found { raised, patience })
}

fn missing(locks: &[HeldLock]) -> Vec<Lock> {
    [Lock::Dms, Lock::Shared].into_iter().filter(|lock| !has(locks, *lock)).collect()
}

fn has(locks: &[HeldLock], lock: Lock) -> bool {
    locks.iter().any(|held| held.lock == lock)
}

/// Whether another holds the same files by the same numbers, and has the locks: what `fork` leaves.
fn is_twin(opener: &WatchedOpener, other: &WatchedOpener) -> bool {
    let files = |one: &WatchedOpener| {
        let mut files: Vec<(u32, (u32, u32), u64)> =
            one.held.iter().map(|held| (held.fd, held.device, held.inode)).collect();
        files.sort_unstable();
        files
    };
    let older = other.started_ticks < opener.started_ticks;
    let has_locks = other.locks.as_deref().is_some_and(|locks| missing(locks).is_empty());
    older && has_locks && opener.container == other.container && files(opener) == files(other)
}
