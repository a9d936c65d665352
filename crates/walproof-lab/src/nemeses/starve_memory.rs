//! Nemesis `starve-memory`: a small memory limit, then the kernel kills for want of memory.

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// A small memory limit, then the kernel kills for want of memory.
pub static NEMESIS: Nemesis = Nemesis {
    name: "starve-memory",
    explain: include_str!("starve_memory.md"),
    rhythm: Rhythm { first_ms: 400, interval_ms: 1200, for_ms_max: 300 },
    usual: false,
    needs: Needs::Limits,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

/// The limit of the starving life, and what it takes beyond it.
const LIMIT_BYTES: u64 = 64 << 20;
const HOARD_BYTES: u64 = 512 << 20;

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let agent = strike.agent;
    fleet.cripple(agent, |view| view.memory_bytes_max = Some(LIMIT_BYTES))?;
    Ok(Wound::new(move || {
        let starved = fleet.starve(agent, HOARD_BYTES);
        fleet.make_whole(agent).and(starved)
    }))
}
