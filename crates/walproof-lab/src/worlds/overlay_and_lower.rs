//! World `overlay-and-lower`: one side has an overlay, the other writes the overlay's lower directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{BROKEN, DATABASE, Expectation, Fault, Ground, Needs, View, World};
use crate::runtimes::Mount;

/// one side has an overlay, the other writes the overlay's lower directory.
pub static WORLD: World = World {
    name: "overlay-and-lower",
    explain: include_str!("overlay_and_lower.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::OverlayMounts,
    nemeses: &[],
    names: BROKEN,
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let lower = scratch.join("lower");
    fs::create_dir_all(&lower)?;
    let below = View::of_folder(&lower, "/db");
    let views = (0..agents).map(|agent| {
        if agent % 2 == 1 {
            return Ok(below.clone());
        }
        let (upper, work) = (scratch.join(format!("upper-{agent}")), scratch.join(format!("work-{agent}")));
        fs::create_dir_all(&upper)?;
        fs::create_dir_all(&work)?;
        let mut view = View::of_folder(&upper, "/db");
        view.mounts = vec![Mount::Overlay { lower: lower.clone(), upper, work, destination: PathBuf::from("/db") }];
        Ok(view)
    });
    let views: Vec<View> = views.collect::<io::Result<_>>()?;
    Ok(Ground { creators: vec![below], views, database: lower.join(DATABASE), host_mounts: Vec::new() })
}
