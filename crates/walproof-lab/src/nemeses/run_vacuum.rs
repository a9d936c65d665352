//! Nemesis `run-vacuum`: one agent runs VACUUM.

use walproof_format::protocol::Command;

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::{ANSWER_TIMEOUT, Fleet};
use crate::run::plan::Strike;

/// One agent runs VACUUM.
pub static NEMESIS: Nemesis = Nemesis {
    name: "run-vacuum",
    explain: include_str!("run_vacuum.md"),
    rhythm: Rhythm { first_ms: 400, interval_ms: 1200, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    // BUSY is an answer as well: whoever wants all locks may wait in vain.
    fleet.ask(strike.agent, &Command::Vacuum, ANSWER_TIMEOUT)?;
    Ok(Wound::none())
}
