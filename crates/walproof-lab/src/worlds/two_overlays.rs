//! World `two-overlays`: each container has an overlay of its own over one lower directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{DATABASE, Expectation, Fault, Ground, Needs, View, World};
use crate::runtimes::Mount;

/// each container has an overlay of its own over one lower directory.
pub static WORLD: World = World {
    name: "two-overlays",
    explain: include_str!("two_overlays.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::OverlayMounts,
    nemeses: &[],
    names: &[],
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let lower = scratch.join("lower");
    fs::create_dir_all(&lower)?;
    let views = (0..agents).map(|agent| {
        let (upper, work) = (scratch.join(format!("upper-{agent}")), scratch.join(format!("work-{agent}")));
        fs::create_dir_all(&upper)?;
        fs::create_dir_all(&work)?;
        let mut view = View::of_folder(&upper, "/db");
        view.mounts = vec![Mount::Overlay { lower: lower.clone(), upper, work, destination: PathBuf::from("/db") }];
        Ok(view)
    });
    let views: Vec<View> = views.collect::<io::Result<_>>()?;
    Ok(Ground {
        creators: vec![View::of_folder(&lower, "/db")],
        views,
        database: lower.join(DATABASE),
        host_mounts: Vec::new(),
    })
}
