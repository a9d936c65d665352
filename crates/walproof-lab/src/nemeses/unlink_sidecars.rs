//! Nemesis `unlink-sidecars`: deletes `-wal` and `-shm` of the database in use.

use walproof_judge::checkers::AnomalyKind;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, unlink_sidecars};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// rm -f *-wal *-shm.
pub static NEMESIS: Nemesis = Nemesis {
    name: "unlink-sidecars",
    explain: include_str!("unlink_sidecars.md"),
    rhythm: Rhythm { first_ms: 100, interval_ms: 300, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(&[
        AnomalyKind::LostCommit,
        AnomalyKind::DoubleCommit,
        AnomalyKind::StaleRead,
        AnomalyKind::TornRead,
        AnomalyKind::StructuralDamage,
    ]),
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    unlink_sidecars(fleet, &["-wal", "-shm"]);
    Ok(Wound::none())
}
