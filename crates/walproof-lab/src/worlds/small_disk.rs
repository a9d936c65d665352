//! World `small-disk`: everybody shares a directory on a small file system of its own.

use std::fs;
use std::io;
use std::path::Path;

use super::{DATABASE, Expectation, Fault, Ground, HostMount, Needs, View, World};

/// everybody shares a directory on a small file system of its own.
pub static WORLD: World = World {
    name: "small-disk",
    explain: include_str!("small_disk.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::HostMounts,
    nemeses: &[],
    names: &[],
    prepare,
};

/// Room for the database, a log and a copy of both; little enough to be filled in a moment.
const BYTES: u64 = 40 << 20;

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let target = scratch.join("disk");
    fs::create_dir_all(&target)?;
    let view = View::of_folder(&target, "/db");
    let views = vec![view.clone(); agents.into()];
    let host_mounts = vec![HostMount::Tmpfs { target: target.clone(), bytes: BYTES }];
    Ok(Ground { creators: vec![view], views, database: target.join(DATABASE), host_mounts })
}
