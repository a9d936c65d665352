//! A checkpoint cannot get past a reader, and frames wait.
//!
//! A checkpoint copies up to the lowest read mark that is in use. So a pin is proven by its print: nBackfill stands at the
//! very mark whose lock somebody holds (or somebody holds WAL_READ_LOCK(0), which forbids all copying), while commits go
//! on. A mark alone proves nothing: checkpoints leave one behind.
//!
//! What it must not do: take a checkpoint that nobody has asked for yet for one that is pinned.
//! Where to look next: `wal_grows.rs` for a log that grows whatever the reason.

use walproof_format::sqlite::lock_bytes::Lock;

use super::{Alarm, Found, Level, Seen, size, span};
use crate::watch::Raised;
use crate::watch::moment::{IndexSeen, Runs, Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "pinned-checkpoint",
    line: "a reader keeps checkpoints from going on while commits do",
    explain: include_str!("pinned_checkpoint.md"),
    look,
};

const READ_LOCKS: [Lock; 5] = [Lock::Read0, Lock::Read1, Lock::Read2, Lock::Read3, Lock::Read4];

/// A reader that stands where the checkpoint does.
struct Reader<'a> {
    opener: &'a WatchedOpener,
    lock: Lock,
    since_ms: u64,
}

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.databases().filter_map(|(watched, past)| pinned(seen, watched, past)).map(Found::from).collect()
}

fn pinned(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast) -> Option<Raised> {
    let index = watched.index.as_ref()?;
    let waiting = watched.frames_waiting()?;
    let stands_ms = seen.lasts_ms(past.checkpoint_moved_ms);
    let commits = past.commits_since_checkpoint();
    if waiting < seen.thresholds.pinned_frames || stands_ms < seen.thresholds.pinned_ms || commits == 0 {
        return None;
    }
    let bytes = u64::from(waiting) * u64::from(index.page_size_bytes);
    let witness = vec![
        format!(
            "{waiting} frames ({}) wait; nBackfill {} of mxFrame {}",
            size(bytes),
            index.backfilled_frames,
            index.max_frame
        ),
        format!("the checkpoint has stood for {} while there were {commits} commits", span(stands_ms)),
    ];
    let readers = readers(seen, watched, index);
    let Some(first) = readers.first() else { return unseen(seen, watched, index, witness) };
    let suffers = stands_ms >= seen.thresholds.pinned_long_ms && waiting / 10 >= seen.thresholds.pinned_frames;
    let level = if suffers || bytes >= seen.thresholds.wal_bytes { Level::Warning } else { Level::Notice };
    Some(named(seen, watched, index, &readers, first, level, witness))
}

fn named(
    seen: &Seen<'_>,
    watched: &Watched,
    index: &IndexSeen,
    readers: &[Reader<'_>],
    first: &Reader<'_>,
    level: Level,
    mut witness: Vec<String>,
) -> Raised {
    witness.extend(readers.iter().map(|reader| {
        let mark = reader.lock.read_mark().and_then(|at| index.read_marks[at]);
        let at = mark.map_or_else(|| "no mark".to_owned(), |mark| format!("mark {mark}"));
        let lasts = span(seen.lasts_ms(reader.since_ms));
        format!("{} holds {} at {at}, seen so for {lasts}", seen.moment.who(reader.opener), reader.lock.name())
    }));
    let who = seen.moment.who(first.opener);
    let halted = match first.opener.runs {
        Runs::Frozen => ", and is frozen",
        Runs::Stopped => ", and is stopped",
        _ => "",
    };
    let says = format!(
        "{who} has read `{}` in one transaction for {} or longer{halted}: checkpoints cannot get past it",
        watched.path,
        span(seen.lasts_ms(first.since_ms))
    );
    let raised = Raised {
        since_unix_ms: seen.unix_ms(first.since_ms),
        says,
        witness,
        try_this:
            "end its read transaction: a statement that is not reset or finalised, a cursor left open, a `BEGIN` \
                   without an end; never delete the `-wal`"
                .to_owned(),
        ..seen.of_database(&ALARM, level, watched)
    };
    seen.by(raised, first.opener)
}

/// Who holds a lock that keeps the checkpoint where it is, the longest first.
fn readers<'a>(seen: &Seen<'_>, watched: &'a Watched, index: &IndexSeen) -> Vec<Reader<'a>> {
    let mut readers: Vec<Reader<'_>> = watched
        .openers
        .iter()
        .filter_map(|opener| {
            if is_of_another_index(watched, opener) {
                return None;
            }
            let lock = READ_LOCKS.into_iter().find(|lock| opener.holds(*lock) && is_in_the_way(*lock, index))?;
            let since_ms = seen.past.lock_since_ms(&watched.path, opener.pid, opener.started_ticks, lock)?;
            (seen.lasts_ms(since_ms) >= seen.thresholds.pinned_ms).then_some(Reader { opener, lock, since_ms })
        })
        .collect();
    readers.sort_by_key(|reader| (reader.since_ms, reader.opener.pid));
    readers
}

/// Its locks are on another `-shm` than the one that was read: they pin another generation.
fn is_of_another_index(watched: &Watched, opener: &WatchedOpener) -> bool {
    let Some(there) = &watched.shm else { return false };
    let held = || opener.held.iter().filter(|held| held.which == "shm" && held.device == there.device);
    held().next().is_some() && held().all(|held| held.inode != there.inode)
}

fn is_in_the_way(lock: Lock, index: &IndexSeen) -> bool {
    match lock.read_mark() {
        Some(0) => true,
        Some(at) => index.read_marks[at] == Some(index.backfilled_frames),
        None => false,
    }
}

/// Somebody whose locks cannot be seen may be the reader; nobody is named.
fn unseen(seen: &Seen<'_>, watched: &Watched, index: &IndexSeen, mut witness: Vec<String>) -> Option<Raised> {
    let hidden = watched.locks_of_unseen.iter().any(|held| is_in_the_way(held.lock, index));
    let blind = watched.openers.iter().any(|opener| opener.locks.is_none());
    if !hidden && !blind {
        return None;
    }
    witness.push(match hidden {
        true => "the lock of a reader is held by a process that cannot be seen".to_owned(),
        false => "whether a reader is in the way cannot be seen: locks are not shown here".to_owned(),
    });
    Some(Raised {
        since_unix_ms: seen.unix_ms(seen.past.database(&watched.path)?.checkpoint_moved_ms),
        says: format!(
            "checkpoints of `{}` stand still while commits go on, and who is in the way cannot be seen",
            watched.path
        ),
        witness,
        try_this: "watch from the host's process namespace (`--host`); look for a read transaction that does not end"
            .to_owned(),
        ..seen.of_database(&ALARM, Level::Notice, watched)
    })
}
