//! Lines for people where there is no terminal: alarms as they come and go.

use walproof_judge::watch::{Changes, Watching};
use walproof_lab::error::LabError;

use super::Output;

/// Writes them to standard output.
pub struct Plain;

impl Output for Plain {
    fn show(&mut self, _: &Watching, changes: &Changes) -> Result<bool, LabError> {
        changes.raised.iter().for_each(|alarm| say!("raised  {}: {}", alarm.alarm, alarm.says));
        changes.cleared.iter().for_each(|alarm| say!("cleared {}: {}", alarm.alarm, alarm.says));
        Ok(true)
    }
}
