//! Nemesis `fill-disk`: the small disk is full for a while.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::collect::storage::free_bytes;
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// ENOSPC for everybody.
pub static NEMESIS: Nemesis = Nemesis {
    name: "fill-disk",
    explain: include_str!("fill_disk.md"),
    rhythm: Rhythm { first_ms: 500, interval_ms: 1500, for_ms_max: 600 },
    usual: false,
    needs: Needs::SmallDisk,
    wal: Effect::Loud,
    rollback: Effect::Loud,
    strike,
};

/// What fills it.
const FILLING: &str = "filling";

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    let disks: Vec<PathBuf> = fleet.disks().map(|disk| disk.join(FILLING)).collect();
    if disks.is_empty() {
        let remedy = "the world `small-disk`";
        return Err(LabError::new("cannot fill a disk", "the ground has no small one of its own", remedy).blind());
    }
    let wound = Wound::new({
        let disks = disks.clone();
        move || disks.iter().try_for_each(|file| fs::remove_file(file).map_err(|error| failed(file, error)))
    });
    disks.iter().try_for_each(|file| fill(file).map_err(|error| failed(file, error)))?;
    Ok(wound)
}

fn failed(file: &Path, error: io::Error) -> LabError {
    LabError::path("cannot fill or free the disk with", file, error, "report this")
}

/// Takes what is free, in ever smaller parts: others take and give meanwhile.
fn fill(file: &Path) -> io::Result<()> {
    let filling = OpenOptions::new().write(true).create(true).truncate(true).open(file)?;
    let (mut length, mut part) = (0, free_bytes(file).unwrap_or(0).next_multiple_of(4096));
    while part >= 4096 {
        // SAFETY: plain integers, and a descriptor that is open.
        let code = unsafe { libc::fallocate(filling.as_raw_fd(), 0, length as libc::off_t, part as libc::off_t) };
        match code {
            0 => length += part,
            _ => part = (part / 2).next_multiple_of(4096).min(part - 4096),
        }
    }
    Ok(())
}
