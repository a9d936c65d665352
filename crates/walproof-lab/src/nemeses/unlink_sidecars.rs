//! Nemesis `unlink-sidecars`: deletes `-wal` and `-shm` of the database in use.

use std::fs;

use super::{Nemesis, sidecar};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// rm -f *-wal *-shm.
pub static NEMESIS: Nemesis = Nemesis { name: "unlink-sidecars", explain: include_str!("unlink_sidecars.md"), strike };

fn strike(fleet: &Fleet<'_>, _: &Strike) -> Result<(), LabError> {
    for view in &fleet.ground().views {
        for suffix in ["-wal", "-shm"] {
            // Not there is as good: then somebody closed last, or they are gone since the last strike.
            let _ = fs::remove_file(sidecar(&view.folder, suffix));
        }
    }
    Ok(())
}
