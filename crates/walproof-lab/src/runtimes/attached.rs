//! A command in the foreground that carries an agent's line: the agent itself, or the tool that runs it.
//!
//! What this file is: starting it in a group of its own, waiting until what runs inside speaks, waiting for its end.
//! What it must not do: know which tool it is.
//! Where to look next: `process.rs`, `oci.rs` and `engine.rs`, which start everything through it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::pidfd::Pidfd;
use super::{Exit, Line, RuntimeError, tail};
use crate::run::leavings::RunDirectory;

/// What its standard output and its end came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Speech,
    End,
    Nothing,
}

/// A started command.
#[derive(Debug)]
pub struct Attached {
    name: String,
    child: Child,
    handle: Pidfd,
    line: Option<Line>,
    stderr_path: PathBuf,
}

impl Attached {
    /// Starts it with pipes for the line and a file for its standard error. It carries the run's label, so that
    /// `clean` finds it; Ctrl-C at the terminal does not reach it.
    pub fn spawn(command: &mut Command, run: &RunDirectory, name: &str) -> Result<Attached, RuntimeError> {
        let failed = |error| RuntimeError::system(format!("start `{name}`"), error);
        let stderr_path = run.path().join("logs").join(format!("{name}.stderr"));
        let logs = run.path().join("logs");
        let stderr = fs::create_dir_all(logs).and_then(|()| File::create(&stderr_path)).map_err(failed)?;
        command.env("WALPROOF_RUN", run.id().as_str()).env("WALPROOF_CONTAINER", name).process_group(0);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = spawned.map_err(failed)?;
        let line = child.stdin.take().zip(child.stdout.take()).map(|(stdin, stdout)| Line {
            to_agent: OwnedFd::from(stdin).into(),
            from_agent: OwnedFd::from(stdout).into(),
        });
        let handle = Pidfd::open(child.id()).map_err(failed)?;
        Ok(Attached { name: name.to_owned(), child, handle, line, stderr_path })
    }

    /// The command's own pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until what runs inside has spoken: only then has it started. Reads nothing.
    pub fn wait_until_it_speaks(&mut self, timeout: Duration) -> Result<(), RuntimeError> {
        match self.hear(timeout) {
            Ok(Heard::Speech) => Ok(()),
            Ok(Heard::Nothing) => Err(self.did_not_start(format!("nothing was heard of it for {timeout:?}"))),
            Ok(Heard::End) => {
                let status = self.child.wait();
                let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(self.did_not_start(format!("it ended before it spoke ({how})")))
            }
            Err(error) => Err(RuntimeError::system(format!("listen to `{}`", self.name), error)),
        }
    }

    fn hear(&self, timeout: Duration) -> io::Result<Heard> {
        let Some(line) = &self.line else { return Ok(Heard::Speech) };
        let end = Instant::now() + timeout;
        let waited_for = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut both = [waited_for(line.from_agent.as_raw_fd()), waited_for(self.handle.as_raw_fd())];
        loop {
            let left = end.saturating_duration_since(Instant::now()).as_millis().min(60_000) as i32;
            // SAFETY: two pollfds that live on this stack frame.
            let answer = unsafe { libc::poll(both.as_mut_ptr(), 2, left) };
            match answer {
                -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => continue,
                -1 => return Err(io::Error::last_os_error()),
                _ if both[0].revents & libc::POLLIN != 0 => return Ok(Heard::Speech),
                _ if both[1].revents != 0 => return Ok(Heard::End),
                // Its output is closed and it lives: its end comes soon, and must be waited for without that output.
                _ if both[0].revents != 0 => both[0].fd = -1,
                0 if left == 0 => return Ok(Heard::Nothing),
                _ => {}
            }
        }
    }

    /// An error with what was written to standard error.
    pub fn did_not_start(&self, because: String) -> RuntimeError {
        RuntimeError::Start { container: self.name.clone(), because, stderr: self.stderr_tail() }
    }

    /// The line, once.
    pub fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }

    /// A signal to the command itself.
    pub fn signal(&self, signal: i32) -> Result<(), RuntimeError> {
        let sent = self.handle.signal(signal);
        sent.map_err(|error| RuntimeError::system(format!("send signal {signal} to `{}`", self.name), error))
    }

    /// How the command ended; `None`: it lives after `timeout`.
    pub fn ended_within(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, RuntimeError> {
        let failed = |error| RuntimeError::system(format!("wait for `{}`", self.name), error);
        self.handle.ended_within(timeout).map_err(failed)?;
        self.child.try_wait().map_err(failed)
    }

    /// Kills the command, if it lives, and reaps it.
    pub fn end(&mut self) -> io::Result<()> {
        self.line = None;
        self.handle.signal(libc::SIGKILL)?;
        self.child.wait().map(drop)
    }

    /// The last lines of its standard error.
    pub fn stderr_tail(&self) -> String {
        tail(&self.stderr_path)
    }
}

/// How a process ended, by its own status.
pub fn exit_of(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.code().unwrap_or(255)),
    }
}

/// How what a tool ran ended, by the tool's exit code: 128 and a signal's number, as shells say it. No agent ends by
/// such a code of its own.
pub fn exit_inside(code: i32) -> Exit {
    if (129..=192).contains(&code) { Exit::Signal(code - 128) } else { Exit::Code(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_say_signals_as_shells_do() {
        assert_eq!(exit_inside(137), Exit::Signal(9));
        assert_eq!(exit_inside(0), Exit::Code(0));
        assert_eq!(exit_inside(125), Exit::Code(125));
    }
}
