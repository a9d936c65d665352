//! Nemesis `freeze-agent`: the cgroup's freezer for a while.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// The cgroup's freezer for a while.
pub static NEMESIS: Nemesis = Nemesis {
    name: "freeze-agent",
    explain: include_str!("freeze_agent.md"),
    rhythm: Rhythm { first_ms: 500, interval_ms: 1200, for_ms_max: 500 },
    usual: false,
    needs: Needs::Limits,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    let since_ns = fleet.freeze(agent)?;
    Ok(Wound::new(move || fleet.thaw(agent, since_ns)))
}
