//! Standard output, written by a thread of its own: a reader that is slow holds up nobody, and takes no memory.
//!
//! What does not fit into the queue is dropped and counted; whoever writes says so. A reader that went away is no
//! error, a disk that is full is one.

use std::io::{ErrorKind, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::time::Duration;

use walproof_lab::error::LabError;

/// Lines that wait to be written.
const LINES_MAX: usize = 64;
/// How long the rest is waited for at the end.
const END_MAX: Duration = Duration::from_secs(2);

/// Where lines go.
pub struct Paper {
    lines: Option<SyncSender<String>>,
    outcome: Receiver<std::io::Result<()>>,
    gone: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// It waits to be written, or is.
    Taken,
    /// The reader is too slow.
    Dropped,
    /// There is no reader any more.
    Unread,
}

impl Paper {
    /// Standard output.
    pub fn start() -> Self {
        Self::on(std::io::stdout())
    }

    fn on(mut out: impl Write + Send + 'static) -> Self {
        let (lines, queue) = sync_channel::<String>(LINES_MAX);
        let (end, outcome) = channel();
        std::thread::spawn(move || {
            let write = |line: String| out.write_all(line.as_bytes()).and_then(|()| out.flush());
            let _ = end.send(queue.into_iter().try_for_each(write));
        });
        Self { lines: Some(lines), outcome, gone: false }
    }

    /// A line, or several; its end is added.
    pub fn line(&mut self, text: String) -> Result<Became, LabError> {
        self.heard()?;
        let Some(lines) = self.lines.as_ref().filter(|_| !self.gone) else { return Ok(Became::Unread) };
        match lines.try_send(text + "\n") {
            Ok(()) => Ok(Became::Taken),
            Err(TrySendError::Full(_)) => Ok(Became::Dropped),
            // What was wrong is heard next time.
            Err(TrySendError::Disconnected(_)) => Ok(Became::Dropped),
        }
    }

    /// Whether somebody reads, as far as is known; an error when it could not be written.
    pub fn is_read(&mut self) -> Result<bool, LabError> {
        self.heard()?;
        Ok(!self.gone)
    }

    fn heard(&mut self) -> Result<(), LabError> {
        match self.outcome.try_recv() {
            Ok(outcome) => self.judge(outcome),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(()),
        }
    }

    fn judge(&mut self, outcome: std::io::Result<()>) -> Result<(), LabError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            Err(error) => {
                self.gone = true;
                Err(LabError::new("cannot write to standard output", error, "a place with room"))
            }
        }
    }

    /// Waits for what is still to be written; not for long.
    pub fn end(&mut self) -> Result<(), LabError> {
        if self.lines.take().is_none() || self.gone {
            return Ok(());
        }
        match self.outcome.recv_timeout(END_MAX) {
            Ok(outcome) => self.judge(outcome),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is let go.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_reader_holds_up_nobody() {
        let (go, stuck) = channel();
        let mut paper = Paper::on(Stuck(stuck));
        let became: Vec<Became> =
            (0..LINES_MAX + 10).map(|number| paper.line(number.to_string()).expect("no error")).collect();
        assert_eq!(became[0], Became::Taken);
        assert_eq!(became.last(), Some(&Became::Dropped));
        drop(go);
        assert_eq!(paper.end(), Ok(()));
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        let mut left = Paper::on(Fails(ErrorKind::BrokenPipe));
        let _ = left.line("one".to_owned());
        assert_eq!(left.end(), Ok(()));
        let mut full = Paper::on(Fails(ErrorKind::StorageFull));
        let _ = full.line("one".to_owned());
        assert!(full.end().is_err());
    }
}
