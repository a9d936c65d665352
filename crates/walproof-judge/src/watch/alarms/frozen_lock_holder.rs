//! A process that cannot run holds a lock that others need.
//!
//! Locks that keep writers, checkpoints or recovery out are a warning at once; a read lock, which lets others go on while
//! the log grows, is a notice until the log does. DMS and, in WAL mode, SHARED are held by every idle opener.
//!
//! What it must not do: take a process that waits for its disk, as each commit does, for a stuck one.
//! Where to look next: `stuck_in_kernel.rs`, `pinned_checkpoint.rs`.

use walproof_format::sqlite::lock_bytes::Lock;

use super::{Alarm, Found, Level, Seen, span};
use crate::sharing::live::JournalFamilyWord;
use crate::watch::Raised;
use crate::watch::moment::{HeldLock, Runs, Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "frozen-lock-holder",
    line: "a process that is paused, stopped or stuck holds a lock that others need",
    explain: include_str!("frozen_lock_holder.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    let all = seen.databases();
    all.flat_map(|(watched, past)| {
        watched.openers.iter().filter_map(move |one| holder(seen, watched, past, one)).map(Found::from)
    })
    .collect()
}

fn holder(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast, opener: &WatchedOpener) -> Option<Raised> {
    let (what, try_this) = match &opener.runs {
        Runs::Freely | Runs::Zombie => return None,
        Runs::Frozen => ("frozen (its cgroup is paused)", "let it go on: `docker unpause`, `podman unpause`"),
        Runs::Stopped => ("stopped by a signal or a debugger", "let it go on: `kill -CONT`, or detach the debugger"),
        Runs::InKernel { .. } => ("stuck in the kernel", "look at its storage: `dmesg`, the server of its file system"),
    };
    let held: Vec<Lock> = opener.locks.iter().flatten().filter_map(|one| in_the_way(watched, one)).collect();
    let since_ms = seen.past.halted_since_ms(&watched.path, opener.pid, opener.started_ticks, &opener.runs)?;
    let lasts_ms = seen.lasts_ms(since_ms);
    let in_kernel = matches!(opener.runs, Runs::InKernel { .. });
    let patience_ms = if in_kernel { seen.thresholds.stuck_ms } else { seen.thresholds.frozen_holder_ms };
    let goes_on = in_kernel && past.commits_stood_since_ms().is_none_or(|stood_ms| stood_ms > since_ms);
    if held.is_empty() || lasts_ms < patience_ms || goes_on {
        return None;
    }
    let only_reads = held.iter().all(|lock| lock.read_mark().is_some());
    let log_waits = watched.frames_waiting().is_some_and(|waiting| waiting >= seen.thresholds.pinned_frames);
    // A great transaction on a slow disk waits for it at every look.
    let unsure = in_kernel && lasts_ms < seen.thresholds.stuck_long_ms;
    let level = if unsure || (only_reads && !log_waits) { Level::Notice } else { Level::Warning };
    let names: Vec<&str> = held.iter().map(|lock| lock.name()).collect();
    let mut witness = vec![format!("halted at every look for {}, holding {}", span(lasts_ms), names.join(", "))];
    if let Runs::InKernel { at: Some(at) } = &opener.runs {
        witness.push(format!("it waits in the kernel's `{at}`"));
    }
    witness.extend(
        watched
            .frames_waiting()
            .filter(|_| only_reads)
            .map(|waiting| format!("{waiting} frames wait for a checkpoint, which cannot get past its read mark")),
    );
    witness.extend(seen.kept_out(watched, past, opener.pid, &held));
    Some(Raised {
        since_unix_ms: seen.unix_ms(since_ms),
        says: format!("{} is {what} and holds {} of `{}`", seen.moment.who(opener), names.join(", "), watched.path),
        witness,
        try_this: try_this.to_owned(),
        ..seen.of_opener(&ALARM, level, watched, opener)
    })
}

/// A lock that keeps somebody out. What everybody holds all the while does not.
fn in_the_way(watched: &Watched, held: &HeldLock) -> Option<Lock> {
    let rollback = || watched.header.as_ref().is_some_and(|header| header.family == Some(JournalFamilyWord::Rollback));
    let is = match held.lock {
        Lock::Dms => held.exclusive,
        // Exclusive for good is `locking_mode=EXCLUSIVE`, and a write in a rollback mode.
        Lock::Shared => held.exclusive || rollback(),
        _ => true,
    };
    is.then_some(held.lock)
}
