//! Nemesis `storm-checkpoints`: one agent does nothing but checkpoints, in all four modes, for a while.

use walproof_format::protocol::{Command, Duty};

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::{ANSWER_TIMEOUT, Fleet};
use crate::run::plan::Strike;

/// One agent does nothing but checkpoints, in all four modes, for a while.
pub static NEMESIS: Nemesis = Nemesis {
    name: "storm-checkpoints",
    explain: include_str!("storm_checkpoints.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 700 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    let duty = fleet.ground().views[usize::from(agent)].duty;
    fleet.ask(agent, &Command::Turn { duty: Duty::Checkpoint { mode: None } }, ANSWER_TIMEOUT)?;
    Ok(Wound::new(move || fleet.ask(agent, &Command::Turn { duty }, ANSWER_TIMEOUT).map(drop)))
}
