//! JSON lines: one for each look.

use serde::Serialize;
use walproof_judge::watch::moment::Moment;
use walproof_judge::watch::{Changes, Raised, Watching};
use walproof_lab::error::LabError;

use super::Output;

/// The version of a line.
const VERSION: u32 = 1;

/// Writes them to standard output.
pub struct Lines;

#[derive(Serialize)]
struct Line<'a> {
    walproof_watch: u32,
    moment: &'a Moment,
    alarms: &'a [Raised],
    changes: &'a Changes,
}

impl Output for Lines {
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError> {
        let (moment, alarms) = (watching.latest(), watching.active());
        let line = Line { walproof_watch: VERSION, moment, alarms, changes };
        say!("{}", serde_json::to_string(&line).expect("plain data"));
        Ok(true)
    }
}
