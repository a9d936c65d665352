//! Nemesis `cancel-locks`: an agent opens and closes the database's files beside SQLite, for a while.

use super::{Effect, HARD, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// An agent opens and closes the database's files beside SQLite, for a while.
pub static NEMESIS: Nemesis = Nemesis {
    name: "cancel-locks",
    explain: include_str!("cancel_locks.md"),
    rhythm: Rhythm { first_ms: 200, interval_ms: 1200, for_ms_max: 1500 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(HARD),
    rollback: Effect::Breaks(HARD),
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    fleet.cripple(agent, |view| view.quirks.cancel_locks = true)?;
    Ok(Wound::new(move || fleet.make_whole(agent)))
}
