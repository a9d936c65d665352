//! What engines, `kubectl` and journald print of a log, by their own command lines.
//!
//! Standard output and standard error come through one pipe, in the order in which they were written. A command is ended
//! when its reader goes away.
//! What it must not do: change anything: `logs`, `inspect` and `get` are all that is asked. Wait for ever for an answer.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use walproof_lab::collect::live;
use walproof_lab::error::LabError;
use walproof_lab::runtimes::find_program;

use crate::arguments::LogsFlags;

/// How long a command may take to begin, if it is not followed.
const BEGIN: Duration = Duration::from_secs(30);
/// What it said last is kept, because it says why it failed.
const LAST_WORDS_BYTES: usize = 2048;

/// A command to run, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What people call it: `docker://app`.
    pub name: String,
    program: &'static str,
    arguments: Vec<String>,
    first: First,
}

/// What is asked before, within seconds: an engine that hangs must not look like a container that is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum First {
    Container(&'static str, String),
    Pod(String, String),
    /// The selection of `journalctl`: what it has no entry of is as silent as what is well.
    Journal(Vec<String>),
    Nothing,
}

impl Asked {
    /// `docker logs` and its like.
    pub fn container(engine: &str, name: &str, flags: &LogsFlags) -> Self {
        let program = ["podman", "nerdctl"].into_iter().find(|known| *known == engine).unwrap_or("docker");
        let mut arguments = words(&["logs", "--timestamps"]);
        if let Some(since) = &flags.since {
            arguments.extend(words(&["--since", since]));
        }
        if let Some(tail) = flags.tail {
            arguments.extend([String::from("--tail"), tail.to_string()]);
        }
        if flags.follow {
            arguments.push("--follow".into());
        }
        arguments.push(name.into());
        let first = First::Container(program, name.to_owned());
        Self { name: format!("{program}://{name}"), program, arguments, first }
    }

    /// `kubectl logs`.
    pub fn pod((namespace, pod): (&str, &str), container: Option<&str>, flags: &LogsFlags) -> Self {
        let mut arguments = words(&["logs", "--timestamps", "--namespace", namespace]);
        match container {
            Some(container) => arguments.extend(words(&["--container", container])),
            // `--prefix` would put a word before each line; whose line it is does not matter here.
            None => arguments.push("--all-containers".into()),
        }
        if let Some(since) = &flags.since {
            let flag = if is_length(since) { "--since" } else { "--since-time" };
            arguments.push(format!("{flag}={since}"));
        }
        if let Some(tail) = flags.tail {
            arguments.push(format!("--tail={tail}"));
        }
        if flags.follow {
            arguments.push("--follow".into());
        }
        arguments.extend(words(&["--", pod]));
        let part = container.map_or(String::new(), |container| format!("/{container}"));
        let first = First::Pod(namespace.to_owned(), pod.to_owned());
        Self { name: format!("k8s://{namespace}/{pod}{part}"), program: "kubectl", arguments, first }
    }

    /// `journalctl --unit`.
    pub fn unit(unit: &str, flags: &LogsFlags) -> Self {
        Self::journal(format!("unit:{unit}"), words(&["--unit", unit]), flags)
    }

    /// `journalctl --dmesg`, or `dmesg` where there is none.
    pub fn kernel(flags: &LogsFlags) -> Self {
        let name = "kernel:".to_owned();
        if find_program("journalctl").is_some() {
            return Self::journal(name, words(&["--dmesg"]), flags);
        }
        let mut arguments = words(&["--time-format", "iso"]);
        if let Some(since) = &flags.since {
            arguments.extend(words(&["--since", since]));
        }
        if flags.follow {
            arguments.push("--follow".into());
        }
        Self { name, program: "dmesg", arguments, first: First::Nothing }
    }

    /// What journald keeps of a selection; the flags are the same for units and the kernel.
    fn journal(name: String, selection: Vec<String>, flags: &LogsFlags) -> Self {
        let mut arguments = selection.clone();
        arguments.extend(words(&["--output", "json", "--output-fields", "MESSAGE", "--no-pager", "--quiet"]));
        if let Some(since) = &flags.since {
            let since = if is_length(since) { format!("-{since}") } else { since.clone() };
            arguments.push(format!("--since={since}"));
        }
        match (flags.tail, flags.follow) {
            (Some(tail), _) => arguments.push(format!("--lines={tail}")),
            // Followed, it would begin with the last ten.
            (None, true) => arguments.push("--no-tail".into()),
            (None, false) => {}
        }
        if flags.follow {
            arguments.push("--follow".into());
        }
        Self { name, program: "journalctl", arguments, first: First::Journal(selection) }
    }

    /// Starts it.
    pub fn start(&self) -> Result<Running, LabError> {
        let failed = |because: String| {
            let try_this = format!("`{} {}`", self.program, self.arguments.join(" "));
            LabError::new(format!("cannot read the log of `{}`", self.name), because, try_this)
        };
        let absent = || {
            let because = format!("there is no `{}` in PATH", self.program);
            let try_this = "on the machine that has it, or its log as a file";
            LabError::new(format!("cannot read the log of `{}`", self.name), because, try_this)
        };
        let program = find_program(self.program).ok_or_else(absent)?;
        match &self.first {
            First::Container(engine, name) => live::container_is_there(engine, name).map_err(failed)?,
            First::Pod(namespace, pod) => drop(live::manifest_of_pod(namespace, pod)?),
            First::Journal(selection) => self.journal_has(&program, selection)?,
            First::Nothing => {}
        }
        let (reader, writer) = io::pipe().map_err(|error| failed(error.to_string()))?;
        let second = writer.try_clone().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(program);
        // A group of its own: Ctrl-C is ours to take, and whatever it starts ends with it.
        command.args(&self.arguments).stdin(Stdio::null()).stdout(writer).stderr(second).process_group(0);
        let child = command.spawn().map_err(|error| failed(error.to_string()))?;
        Ok(Running { child, reader, asked: self.clone(), last_words: Vec::new(), has_begun: false, is_over: false })
    }

    /// Whether the journal has anything of a selection, whenever it was. One that is followed may begin later: a note.
    fn journal_has(&self, program: &Path, selection: &[String]) -> Result<(), LabError> {
        let mut last = Command::new(program);
        last.args(selection).args(["--lines=1", "--output=cat", "--no-pager", "--quiet"]);
        let shown = format!("`journalctl {}`", selection.join(" "));
        let failed = |because: String, try_this: String| {
            LabError::new(format!("cannot read the log of `{}`", self.name), because, try_this)
        };
        let out = last.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string(), shown.clone()))?;
        if !out.status.success() {
            let words = String::from_utf8_lossy(&out.stderr).trim().lines().next_back().unwrap_or_default().to_owned();
            return Err(failed(format!("{}: {words}", out.status), shown));
        }
        if !out.stdout.trim_ascii().is_empty() {
            return Ok(());
        }
        let because = "the journal shows no entry of it: the name may be another, or this user may not read it";
        let try_this = format!("{shown} as root, or `systemctl list-units --all` for names");
        if self.arguments.iter().any(|argument| argument == "--follow") {
            eprintln!("walproof: nothing yet of `{}`\nbecause: {because}\ntry: {try_this}", self.name);
            return Ok(());
        }
        Err(failed(because.to_owned(), try_this))
    }
}

/// `10m`, not a date.
fn is_length(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
        && text.ends_with(['s', 'm', 'h', 'd'])
        && !text.contains('-')
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A command that runs; it is ended when this goes away.
pub struct Running {
    child: Child,
    reader: PipeReader,
    asked: Asked,
    last_words: Vec<u8>,
    has_begun: bool,
    is_over: bool,
}

impl Running {
    /// The number of its process group.
    pub fn group(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The next bytes; none: it has ended well. `for_ever`: silence is no failure.
    pub fn read(&mut self, bytes: &mut [u8], for_ever: bool) -> Result<usize, LabError> {
        if !self.has_begun && !for_ever && !readable_within(self.reader.as_raw_fd(), BEGIN) {
            return Err(self.failed(&format!("it said nothing within {} s", BEGIN.as_secs())));
        }
        self.has_begun = true;
        let length = loop {
            match self.reader.read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| self.failed(&error.to_string()))?,
            }
        };
        let from = length.saturating_sub(LAST_WORDS_BYTES);
        self.last_words.extend_from_slice(&bytes[from..length]);
        let over = self.last_words.len().saturating_sub(LAST_WORDS_BYTES);
        self.last_words.drain(..over);
        if length == 0 {
            self.end()?;
        }
        Ok(length)
    }

    fn end(&mut self) -> Result<(), LabError> {
        let status = self.child.wait().map_err(|error| self.failed(&error.to_string()))?;
        self.is_over = true;
        if status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&self.last_words).into_owned();
        let last = words.trim().lines().next_back().unwrap_or_default();
        Err(self.failed(&if last.is_empty() { status.to_string() } else { format!("{status}: {last}") }))
    }

    fn failed(&self, because: &str) -> LabError {
        let try_this = format!("`{} {}`", self.asked.program, self.asked.arguments.join(" "));
        LabError::new(format!("cannot read the log of `{}`", self.asked.name), because, try_this)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            end_group(self.group());
            let _ = self.child.wait();
        }
    }
}

/// Ends a command that was started here, and what it started.
pub fn end_group(group: i32) {
    // SAFETY: a plain system call on a process group that this program made and has not waited for.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

fn readable_within(descriptor: i32, time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        let left_ms = end.saturating_duration_since(Instant::now()).as_millis().min(60_000) as i32;
        let mut poll = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        let ready = unsafe { libc::poll(&mut poll, 1, left_ms) };
        if ready != 0 && !(ready < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
    }
}
