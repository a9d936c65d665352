//! The wal-index cannot be believed for several looks, although somebody works with it.
//!
//! What it must not do: take recovery, or a header that is just being written, for damage.
//! Where to look next: `walproof inspect`, which says what is wrong with it.

use walproof_format::sqlite::lock_bytes::Lock;

use super::{Alarm, Found, Level, Patience, Seen, span};
use crate::facts::LOCAL_FILE_SYSTEMS;
use crate::watch::Raised;
use crate::watch::moment::{Runs, Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "index-damaged",
    line: "the wal-index is not to be believed although openers work with it",
    explain: include_str!("index_damaged.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.databases().filter_map(|(watched, past)| damaged(seen, watched, past)).collect()
}

fn damaged(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast) -> Option<Found> {
    let (since_ms, damage) = (past.index_doubted_since_ms?, watched.index_damage.as_ref()?);
    // Whoever is about to make or mend it holds one of these.
    let mends = |opener: &WatchedOpener| [Lock::Recover, Lock::Write].iter().any(|lock| opener.holds(*lock));
    let works = |opener: &&WatchedOpener| opener.maps_shm == Some(true) && opener.runs == Runs::Freely;
    let first = watched.openers.iter().find(works)?;
    let lasts_ms = seen.lasts_ms(since_ms);
    if lasts_ms < seen.thresholds.doubted_ms || watched.openers.iter().any(mends) {
        return None;
    }
    // Memory that is mapped elsewhere need not be what a read sees.
    let local = watched.mount.as_ref().is_some_and(|mount| LOCAL_FILE_SYSTEMS.contains(&mount.fstype.as_str()));
    let mut witness = vec![format!("at every look for {}: {damage}", span(lasts_ms))];
    if !local {
        witness.push("on this file system a read need not see what another has mapped".to_owned());
    }
    let raised = Raised {
        since_unix_ms: seen.unix_ms(since_ms),
        says: format!(
            "the wal-index of `{}` is not to be believed, and {} works with it",
            watched.path,
            seen.moment.who(first)
        ),
        witness,
        try_this: format!(
            "`walproof inspect {}`; stop every opener and start one: the last closes the wal-index, the next makes it anew",
            watched.path
        ),
        ..seen.of_database(&ALARM, if local { Level::Warning } else { Level::Notice }, watched)
    };
    Some(Found { raised: seen.by(raised, first), patience: Patience { ms: 0, looks: 2, opener_looks: 1 } })
}
