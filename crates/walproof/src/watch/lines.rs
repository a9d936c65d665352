//! JSON lines: one for each look.
//!
//! A reader that is slow loses lines, never more: `dropped_lines` of the next one counts them. What is in force stands in
//! every line (`moment`, `alarms`); only events and changes of a dropped one are lost.

use serde::Serialize;
use walproof_judge::watch::moment::Moment;
use walproof_judge::watch::{Changes, Raised, Watching};
use walproof_lab::error::LabError;

use super::Output;
use super::paper::{Became, Paper};

/// The version of a line.
pub const VERSION: u32 = 1;

/// Writes them to standard output.
pub struct Lines {
    paper: Paper,
    dropped: u64,
    /// Others are told too: the watch goes on without a reader.
    told: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    walproof_watch: u32,
    dropped_lines: u64,
    moment: &'a Moment,
    alarms: &'a [Raised],
    changes: &'a Changes,
}

impl Lines {
    /// Begins.
    pub fn start(told: bool) -> Result<Self, LabError> {
        Ok(Self { paper: Paper::start(), dropped: 0, told })
    }
}

/// One look as one line.
pub fn line(watching: &Watching, changes: &Changes, dropped_lines: u64) -> String {
    let (moment, alarms) = (watching.latest(), watching.active());
    let line = Line { walproof_watch: VERSION, dropped_lines, moment, alarms, changes };
    escape(&serde_json::to_string(&line).expect("plain data"))
}

/// JSON leaves DEL and the second half of the controls as they are, which terminals obey. They stand in strings alone.
fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

impl Output for Lines {
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError> {
        match self.paper.line(line(watching, changes, self.dropped))? {
            Became::Taken => self.dropped = 0,
            Became::Dropped => self.dropped += 1,
            Became::Unread => return Ok(self.told),
        }
        Ok(true)
    }

    fn end(&mut self, _: &Watching, _: bool) -> Result<(), LabError> {
        self.paper.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use walproof_judge::watch::Thresholds;

    #[test]
    fn the_version_stands_first_and_no_terminal_obeys_a_line() {
        let mut watching = Watching::new(Thresholds::default());
        let moment = Moment { not_seen: vec!["a\u{9b}2J\u{1b}[2J\u{7f}".into()], ..Moment::default() };
        let changes = watching.observe(moment.clone());
        let line = line(&watching, &changes, 3);
        assert!(line.starts_with("{\"walproof_watch\":1,\"dropped_lines\":3,"), "{line}");
        assert!(!line.contains(char::is_control), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["moment"]["not_seen"][0], moment.not_seen[0].as_str());
    }
}
