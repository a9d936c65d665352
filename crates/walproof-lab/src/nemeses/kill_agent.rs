//! Nemesis `kill-agent`: SIGKILL at a random moment, then a new container.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGKILL and restart.
pub static NEMESIS: Nemesis = Nemesis {
    name: "kill-agent",
    explain: include_str!("kill_agent.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 900, for_ms_max: 0 },
    usual: true,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    fleet.kill(agent)?;
    Ok(Wound::new(move || fleet.revive(agent)))
}
