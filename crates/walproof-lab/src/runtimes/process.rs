//! The process runtime: agents as plain processes. No isolation, no daemon, no privileges.
//!
//! What this file is: the same binary started beside us, its mounts translated into paths of the host.
//! What it must not do: pretend to be a container; coverage says "processes, not containers".
//! Where to look next: `embedded.rs` for the real thing.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::attached::{Attached, exit_of};
use super::{Abilities, Container, ContainerSpec, Exit, Line, Mount, Runtime, RuntimeError, check_name};
use crate::run::leavings::{RunDirectory, RunNotes};

const NAME: &str = "process";

/// Plain processes.
#[derive(Debug)]
pub struct Process {
    abilities: Abilities,
}

/// Can always serve.
pub fn detect() -> Result<Box<dyn Runtime>, RuntimeError> {
    Ok(Box::new(Process::default()))
}

impl Default for Process {
    fn default() -> Self {
        let abilities = Abilities {
            isolation: "processes, not containers: one set of namespaces, no limits".to_owned(),
            containers: false,
            bind_mounts: false,
            overlay_mounts: false,
            limits: false,
            volumes: false,
            version: None,
            missing: vec!["containers: agents are plain processes of this user".to_owned()],
            notes: Vec::new(),
        };
        Self { abilities }
    }
}

impl Runtime for Process {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError> {
        check(spec)?;
        run.note_runtime(NAME)?;
        run.note_container(&spec.name)?;
        let attached = Attached::spawn(&mut command(spec), run, &spec.name)?;
        run.note_process(&spec.name, attached.pid())?;
        Ok(Box::new(ProcessContainer { name: spec.name.clone(), notes: run.notes(), attached, removed: false }))
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
        _ => None,
    });
    match holding.max_by_key(|(length, _, _)| *length) {
        Some((_, source, rest)) if rest.as_os_str().is_empty() => source.clone(),
        Some((_, source, rest)) => source.join(rest),
        None => inside.to_path_buf(),
    }
}

fn check(spec: &ContainerSpec) -> Result<(), RuntimeError> {
    let refuse = |because: &str| {
        Err(RuntimeError::Unsupported { runtime: NAME.into(), container: spec.name.clone(), because: because.into() })
    };
    check_name(NAME, &spec.name)?;
    if spec.likeness.is_some() {
        return refuse("a plain process has nothing of a container");
    }
    match spec.mounts.iter().find(|mount| !matches!(mount, Mount::Bind { .. })) {
        Some(mount) => refuse(&format!("a plain process has no {} of its own", mount.kind())),
        None => Ok(()),
    }
}

fn command(spec: &ContainerSpec) -> Command {
    let mut command = Command::new(spec.program.as_deref().unwrap_or(Path::new("/proc/self/exe")));
    if let Some((uid, gid)) = spec.user {
        command.uid(uid).gid(gid);
    }
    command.arg0("walproof").args(&spec.arguments);
    command
}

/// A started process.
#[derive(Debug)]
struct ProcessContainer {
    name: String,
    notes: RunNotes,
    attached: Attached,
    removed: bool,
}

impl Container for ProcessContainer {
    fn pid(&self) -> Option<u32> {
        Some(self.attached.pid())
    }

    fn take_line(&mut self) -> Option<Line> {
        self.attached.take_line()
    }

    fn kill(&mut self) -> Result<(), RuntimeError> {
        self.attached.signal(libc::SIGKILL)
    }

    fn pause(&mut self) -> Result<(), RuntimeError> {
        self.attached.signal(libc::SIGSTOP)
    }

    fn resume(&mut self) -> Result<(), RuntimeError> {
        self.attached.signal(libc::SIGCONT)
    }

    fn freeze(&mut self) -> Result<(), RuntimeError> {
        let because = "a plain process has no cgroup of its own that could be frozen".to_owned();
        Err(RuntimeError::Unsupported { runtime: NAME.into(), container: self.name.clone(), because })
    }

    fn thaw(&mut self) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError> {
        Ok(self.attached.ended_within(timeout)?.map(exit_of))
    }

    fn remove(&mut self) -> Result<(), RuntimeError> {
        if self.removed {
            return Ok(());
        }
        self.removed = true;
        let reaped = self.attached.end();
        reaped.map_err(|error| RuntimeError::Remove { container: self.name.clone(), because: error.to_string() })?;
        Ok(self.notes.forget_container(&self.name)?)
    }

    fn oom_killed(&self) -> Option<bool> {
        None
    }

    fn stderr_tail(&self) -> String {
        self.attached.stderr_tail()
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
