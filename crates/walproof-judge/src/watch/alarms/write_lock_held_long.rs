//! One write transaction goes on and on, and keeps other writers out.
//!
//! A busy writer holds the lock at nearly every look, with a commit in between; one transaction holds it without.
//!
//! What it must not do: speak of `locking_mode=EXCLUSIVE`, which keeps its locks on purpose.
//! Where to look next: `frozen_lock_holder.rs` for a writer that cannot run.

use walproof_format::sqlite::lock_bytes::Lock;

use super::{Alarm, Found, Level, Patience, Seen, span};
use crate::watch::Raised;
use crate::watch::moment::{Runs, Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "write-lock-held-long",
    line: "one write transaction goes on and keeps other writers out",
    explain: include_str!("write_lock_held_long.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    let all = seen.databases();
    all.flat_map(|(watched, past)| watched.openers.iter().filter_map(move |one| holds(seen, watched, past, one)))
        .collect()
}

fn holds(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast, opener: &WatchedOpener) -> Option<Found> {
    let for_good = opener.locks.iter().flatten().any(|held| held.lock == Lock::Shared && held.exclusive);
    if opener.runs != Runs::Freely || for_good {
        return None;
    }
    let lock = [Lock::Write, Lock::Reserved].into_iter().find(|lock| opener.holds(*lock))?;
    // Without a counter to read one cannot tell one transaction from many.
    let counted = if lock == Lock::Write { watched.index.is_some() } else { watched.header.is_some() };
    let since_ms = seen.past.lock_since_ms(&watched.path, opener.pid, opener.started_ticks, lock)?;
    let lasts_ms = seen.lasts_ms(since_ms);
    if !counted || lasts_ms < seen.thresholds.held_ms {
        return None;
    }
    let kept_out = seen.kept_out(watched, past, opener.pid, &[lock]);
    let long = lasts_ms >= seen.thresholds.held_long_ms;
    let level = if long && !kept_out.is_empty() { Level::Warning } else { Level::Notice };
    let mut witness = vec![format!("{} at every look for {}, and no commit in that time", lock.name(), span(lasts_ms))];
    witness.extend(kept_out);
    let raised = Raised {
        since_unix_ms: seen.unix_ms(since_ms),
        says: format!(
            "{} has been in one write transaction of `{}` for {}",
            seen.moment.who(opener),
            watched.path,
            span(lasts_ms)
        ),
        witness,
        try_this: "do what takes long before `BEGIN IMMEDIATE`, not after; set `busy_timeout` in those who must wait"
            .to_owned(),
        ..seen.of_opener(&ALARM, level, watched, opener)
    };
    Some(Found { raised, patience: Patience { ms: 0, looks: 2, opener_looks: 1 } })
}
