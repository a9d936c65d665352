//! Nemesis `stall-storage`: the server of the storage answers nobody for a while.

use std::time::Duration;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, with_clients};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// Every request waits.
pub static NEMESIS: Nemesis = Nemesis {
    name: "stall-storage",
    explain: include_str!("stall_storage.md"),
    rhythm: Rhythm { first_ms: 900, interval_ms: 2500, for_ms_max: 500 },
    usual: false,
    needs: Needs::Client,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

/// A stall ends by itself after this when nobody heals it.
const STALL_MAX: Duration = Duration::from_secs(5);

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    with_clients(fleet)?.iter().for_each(|client| client.knobs().stall(STALL_MAX));
    Ok(Wound::new(move || {
        fleet.clients().iter().for_each(|client| client.knobs().release());
        Ok(())
    }))
}
