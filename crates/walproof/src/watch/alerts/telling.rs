//! Which alarms are told, and when: of a level, when they come, when they get worse, when they are gone.
//!
//! One that comes and goes is told once in a while; one that came back meanwhile and stays is told when the while is
//! over. It is decided by what is on, not by what changed: nothing is lost between two looks.
//! What it must not do: ask a clock.

use std::collections::BTreeMap;

use serde::Serialize;
use walproof_judge::watch::alarms::Level;
use walproof_judge::watch::{Raised, Watching};

use crate::watch::words;

/// The version of an alert.
const VERSION: u32 = 1;

/// What is told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// The version.
    pub walproof_alert: u32,
    /// `raised` or `cleared`.
    pub state: &'static str,
    /// The time of the look, RFC 3339.
    pub time: String,
    /// The machine's name.
    pub host: String,
    /// How often it came and went since it was last told, without a word.
    pub times_untold: u64,
    /// The alarm.
    pub alarm: Raised,
}

/// What was told.
#[derive(Debug)]
struct Told {
    alarm: Raised,
    /// When it was told that it is on, on the clock of `elapsed_ms`.
    raised_ms: u64,
    /// It was told that it is on, and not that it is off.
    open: bool,
    on: bool,
    times_untold: u64,
}

/// Decides.
#[derive(Debug)]
pub struct Telling {
    on_level: Level,
    again_ms: u64,
    host: String,
    told: BTreeMap<(&'static str, String), Told>,
}

impl Telling {
    /// From this level on; the same again not before this time.
    pub fn new(on_level: Level, again_ms: u64) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        Self { on_level, again_ms, host, told: BTreeMap::new() }
    }

    /// What is to be told after a look.
    pub fn take(&mut self, watching: &Watching) -> Vec<Alert> {
        let (now_ms, unix_ms) = (watching.latest().elapsed_ms, watching.latest().unix_ms);
        let mut tells: Vec<(&'static str, u64, Raised)> = Vec::new();
        let active = watching.active().iter().filter(|alarm| alarm.level >= self.on_level);
        let active: Vec<(_, &Raised)> = active.map(|alarm| ((alarm.alarm, alarm.about.clone()), alarm)).collect();
        for (key, told) in &mut self.told {
            if !active.iter().any(|(on, _)| on == key) {
                told.on = false;
                if std::mem::replace(&mut told.open, false) {
                    tells.push(("cleared", 0, told.alarm.clone()));
                }
            }
        }
        for (key, alarm) in active {
            let untold = match self.told.get_mut(&key) {
                Some(told) => told.again(alarm, now_ms, self.again_ms),
                None => Some(0),
            };
            if let Some(times_untold) = untold {
                tells.push(("raised", times_untold, alarm.clone()));
                let told = Told { alarm: alarm.clone(), raised_ms: now_ms, open: true, on: true, times_untold: 0 };
                self.told.insert(key, told);
            }
        }
        let again_ms = self.again_ms;
        self.told.retain(|_, told| told.on || now_ms.saturating_sub(told.raised_ms) < again_ms);
        let time = words::utc(unix_ms);
        let alert = |(state, times_untold, alarm)| Alert {
            walproof_alert: VERSION,
            state,
            time: time.clone(),
            host: self.host.clone(),
            times_untold,
            alarm,
        };
        tells.into_iter().map(alert).collect()
    }
}

impl Told {
    /// Whether it is to be told again that it is on, and how often it was not.
    fn again(&mut self, alarm: &Raised, now_ms: u64, again_ms: u64) -> Option<u64> {
        let came = !std::mem::replace(&mut self.on, true);
        self.times_untold += u64::from(came);
        let worse = alarm.level > self.alarm.level;
        let tells = worse || !self.open && now_ms.saturating_sub(self.raised_ms) >= again_ms;
        if !tells && self.open {
            self.alarm = alarm.clone();
        }
        // The return that is told is no untold one.
        tells.then(|| self.times_untold.saturating_sub(u64::from(came)))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use walproof_format::sqlite::lock_bytes::Lock;
    use walproof_judge::watch::Thresholds;
    use walproof_judge::watch::moment::{HeldLock, Moment, Runs, Watched, WatchedOpener};

    /// An alert as it might be.
    pub fn alert(level: Level) -> Alert {
        let alarm = Raised {
            alarm: "frozen-lock-holder",
            level,
            about: "/a.db pid 7".into(),
            database: Some("/a.db".into()),
            container: Some("worker".into()),
            pid: Some(7),
            since_unix_ms: 1_000,
            says: "worker is frozen & holds <WAL_WRITE_LOCK>".into(),
            witness: vec!["seen".into()],
            try_this: "let it go on".into(),
        };
        let (time, host) = (words::utc(2_000), "machine".to_owned());
        Alert { walproof_alert: VERSION, state: "raised", time, host, times_untold: 0, alarm }
    }

    /// A watch in which an opener holds the write lock, stopped or not, at each of these times.
    fn told(again_ms: u64, looks: &[(u64, bool)]) -> Vec<(u64, &'static str, u64)> {
        let thresholds = Thresholds { frozen_holder_ms: 0, quiet_ms: 0, ..Thresholds::default() };
        let (mut watching, mut telling) = (Watching::new(thresholds), Telling::new(Level::Warning, again_ms));
        let mut all = Vec::new();
        for (elapsed_ms, stopped) in looks {
            let held = HeldLock { lock: Lock::Write, exclusive: true };
            let runs = if *stopped { Runs::Stopped } else { Runs::Freely };
            let opener = WatchedOpener { pid: 7, locks: Some(vec![held]), runs, ..WatchedOpener::default() };
            let watched = Watched { path: "/a.db".into(), openers: vec![opener], ..Watched::default() };
            watching.observe(Moment { elapsed_ms: *elapsed_ms, databases: vec![watched], ..Moment::default() });
            let mine = telling.take(&watching).into_iter().filter(|alert| alert.alarm.alarm == "frozen-lock-holder");
            all.extend(mine.map(|alert| (*elapsed_ms, alert.state, alert.times_untold)));
        }
        all
    }

    #[test]
    fn an_alarm_is_told_once_and_its_end_once() {
        let looks = [(0, false), (1, true), (2, true), (3, false), (4, false)];
        assert_eq!(told(100, &looks), [(1, "raised", 0), (3, "cleared", 0)]);
    }

    #[test]
    fn one_that_comes_and_goes_is_told_once_in_a_while() {
        let looks: Vec<(u64, bool)> = (0..25).map(|at| (at, at % 2 == 0)).collect();
        assert_eq!(
            told(10, &looks),
            [
                (0, "raised", 0),
                (1, "cleared", 0),
                (10, "raised", 4),
                (11, "cleared", 0),
                (20, "raised", 4),
                (21, "cleared", 0)
            ]
        );
    }

    #[test]
    fn one_that_came_back_and_stays_is_told_when_the_while_is_over() {
        let looks = [(0, true), (1, false), (2, true), (9, true), (10, true), (30, true)];
        assert_eq!(told(10, &looks), [(0, "raised", 0), (1, "cleared", 0), (10, "raised", 1)]);
    }

    #[test]
    fn one_that_gets_worse_is_told_again() {
        let mut told = Told { alarm: alert(Level::Warning).alarm, raised_ms: 0, open: true, on: true, times_untold: 0 };
        assert_eq!(told.again(&alert(Level::Warning).alarm, 1, 100), None);
        assert_eq!(told.again(&alert(Level::Critical).alarm, 2, 100), Some(0));
    }
}
