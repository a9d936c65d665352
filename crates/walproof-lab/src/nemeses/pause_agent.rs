//! Nemesis `pause-agent`: SIGSTOP for a while, then SIGCONT.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGSTOP and SIGCONT.
pub static NEMESIS: Nemesis = Nemesis {
    name: "pause-agent",
    explain: include_str!("pause_agent.md"),
    rhythm: Rhythm { first_ms: 1800, interval_ms: 2500, for_ms_max: 500 },
    usual: true,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    let since_ns = fleet.pause(agent)?;
    Ok(Wound::new(move || fleet.resume(agent, since_ns)))
}
