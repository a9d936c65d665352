//! A process has a database open whose file was deleted, or replaced by another of the same name.
//!
//! What it must not do: take SQLite's temporary files, deleted on purpose, for lost ones; compare inodes of two devices.
//! Where to look next: `deleted_sidecar_held.rs` for sidecars.

use super::{Alarm, Found, Grip, Level, Seen, is_held};
use crate::sharing::live::LiveHeld;
use crate::watch::Raised;
use crate::watch::moment::{Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "database-replaced",
    line: "a process works with a database file that was deleted or replaced",
    explain: include_str!("database_replaced.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    let all = seen.databases();
    all.flat_map(|(watched, past)| watched.openers.iter().filter_map(move |one| holds(seen, watched, past, one)))
        .collect()
}

fn holds(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast, opener: &WatchedOpener) -> Option<Found> {
    let temporary = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("etilqs_"));
    if temporary(&watched.path) || temporary(&opener.path) || !seen.is_settled(past, "db") {
        return None;
    }
    let there = watched.file.as_ref();
    // It may have the right one open as well: it has opened the new file, and not closed the old one yet.
    if there.is_some_and(|there| opener.held.iter().any(|held| held.which == "db" && is_held(there, held))) {
        return None;
    }
    let lost = |held: &&LiveHeld| {
        let replaced = there.is_some_and(|there| there.device == held.device && there.inode != held.inode);
        held.which == "db" && (held.link_count == 0 || replaced)
    };
    let held = opener.held.iter().find(lost)?;
    let grip = Grip::of(opener);
    // An idle connection of a rollback mode holds no lock, and nothing that it has said is lost yet.
    let level = if grip == Grip::Firm { Level::Critical } else { Level::Warning };
    let mut witness = vec![format!(
        "it holds the database as inode {} with {} names, descriptor {}",
        held.inode, held.link_count, held.fd
    )];
    witness.push(match there {
        Some(there) => format!("`{}` is inode {} now", watched.path, there.inode),
        None => format!("there is no `{}` now", watched.path),
    });
    let word = if there.is_some() { "replaced" } else { "deleted" };
    let raised = Raised {
        says: format!(
            "{} works with `{}` as it was before it was {word}: what it writes, nobody else will see",
            seen.moment.who(opener),
            watched.path
        ),
        witness,
        try_this: format!(
            "keep what it has: `cp /proc/{}/fd/{} COPY`, with its `-wal` in the same way; then restart it so that it opens \
             the new file",
            opener.pid, held.fd
        ),
        ..seen.of_opener(&ALARM, level, watched, opener)
    };
    Some(raised.into())
}
