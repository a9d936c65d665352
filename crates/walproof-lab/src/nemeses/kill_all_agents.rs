//! Nemesis `kill-all-agents`: SIGKILL for everybody; whoever comes back first must recover.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, left_behind};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGKILL for everybody, then restart.
pub static NEMESIS: Nemesis = Nemesis {
    name: "kill-all-agents",
    explain: include_str!("kill_all_agents.md"),
    rhythm: Rhythm { first_ms: 1400, interval_ms: 3500, for_ms_max: 0 },
    usual: true,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

/// How often the others may run on to leave something behind, and for how long.
const ATTEMPTS_MAX: u32 = 10;
const RUN_ON: Duration = Duration::from_millis(10);

/// Everybody is stopped first: else the last one alive may close last and leave nothing to recover.
fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    for _ in 0..ATTEMPTS_MAX {
        fleet.stop_everybody()?;
        if left_behind(fleet) {
            fleet.tally.recoveries.fetch_add(1, Ordering::Relaxed);
            break;
        }
        fleet.resume_everybody()?;
        std::thread::sleep(RUN_ON);
    }
    fleet.kill_everybody()?;
    Ok(Wound::new(move || fleet.agents().try_for_each(|agent| fleet.revive(agent))))
}
