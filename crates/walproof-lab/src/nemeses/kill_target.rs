//! Nemesis `kill-target`: SIGKILL to containers that the user named, then their start.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGKILL to a container of the user's, and its start.
pub static NEMESIS: Nemesis = Nemesis {
    name: "kill-target",
    explain: include_str!("kill_target.md"),
    rhythm: Rhythm { first_ms: 1500, interval_ms: 4000, for_ms_max: 1000 },
    usual: false,
    needs: Needs::Target,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let target = fleet.target(strike.agent)?;
    target.hurt(&["kill", "--signal", "KILL"])?;
    Ok(Wound::new(move || target.heal(&["start"])))
}
