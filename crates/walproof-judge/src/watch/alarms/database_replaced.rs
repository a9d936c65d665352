//! A process has a database open whose file was deleted, renamed, or replaced by another of the same name.
//!
//! What it must not do: take SQLite's temporary files, deleted on purpose, for lost ones; compare inodes of two devices.
//! Where to look next: `deleted_sidecar_held.rs` for sidecars.

use super::{Alarm, Found, Grip, Level, Patience, Seen, is_held};
use crate::sharing::live::LiveHeld;
use crate::watch::Raised;
use crate::watch::moment::{Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "database-replaced",
    line: "a process works with a database file that was deleted, renamed or replaced",
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
    if let Some(name) = &opener.renamed_to {
        return renamed(seen, watched, opener, name);
    }
    // It may have the right one open as well: it has opened the new file, and not closed the old one yet.
    if there.is_some_and(|there| opener.held.iter().any(|held| held.which == "db" && is_held(there, held))) {
        return None;
    }
    let lost = |held: &&LiveHeld| {
        let replaced = there.is_none_or(|there| there.device == held.device && there.inode != held.inode);
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
    let word = match there {
        Some(_) => "replaced",
        None if held.link_count > 0 => "renamed",
        None => "deleted",
    };
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
    let patience = if word == "renamed" { Patience::TWICE } else { Patience::NONE };
    Some(Found { raised, patience })
}

/// Its log bears the old name, and whoever opens the file by the new one does not find it.
fn renamed(seen: &Seen<'_>, watched: &Watched, opener: &WatchedOpener, name: &str) -> Option<Found> {
    let held = opener.held.iter().find(|held| held.which == "db")?;
    let raised = Raised {
        says: format!(
            "{} works with `{name}`, which it opened as `{}`: its `-wal` bears the old name, and who opens the file by the \
             new one misses what is in it",
            seen.moment.who(opener),
            opener.path
        ),
        witness: vec![
            format!("it holds the database as inode {}, descriptor {}, which leads to `{name}`", held.inode, held.fd),
            format!("its `-wal` and `-shm` lie beside `{}`", opener.path),
        ],
        try_this:
            "rename it back while the process lives, or let the process close it first; then rename all of its files \
                   together"
                .to_owned(),
        ..seen.of_opener(&ALARM, Level::Critical, watched, opener)
    };
    Some(Found { raised, patience: Patience { ms: 0, looks: 2, opener_looks: 2 } })
}
