//! A database or its `-wal` is shorter than the wal-index says, although somebody works with it.
//!
//! SQLite writes frames before the index names them, and empties the index before it cuts the log off. So a log that is
//! shorter than what an earlier look saw in the index of the same generation was cut off by somebody else.
//!
//! What it must not do: compare a size with an index that was read later; a log grows between the two.
//! Where to look next: `past.rs`, which remembers the look before; `deleted_sidecar_held.rs` for a log that is gone.

use super::{Alarm, Found, Level, Patience, Seen, size};
use crate::facts::LOCAL_FILE_SYSTEMS;
use crate::watch::Raised;
use crate::watch::moment::{Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "file-cut-off",
    line: "a database or its -wal was cut off while openers work with it",
    explain: include_str!("file_cut_off.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.databases().filter_map(|(watched, past)| cut_off(seen, watched, past)).collect()
}

fn cut_off(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast) -> Option<Found> {
    let works = |opener: &&WatchedOpener| opener.maps_shm == Some(true);
    let first = watched.openers.iter().find(works)?;
    let index = watched.index.as_ref().filter(|index| index.max_frame > 0)?;
    let (log, promised) = watched.wal.as_ref().zip(past.log_promised_bytes)?;
    let (what, has, says) = if watched.file.as_ref().is_some_and(|file| file.size_bytes == 0) {
        (String::new(), 0, format!("its index knows a database of {} pages", index.database_pages))
    } else if log.size_bytes < promised {
        let says = format!("its index names {} frames, which take {}", index.max_frame, size(promised));
        ("-wal".to_owned(), log.size_bytes, says)
    } else {
        return None;
    };
    let local = watched.mount.as_ref().is_some_and(|mount| LOCAL_FILE_SYSTEMS.contains(&mount.fstype.as_str()));
    let raised = Raised {
        says: format!(
            "`{}{what}` was cut off to {} while {} works with it: commits are lost, or will be when it is opened next",
            watched.path,
            size(has),
            seen.moment.who(first)
        ),
        witness: vec![says],
        try_this:
            "keep every opener alive and copy all files now: `walproof inspect PATH --salvage DIR`; then find who \
                   truncated it (a copy over it, a log rotation, a shell's `>`)"
                .to_owned(),
        ..seen.of_database(&ALARM, if local { Level::Critical } else { Level::Notice }, watched)
    };
    let raised = Raised { pid: None, ..seen.by(raised, first) };
    Some(Found { raised, patience: Patience { ms: 500, looks: 2, opener_looks: 1 } })
}
