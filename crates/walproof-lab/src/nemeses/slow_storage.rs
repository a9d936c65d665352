//! Nemesis `slow-storage`: every request to the storage takes its time, some take very long.

use super::{Effect, Needs, Nemesis, Rhythm, Wound, with_clients};
use crate::clients::Latency;
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// Latency with jitter and a heavy tail.
pub static NEMESIS: Nemesis = Nemesis {
    name: "slow-storage",
    explain: include_str!("slow_storage.md"),
    rhythm: Rhythm { first_ms: 500, interval_ms: 2000, for_ms_max: 800 },
    usual: false,
    needs: Needs::Client,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

/// A share on another host: half a millisecond, and now and then a long wait.
const LATENCY: Latency =
    Latency { fixed_us: 300, jitter_us: 400, tail_every: 50, tail_us_max: 200_000, ..Latency::NONE };

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    with_clients(fleet)?.iter().for_each(|client| client.knobs().slow(LATENCY));
    Ok(Wound::new(move || {
        fleet.clients().iter().for_each(|client| client.knobs().as_usual());
        Ok(())
    }))
}
