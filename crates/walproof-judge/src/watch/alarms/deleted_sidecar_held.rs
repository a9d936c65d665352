//! A process works with a `-wal` or `-shm` that has no name any more, and no other lies there yet.
//!
//! What it must not do: take the moment in which the last one closes for one; say it twice (`split_generation.rs` has
//! the case in which another file bears the name).
//! Where to look next: `split_generation.rs`.

use super::split_generation::rescue;
use super::{Alarm, Found, Grip, Level, Patience, Seen, is_same_place};
use crate::sharing::live::LiveHeld;
use crate::watch::Raised;
use crate::watch::moment::{Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "deleted-sidecar-held",
    line: "a process works with a -wal or -shm that was deleted or renamed",
    explain: include_str!("deleted_sidecar_held.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    let all = seen.databases();
    all.flat_map(|(watched, past)| watched.openers.iter().filter_map(move |one| holds(seen, watched, past, one)))
        .collect()
}

fn holds(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast, opener: &WatchedOpener) -> Option<Found> {
    let here = is_same_place(watched, opener);
    let there = |which: &str| if which == "wal" { watched.wal.is_some() } else { watched.shm.is_some() };
    let lost = |held: &&LiveHeld| {
        let sidecar = matches!(held.which.as_str(), "wal" | "shm");
        sidecar && (if here { !there(&held.which) && seen.is_settled(past, &held.which) } else { held.link_count == 0 })
    };
    let lost: Vec<&LiveHeld> = opener.held.iter().filter(lost).collect();
    let first = *lost.iter().find(|held| held.which == "wal").or(lost.first())?;
    let grip = Grip::of(opener);
    let deleted = lost.iter().any(|held| held.link_count == 0);
    // NFS gives a deleted file that is held another name; so does somebody who moves it.
    let level = if deleted { grip.level_of_sidecar() } else { grip.level_of_sidecar().min(Level::Warning) };
    let word = if deleted { "deleted" } else { "renamed" };
    let mut names: Vec<String> = lost.iter().map(|held| format!("`-{}`", held.which)).collect();
    names.dedup();
    let mut witness: Vec<String> = lost
        .iter()
        .map(|held| {
            format!("`-{}` is inode {} with {} names, descriptor {}", held.which, held.inode, held.link_count, held.fd)
        })
        .collect();
    if here {
        witness.push(format!("beside `{}` lies no file of that name", watched.path));
    }
    witness.push(grip.says().to_owned());
    let raised = Raised {
        says: format!(
            "{} works with the {word} {} of `{}`; whoever opens it next finds none and begins another",
            seen.moment.who(opener),
            names.join(" and "),
            watched.path
        ),
        witness,
        try_this: rescue(opener, first, &watched.path),
        ..seen.of_opener(&ALARM, level, watched, opener)
    };
    let patience = if here { Patience::TWICE } else { Patience { ms: 500, looks: 2, opener_looks: 2 } };
    Some(Found { raised, patience })
}
