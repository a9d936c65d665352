//! Nemesis `unlink-wal`: deletes `-wal` of the database in use.

use super::{Effect, HARD, Needs, Nemesis, Rhythm, Wound, unlink_sidecars};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// Deletes `-wal` of the database in use.
pub static NEMESIS: Nemesis = Nemesis {
    name: "unlink-wal",
    explain: include_str!("unlink_wal.md"),
    rhythm: Rhythm { first_ms: 100, interval_ms: 300, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(HARD),
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    unlink_sidecars(fleet, &["-wal"]);
    Ok(Wound::none())
}
