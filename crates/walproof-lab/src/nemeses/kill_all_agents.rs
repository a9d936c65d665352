//! Nemesis `kill-all-agents`: SIGKILL for everybody; whoever comes back first must recover.

use std::sync::atomic::Ordering;

use super::{Nemesis, has_content, sidecar};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGKILL for everybody, then restart.
pub static NEMESIS: Nemesis =
    Nemesis { name: "kill-all-agents", explain: include_str!("kill_all_agents.md"), strike };

fn strike(fleet: &Fleet<'_>, _: &Strike) -> Result<(), LabError> {
    fleet.kill_everybody()?;
    let left_behind = |suffix| fleet.ground().views.iter().any(|view| has_content(&sidecar(&view.folder, suffix)));
    if left_behind("-wal") || left_behind("-journal") {
        fleet.tally.recoveries.fetch_add(1, Ordering::Relaxed);
    }
    fleet.agents().try_for_each(|agent| fleet.revive(agent))
}
