//! Nemesis `hold-reader`: one agent holds a snapshot for a while; the WAL grows; then it lets go.

use walproof_format::protocol::Command;

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::{ANSWER_TIMEOUT, Fleet};
use crate::run::plan::Strike;

/// One agent holds a snapshot for a while; the WAL grows; then it lets go.
pub static NEMESIS: Nemesis = Nemesis {
    name: "hold-reader",
    explain: include_str!("hold_reader.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 900 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    fleet.ask(agent, &Command::Hold, ANSWER_TIMEOUT)?;
    Ok(Wound::new(move || fleet.run(agent)))
}
