//! The thread that looks: whoever is shown a watch never holds it up, and keys are answered between looks.
//!
//! What it must not do: keep moments. At most one waits; while nobody takes it, nothing is looked at.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use walproof_judge::watch::moment::Moment;
use walproof_lab::watch::Watcher;

/// How long an end is waited for: a look takes no longer than a second, and then what it made is removed.
const END_MAX: Duration = Duration::from_secs(3);

/// It looks in a thread of its own.
pub struct Looker {
    moments: Receiver<Box<Moment>>,
    /// Dropped to end it.
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
}

/// What came.
pub enum News {
    /// A look.
    Moment(Box<Moment>),
    /// Nothing yet.
    Nothing,
    /// It looks no more.
    Ended,
}

impl Looker {
    /// Begins.
    pub fn start(watcher: Watcher) -> Self {
        let (to, moments) = sync_channel(1);
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        std::thread::spawn(move || {
            look(watcher, &to, &stopped);
            let _ = end.send(());
        });
        Self { moments, stop: Some(stop), ended }
    }

    /// What comes within this time.
    pub fn news(&self, within: Duration) -> News {
        match self.moments.recv_timeout(within) {
            Ok(moment) => News::Moment(moment),
            Err(RecvTimeoutError::Timeout) => News::Nothing,
            Err(RecvTimeoutError::Disconnected) => News::Ended,
        }
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        drop(self.stop.take());
        // One that waits to be taken holds the thread.
        let _ = self.moments.try_recv();
        let _ = self.ended.recv_timeout(END_MAX);
    }
}

fn look(mut watcher: Watcher, to: &SyncSender<Box<Moment>>, stopped: &Receiver<()>) {
    loop {
        // The wait is here rather than in the watcher, so that it can be ended.
        let wait = watcher.due().saturating_duration_since(Instant::now());
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        if to.send(Box::new(watcher.next_moment())).is_err() {
            return;
        }
    }
}
