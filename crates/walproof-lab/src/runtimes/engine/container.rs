//! A started container of an engine.
//!
//! What this file is: the command line that carries the agent's line, and the container behind it. Signals go to the
//! container's first process by a pidfd where it can be held, else through the engine.
//! What it must not do: believe a pid that does not carry the run's label.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::{Client, full_name};
use crate::run::leavings::{RunDirectory, RunNotes};
use crate::runtimes::attached::{Attached, exit_inside, exit_of};
use crate::runtimes::pidfd::Pidfd;
use crate::runtimes::{Container, Exit, Line, RuntimeError};

const REMOVE_MAX: Duration = Duration::from_secs(10);

/// A started container.
#[derive(Debug)]
pub struct EngineContainer {
    client: Client,
    run: String,
    /// The lab's name for it.
    name: String,
    /// The engine's name for it.
    full_name: String,
    /// Where its command line was started: nothing of it shall lie in the user's own directory.
    folder: PathBuf,
    notes: RunNotes,
    attached: Attached,
    init: OnceLock<Option<(u32, Pidfd)>>,
    killed: bool,
    frozen: bool,
    exit: Option<Exit>,
    oom: Option<bool>,
    removed: bool,
}

impl EngineContainer {
    pub fn new(client: Client, run: &RunDirectory, name: &str, folder: PathBuf, attached: Attached) -> EngineContainer {
        EngineContainer {
            client,
            run: run.id().as_str().to_owned(),
            name: name.to_owned(),
            full_name: full_name(run.id().as_str(), name),
            folder,
            notes: run.notes(),
            attached,
            init: OnceLock::new(),
            killed: false,
            frozen: false,
            exit: None,
            oom: None,
            removed: false,
        }
    }

    pub fn wait_until_it_speaks(&mut self, timeout: Duration) -> Result<(), RuntimeError> {
        self.attached.wait_until_it_speaks(timeout)
    }

    /// The container's first process, when it is on this machine and ours to hold.
    fn init(&self) -> Option<&(u32, Pidfd)> {
        self.init.get_or_init(|| self.hold()).as_ref()
    }

    fn hold(&self) -> Option<(u32, Pidfd)> {
        let said = self.client.ask(&["container", "inspect", "--format", "{{.State.Pid}}", &self.full_name]).ok()?;
        let pid: u32 = said.parse().ok().filter(|pid| *pid > 0)?;
        Pidfd::open_of_run(pid, &self.run).map(|held| (pid, held))
    }

    fn signal(&mut self, signal: i32, word: &str) -> Result<(), RuntimeError> {
        if let Some((_, held)) = self.init()
            && held.signal(signal).is_ok()
        {
            return Ok(());
        }
        let sent = self.client.ask(&["kill", "--signal", word, &self.full_name]);
        match sent {
            Err(_) if self.is_running() == Some(false) => Ok(()),
            other => other.map(drop),
        }
    }

    fn state(&self) -> Option<Value> {
        let said = self.client.ask(&["container", "inspect", "--format", "{{json .State}}", &self.full_name]).ok()?;
        serde_json::from_str(&said).ok()
    }

    fn is_running(&self) -> Option<bool> {
        self.state()?["Running"].as_bool()
    }

    /// What the engine says of an end, and whether the kernel killed it for want of memory.
    fn note_end(&mut self, code: i32) -> Result<(), RuntimeError> {
        let inside = exit_inside(code);
        if self.killed && inside == Exit::Signal(libc::SIGKILL) {
            self.exit = Some(inside);
            return Ok(());
        }
        let state = self.state().filter(|state| state["Running"] == false).ok_or_else(|| self.lost())?;
        let said = state["ExitCode"].as_i64().and_then(|code| i32::try_from(code).ok());
        self.exit = Some(said.map_or(inside, exit_inside));
        let told = state["OOMKilled"].as_bool().filter(|oom| *oom || self.client.tool.tells_want_of_memory);
        // conmon leaves a file of this name where it was started.
        self.oom = if self.folder.join("oom").exists() { Some(true) } else { told };
        Ok(())
    }

    fn lost(&self) -> RuntimeError {
        let command = format!("{} container inspect {}", self.client.tool.name, self.full_name);
        let because = format!("container `{}` is lost to us: {}", self.name, self.attached.stderr_tail());
        RuntimeError::Engine { command, because }
    }

    fn try_remove(&mut self) -> Result<(), RuntimeError> {
        // Killed first: podman's `rm --force` asks nicely and waits, and nobody inside listens.
        let ended = matches!(self.attached.ended_within(Duration::ZERO), Ok(Some(_)));
        let killed = if ended { Ok(()) } else { self.kill() };
        // The command line ends by itself once its container has ended; it was never to be killed before.
        let _ = self.attached.ended_within(if killed.is_ok() { REMOVE_MAX } else { Duration::ZERO });
        let _ = self.attached.end();
        let removed = self.client.ask(&["rm", "--force", "--volumes", &self.full_name]);
        match removed {
            Err(error) if self.state().is_some() => {
                Err(RuntimeError::Remove { container: self.name.clone(), because: error.because() })
            }
            _ => Ok(self.notes.forget_container(&self.name)?),
        }
    }
}

impl Container for EngineContainer {
    fn pid(&self) -> Option<u32> {
        self.init().map(|(pid, _)| *pid)
    }

    fn take_line(&mut self) -> Option<Line> {
        self.attached.take_line()
    }

    fn kill(&mut self) -> Result<(), RuntimeError> {
        self.thaw()?;
        self.killed = true;
        self.signal(libc::SIGKILL, "KILL")
    }

    fn pause(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGSTOP, "STOP")
    }

    fn resume(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGCONT, "CONT")
    }

    fn freeze(&mut self) -> Result<(), RuntimeError> {
        self.client.ask(&["pause", &self.full_name])?;
        self.frozen = true;
        Ok(())
    }

    fn thaw(&mut self) -> Result<(), RuntimeError> {
        if self.frozen {
            self.client.ask(&["unpause", &self.full_name])?;
            self.frozen = false;
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError> {
        if self.exit.is_none()
            && let Some(status) = self.attached.ended_within(timeout)?
        {
            match exit_of(status) {
                Exit::Code(code) => self.note_end(code)?,
                Exit::Signal(_) => return Err(self.lost()),
            }
        }
        Ok(self.exit)
    }

    fn remove(&mut self) -> Result<(), RuntimeError> {
        if self.removed {
            return Ok(());
        }
        self.removed = true;
        self.try_remove()
    }

    fn oom_killed(&self) -> Option<bool> {
        self.oom
    }

    fn stderr_tail(&self) -> String {
        self.attached.stderr_tail()
    }
}

impl Drop for EngineContainer {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}
