//! Alerts: others are told of alarms that are raised and cleared, by a command or a webhook.
//!
//! `alerts/telling.rs` decides what is told; each way to tell has a thread of its own and a bounded queue, so that nobody
//! holds up the looking. What is dropped is counted and said.
//! What it must not do: tell of an alarm that is on and off every second more than once in a while; stay silent about
//! one that stays on.
//! Where to look next: `alerts/exec.rs`, `alerts/webhook.rs`.

mod exec;
mod telling;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use walproof_judge::watch::{Changes, Watching};
use walproof_lab::error::LabError;

use super::Output;
use super::notes::Notes;
use crate::arguments::AlertFlags;
use telling::{Alert, Telling};

/// Alerts that wait to be told, for each way.
const ALERTS_MAX: usize = 64;
/// How long the end waits for them when somebody waits for the end, and when nobody does.
const END_BY_HAND: Duration = Duration::from_secs(3);
const END: Duration = Duration::from_secs(15);
/// And for a command to be killed after that.
const END_KILL: Duration = Duration::from_secs(1);

/// Tells.
pub struct Alerts {
    telling: Telling,
    ways: Vec<Way>,
    notes: Notes,
}

/// One way to tell.
struct Way {
    name: &'static str,
    queue: Option<SyncSender<Alert>>,
    done: Receiver<()>,
    stop: Arc<AtomicBool>,
    dropped: u64,
}

impl Alerts {
    /// Begins. `quiet`: what commands print would spoil a view.
    pub fn start(flags: &AlertFlags, notes: Notes, quiet: bool) -> Result<Self, LabError> {
        let again_ms = u64::try_from(flags.alert_again.as_millis()).unwrap_or(u64::MAX);
        let mut ways = Vec::new();
        if let Some(command) = flags.exec.clone() {
            ways.push(Way::start("--exec", notes.clone(), move |alert, stop| exec::run(&command, alert, quiet, stop)));
        }
        if let Some(address) = &flags.webhook {
            let webhook = webhook::Webhook::new(address, &flags.webhook_format);
            ways.push(Way::start("--webhook", notes.clone(), move |alert, stop| webhook.tell(alert, stop)));
        }
        Ok(Self { telling: Telling::new(flags.alert_on, again_ms), ways, notes })
    }
}

impl Output for Alerts {
    fn show(&mut self, watching: &Watching, _: &Changes) -> Result<bool, LabError> {
        for alert in self.telling.take(watching) {
            for way in &mut self.ways {
                way.take(alert.clone(), &self.notes);
            }
        }
        Ok(true)
    }

    fn end(&mut self, _: &Watching, by_hand: bool) -> Result<(), LabError> {
        self.ways.iter_mut().for_each(|way| drop(way.queue.take()));
        let end = Instant::now() + if by_hand { END_BY_HAND } else { END };
        for way in &self.ways {
            let left = end.saturating_duration_since(Instant::now());
            if way.done.recv_timeout(left) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                way.stop.store(true, Ordering::Relaxed);
                let _ = way.done.recv_timeout(END_KILL);
                eprintln!("walproof: not all alerts were told by {}: it takes too long", way.name);
            }
        }
        Ok(())
    }
}

impl Way {
    fn start(
        name: &'static str,
        notes: Notes,
        mut tell: impl FnMut(&Alert, &AtomicBool) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let (queue, alerts) = sync_channel::<Alert>(ALERTS_MAX);
        let (end, done) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            for alert in alerts.into_iter().take_while(|_| !stopped.load(Ordering::Relaxed)) {
                match tell(&alert, &stopped) {
                    Ok(()) => notes.take_back(name),
                    Err(why) => notes.say(name, format!("an alert could not be told by {name}: {why}")),
                }
            }
            let _ = end.send(());
        });
        Self { name, queue: Some(queue), done, stop, dropped: 0 }
    }

    fn take(&mut self, alert: Alert, notes: &Notes) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(_)) = queue.try_send(alert) {
            self.dropped += 1;
            notes.say(
                &format!("{} drops", self.name),
                format!("{} alerts were dropped: {} takes too long", self.dropped, self.name),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use walproof_judge::watch::alarms::Level;

    #[test]
    fn a_way_that_hangs_holds_up_nobody_and_drops_are_said() {
        let (go, wait) = channel::<()>();
        let notes = Notes::new(false);
        let mut way = Way::start("--exec", notes.clone(), move |_, _| {
            let _ = wait.recv();
            Ok(())
        });
        let alert = telling::tests::alert(Level::Warning);
        for _ in 0..ALERTS_MAX + 5 {
            way.take(alert.clone(), &notes);
        }
        assert!(way.dropped >= 4, "{}", way.dropped);
        assert!(notes.all()[0].contains("alerts were dropped"), "{:?}", notes.all());
        drop(go);
        drop(way.queue.take());
        way.done.recv_timeout(Duration::from_secs(60)).expect("it ends");
    }

    #[test]
    fn what_failed_is_said_until_it_works_again() {
        let notes = Notes::new(false);
        let mut fails = true;
        let way = Way::start("--webhook", notes.clone(), move |_, _| {
            if std::mem::replace(&mut fails, false) { Err("no answer".to_owned()) } else { Ok(()) }
        });
        let queue = way.queue.as_ref().expect("open");
        let until = |wanted: usize| {
            let end = Instant::now() + Duration::from_secs(60);
            while notes.all().len() != wanted {
                assert!(Instant::now() < end, "{:?}", notes.all());
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        queue.send(telling::tests::alert(Level::Warning)).expect("taken");
        until(1);
        queue.send(telling::tests::alert(Level::Warning)).expect("taken");
        until(0);
    }
}
