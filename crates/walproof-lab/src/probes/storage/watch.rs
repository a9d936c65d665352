//! `probe --watch`: a glance four times a second, a line each second, and an eye on glances that do not come back.
//!
//! One thread asks and waits; the other one holds the clock. A glance that is a second late is a stall while it lasts,
//! and is told every second until it comes back or watching ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use walproof_format::measure::{Glance, Measure, Measured};
use walproof_judge::storage::stalls::{STALL_NS, Second, Stall, Summary, Watched};

use super::Asked;
use super::session::{AGENT, Session, with_session};
use crate::error::LabError;

/// Bytes that must be free: scratch takes about 5 MiB of them.
const FREE_BYTES_MIN: u64 = 32 << 20;
/// The making of files of a few MiB.
const LAY_OUT_TIMEOUT: Duration = Duration::from_secs(30);
/// Length of a glance, and the pause between two pairs of calls in it.
const GLANCE_MS: u32 = 250;
const PAUSE_MS: u32 = 10;
/// A stall of an hour ends watching; it is told all the while.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(50);

/// What the observer is told.
pub enum Watching<'a> {
    /// It begins.
    Began {
        /// What the directory lies on, in words.
        storage: &'a str,
    },
    /// About a second has passed.
    Second(&'a Second),
    /// Nothing has come back for so long.
    Stalled(&'a Stall),
    /// It is over.
    Ended(&'a Summary),
}

/// Watches until the time is over or Ctrl-C comes.
pub fn watch(
    asked: &Asked,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(Watching<'_>),
) -> Result<Summary, LabError> {
    with_session(asked, FREE_BYTES_MIN, interrupted, |session| {
        let laid_out = session.ask(Measure::LayOut { page_bytes: 4096 }, LAY_OUT_TIMEOUT)?;
        laid_out.map_err(|refusal| {
            let remedy = "see whether this user may write there, and whether space is free";
            LabError::path("cannot watch", session.directory, refusal.words, remedy)
        })?;
        let storage = match &session.storage.mount {
            Some(mount) => format!("{} at {}", mount.fstype, mount.mount_point),
            None => "storage of an unknown kind".to_owned(),
        };
        observe(Watching::Began { storage: &storage });
        let summary = keep_watching(session, asked.time, observe)?;
        observe(Watching::Ended(&summary));
        Ok(summary)
    })
}

/// What the asking thread tells.
enum Told {
    Asked(Instant),
    Came(Box<Glance>),
    Broke(LabError),
}

fn keep_watching(
    session: &Session<'_>,
    time: Option<Duration>,
    observe: &mut dyn FnMut(Watching<'_>),
) -> Result<Summary, LabError> {
    let (sender, told) = channel();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| ask_on(session, &sender, &over));
        let outcome = Clock::new(time).hold(session, &told, observe);
        over.store(true, Ordering::Relaxed);
        // Whoever waits for a glance waits no longer.
        session.fleet.set_stopping(true);
        if outcome.as_ref().is_ok_and(|summary| summary.silent_at_end_ns.is_some()) {
            // The thread that asked lets go of the line within a moment.
            let _ = session.fleet.kill(AGENT);
        }
        outcome
    })
}

fn ask_on(session: &Session<'_>, sender: &Sender<Told>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let _ = sender.send(Told::Asked(Instant::now()));
        let told = match session.ask(Measure::Glance { for_ms: GLANCE_MS, pause_ms: PAUSE_MS }, FOR_EVER) {
            Ok(Ok(Measured::Glance(glance))) => Told::Came(Box::new(glance)),
            Ok(Ok(_)) => continue,
            Ok(Err(refusal)) => Told::Broke(LabError::new("cannot watch", refusal.words, "see the directory")),
            Err(error) => Told::Broke(error),
        };
        let broke = matches!(told, Told::Broke(_));
        let _ = sender.send(told);
        if broke {
            return;
        }
    }
}

/// The clock, and what came by it.
struct Clock {
    began: Instant,
    time: Option<Duration>,
    watched: Watched,
    /// Since when nothing has come; `None`: it came.
    waiting_since: Option<Instant>,
    line_due: Duration,
    stall_due: Duration,
}

impl Clock {
    fn new(time: Option<Duration>) -> Self {
        let (line_due, stall_due) = (Duration::from_secs(1), Duration::ZERO);
        Self { began: Instant::now(), time, watched: Watched::default(), waiting_since: None, line_due, stall_due }
    }

    fn hold(
        mut self,
        session: &Session<'_>,
        told: &Receiver<Told>,
        observe: &mut dyn FnMut(Watching<'_>),
    ) -> Result<Summary, LabError> {
        loop {
            match told.recv_timeout(TICK) {
                Ok(Told::Asked(since)) => self.waiting_since = Some(since),
                Ok(Told::Came(glance)) => {
                    self.waiting_since = None;
                    self.stall_due = Duration::ZERO;
                    self.watched.take(&glance, self.now_s());
                }
                Ok(Told::Broke(error)) if !session.is_interrupted() => return Err(error),
                Ok(Told::Broke(_)) | Err(RecvTimeoutError::Disconnected) => return Ok(self.summary()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.tell(observe);
            let is_over = self.time.is_some_and(|time| self.began.elapsed() >= time);
            if is_over || session.is_interrupted() {
                return Ok(self.summary());
            }
        }
    }

    fn now_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// How late a glance is, beyond its own length.
    fn late(&self) -> Duration {
        let waited = self.waiting_since.map_or(Duration::ZERO, |since| since.elapsed());
        waited.saturating_sub(Duration::from_millis(GLANCE_MS.into()))
    }

    fn tell(&mut self, observe: &mut dyn FnMut(Watching<'_>)) {
        let (now, late) = (self.began.elapsed(), self.late());
        if late.as_nanos() as u64 > STALL_NS && late >= self.stall_due {
            self.stall_due = late + Duration::from_secs(1);
            let stall = Stall { at_s: self.now_s(), call: "no answer".into(), ns: late.as_nanos() as u64 };
            observe(Watching::Stalled(&stall));
        }
        if now >= self.line_due {
            self.line_due = now + Duration::from_secs(1);
            if let Some(second) = self.watched.second(self.now_s()) {
                observe(Watching::Second(&second));
            }
        }
    }

    fn summary(&self) -> Summary {
        let late_ns = self.late().as_nanos() as u64;
        self.watched.summary(self.now_s(), (late_ns > STALL_NS).then_some(late_ns))
    }
}
