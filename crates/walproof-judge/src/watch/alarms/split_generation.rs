//! Two generations of `-wal` or `-shm` are in use over one database.
//!
//! Device, inode and the number of names decide; the kernel's word `(deleted)` does not. Two cases: an opener holds another
//! sidecar than the one that lies beside the database (where it is certain that it has the database open in that very
//! directory); two openers of one database file hold different sidecars (a file mounted by itself, a second name).
//!
//! What it must not do: compare inodes of two devices, but where a file is mounted by itself; take a file that is being
//! closed or made for a generation.
//! Where to look next: `deleted_sidecar_held.rs` for a sidecar that is lost and has no successor yet.

use super::{Alarm, Found, Grip, Level, Patience, Seen, is_held, is_same_place};
use crate::sharing::live::{LiveFile, LiveHeld};
use crate::watch::Raised;
use crate::watch::moment::{Watched, WatchedOpener};
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "split-generation",
    line: "openers of one database work with different -wal or -shm files",
    explain: include_str!("split_generation.md"),
    look,
};

fn look(seen: &Seen<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    for (watched, past) in seen.databases() {
        let lost = watched.openers.iter().filter_map(|opener| from_path(seen, watched, past, opener));
        all.extend(lost.map(|raised| Found { raised, patience: Patience::TWICE }));
        all.extend(between(seen, watched));
    }
    all
}

fn sidecars(watched: &Watched) -> [(&'static str, Option<&LiveFile>); 2] {
    [("wal", watched.wal.as_ref()), ("shm", watched.shm.as_ref())]
}

/// An opener that holds another sidecar than the one that lies there.
fn from_path(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast, opener: &WatchedOpener) -> Option<Raised> {
    if !is_same_place(watched, opener) {
        return None;
    }
    let mut witness = Vec::new();
    let mut lost: Vec<&LiveHeld> = Vec::new();
    for (which, there) in sidecars(watched) {
        let Some(there) = there.filter(|_| seen.is_settled(past, which)) else { continue };
        let other = |held: &&LiveHeld| {
            held.which == which && !is_held(there, held) && (held.link_count == 0 || held.device == there.device)
        };
        let Some(held) = opener.held.iter().find(other) else { continue };
        witness.push(format!(
            "it holds `-{which}` as inode {} ({} names, descriptor {}); `{}-{which}` is inode {}",
            held.inode, held.link_count, held.fd, watched.path, there.inode
        ));
        let holders = watched.openers.iter().filter(|other| other.held.iter().any(|held| is_held(there, held)));
        witness.extend(holders.map(|other| format!("{} holds that one", seen.moment.who(other))));
        lost.push(held);
    }
    let first = *lost.first()?;
    let grip = Grip::of(opener);
    witness.push(grip.says().to_owned());
    let which: Vec<String> = lost.iter().map(|held| format!("`-{}`", held.which)).collect();
    Some(Raised {
        says: format!(
            "{} holds another {} than the one that lies beside `{}`",
            seen.moment.who(opener),
            which.join(" and "),
            watched.path
        ),
        witness,
        try_this: rescue(opener, first, &watched.path),
        ..seen.of_opener(&ALARM, grip.level_of_sidecar(), watched, opener)
    })
}

/// What to do while the process lives.
pub fn rescue(opener: &WatchedOpener, held: &LiveHeld, path: &str) -> String {
    format!(
        "end nothing yet: `cp /proc/{}/fd/{} COPY-{}`, and copy `{path}` with what lies beside it; then stop every opener \
         and start one",
        opener.pid, held.fd, held.which
    )
}

/// Two openers of one database file that hold different sidecars, both of which have names.
fn between(seen: &Seen<'_>, watched: &Watched) -> Option<Found> {
    let openers = &watched.openers;
    // Those that are in the same place as the path are compared with the path.
    let apart = |opener: &&WatchedOpener| !is_same_place(watched, opener);
    let parted = openers.iter().filter(apart).find_map(|one| {
        openers.iter().filter(|two| two.pid != one.pid).find_map(|two| Some((one, two, differs(one, two)?)))
    });
    let (one, two, (mine, other)) = parted?;
    let level = Grip::of(one).level_of_sidecar().min(Grip::of(two).level_of_sidecar()).max(Level::Warning);
    let told = |opener: &WatchedOpener, held: &LiveHeld| {
        format!(
            "{} sees the database at `{}` and holds `-{}` as inode {} on device {}:{}",
            seen.moment.who(opener),
            opener.path,
            held.which,
            held.inode,
            held.device.0,
            held.device.1
        )
    };
    let raised = Raised {
        says: format!(
            "{} and {} have `{}` open with different `-{}` files",
            seen.moment.who(one),
            seen.moment.who(two),
            watched.path,
            mine.which
        ),
        witness: vec![told(one, mine), told(two, other)],
        try_this: "stop one of the two; mount the directory instead of the file, and give the database one name"
            .to_owned(),
        ..seen.of_opener(&ALARM, level, watched, one)
    };
    // One may have closed the last generation and the other made the next while one looked from process to process.
    Some(Found { raised, patience: Patience { ms: 500, looks: 2, opener_looks: 2 } })
}

/// The sidecars in which two openers of the same file differ.
fn differs<'a>(one: &'a WatchedOpener, two: &'a WatchedOpener) -> Option<(&'a LiveHeld, &'a LiveHeld)> {
    let of = |opener: &'a WatchedOpener, which: &str| opener.held.iter().find(|held| held.which == which);
    let same = |a: &LiveHeld, b: &LiveHeld| (a.device, a.inode) == (b.device, b.inode);
    if !same(of(one, "db")?, of(two, "db")?) {
        return None;
    }
    let by_itself = [one, two].into_iter().any(|opener| opener.mount.as_ref().is_some_and(|mount| mount.is_file));
    ["wal", "shm"].into_iter().find_map(|which| {
        let (mine, other) = (of(one, which)?, of(two, which)?);
        let comparable = by_itself || mine.device == other.device;
        (comparable && !same(mine, other) && mine.link_count > 0 && other.link_count > 0).then_some((mine, other))
    })
}
