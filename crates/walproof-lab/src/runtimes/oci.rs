//! OCI command lines: runc and what speaks like it, each a small file in `oci/`, by name or by path.
//!
//! What this file is: a bundle of ours, `run` in the foreground, signals by pidfd, limits and freezer by the cgroup.
//! What it must not do: need a daemon or an image.
//! Where to look next: `bundle.rs` for the bundle, `embedded.rs` for the same without any tool.

mod crun;
mod runc;
mod runsc;
mod youki;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::attached::{Attached, exit_inside, exit_of};
use super::bundle::{self, Confinement, UserNamespace};
use super::pidfd::Pidfd;
use super::{
    Abilities, Container, ContainerSpec, Exit, HELPER, Line, Mount, Runtime, RuntimeError, cgroups, check_bundled,
    find_program, program,
};
use crate::run::leavings::{NotedTool, RunDirectory, RunId, RunNotes};

const START_MAX: Duration = Duration::from_secs(60);
const PID_FILE_MAX: Duration = Duration::from_secs(5);
const REMOVE_MAX: Duration = Duration::from_secs(10);

/// One tool.
#[derive(Debug)]
pub struct Tool {
    /// Its own name, and its program's.
    pub name: &'static str,
    /// Flags before the command.
    pub global: &'static [&'static str],
    /// Whether the containers' files and locks are the host kernel's own.
    pub one_kernel: bool,
}

/// All tools.
pub static TOOLS: &[&Tool] = &[&crun::CRUN, &runc::RUNC, &runsc::RUNSC, &youki::YOUKI];

/// A tool that can serve.
#[derive(Debug)]
pub struct Oci {
    tool: &'static Tool,
    /// Its name, or its path where it was given by path.
    name: String,
    program: PathBuf,
    /// Whether `run` can leave the container's state for us to read.
    keeps: bool,
    user_namespace: UserNamespace,
    abilities: Abilities,
}

/// Finds it by name in PATH.
pub fn detect(tool: &'static Tool) -> Result<Box<dyn Runtime>, RuntimeError> {
    match find_program(tool.name) {
        Some(program) => try_program(tool, tool.name.to_owned(), program),
        None => {
            let tried = vec![format!("there is no `{}` in PATH", tool.name)];
            Err(RuntimeError::Unavailable { name: tool.name.to_owned(), tried })
        }
    }
}

/// Takes the program at a path; whose it is shows in its name, else it is spoken to as runc.
pub fn detect_at(path: &Path) -> Result<Box<dyn Runtime>, RuntimeError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let tool = TOOLS.iter().find(|tool| name.starts_with(tool.name)).copied().unwrap_or(&runc::RUNC);
    let shown = path.display().to_string();
    match fs::canonicalize(path) {
        Ok(program) => try_program(tool, shown, program),
        Err(error) => Err(RuntimeError::Unavailable { tried: vec![format!("`{shown}`: {error}")], name: shown }),
    }
}

fn try_program(tool: &'static Tool, name: String, program: PathBuf) -> Result<Box<dyn Runtime>, RuntimeError> {
    // SAFETY: these calls have no preconditions.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let user_namespace = if uid == 0 { UserNamespace::Host } else { UserNamespace::Made { uid, gid } };
    let version = said(&program, &["--version"]).lines().next().unwrap_or_default().to_owned();
    let version = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let abilities = Abilities {
        isolation: String::new(),
        containers: true,
        bind_mounts: true,
        overlay_mounts: true,
        limits: uid == 0,
        volumes: false,
        version: version.map(str::to_owned),
        missing: Vec::new(),
        notes: Vec::new(),
    };
    let keeps = said(&program, &["run", "--help"]).contains("--keep");
    let mut found = Oci { tool, name, program, keeps, user_namespace, abilities };
    let mut tried = Vec::new();
    for (limits, overlay_mounts) in [(true, true), (true, false), (false, true), (false, false)] {
        if limits && uid != 0 {
            continue;
        }
        (found.abilities.limits, found.abilities.overlay_mounts) = (limits, overlay_mounts);
        match found.try_container() {
            Ok(()) => {
                found.abilities.isolation = found.isolation();
                found.abilities.missing = found.missing(&tried);
                return Ok(Box::new(found));
            }
            Err(error) => tried.push(explained(&error.because())),
        }
    }
    tried.dedup();
    Err(RuntimeError::Unavailable { name: found.name, tried })
}

/// What a tool says to a question about itself; nothing when it cannot be run.
fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(std::process::Stdio::null()).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A refusal of Debian's crun that its words do not explain.
fn explained(because: &str) -> String {
    let hybrid = because.contains("cgroup") && cgroups::setup_name().contains("hybrid");
    match hybrid {
        true => format!("{because} (this machine has a hybrid cgroup hierarchy, which this tool may refuse)"),
        false => because.to_owned(),
    }
}

impl Oci {
    fn try_container(&self) -> Result<(), RuntimeError> {
        let run = RunDirectory::create(&RunId::random())?;
        let mut mounts = Vec::new();
        if self.abilities.overlay_mounts {
            let made = |part: &str| {
                let folder = run.path().join("overlay").join(part);
                fs::create_dir_all(&folder)
                    .map(|()| folder.clone())
                    .map_err(|error| RuntimeError::system(format!("make `{}`", folder.display()), error))
            };
            let (lower, upper, work) = (made("lower")?, made("upper")?, made("work")?);
            mounts.push(Mount::Overlay { lower, upper, work, destination: "/overlay".into() });
        }
        let spec = ContainerSpec::of_ourselves("probe", mounts, &[HELPER, "probe"]);
        let mut container = self.start(&run, &spec)?;
        if self.abilities.limits {
            let path = cgroups::path_of(run.id().as_str(), &spec.name);
            let held = cgroups::holds_limits(&path, spec.memory_bytes_max, spec.pids_max);
            held.map_err(|because| RuntimeError::Unsupported {
                runtime: self.name.clone(),
                container: spec.name.clone(),
                because: format!("limits do not hold: {because}"),
            })?;
        }
        let mut line = String::new();
        if let Some(mut ends) = container.take_line() {
            let _ = BufReader::new(&mut ends.from_agent).read_line(&mut line);
        }
        container.remove()?;
        run.leave();
        let because = format!("it said `{}` instead of `ready`", line.trim());
        let silent = RuntimeError::Start { container: spec.name, because, stderr: container.stderr_tail() };
        if line.starts_with("ready") { Ok(()) } else { Err(silent) }
    }

    fn isolation(&self) -> String {
        let user = if self.user_namespace == UserNamespace::Host { "" } else { "user/" };
        let limits = match self.abilities.limits {
            true => format!("{} memory+pids", cgroups::setup_name()),
            false => "no limits".to_owned(),
        };
        let version = self.abilities.version.as_deref().unwrap_or("of unknown version");
        format!("{} {version}, own {user}pid/mnt/ipc/uts/net/cgroup, {limits}", self.name)
    }

    fn missing(&self, tried: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        let because = tried.first().map_or("", String::as_str);
        if !self.abilities.overlay_mounts {
            lines.push(format!("overlay mounts: {because}"));
        }
        if !self.abilities.limits {
            let because = if tried.is_empty() { "they take root" } else { because };
            lines.push(format!("limits of memory and tasks: {because}"));
        }
        if !self.tool.one_kernel {
            lines.push("one kernel: this runtime answers system calls by one of its own in each sandbox".to_owned());
        }
        lines
    }

    fn command(&self, state: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.tool.global).arg("--root").arg(state);
        command
    }

    fn write_bundle(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<PathBuf, RuntimeError> {
        let bundle = run.path().join("bundles").join(&spec.name);
        let confinement = Confinement {
            cgroup_path: cgroups::path_of(run.id().as_str(), &spec.name),
            limits: self.abilities.limits,
            user_namespace: self.user_namespace,
        };
        let configuration = bundle::configuration(spec, &confinement, run.id().as_str(), &program(run, spec)?);
        let written = fs::create_dir_all(bundle.join("rootfs"))
            .and_then(|()| fs::create_dir_all(run.path().join("state")))
            .and_then(|()| fs::write(bundle.join("config.json"), configuration.to_string()));
        written.map_err(|error| RuntimeError::system(format!("write the bundle `{}`", bundle.display()), error))?;
        Ok(bundle)
    }
}

impl Runtime for Oci {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    fn start(&self, run: &RunDirectory, spec: &ContainerSpec) -> Result<Box<dyn Container>, RuntimeError> {
        check_bundled(&self.name, spec)?;
        let id = run.id().as_str();
        let state = run.path().join("state");
        run.note_runtime(&self.name)?;
        run.note_tool(&NotedTool {
            program: self.program.clone(),
            arguments: self.tool.global.iter().map(|flag| (*flag).to_owned()).collect(),
        })?;
        run.note_cgroup(&cgroups::path_of_run(id))?;
        run.note_container(&spec.name)?;
        let bundle = self.write_bundle(run, spec)?;
        let pid_file = bundle.join("pid");
        let mut command = self.command(&state);
        command.arg("run").args(self.keeps.then_some("--keep"));
        command.arg("--bundle").arg(&bundle).arg("--pid-file").arg(&pid_file).arg(engine_id(id, &spec.name));
        let attached = Attached::spawn(&mut command, run, &spec.name)?;
        let mut started = OciContainer {
            program: self.program.clone(),
            global: self.tool.global,
            state,
            id: engine_id(id, &spec.name),
            name: spec.name.clone(),
            bundle,
            notes: run.notes(),
            attached,
            run: id.to_owned(),
            pid_file,
            init: OnceLock::new(),
            cgroup: cgroups::path_of(id, &spec.name),
            limits: self.abilities.limits,
            frozen: false,
            exit: None,
            oom: None,
            removed: false,
        };
        started.attached.wait_until_it_speaks(START_MAX)?;
        Ok(Box::new(started))
    }

    fn path_for_agent(&self, _: &[Mount], inside: &Path) -> PathBuf {
        inside.to_path_buf()
    }

    fn add_missing(&mut self, line: String) {
        self.abilities.missing.push(line);
    }
}

/// What the tool calls a container of ours.
pub fn engine_id(run: &str, name: &str) -> String {
    format!("walproof-{run}-{name}")
}

/// A started container.
#[derive(Debug)]
struct OciContainer {
    program: PathBuf,
    global: &'static [&'static str],
    state: PathBuf,
    id: String,
    name: String,
    bundle: PathBuf,
    notes: RunNotes,
    attached: Attached,
    run: String,
    pid_file: PathBuf,
    init: OnceLock<Option<(u32, Pidfd)>>,
    cgroup: String,
    limits: bool,
    frozen: bool,
    exit: Option<Exit>,
    oom: Option<bool>,
    removed: bool,
}

impl OciContainer {
    /// The container's first process. Held when it is first needed: the tool writes its pid only some time after the
    /// agent has spoken, and nobody shall wait for that.
    fn init(&self) -> Option<&(u32, Pidfd)> {
        let hold = || {
            let end = Instant::now() + PID_FILE_MAX;
            loop {
                let text = fs::read_to_string(&self.pid_file).unwrap_or_default();
                match text.trim().parse() {
                    Ok(pid) => break Some((pid, Pidfd::open_of_run(pid, &self.run)?)),
                    Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                    Err(_) => break None,
                }
            }
        };
        self.init.get_or_init(hold).as_ref()
    }

    fn signal(&self, signal: i32) -> Result<(), RuntimeError> {
        let Some((_, init)) = self.init() else { return Ok(()) };
        let sent = init.signal(signal);
        sent.map_err(|error| RuntimeError::system(format!("send signal {signal} to container `{}`", self.name), error))
    }

    fn lost(&self) -> RuntimeError {
        RuntimeError::HelperLost { container: self.name.clone(), stderr: self.attached.stderr_tail() }
    }

    /// Ends the tool as well: with its container gone it ends by itself, and takes a moment to do so.
    fn try_remove(&mut self) -> std::io::Result<()> {
        let _ = self.attached.ended_within(REMOVE_MAX);
        self.attached.end()?;
        let mut delete = Command::new(&self.program);
        delete.args(self.global).arg("--root").arg(&self.state).args(["delete", "--force", &self.id]);
        // A tool that does not keep has deleted it: what counts is what is left.
        let _ = delete.stdin(std::process::Stdio::null()).output()?;
        fs::remove_dir_all(&self.bundle)?;
        cgroups::remove(&self.cgroup, REMOVE_MAX).map(drop).map_err(|(_, error)| error)
    }
}

impl Container for OciContainer {
    fn pid(&self) -> Option<u32> {
        self.init().map(|(pid, _)| *pid)
    }

    fn take_line(&mut self) -> Option<Line> {
        self.attached.take_line()
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
        if !self.limits {
            let because = "it has no cgroup here that could be frozen".to_owned();
            let runtime = self.program.display().to_string();
            return Err(RuntimeError::Unsupported { runtime, container: self.name.clone(), because });
        }
        self.frozen = true;
        let frozen = cgroups::freeze(&self.cgroup);
        frozen.map_err(|error| RuntimeError::system(format!("freeze container `{}`", self.name), error))
    }

    fn thaw(&mut self) -> Result<(), RuntimeError> {
        if self.frozen {
            let thawed = cgroups::thaw(&self.cgroup);
            thawed.map_err(|error| RuntimeError::system(format!("thaw container `{}`", self.name), error))?;
            self.frozen = false;
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Duration) -> Result<Option<Exit>, RuntimeError> {
        if self.exit.is_none()
            && let Some(status) = self.attached.ended_within(timeout)?
        {
            let Exit::Code(code) = exit_of(status) else { return Err(self.lost()) };
            self.exit = Some(exit_inside(code));
            self.oom = cgroups::oom_kill_count(&self.cgroup).map(|count| count > 0);
        }
        Ok(self.exit)
    }

    fn remove(&mut self) -> Result<(), RuntimeError> {
        if self.removed {
            return Ok(());
        }
        if !matches!(self.attached.ended_within(Duration::ZERO), Ok(Some(_))) {
            self.kill()?;
        }
        self.removed = true;
        let removed = self.try_remove();
        removed.map_err(|error| RuntimeError::Remove { container: self.name.clone(), because: error.to_string() })?;
        Ok(self.notes.forget_container(&self.name)?)
    }

    fn oom_killed(&self) -> Option<bool> {
        self.oom
    }

    fn stderr_tail(&self) -> String {
        self.attached.stderr_tail()
    }
}

impl Drop for OciContainer {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}
