//! What was seen, in the order of time: what came first, how long after it the next, how long it was silent.
//!
//! Text is seldom in order: several files, several clocks. Only kinds whose first line has a time with a year stand in the
//! order; the others are named. What makes the order doubtful is said: times without a zone beside times with one, a clock
//! that goes back.
//! What it must not do: conclude that what came first is the cause. It may be a trace of the same.

use super::scan::{Kind, Scan};
use crate::signatures::Gravity;

/// A silence is worth a word from this length on, where it is longer than all the rest together.
const SILENCE_MS_MIN: i64 = 60_000;

/// The kinds in the order of their first lines.
#[derive(Clone, Debug)]
pub struct Timeline<'s> {
    /// Those with a time.
    pub events: Vec<Event<'s>>,
    /// Those without.
    pub timeless: Vec<&'s Kind>,
    /// Times with a zone and times without are mixed: these were taken as UTC.
    pub zones_differ: bool,
    /// No time has a zone.
    pub no_zone: bool,
}

/// One kind in time.
#[derive(Clone, Debug)]
pub struct Event<'s> {
    /// What.
    pub kind: &'s Kind,
    /// Its first line.
    pub first_unix_ms: i64,
    /// Its last line.
    pub last_unix_ms: i64,
    /// Time since the first line of the event before; `None`: it is the first.
    pub after_ms: Option<i64>,
    /// The longest silence, if it is long for what it is: when it began, when it ended.
    pub silence_unix_ms: Option<(i64, i64)>,
}

impl<'s> Timeline<'s> {
    /// Puts what was seen into order.
    pub fn of(scan: &'s Scan) -> Self {
        let (timed, timeless): (Vec<&Kind>, Vec<&Kind>) =
            scan.kinds.iter().partition(|kind| kind.first.unix_ms().is_some());
        let mut events: Vec<Event<'s>> = timed.into_iter().filter_map(event).collect();
        events.sort_by_key(|event| (event.first_unix_ms, event.kind.signature.name, event.kind.code));
        let firsts: Vec<i64> = events.iter().map(|event| event.first_unix_ms).collect();
        for (event, before) in events.iter_mut().skip(1).zip(firsts) {
            event.after_ms = Some(event.first_unix_ms - before);
        }
        let places = || events.iter().flat_map(|event| [&event.kind.first, &event.kind.last]);
        let zoned = |wanted: bool| places().filter_map(|place| place.time.as_ref()).any(|t| t.has_zone() == wanted);
        let (with, without) = (zoned(true), zoned(false));
        Self { timeless, zones_differ: with && without, no_zone: without && !with, events }
    }

    /// The last thing of the ground (a kernel's, an engine's, a server's word) before SQLite's first complaint, and how long
    /// before: the pair from which a cause can be read.
    pub fn before_the_first_complaint(&self) -> Option<(&Event<'s>, &Event<'s>)> {
        let complains = |event: &&Event<'_>| event.kind.signature.gravity >= Gravity::Loud && event.kind.code.is_some();
        let complaint = self.events.iter().find(complains)?;
        let is_of_the_ground =
            |event: &&Event<'_>| event.kind.signature.gravity >= Gravity::Context && event.kind.code.is_none();
        let mut before = self.events.iter().filter(is_of_the_ground);
        let before = before.rfind(|event| event.first_unix_ms <= complaint.first_unix_ms)?;
        Some((before, complaint))
    }
}

fn event(kind: &Kind) -> Option<Event<'_>> {
    let first_unix_ms = kind.first.unix_ms()?;
    let last_unix_ms = kind.last.unix_ms().unwrap_or(first_unix_ms).max(first_unix_ms);
    let whole_ms = last_unix_ms - first_unix_ms;
    let is_long = |(from, to): &(i64, i64)| to - from >= SILENCE_MS_MIN && (to - from) * 2 > whole_ms && kind.count > 2;
    let silence_unix_ms = kind.silence_unix_ms.filter(is_long);
    Some(Event { kind, first_unix_ms, last_unix_ms, after_ms: None, silence_unix_ms })
}

#[cfg(test)]
mod tests {
    use super::super::Scanner;
    use super::*;

    fn scanned(lines: &[&str]) -> Scan {
        let mut scanner = Scanner::new();
        lines.iter().for_each(|line| scanner.feed(format!("{line}\n").as_bytes()));
        scanner.finish()
    }

    #[test]
    fn what_came_first_stands_first_whatever_the_zone() {
        let scan = scanned(&[
            "2024-01-02T03:04:05Z database is locked",
            "2024-01-02T05:04:02+02:00 kernel: Out of memory: Killed process 12 (app) total-vm:1kB",
            "2024-01-02T03:04:06Z database is locked",
            "2024-01-02T04:04:06Z database is locked",
            "database disk image is malformed at no time that is near",
        ]);
        let timeline = Timeline::of(&scan);
        let order: Vec<(&str, Option<i64>)> =
            timeline.events.iter().map(|event| (event.kind.signature.name, event.after_ms)).collect();
        assert_eq!(order[..2], [("out-of-memory-kill", None), ("busy", Some(3_000))]);
        let (before, complaint) = timeline.before_the_first_complaint().expect("a pair");
        assert_eq!((before.kind.signature.name, complaint.kind.signature.name), ("out-of-memory-kill", "busy"));
        assert!(timeline.events[1].silence_unix_ms.is_some_and(|(from, to)| to - from == 3_600_000));
        assert!(!timeline.zones_differ && !timeline.no_zone);
    }

    #[test]
    fn what_makes_the_order_doubtful_is_said() {
        let mixed = scanned(&["2024-01-02T03:04:05Z database is locked", "2024-01-02 04:04:05 disk I/O error"]);
        assert!(Timeline::of(&mixed).zones_differ);
        let none = scanned(&["2024-01-02 04:04:05 disk I/O error"]);
        assert!(Timeline::of(&none).no_zone);
        let yearless = scanned(&["Jan  2 03:04:05 host app: database is locked"]);
        assert_eq!((Timeline::of(&yearless).events.len(), Timeline::of(&yearless).timeless.len()), (0, 1));
        let back = scanned(&["2024-01-02T03:04:05Z database is locked", "2024-01-02T03:00:05Z database is locked"]);
        assert_eq!(back.steps_back[&0].furthest_ms, 240_000);
        assert_eq!(back.steps_back[&0].place.line, 2);
    }
}
