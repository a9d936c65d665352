//! A large `-wal` that grows on, and checkpoints that do not follow.
//!
//! What it must not do: alarm for a large log that lies still (it is used again and never shrinks by itself); take one
//! great transaction (`VACUUM`) for a log that nobody checkpoints.
//! Where to look next: `pinned_checkpoint.rs`, which names the reader; `disk_filling.rs`.

use super::{Alarm, Found, Level, Patience, Seen, size, span};
use crate::watch::Raised;
use crate::watch::moment::Watched;
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "wal-grows",
    line: "the -wal is large and grows, and checkpoints do not follow",
    explain: include_str!("wal_grows.md"),
    look,
};

/// Growth is that of the last so many milliseconds.
const WINDOW_MS: u64 = 10_000;
/// One great transaction is not many.
const COMMITS: u64 = 10;
/// Looks at the last of which nobody checkpointed.
const LOOKS: usize = 3;

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.databases().filter_map(|(watched, past)| grows(seen, watched, past)).collect()
}

fn grows(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast) -> Option<Found> {
    let bytes = watched.wal.as_ref()?.size_bytes;
    let growth = past.wal_growth_bytes_per_second(WINDOW_MS)?;
    if bytes < seen.thresholds.wal_bytes || growth < 1.0 {
        return None;
    }
    let waiting = watched.frames_waiting().zip(watched.index.as_ref());
    let waiting_bytes = waiting.map(|(frames, index)| u64::from(frames) * u64::from(index.page_size_bytes));
    let stands_ms = seen.lasts_ms(past.checkpoint_moved_ms);
    let checkpointing = past.series.iter().rev().take(LOOKS).any(|point| point.checkpointing);
    let locks_seen = watched.openers.iter().all(|opener| opener.locks.is_some());
    let follows_not = waiting_bytes.is_some_and(|waiting| waiting >= seen.thresholds.wal_bytes / 2)
        && stands_ms >= seen.thresholds.wal_stands_ms
        && past.commits_since_checkpoint() >= COMMITS
        && locks_seen
        && !checkpointing;
    let mut witness =
        vec![format!("`{}-wal` has {} and grows by {} a second", watched.path, size(bytes), size(growth as u64))];
    witness.push(match waiting_bytes {
        Some(waiting) => format!("{} of it are committed and not in the database yet", size(waiting)),
        None => "how much of it waits for a checkpoint cannot be seen: the wal-index is not read".to_owned(),
    });
    if follows_not {
        let commits = past.commits_since_checkpoint();
        witness.push(format!("no checkpoint has gone on for {}, in {commits} commits", span(stands_ms)));
    }
    let says = match follows_not {
        true => format!("the log of `{}` has grown to {}, and checkpoints do not follow", watched.path, size(bytes)),
        false => format!("the log of `{}` has grown to {} and grows on", watched.path, size(bytes)),
    };
    let raised = Raised {
        says,
        witness,
        try_this:
            "`PRAGMA wal_checkpoint(TRUNCATE)` at a quiet time; is `wal_autocheckpoint` 0, and who checkpoints then?"
                .to_owned(),
        ..seen.of_database(&ALARM, if follows_not { Level::Warning } else { Level::Notice }, watched)
    };
    Some(Found { raised, patience: Patience { ms: 500, looks: 2, opener_looks: 1 } })
}
