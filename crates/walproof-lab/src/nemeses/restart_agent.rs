//! Nemesis `restart-agent`: an agent closes its connection, exits, and is started again.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// An agent closes its connection, exits, and is started again.
pub static NEMESIS: Nemesis = Nemesis {
    name: "restart-agent",
    explain: include_str!("restart_agent.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 700, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    fleet.restart(strike.agent)?;
    Ok(Wound::none())
}
