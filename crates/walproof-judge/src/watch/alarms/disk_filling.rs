//! The disk that a database lies on is full soon, or nearly full.
//!
//! What it must not do: alarm for noise, for a burst (`trend.rs`), or for a file system that nobody writes to.
//! Where to look next: `trend.rs`, which finds the date; `wal_grows.rs`.

use super::{Alarm, Found, Level, Seen, size, span};
use crate::watch::Raised;
use crate::watch::moment::Watched;
use crate::watch::past::DatabasePast;
use crate::watch::trend::Filling;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "disk-filling",
    line: "the disk of a database is full soon, or nearly full",
    explain: include_str!("disk_filling.md"),
    look,
};

/// What was seen for a shorter time is no more than a notice, while there is room.
const SURE_MS: u64 = 9_000;
/// Less than this share of a disk is little: one part in so many.
const LITTLE: u64 = 100;
/// And no more than this.
const LITTLE_BYTES: u64 = 1 << 30;
/// Less room than this is none, on a disk on which it is less than a fiftieth.
const NO_ROOM_BYTES: u64 = 16 << 20;
/// File systems that are full by nature.
const FULL_BY_NATURE: &[&str] = &["erofs", "iso9660", "romfs", "squashfs", "udf"];

/// One alarm for a disk, whatever lies on it: of the database whose log grows most, among those that say the most.
fn look(seen: &Seen<'_>) -> Vec<Found> {
    let mut disks: Vec<(Disk, Vec<(Raised, f64)>)> = Vec::new();
    for (watched, past) in seen.databases() {
        let Some(raised) = fills(seen, watched, past) else { continue };
        let grows = past.wal_growth_bytes_per_second(SURE_MS).unwrap_or(0.0);
        let disk = watched.file.as_ref().map_or_else(|| Disk::Of(&watched.path), |file| Disk::Device(file.device));
        match disks.iter_mut().find(|(known, _)| *known == disk) {
            Some((_, found)) => found.push((raised, grows)),
            None => disks.push((disk, vec![(raised, grows)])),
        }
    }
    disks.into_iter().filter_map(|(_, found)| one_of(found)).map(Found::from).collect()
}

/// What databases may have in common.
#[derive(PartialEq)]
enum Disk<'a> {
    Device((u32, u32)),
    /// Whose device is not known has one of its own.
    Of(&'a str),
}

/// It is about the first, so that it stays one alarm while another takes the lead.
fn one_of(found: Vec<(Raised, f64)>) -> Option<Raised> {
    let about = found.first()?.0.about.clone();
    let names: Vec<String> = found.iter().filter_map(|(raised, _)| raised.database.clone()).collect();
    let leads = |a: &(Raised, f64), b: &(Raised, f64)| a.0.level.cmp(&b.0.level).then(a.1.total_cmp(&b.1));
    // Of equals the last would be taken.
    let (mut raised, _) = found.into_iter().rev().max_by(leads)?;
    let others = names.iter().filter(|name| Some(*name) != raised.database.as_ref());
    let others: Vec<String> = others.map(|name| format!("`{name}`")).collect();
    if !others.is_empty() {
        raised.witness.push(format!("also on it: {}", others.join(", ")));
    }
    Some(Raised { about, ..raised })
}

fn fills(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast) -> Option<Raised> {
    let (free, total) = (watched.free_bytes?, watched.total_bytes.filter(|total| *total > 0)?);
    let unwritten = watched.mount.as_ref().is_some_and(|mount| {
        FULL_BY_NATURE.contains(&mount.fstype.as_str()) || mount.options.iter().any(|option| option == "ro")
    });
    if unwritten {
        return None;
    }
    let filling = past.filling().filter(|filling| filling.within_ms <= seen.thresholds.full_within_ms);
    let waiting = watched.frames_waiting().zip(watched.index.as_ref());
    let waiting_bytes = waiting.map_or(0, |(frames, index)| u64::from(frames) * u64::from(index.page_size_bytes));
    let no_room = free < NO_ROOM_BYTES.min(total / 50);
    let little = free < LITTLE_BYTES.min(total / LITTLE);
    // Whoever opens it for each request is seldom seen with it.
    let is_used = !watched.openers.is_empty() || past.counters.opened > 0;
    let level = match &filling {
        _ if no_room && is_used => Level::Warning,
        _ if no_room => Level::Notice,
        Some(filling) if filling.span_ms >= SURE_MS || free < total / 10 => Level::Warning,
        // A checkpoint may add as much to the database.
        _ if little && free < waiting_bytes && is_used => Level::Warning,
        Some(_) => Level::Notice,
        None if little && is_used => Level::Notice,
        None => return None,
    };
    let mut witness = vec![format!("{} of {} are free", size(free), size(total))];
    if waiting_bytes > 0 {
        witness
            .push(format!("{} wait in the log, and a checkpoint may add as much to the database", size(waiting_bytes)));
    }
    witness.extend(filling.iter().flat_map(trend));
    let path = &watched.path;
    let says = match &filling {
        _ if free == 0 => format!("the disk of `{path}` is full"),
        Some(filling) if !no_room => {
            format!("the disk of `{path}` is full in {} if it goes on like this", span(filling.within_ms))
        }
        _ => format!("the disk of `{path}` is nearly full: {} are left", size(free)),
    };
    let raised = Raised {
        says,
        witness,
        try_this: "make room by other files or a larger volume, then `PRAGMA wal_checkpoint(TRUNCATE)`; never delete the `-wal`"
            .to_owned(),
        ..seen.of_database(&ALARM, level, watched)
    };
    // Whoever has it open suffers; one of them is named.
    let writer = watched.openers.iter().find(|opener| opener.container.is_some());
    Some(match writer {
        Some(opener) => Raised { pid: None, ..seen.by(raised, opener) },
        None => raised,
    })
}

fn trend(filling: &Filling) -> [String; 2] {
    let share = (filling.wal_share * 100.0) as u64;
    [
        format!("{} go in a second, seen over {}", size(filling.bytes_per_second as u64), span(filling.span_ms)),
        format!("the `-wal` grows by {share} % of that; full at {} ms since 1970", filling.full_at_unix_ms),
    ]
}
