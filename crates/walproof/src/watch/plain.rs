//! Lines for people where there is no terminal: what is watched, alarms as they come and go, events, a line a minute.
//!
//! Every line begins with its time, in UTC, by the clock of the look that it tells of.

use std::collections::{BTreeMap, BTreeSet};

use walproof_judge::render::harmless;
use walproof_judge::watch::moment::{Moment, Watched};
use walproof_judge::watch::{Changes, Raised, Watching};
use walproof_lab::error::LabError;

use super::paper::{Became, Paper};
use super::{Output, words};

/// Summaries are this far apart.
const SUMMARY_MS: u64 = 60_000;
/// Openers, and what they have open, take their time to be found.
const NOTHING_MS: u64 = 2000;
/// What could not be seen is said again when it was gone for this long.
const SILENT_MS: u64 = 60_000;

/// Writes them to standard output.
pub struct Plain {
    paper: Paper,
    said: Said,
    dropped: u64,
    told: bool,
}

/// What was said already.
#[derive(Debug, Default)]
pub struct Said {
    databases: BTreeSet<String>,
    /// What could not be seen, and when it last was not.
    not_seen: BTreeMap<String, u64>,
    nothing: bool,
    trace: bool,
    summary_ms: u64,
}

impl Plain {
    /// Begins.
    pub fn start(told: bool) -> Result<Self, LabError> {
        Ok(Self { paper: Paper::start(), said: Said::default(), dropped: 0, told })
    }
}

impl Output for Plain {
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError> {
        // There may be nothing to say for hours.
        if !self.paper.is_read()? {
            return Ok(self.told);
        }
        for line in self.said.lines(watching, changes) {
            match self.paper.line(line)? {
                Became::Taken => {}
                Became::Dropped => self.dropped += 1,
                Became::Unread => return Ok(self.told),
            }
        }
        if self.dropped > 0 {
            let time = words::utc(watching.latest().unix_ms);
            let line = format!("{time} {} lines before this were dropped: the reader is too slow", self.dropped);
            if self.paper.line(line)? == Became::Taken {
                self.dropped = 0;
            }
        }
        Ok(true)
    }

    fn end(&mut self, _: &Watching, _: bool) -> Result<(), LabError> {
        self.paper.end()
    }
}

impl Said {
    /// What one look has to say.
    fn lines(&mut self, watching: &Watching, changes: &Changes) -> Vec<String> {
        let moment = watching.latest();
        let mut lines = self.begins(moment);
        lines.extend(self.unseen(moment));
        lines.extend(changes.raised.iter().flat_map(raised));
        lines.extend(changes.cleared.iter().map(|alarm| cleared(alarm, moment)));
        lines.extend(moment.events.iter().filter(|event| words::is_of_note(event)).map(words::event));
        if moment.elapsed_ms >= self.summary_ms + SUMMARY_MS {
            self.summary_ms = moment.elapsed_ms;
            lines.extend(moment.databases.iter().map(|watched| summary(watching, watched)));
        }
        let time = words::utc(moment.unix_ms);
        lines.into_iter().map(|line| format!("{time} {}", harmless(&line))).collect()
    }

    fn begins(&mut self, moment: &Moment) -> Vec<String> {
        let none = moment.databases.is_empty() && moment.elapsed_ms >= NOTHING_MS;
        let nothing = none && !std::mem::replace(&mut self.nothing, true);
        let mut lines: Vec<String> =
            nothing.then(|| "watching: no database yet; they are looked for".to_owned()).into_iter().collect();
        for watched in &moment.databases {
            if self.databases.insert(watched.path.clone()) {
                lines.push(watching_line(watched));
            }
        }
        for path in self.databases.iter().filter(|path| moment.database(path).is_none()) {
            lines.push(format!("gone     {path}: it is watched no more"));
        }
        self.databases.retain(|path| moment.database(path).is_some());
        if let (Some(Err(why)), false) = (&moment.trace, std::mem::replace(&mut self.trace, true)) {
            lines.push(format!("not seen: locks that are held between two looks: {why}"));
        }
        lines
    }

    fn unseen(&mut self, moment: &Moment) -> Vec<String> {
        let mut lines = Vec::new();
        for what in &moment.not_seen {
            if self.not_seen.insert(what.clone(), moment.elapsed_ms).is_none() {
                lines.push(format!("not seen: {what}"));
            }
        }
        self.not_seen.retain(|_, last| *last + SILENT_MS > moment.elapsed_ms);
        lines
    }
}

fn watching_line(watched: &Watched) -> String {
    let sizes = words::sizes(watched).join(", ");
    let storage = words::storage(watched.mount.as_ref());
    let openers = watched.openers.len();
    format!("watching {}: {}, {storage}, {sizes}, {openers} openers", watched.path, words::mode(watched))
}

fn raised(alarm: &Raised) -> Vec<String> {
    let mut lines = vec![format!("RAISED   {} {}: {}", alarm.level.word(), alarm.alarm, alarm.says)];
    lines.push(format!("         try: {}", alarm.try_this));
    lines
}

fn cleared(alarm: &Raised, moment: &Moment) -> String {
    let after = words::lasts(moment.unix_ms.saturating_sub(alarm.since_unix_ms));
    format!("cleared  {} {} after {after}: {}", alarm.level.word(), alarm.alarm, alarm.says)
}

/// A database in a line.
pub fn summary(watching: &Watching, watched: &Watched) -> String {
    let past = watching.past().database(&watched.path);
    let mut parts = Vec::new();
    parts.extend(watched.silent_ms.map(|ms| format!("its storage has not answered for {}", words::lasts(ms))));
    parts.extend(past.and_then(words::commits_per_second).map(|rate| format!("{rate:.1} commits/s")));
    let growth = past.and_then(words::growth_per_minute).map(words::growth);
    parts.extend(watched.wal.as_ref().map(|wal| {
        let growth = growth.map(|growth| format!(" ({growth})")).unwrap_or_default();
        format!("-wal {}{growth}", words::bytes(wal.size_bytes))
    }));
    parts.extend(watched.frames_waiting().map(|frames| format!("{} frames waiting", words::count(frames.into()))));
    parts.push(format!("{} openers", watched.openers.len()));
    parts.extend(watched.free_bytes.map(|free| format!("{} free", words::bytes(free))));
    format!("{}: {}", watched.path, parts.join(", "))
}
