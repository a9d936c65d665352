//! What one machine can tell of fsync: does fdatasync reach the device, and how long does it take?
//!
//! The kernel counts the flushes of a disk's volatile cache. An fdatasync after a write that moves no counter was not
//! honest, unless the disk has no such cache. Where no disk is seen (network, FUSE, memory) nothing is said. Power loss
//! itself is not tested by anybody here.

use std::fs;
use std::path::{Path, PathBuf};

use walproof_format::probe_step::ProbeStep;
use walproof_judge::probe::{Answer, Durability};

use super::asking::Asking;

/// How often.
const SYNCS: u64 = 8;
/// Column of `/sys/block/X/stat` that counts completed flush requests, from 0.
const FLUSH_COLUMN: usize = 15;
const HANDLE: u32 = u32::MAX;

/// Lets one party write and sync a file of its own; `device` is what its mount lies on, by major and minor number.
pub fn ask(asking: &Asking<'_>, party: u16, device: Option<(u32, u32)>) -> Durability {
    let disk = device.and_then(Disk::of);
    let before = disk.as_ref().and_then(Disk::flushes);
    let times = sync_times(asking, party);
    let after = disk.as_ref().and_then(Disk::flushes);
    let sync_us = times.as_ref().ok().and_then(|times| times.get(times.len() / 2).copied());
    Durability {
        sync_us,
        syncs: SYNCS,
        failed: times.err(),
        disk: disk.as_ref().map(|disk| disk.name()),
        write_cache: disk.as_ref().and_then(Disk::write_cache),
        flushes: before.zip(after).map(|(before, after)| after.saturating_sub(before)),
    }
}

fn sync_times(asking: &Asking<'_>, party: u16) -> Result<Vec<f64>, Answer> {
    let database = asking.fleet.database_inside(party);
    let folder = Path::new(&database).parent().unwrap_or(Path::new("/")).to_owned();
    let path = folder.join(format!("probe-{party}-sync")).display().to_string();
    asking.one(party, ProbeStep::Open { handle: HANDLE, path: path.clone(), create: true })?;
    let mut times = Vec::new();
    for round in 0..SYNCS {
        let write = ProbeStep::Write { handle: HANDLE, offset: 0, value: round };
        let answers = asking.all(party, vec![write, ProbeStep::Sync { handle: HANDLE }])?;
        for answer in answers.into_iter().skip(1) {
            times.push(answer?.took_ns as f64 / 1e3);
        }
    }
    let _ = asking.all(party, vec![ProbeStep::Close { handle: HANDLE }, ProbeStep::Unlink { path }]);
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// A disk as the kernel shows it.
struct Disk {
    /// `/sys/devices/.../block/vda`.
    folder: PathBuf,
}

impl Disk {
    /// The whole disk of a device; `None`: there is none, or it is not seen.
    fn of((major, minor): (u32, u32)) -> Option<Self> {
        let folder = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
        let whole = if folder.join("partition").exists() { folder.parent()?.to_owned() } else { folder };
        Some(Self { folder: whole })
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn flushes(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join("stat")).ok()?.split_ascii_whitespace().nth(FLUSH_COLUMN)?.parse().ok()
    }

    fn write_cache(&self) -> Option<String> {
        Some(fs::read_to_string(self.folder.join("queue/write_cache")).ok()?.trim().to_owned())
    }
}
