//! Nemesis `fail-storage`: one fsync in a few fails with EIO.

use super::{Effect, Needs, Nemesis, Rhythm, Wound, with_clients};
use crate::clients::Failing;
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// EIO, now and then.
pub static NEMESIS: Nemesis = Nemesis {
    name: "fail-storage",
    explain: include_str!("fail_storage.md"),
    rhythm: Rhythm { first_ms: 500, interval_ms: 1500, for_ms_max: 600 },
    usual: false,
    needs: Needs::Client,
    wal: Effect::Loud,
    rollback: Effect::Loud,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    let failing = Failing { syncs_every: 3, ..Failing::default() };
    with_clients(fleet)?.iter().for_each(|client| client.knobs().fail(failing));
    Ok(Wound::new(move || {
        fleet.clients().iter().for_each(|client| client.knobs().fail(Failing::default()));
        Ok(())
    }))
}
