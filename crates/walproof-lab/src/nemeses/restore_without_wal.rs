//! Nemesis `restore-without-wal`: everybody is stopped, an older copy of the database is put back, the WAL stays.

use super::{COPY_AGE, Effect, HARD, Needs, Nemesis, Rhythm, Wound, copy_database, put_back};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// Everybody is stopped, an older copy of the database is put back, the WAL stays.
pub static NEMESIS: Nemesis = Nemesis {
    name: "restore-without-wal",
    explain: include_str!("restore_without_wal.md"),
    rhythm: Rhythm { first_ms: 600, interval_ms: 1500, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(HARD),
    rollback: Effect::Breaks(HARD),
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    let copy = copy_database(fleet)?;
    std::thread::sleep(COPY_AGE);
    fleet.kill_everybody()?;
    put_back(fleet, &copy)?;
    Ok(Wound::new(move || fleet.agents().try_for_each(|agent| fleet.revive(agent))))
}
