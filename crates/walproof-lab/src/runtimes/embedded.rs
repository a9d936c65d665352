//! The embedded runtime: real OCI containers with no daemon, by libcontainer.
//!
//! What this file is: the lab's side. Each container has a helper process (`embedded/helper.rs`) which makes it,
//! reaps it and removes it; we hold the agent's line, its pidfd and the control line to the helper.
//! What it must not do: call libcontainer, which changes the calling process's directory and clones.
//! Where to look next: `bundle.rs` for what a container is made of, `cgroups.rs` for its limits.

pub mod helper;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::bundle::{self, Confinement, UserNamespace};
use super::pidfd::{Pidfd, readable_within};
use super::{
    Abilities, Container, ContainerSpec, Exit, Line, Mount, Runtime, RuntimeError, cgroups, check_bundled, program,
    tail,
};
use crate::run::leavings::{RunDirectory, RunId, RunNotes};
use helper::Request;

const NAME: &str = "embedded";
const START_MAX: Duration = Duration::from_secs(30);
const REMOVE_MAX: Duration = Duration::from_secs(10);

/// How containers are made here: the first way that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    user_namespace: bool,
    cgroups: bool,
}

impl Way {
    fn name(self) -> &'static str {
        match (self.user_namespace, self.cgroups) {
            (false, true) => "as root with cgroups",
            (false, false) => "as root without cgroups",
            (true, _) => "in a user namespace",
        }
    }

    fn all() -> &'static [Way] {
        const ROOT: &[Way] = &[
            Way { user_namespace: false, cgroups: true },
            Way { user_namespace: false, cgroups: false },
            Way { user_namespace: true, cgroups: false },
        ];
        // SAFETY: geteuid has no preconditions.
        let root = unsafe { libc::geteuid() } == 0;
        if root { ROOT } else { &ROOT[2..] }
    }
}

/// OCI containers by libcontainer.
#[derive(Debug)]
pub struct Embedded {
    way: Way,
    abilities: Abilities,
}

/// Tries every way, the strongest first, with a real container each.
pub fn detect() -> Result<Box<dyn Runtime>, RuntimeError> {
    let mut tried = Vec::new();
    for way in Way::all() {
        match try_way(*way) {
            Ok(mut found) => {
                found.abilities.missing.splice(0..0, tried);
                return Ok(Box::new(found));
            }
            Err(error) => tried.push(format!("containers {}: {}", way.name(), plain_cause(&error))),
        }
    }
    Err(RuntimeError::Unavailable { name: NAME.into(), tried })
}

/// Why a container did not start, short enough for a report: a denied mount by its place, else libcontainer's words
/// without what it says about its own tidying up.
fn plain_cause(error: &RuntimeError) -> String {
    let RuntimeError::Start { because, stderr, .. } = error else { return format!("{error}: {}", error.because()) };
    let between = |text: &str, from: &str, to: &str| Some(text.split_once(from)?.1.split_once(to)?.0.to_owned());
    if let Some(place) = between(stderr, "failed to mount Mount { destination: \"", "\"") {
        let number = between(stderr, "Nix(", ")").unwrap_or_else(|| "failed".to_owned());
        return format!("the mount of `{place}` was denied ({number})");
    }
    let words = because.split(". error during cleanup").next().unwrap_or(because);
    words.trim_start_matches("failed to create container: ").to_owned()
}

fn try_way(way: Way) -> Result<Embedded, RuntimeError> {
    let run = RunDirectory::create(&RunId::random())?;
    let mut found = Embedded { way, abilities: abilities(way) };
    let overlay = probe(&found, &run, true);
    let limits = match overlay {
        Ok(limits) => limits,
        Err(error) => {
            let limits = probe(&found, &run, false)?;
            found.abilities.overlay_mounts = false;
            found.abilities.missing.push(format!("overlay mounts: {}", plain_cause(&error)));
            limits
        }
    };
    if let Err(because) = limits {
        found.abilities.limits = false;
        found.abilities.missing.push(format!("limits of memory and tasks: {because}"));
    }
    found.abilities.isolation = isolation(way, found.abilities.limits);
    run.leave();
    Ok(found)
}

fn abilities(way: Way) -> Abilities {
    Abilities {
        isolation: String::new(),
        containers: true,
        bind_mounts: true,
        overlay_mounts: true,
        limits: way.cgroups,
        volumes: false,
        version: None,
        missing: Vec::new(),
        notes: Vec::new(),
    }
}

fn isolation(way: Way, limits: bool) -> String {
    let user = if way.user_namespace { "user/" } else { "" };
    let limits = if limits { format!("{} memory+pids", cgroups::setup_name()) } else { "no limits".to_owned() };
    format!("embedded OCI, own {user}pid/mnt/ipc/uts/net/cgroup, {limits}")
}

/// Starts a container that says `ready`, with a bind mount and perhaps an overlay; then reads its limits back.
fn probe(runtime: &Embedded, run: &RunDirectory, overlay: bool) -> Result<Result<(), String>, RuntimeError> {
    let spec = probe_spec(run, overlay)?;
    let mut container = runtime.start_container(run, &spec)?;
    let said = container.line.as_mut().map(|line| first_line(&mut line.from_agent));
    let limits = match runtime.way.cgroups {
        true => cgroups::holds_limits(
            &cgroups::path_of(run.id().as_str(), &spec.name),
            spec.memory_bytes_max,
            spec.pids_max,
        ),
        false => Err(format!("{}, which cannot be used here", cgroups::setup_name())),
    };
    match said {
        Some(Ok(line)) if line.starts_with("ready") => container.remove().map(|()| limits),
        other => Err(container.did_not_start(format!("it said {other:?} instead of `ready`"))),
    }
}

fn probe_spec(run: &RunDirectory, overlay: bool) -> Result<ContainerSpec, RuntimeError> {
    let name = if overlay { "probe" } else { "probe-without-overlay" };
    let folder = run.path().join(name);
    let inside = |part: &str| folder.join(part);
    for part in ["bound", "lower", "upper", "work"] {
        fs::create_dir_all(inside(part))
            .map_err(|error| RuntimeError::system(format!("make `{}`", folder.display()), error))?;
    }
    let mut mounts = vec![Mount::Bind { source: inside("bound"), destination: "/db".into(), read_only: false }];
    if overlay {
        mounts.push(Mount::Overlay {
            lower: inside("lower"),
            upper: inside("upper"),
            work: inside("work"),
            destination: "/overlay".into(),
        });
    }
    Ok(ContainerSpec::of_ourselves(name, mounts, &[helper::HELPER, "probe"]))
}

fn first_line(from: &mut File) -> io::Result<String> {
    let mut line = Vec::new();
    let end = Instant::now() + Duration::from_secs(10);
    let mut byte = [0];
    while readable_within(from.as_raw_fd(), end.saturating_duration_since(Instant::now()))? {
        match from.read(&mut byte)? {
            1 if byte[0] != b'\n' => line.push(byte[0]),
            _ => break,
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

impl Runtime for Embedded {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError> {
        Ok(Box::new(self.start_container(run, spec)?))
    }

    fn path_for_agent(&self, _: &[Mount], inside: &Path) -> PathBuf {
        inside.to_path_buf()
    }

    fn add_missing(&mut self, line: String) {
        self.abilities.missing.push(line);
    }
}

impl Embedded {
    fn start_container(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<EmbeddedContainer, RuntimeError> {
        check_bundled(NAME, spec)?;
        run.note_runtime(NAME)?;
        run.note_cgroup(&cgroups::path_of_run(run.id().as_str()))?;
        run.note_container(&spec.name)?;
        let request = self.write_bundle(run, spec)?;
        let stderr_path = run.path().join("logs").join(format!("{}.stderr", spec.name));
        let mut container = spawn(run, spec, &request, stderr_path)?;
        container.cgroup = self.way.cgroups.then(|| cgroups::path_of(run.id().as_str(), &spec.name));
        container.pid = container.wait_for_start()?;
        let held = Pidfd::open(container.pid);
        container.init =
            Some(held.map_err(|error| RuntimeError::system(format!("hold container `{}`", spec.name), error))?);
        run.note_process(&spec.name, container.pid)?;
        let told = container.control.stream.write_all(b"held\n");
        told.map_err(|_| container.did_not_start("its helper hung up".to_owned()))?;
        Ok(container)
    }

    fn write_bundle(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<PathBuf, RuntimeError> {
        let bundle = run.path().join("bundles").join(&spec.name);
        let request = Request {
            name: spec.name.clone(),
            state_folder: run.path().join("state"),
            bundle: bundle.clone(),
            confinement: Confinement {
                cgroup_path: cgroups::path_of(run.id().as_str(), &spec.name),
                limits: self.way.cgroups,
                user_namespace: if self.way.user_namespace { UserNamespace::Entered } else { UserNamespace::Host },
            },
        };
        let program = program(run, spec)?;
        let configuration = bundle::configuration(spec, &request.confinement, run.id().as_str(), &program);
        let written = fs::create_dir_all(bundle.join("rootfs"))
            .and_then(|()| fs::create_dir_all(&request.state_folder))
            .and_then(|()| fs::create_dir_all(run.path().join("logs")))
            .and_then(|()| fs::write(bundle.join("config.json"), configuration.to_string()))
            .and_then(|()| fs::write(bundle.join("request.json"), serde_json::to_vec(&request)?));
        written.map_err(|error| RuntimeError::system(format!("write the bundle `{}`", bundle.display()), error))?;
        Ok(bundle.join("request.json"))
    }
}

fn spawn(
    run: &RunDirectory,
    spec: &ContainerSpec,
    request: &Path,
    stderr_path: PathBuf,
) -> Result<EmbeddedContainer, RuntimeError> {
    let failed = |error| RuntimeError::system(format!("start the helper of container `{}`", spec.name), error);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let stderr = File::create(&stderr_path).map_err(failed)?;
    let control = theirs.as_raw_fd();
    let mut command = Command::new("/proc/self/exe");
    command.arg0("walproof").arg(helper::HELPER).arg(request).env_clear().env("WALPROOF_RUN", run.id().as_str());
    // A group of its own: Ctrl-C at the terminal is for the lab, which then ends its agents in order.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).current_dir("/").process_group(0);
    // SAFETY: dup2 and fcntl are async-signal-safe; the descriptor is open until `theirs` is dropped below.
    unsafe { command.pre_exec(move || hand_over(control)) };
    let mut child = command.spawn().map_err(failed)?;
    drop(theirs);
    let line = match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => {
            Some(Line { to_agent: OwnedFd::from(stdin).into(), from_agent: OwnedFd::from(stdout).into() })
        }
        _ => None,
    };
    Ok(EmbeddedContainer {
        name: spec.name.clone(),
        notes: run.notes(),
        stderr_path,
        helper: child,
        control: ControlLine { stream: ours, read: Vec::new() },
        pid: 0,
        init: None,
        line,
        exit: None,
        oom: None,
        removed: false,
        cgroup: None,
        frozen: false,
    })
}

/// In the child, before it executes the helper: the control line becomes descriptor 3.
fn hand_over(control: i32) -> io::Result<()> {
    // SAFETY: both calls take integers and are async-signal-safe. dup2 onto itself would keep close-on-exec.
    let answer = unsafe {
        match control == helper::CONTROL {
            true => libc::fcntl(control, libc::F_SETFD, 0),
            false => libc::dup2(control, helper::CONTROL),
        }
    };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A started container.
#[derive(Debug)]
pub struct EmbeddedContainer {
    name: String,
    notes: RunNotes,
    stderr_path: PathBuf,
    helper: Child,
    control: ControlLine,
    pid: u32,
    init: Option<Pidfd>,
    line: Option<Line>,
    exit: Option<Exit>,
    oom: Option<bool>,
    removed: bool,
    /// Where its cgroup is, in every hierarchy; `None`: it has none.
    cgroup: Option<String>,
    frozen: bool,
}

impl EmbeddedContainer {
    fn did_not_start(&self, because: String) -> RuntimeError {
        RuntimeError::Start { container: self.name.clone(), because, stderr: tail(&self.stderr_path) }
    }

    fn wait_for_start(&mut self) -> Result<u32, RuntimeError> {
        let line = match self.control.line(START_MAX) {
            Ok(Some(line)) => line,
            Ok(None) => return Err(self.did_not_start(format!("nothing was heard of it for {START_MAX:?}"))),
            Err(error) => return Err(self.did_not_start(format!("its helper hung up: {error}"))),
        };
        if let Some(pid) = line.strip_prefix("started ").and_then(|pid| pid.parse().ok()) {
            return Ok(pid);
        }
        let message = line.strip_prefix("failed ").and_then(|text| serde_json::from_str(text).ok());
        Err(self.did_not_start(message.unwrap_or(line)))
    }

    fn signal(&mut self, signal: i32) -> Result<(), RuntimeError> {
        let Some(init) = &self.init else { return Ok(()) };
        let sent = init.signal(signal);
        sent.map_err(|error| RuntimeError::system(format!("send signal {signal} to container `{}`", self.name), error))
    }

    fn lost(&self) -> RuntimeError {
        RuntimeError::HelperLost { container: self.name.clone(), stderr: tail(&self.stderr_path) }
    }

    /// The helper's line `exited code 0`, `exited signal 9 oom`.
    fn note_exit(&mut self, line: &str) {
        let mut words = line.split(' ').skip(1);
        let (how, number) = (words.next(), words.next().and_then(|number| number.parse().ok()).unwrap_or(255));
        self.exit = Some(if how == Some("signal") { Exit::Signal(number) } else { Exit::Code(number) });
        self.oom = Some(words.next() == Some("oom"));
    }

    fn wait_for_removal(&mut self) -> io::Result<()> {
        let end = Instant::now() + REMOVE_MAX;
        loop {
            match self.control.line(end.saturating_duration_since(Instant::now())) {
                Ok(Some(line)) if line == "removed" => return Ok(()),
                Ok(Some(line)) if line.starts_with("exited ") => self.note_exit(&line),
                Ok(Some(_)) => {}
                Ok(None) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Container for EmbeddedContainer {
    fn pid(&self) -> Option<u32> {
        Some(self.pid)
    }

    fn take_line(&mut self) -> Option<Line> {
        self.line.take()
    }

    /// In a freezer of version 1 even SIGKILL waits for the thaw.
    fn kill(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGKILL)?;
        self.thaw()
    }

    fn pause(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGSTOP)
    }

    fn resume(&mut self) -> Result<(), RuntimeError> {
        self.signal(libc::SIGCONT)
    }

    fn freeze(&mut self) -> Result<(), RuntimeError> {
        let Some(cgroup) = &self.cgroup else {
            let because = format!("it has no cgroup here ({})", cgroups::setup_name());
            return Err(RuntimeError::Unsupported { runtime: NAME.into(), container: self.name.clone(), because });
        };
        self.frozen = true;
        let frozen = cgroups::freeze(cgroup);
        frozen.map_err(|error| RuntimeError::system(format!("freeze container `{}`", self.name), error))
    }

    fn thaw(&mut self) -> Result<(), RuntimeError> {
        let Some(cgroup) = self.cgroup.as_ref().filter(|_| self.frozen) else { return Ok(()) };
        let thawed = cgroups::thaw(cgroup);
        thawed.map_err(|error| RuntimeError::system(format!("thaw container `{}`", self.name), error))?;
        self.frozen = false;
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError> {
        if self.exit.is_none() {
            match self.control.line(timeout) {
                Ok(Some(line)) => self.note_exit(&line),
                Ok(None) => {}
                Err(_) => return Err(self.lost()),
            }
        }
        Ok(self.exit)
    }

    fn remove(&mut self) -> Result<(), RuntimeError> {
        if self.removed {
            return Ok(());
        }
        self.kill()?;
        self.line = None;
        let gone = self.wait_for_removal();
        if gone.is_err() {
            let _ = self.helper.kill();
        }
        let reaped = self.helper.wait();
        self.removed = true;
        gone.and(reaped.map(drop))
            .map_err(|error| RuntimeError::Remove { container: self.name.clone(), because: error.to_string() })?;
        Ok(self.notes.forget_container(&self.name)?)
    }

    fn oom_killed(&self) -> Option<bool> {
        self.oom
    }

    fn stderr_tail(&self) -> String {
        tail(&self.stderr_path)
    }
}

impl Drop for EmbeddedContainer {
    fn drop(&mut self) {
        // Hanging up makes the helper kill and remove the container even when we cannot signal it.
        let _ = self.control.stream.shutdown(std::net::Shutdown::Write);
        let _ = self.remove();
    }
}

/// Our end of the control line.
#[derive(Debug)]
struct ControlLine {
    stream: UnixStream,
    read: Vec<u8>,
}

impl ControlLine {
    /// The next line; `None` after `timeout`; `UnexpectedEof` when the helper has hung up.
    fn line(&mut self, timeout: Duration) -> io::Result<Option<String>> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..at]).into_owned()));
            }
            if !readable_within(self.stream.as_raw_fd(), end.saturating_duration_since(Instant::now()))? {
                return Ok(None);
            }
            let mut some = [0; 256];
            match self.stream.read(&mut some)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.read.extend_from_slice(&some[..count]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(because: &str, stderr: &str) -> RuntimeError {
        RuntimeError::Start { container: "probe".to_owned(), because: because.to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn a_denied_mount_is_named_by_its_place() {
        let stderr = "failed to mount Mount { destination: \"/proc\", typ: Some(\"proc\") }: syscall\n\
                      failed to prepare rootfs (err: Mount(Syscall(Nix(EPERM))))";
        let error = start("failed to create container: failed to prepare rootfs. error during cleanup: x", stderr);
        assert_eq!(plain_cause(&error), "the mount of `/proc` was denied (EPERM)");
    }

    #[test]
    fn other_causes_keep_libcontainers_words() {
        let error = start("failed to create container: cgroup error: read-only. error during cleanup: x", "long");
        assert_eq!(plain_cause(&error), "cgroup error: read-only");
    }
}
