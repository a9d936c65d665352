//! World `symlinked-directory`: the directory is reached by a symbolic link in all containers but the first.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{DATABASE, Expectation, Fault, Ground, Needs, View, World};

/// the directory is reached by a symbolic link in all containers but the first.
pub static WORLD: World = World {
    name: "symlinked-directory",
    explain: include_str!("symlinked_directory.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let folder = scratch.join("area/data");
    fs::create_dir_all(&folder)?;
    symlink("data", scratch.join("area/link"))?;
    let view = |agent| {
        let mut view = View::of_folder(&scratch.join("area"), "/area");
        let directory = if agent == 0 { "data" } else { "link" };
        view.database = PathBuf::from("/area").join(directory).join(DATABASE);
        view.folder = folder.clone();
        view
    };
    let views: Vec<View> = (0..agents).map(view).collect();
    Ok(Ground { creators: vec![views[0].clone()], views, database: folder.join(DATABASE), host_mounts: Vec::new() })
}
