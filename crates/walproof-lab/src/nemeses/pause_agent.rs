//! Nemesis `pause-agent`: SIGSTOP for a while, then SIGCONT.

use std::time::Duration;

use super::Nemesis;
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// SIGSTOP and SIGCONT.
pub static NEMESIS: Nemesis = Nemesis { name: "pause-agent", explain: include_str!("pause_agent.md"), strike };

fn strike(fleet: &Fleet<'_>, strike: &Strike) -> Result<(), LabError> {
    fleet.pause(strike.agent, Duration::from_millis(strike.for_ms))
}
