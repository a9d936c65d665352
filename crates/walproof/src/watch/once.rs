//! One report after a short watch: for people, or as one JSON document of the form of a JSON line.
//!
//! What it must not do: conclude from one look alone; rates and alarms that wait for a while need some.

use walproof_judge::render::harmless;
use walproof_judge::watch::{Changes, Raised, Watching};
use walproof_lab::error::LabError;

use super::{Output, account, lines, words};
use crate::output;

/// Prints it at the end.
pub struct Once {
    json: bool,
    /// Everything that was raised and cleared meanwhile.
    changes: Changes,
    began_unix_ms: Option<u64>,
}

impl Once {
    /// As JSON, or for people.
    pub fn new(json: bool) -> Self {
        Self { json, changes: Changes::default(), began_unix_ms: None }
    }
}

impl Output for Once {
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError> {
        self.changes.raised.extend(changes.raised.iter().cloned());
        self.changes.cleared.extend(changes.cleared.iter().cloned());
        self.began_unix_ms.get_or_insert(watching.latest().unix_ms);
        Ok(true)
    }

    fn end(&mut self, watching: &Watching, _: bool) -> Result<(), LabError> {
        if self.json {
            return output::document(&format!("{}\n", lines::line(watching, &self.changes, 0)));
        }
        let began = self.began_unix_ms.unwrap_or(watching.latest().unix_ms);
        output::document(&report(watching, &self.changes, watching.latest().unix_ms.saturating_sub(began)))
    }
}

/// The report for people.
fn report(watching: &Watching, changes: &Changes, took_ms: u64) -> String {
    let moment = watching.latest();
    let databases = match moment.databases.len() {
        1 => "1 database".to_owned(),
        many => format!("{many} databases"),
    };
    let mut out =
        format!("walproof watch, {databases}, {} until {}\n", words::lasts(took_ms), words::utc(moment.unix_ms));
    out.push_str("\nalarms\n");
    watching.active().iter().for_each(|alarm| out.push_str(&told(alarm, "")));
    let gone = |alarm: &&Raised| !watching.active().iter().any(|on| on.alarm == alarm.alarm && on.about == alarm.about);
    changes.cleared.iter().filter(gone).for_each(|alarm| out.push_str(&told(alarm, ", cleared again")));
    if watching.active().is_empty() && changes.cleared.is_empty() {
        out.push_str("  none of those that walproof knows, in what was seen\n");
    }
    for watched in &moment.databases {
        out.push_str(&format!("\n{}   {}\n", harmless(&watched.path), words::mode(watched)));
        for row in account::rows(watching, watched) {
            let parts: Vec<&str> = row.parts.iter().map(|part| part.text.as_str()).collect();
            out.push_str(&format!("  {:<8} {}\n", row.label, parts.join("   ")));
        }
        for opener in &watched.openers {
            let runs = account::runs(watching, watched, opener).text;
            let locks: Vec<String> =
                account::locks(watching, watched, opener).into_iter().map(|part| part.text).collect();
            let who = harmless(&moment.who(opener));
            out.push_str(&format!("  opener   {who}, SQLite {}, {runs}\n", words::versions(opener)));
            out.push_str(&format!("           {}\n", locks.join("   ")));
        }
        if watched.openers.is_empty() {
            out.push_str("  opener   none seen\n");
        }
    }
    let not_seen = account::not_seen(watching);
    if !not_seen.is_empty() {
        out.push_str("\nnot seen\n");
        not_seen.iter().for_each(|what| out.push_str(&format!("  {what}\n")));
    }
    out
}

fn told(alarm: &Raised, more: &str) -> String {
    let since = words::utc(alarm.since_unix_ms);
    let mut lines = vec![format!("{} {} since {since}{more}", alarm.level.word(), alarm.alarm)];
    lines.push(format!("  {}", alarm.says));
    lines.extend(alarm.witness.iter().map(|seen| format!("  seen: {seen}")));
    lines.push(format!("  try: {}", alarm.try_this));
    lines.iter().map(|line| format!("  {}\n", harmless(line))).collect()
}
