//! World `three-files-and-directory`: some mount the directory, every second one database, `-wal` and `-shm` one by one.

use std::io;
use std::path::Path;

use super::{Expectation, Fault, Ground, Needs, View, World, files_mounted};

/// some mount the directory, every second one database, `-wal` and `-shm` one by one.
pub static WORLD: World = World {
    name: "three-files-and-directory",
    explain: include_str!("three_files_and_directory.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::UnsafeAfterCrash,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let mut ground = files_mounted(scratch, agents, &["", "-wal", "-shm"])?;
    // Who creates the database must not be able to delete the two files. Who closes last, the last agent of three, must.
    for view in ground.views.iter_mut().step_by(2) {
        *view = View::of_folder(&scratch.join("data"), "/db");
    }
    Ok(ground)
}
