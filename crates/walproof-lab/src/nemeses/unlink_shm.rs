//! Nemesis `unlink-shm`: deletes `-shm` of the database in use.

use super::{Effect, HARD, Needs, Nemesis, Rhythm, Wound, unlink_sidecars};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// Deletes `-shm` of the database in use.
pub static NEMESIS: Nemesis = Nemesis {
    name: "unlink-shm",
    explain: include_str!("unlink_shm.md"),
    rhythm: Rhythm { first_ms: 100, interval_ms: 300, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(HARD),
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    unlink_sidecars(fleet, &["-shm"]);
    Ok(Wound::none())
}
