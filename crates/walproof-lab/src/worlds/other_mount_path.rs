//! World `other-mount-path`: the same directory under another path in each container.

use std::fs;
use std::io;
use std::path::Path;

use super::{DATABASE, Expectation, Fault, Ground, Needs, View, World};

/// the same directory under another path in each container.
pub static WORLD: World = World {
    name: "other-mount-path",
    explain: include_str!("other_mount_path.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let folder = scratch.join("data");
    fs::create_dir_all(&folder)?;
    let views: Vec<View> = (0..agents).map(|agent| View::of_folder(&folder, &format!("/mount-{agent}/db"))).collect();
    Ok(Ground { creators: vec![views[0].clone()], views, database: folder.join(DATABASE), host_mounts: Vec::new() })
}
