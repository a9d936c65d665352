//! World `hard-link`: the database file has a name in a directory of its own for each container.

use std::fs;
use std::io;
use std::path::Path;

use super::{DATABASE, Expectation, Fault, Ground, Needs, View, World};

/// the database file has a name in a directory of its own for each container.
pub static WORLD: World = World {
    name: "hard-link",
    explain: include_str!("hard_link.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::UnsafeAfterCrash,
    fault: Fault::Boundary,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare,
};

fn prepare(scratch: &Path, agents: u16) -> io::Result<Ground> {
    let database = scratch.join(DATABASE);
    fs::File::create_new(&database)?;
    let views = (0..agents).map(|agent| {
        let folder = scratch.join(format!("name-{agent}"));
        fs::create_dir_all(&folder)?;
        fs::hard_link(&database, folder.join(DATABASE))?;
        Ok(View::of_folder(&folder, "/db"))
    });
    let views: Vec<View> = views.collect::<io::Result<_>>()?;
    Ok(Ground { creators: vec![views[0].clone()], views, database, host_mounts: Vec::new() })
}
