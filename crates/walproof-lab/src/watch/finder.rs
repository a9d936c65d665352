//! Who has what open, about once a second, in a thread of its own: engines, slow storage and many processes hold nobody.
//!
//! What it must not do: touch a file system that is known to be silent.
//! Where to look next: `collect/live.rs`, which does the looking; `eyes.rs` for what is looked at more often.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::collect::live::{Kept, LiveTarget, Looked};
use crate::error::LabError;

/// Between the beginnings of two looks.
const EVERY: Duration = Duration::from_millis(900);
/// A look that is dear is made less often: it takes one part in so many of a processor.
const SHARE: u32 = 10;
const EVERY_MAX: Duration = Duration::from_secs(5);
/// Between two looks at least, also when somebody is in a hurry.
const REST: Duration = Duration::from_millis(150);
/// How long an answer of storage may take here.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Major and minor number.
pub type Device = (u32, u32);

/// What was found.
pub struct Found {
    /// The look.
    pub looked: Looked,
    /// When it ended.
    pub ended: Instant,
}

/// The thread.
#[derive(Debug)]
pub struct Finder {
    found: Receiver<Found>,
    hurry: Sender<()>,
    silent: Arc<Mutex<BTreeSet<Device>>>,
}

impl Finder {
    /// Begins to look.
    pub fn start(targets: Vec<LiveTarget>) -> Result<Self, LabError> {
        let kept = Kept::new(ANSWER_MAX)?;
        let (to_watcher, found) = channel();
        let (hurry, hurried) = channel();
        let silent = Arc::new(Mutex::new(BTreeSet::new()));
        let known = Arc::clone(&silent);
        let began = std::thread::Builder::new().name("finder".to_owned()).spawn(move || {
            find(kept, &targets, &known, &to_watcher, &hurried);
        });
        let failed = |error: std::io::Error| {
            LabError::new(
                "cannot look for openers",
                error.to_string(),
                "whether this user may start threads: `ulimit -u`",
            )
        };
        began.map_err(failed)?;
        Ok(Self { found, hurry, silent })
    }

    /// The newest that was found since it was asked last; waits for it so long.
    pub fn newest(&self, wait: Duration) -> Result<Option<Found>, Ended> {
        let mut newest = match self.found.recv_timeout(wait) {
            Ok(found) => Some(found),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err(Ended),
        };
        while let Ok(found) = self.found.try_recv() {
            newest = Some(found);
        }
        Ok(newest)
    }

    /// Looks as soon as may be: something was seen that is not known.
    pub fn hurry(&self) {
        // It has ended: `newest` says so.
        let _ = self.hurry.send(());
    }

    /// File systems that do not answer now.
    pub fn silent(&self, devices: BTreeSet<Device>) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = devices;
    }
}

/// The thread has ended, which it never should.
#[derive(Clone, Copy, Debug)]
pub struct Ended;

fn find(
    mut kept: Kept,
    targets: &[LiveTarget],
    silent: &Mutex<BTreeSet<Device>>,
    to_watcher: &Sender<Found>,
    hurried: &Receiver<()>,
) {
    loop {
        let began = Instant::now();
        let dead = silent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let before = processor_time(&kept);
        let looked;
        (looked, kept) = kept.look(targets, &dead);
        let ended = Instant::now();
        if to_watcher.send(Found { looked, ended }).is_err() {
            return;
        }
        // Its own time, if that can be told: on a busy machine a look takes long and costs little.
        let cost = processor_time(&kept).zip(before).map(|(after, before)| after.saturating_sub(before));
        let every = (cost.unwrap_or(ended - began) * SHARE).clamp(EVERY, EVERY_MAX);
        std::thread::sleep(REST);
        match hurried.recv_timeout(every.saturating_sub(began.elapsed())) {
            Ok(()) => while hurried.try_recv().is_ok() {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn processor_time(kept: &Kept) -> Option<Duration> {
    kept.asker.as_ref()?.processor_time()
}
