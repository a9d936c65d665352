//! Nemesis `replace-database`: an older copy is renamed over the database in use.

use std::fs;

use super::{COPY_AGE, Effect, HARD, Needs, Nemesis, Rhythm, Wound, copy_database};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// An older copy is renamed over the database in use.
pub static NEMESIS: Nemesis = Nemesis {
    name: "replace-database",
    explain: include_str!("replace_database.md"),
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
    let database = &fleet.ground().database;
    fs::rename(&copy, database)
        .map_err(|error| LabError::path("cannot replace", database, error, "see who holds it"))?;
    Ok(Wound::none())
}
