//! Nemesis `pause-target`: the engine's pause for containers that the user named.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// The engine's pause for a container of the user's.
pub static NEMESIS: Nemesis = Nemesis {
    name: "pause-target",
    explain: include_str!("pause_target.md"),
    rhythm: Rhythm { first_ms: 800, interval_ms: 2500, for_ms_max: 500 },
    usual: false,
    needs: Needs::Target,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let target = fleet.target(strike.agent)?;
    target.hurt(&["pause"])?;
    Ok(Wound::new(move || target.heal(&["unpause"])))
}
