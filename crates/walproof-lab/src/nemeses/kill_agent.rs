//! Nemesis `kill-agent`: SIGKILL at a random moment, then a new container.

use super::Nemesis;
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGKILL and restart.
pub static NEMESIS: Nemesis = Nemesis { name: "kill-agent", explain: include_str!("kill_agent.md"), strike };

fn strike(fleet: &Fleet<'_>, strike: &Strike) -> Result<(), LabError> {
    fleet.kill(strike.agent)?;
    fleet.revive(strike.agent)
}
