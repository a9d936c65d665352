//! Nemeses: what hurts agents.
//!
//! What this room is: one file with its documentation for each nemesis, the [`NEMESES`] slice. A nemesis strikes and
//! leaves the fleet whole again: whoever it killed is back, whoever it paused goes on. To add one: a `.rs` with a
//! `pub static`, a `.md`, two lines here, and a rhythm in `run/plan.rs`.
//! What it must not do: draw random numbers (the plan has drawn them), touch anything outside the run's scratch.
//! Where to look next: `run/chaos.rs` carries out the plan.

mod close_all_connections;
mod kill_agent;
mod kill_all_agents;
mod kill_inside_transaction;
mod pause_agent;
mod unlink_sidecars;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;
use crate::worlds::DATABASE;

/// All nemeses, by name.
pub static NEMESES: &[&Nemesis] = &[
    &close_all_connections::NEMESIS,
    &kill_agent::NEMESIS,
    &kill_all_agents::NEMESIS,
    &kill_inside_transaction::NEMESIS,
    &pause_agent::NEMESIS,
    &unlink_sidecars::NEMESIS,
];

/// What hurts agents.
pub struct Nemesis {
    /// Kebab-case verb phrase.
    pub name: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// Strikes once and leaves the fleet whole.
    pub strike: fn(&Fleet<'_>, &Strike) -> Result<(), LabError>,
}

/// The nemesis of this name.
pub fn find(name: &str) -> Option<&'static Nemesis> {
    NEMESES.iter().copied().find(|nemesis| nemesis.name == name)
}

/// A sidecar of the database in a folder: `-wal`, `-shm`, `-journal`.
fn sidecar(folder: &Path, suffix: &str) -> PathBuf {
    folder.join(format!("{DATABASE}{suffix}"))
}

/// Whether a file is there and not empty.
fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nemeses_are_sorted_documented_and_found_by_name() {
        assert!(NEMESES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for nemesis in NEMESES {
            assert!(find(nemesis.name).is_some());
            for heading in ["## What it does", "## What must come of it", "## References"] {
                assert!(nemesis.explain.contains(heading), "{}: {heading}", nemesis.name);
            }
        }
    }
}
