//! Nemesis `overwrite-database`: an older copy is written over the database in use.

use super::{COPY_AGE, Effect, HARD, Needs, Nemesis, Rhythm, Wound, copy_database, put_back};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// An older copy is written over the database in use.
pub static NEMESIS: Nemesis = Nemesis {
    name: "overwrite-database",
    explain: include_str!("overwrite_database.md"),
    rhythm: Rhythm { first_ms: 400, interval_ms: 800, for_ms_max: 0 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(HARD),
    rollback: Effect::Breaks(HARD),
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    let copy = copy_database(fleet)?;
    std::thread::sleep(COPY_AGE);
    put_back(fleet, &copy)?;
    Ok(Wound::none())
}
