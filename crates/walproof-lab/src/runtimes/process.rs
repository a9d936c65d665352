//! The process runtime: agents as plain processes. No isolation, no daemon, no privileges.
//!
//! What this file is: the same binary started beside us, its mounts translated into paths of the host.
//! What it must not do: pretend to be a container; coverage says "processes, not containers".
//! Where to look next: `embedded.rs` for the real thing.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::pidfd::Pidfd;
use super::{Abilities, Container, ContainerSpec, Exit, Line, Mount, Runtime, RuntimeError, tail};
use crate::run::leavings::{RunDirectory, RunNotes};

const NAME: &str = "process";

/// Plain processes.
#[derive(Debug)]
pub struct Process {
    abilities: Abilities,
}

/// Can always serve.
pub fn detect() -> Result<Box<dyn Runtime>, RuntimeError> {
    Ok(Box::new(Process {
        abilities: Abilities {
            isolation: "processes, not containers: one set of namespaces, no limits".to_owned(),
            containers: false,
            bind_mounts: false,
            overlay_mounts: false,
            limits: false,
            missing: vec!["containers: agents are plain processes of this user".to_owned()],
        },
    }))
}

impl Runtime for Process {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError> {
        check(spec)?;
        run.note_runtime(NAME)?;
        run.note_container(&spec.name)?;
        let stderr_path = run.path().join("logs").join(format!("{}.stderr", spec.name));
        let mut child = spawn(run, spec, &stderr_path)
            .map_err(|error| RuntimeError::system(format!("start process `{}`", spec.name), error))?;
        let line = child.stdin.take().zip(child.stdout.take()).map(|(stdin, stdout)| Line {
            to_agent: OwnedFd::from(stdin).into(),
            from_agent: OwnedFd::from(stdout).into(),
        });
        let handle = Pidfd::open(child.id())
            .map_err(|error| RuntimeError::system(format!("hold process `{}`", spec.name), error))?;
        run.note_process(&spec.name, child.id())?;
        let name = spec.name.clone();
        Ok(Box::new(ProcessContainer { name, notes: run.notes(), stderr_path, child, handle, line, removed: false }))
    }

    fn path_for_agent(&self, mounts: &[Mount], inside: &Path) -> PathBuf {
        host_path(mounts, inside)
    }

    fn add_missing(&mut self, line: String) {
        self.abilities.missing.push(line);
    }
}

/// Of all bind mounts that hold this path, the longest destination wins, and of equals the later one.
fn host_path(mounts: &[Mount], inside: &Path) -> PathBuf {
    let holding = mounts.iter().filter_map(|mount| match mount {
        Mount::Bind { source, destination, .. } => {
            Some((destination.components().count(), source, inside.strip_prefix(destination).ok()?))
        }
        Mount::Overlay { .. } => None,
    });
    match holding.max_by_key(|(length, _, _)| *length) {
        Some((_, source, rest)) if rest.as_os_str().is_empty() => source.clone(),
        Some((_, source, rest)) => source.join(rest),
        None => inside.to_path_buf(),
    }
}

fn check(spec: &ContainerSpec) -> Result<(), RuntimeError> {
    let refuse = |because: &str| {
        Err(RuntimeError::Unsupported { runtime: NAME, container: spec.name.clone(), because: because.to_owned() })
    };
    if spec.mounts.iter().any(|mount| matches!(mount, Mount::Overlay { .. })) {
        return refuse("a plain process has no overlay mounts of its own");
    }
    if spec.name.is_empty() || spec.name.contains('/') || spec.name.starts_with('.') {
        return refuse("its name is not a file's name");
    }
    Ok(())
}

fn spawn(run: &RunDirectory, spec: &ContainerSpec, stderr_path: &Path) -> std::io::Result<Child> {
    if let Some(folder) = stderr_path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(spec.program.as_deref().unwrap_or(Path::new("/proc/self/exe")));
    if let Some((uid, gid)) = spec.user {
        command.uid(uid).gid(gid);
    }
    command.arg0("walproof").args(&spec.arguments).process_group(0);
    command.env("WALPROOF_RUN", run.id().as_str()).env("WALPROOF_CONTAINER", &spec.name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(stderr_path)?).spawn()
}

/// A started process.
#[derive(Debug)]
struct ProcessContainer {
    name: String,
    notes: RunNotes,
    stderr_path: PathBuf,
    child: Child,
    handle: Pidfd,
    line: Option<Line>,
    removed: bool,
}

impl ProcessContainer {
    fn signal(&self, signal: i32) -> Result<(), RuntimeError> {
        let sent = self.handle.signal(signal);
        sent.map_err(|error| RuntimeError::system(format!("send signal {signal} to process `{}`", self.name), error))
    }
}

impl Container for ProcessContainer {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }

    fn kill(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGKILL)
    }

    fn pause(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGSTOP)
    }

    fn resume(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGCONT)
    }

    fn freeze(&mut self) -> Result<(), RuntimeError> {
        let because = "a plain process has no cgroup of its own that could be frozen".to_owned();
        Err(RuntimeError::Unsupported { runtime: NAME, container: self.name.clone(), because })
    }

    fn thaw(&mut self) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError> {
        let failed = |error| RuntimeError::system(format!("wait for process `{}`", self.name), error);
        self.handle.ended_within(timeout).map_err(failed)?;
        let status = self.child.try_wait().map_err(failed)?;
        Ok(status.map(|status| match status.signal() {
            Some(signal) => Exit::Signal(signal),
            None => Exit::Code(status.code().unwrap_or(255)),
        }))
    }

    fn remove(&mut self) -> Result<(), RuntimeError> {
        if self.removed {
            return Ok(());
        }
        self.kill()?;
        self.line = None;
        let reaped = self.child.wait();
        self.removed = true;
        reaped.map_err(|error| RuntimeError::Remove { container: self.name.clone(), because: error.to_string() })?;
        Ok(self.notes.forget_container(&self.name)?)
    }

    fn oom_killed(&self) -> Option<bool> {
        None
    }

    fn stderr_tail(&self) -> String {
        tail(&self.stderr_path)
    }
}

impl Drop for ProcessContainer {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str, destination: &str) -> Mount {
        Mount::Bind { source: source.into(), destination: destination.into(), read_only: false }
    }

    fn maps(inside: &str, expected: &str) {
        let mounts =
            [bind("/host/private", "/db"), bind("/host/one.db", "/db/x.db"), bind("/host/history", "/history")];
        assert_eq!(host_path(&mounts, Path::new(inside)), Path::new(expected));
    }

    #[test]
    fn the_longest_destination_wins() {
        maps("/db/x.db", "/host/one.db");
        maps("/db/x.db-wal", "/host/private/x.db-wal");
        maps("/db", "/host/private");
        maps("/history/a", "/host/history/a");
        maps("/elsewhere", "/elsewhere");
    }
}
