//! A child that looks, and whoever asks it: storage that does not answer holds the child alone.
//!
//! Each question and each answer is a line of JSON. Before it touches a file system the child says which, so that one
//! that does not answer is asked once and then left out. A child that hangs is killed and not waited for: whoever waits
//! for a frozen server may not even be killed before that answers.
//!
//! What it must not do: read anything itself.
//! Where to look next: `question.rs` for what can be asked.

use std::io::{BufRead, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use walproof_judge::facts::{LOCAL_FILE_SYSTEMS, Mount};

use super::glance::Glancer;
use super::question::{Question, answer};
use crate::error::LabError;
use crate::runtimes::pidfd::readable_within;

/// The argument by which this program is asked to be [`look_main`].
pub const LOOK: &str = "live-look";
/// What a child calls itself.
pub const NAME: &str = "walproof";
/// How long one answer may take.
pub const TIME: Duration = Duration::from_secs(3);
/// How long a child may take to begin: machines are busy.
const START_MAX: Duration = Duration::from_secs(20);

/// Major and minor number.
pub type Device = (u32, u32);

/// A line of the child's.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// It is there.
    Ready,
    /// It is about to touch this file system.
    Touching(Option<Device>),
    /// What was asked.
    Answer(serde_json::Value),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Storage did not answer in time.
    Hangs,
    /// The child ended, or said something else.
    Broken,
}

/// Whoever asks.
pub struct Asker {
    child: Option<Line>,
    /// How long one answer may take.
    time: Duration,
    /// File systems that did not answer.
    pub dead: Vec<Device>,
    /// File systems of this machine alone: one that takes its time there is busy, and is asked again.
    local: Vec<Device>,
}

/// A child, and the line to it.
pub struct Line {
    process: Child,
    to: ChildStdin,
    from: ChildStdout,
    heard: Vec<u8>,
    touching: Option<Device>,
}

impl Asker {
    /// Starts a child, so that it is known whether one can be.
    pub fn start(own: &[Mount], time: Duration) -> Result<Self, LabError> {
        let local = own.iter().filter(|mount| LOCAL_FILE_SYSTEMS.contains(&mount.fstype.as_str()));
        let local = local.map(|mount| mount.device).collect();
        Ok(Self { child: Some(Line::start(START_MAX)?), time, dead: Vec::new(), local })
    }

    /// Asks, and waits for the answer as long as is allowed.
    pub fn ask<T: DeserializeOwned>(&mut self, question: &Question) -> Result<T, Silence> {
        if self.child.is_none() {
            self.child = Some(Line::start(START_MAX).map_err(|_| Silence::Broken)?);
        }
        let asked = self.child.as_mut().ok_or(Silence::Broken)?;
        let heard = asked.question(question, self.time);
        if let Err(silence) = heard {
            self.give_up(silence);
        }
        serde_json::from_value(heard?).map_err(|_| Silence::Broken)
    }

    /// Processor time of the child so far, if the kernel tells.
    pub fn processor_time(&self) -> Option<Duration> {
        let pid = self.child.as_ref()?.process.id();
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
    }

    fn give_up(&mut self, silence: Silence) {
        let Some(mut asked) = self.child.take() else { return };
        let _ = asked.process.kill();
        let _ = asked.process.try_wait();
        if silence == Silence::Hangs {
            self.dead.extend(asked.touching.filter(|device| !self.local.contains(device)));
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // Its standard input ends, and so does it, unless it hangs.
        let Some(Line { mut process, to, .. }) = self.child.take() else { return };
        drop(to);
        let end = Instant::now() + self.time;
        while matches!(process.try_wait(), Ok(None)) {
            if Instant::now() >= end {
                let _ = process.kill();
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Line {
    /// Starts a child; it has so long to begin.
    pub fn start(within: Duration) -> Result<Self, LabError> {
        let failed = |because: String| {
            let try_this = "whether this user may start another process: `ulimit -u`";
            LabError::new("cannot look at what runs", because, try_this)
        };
        let mut command = Command::new("/proc/self/exe");
        command.arg0(NAME).arg(LOOK).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (Some(to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(failed("it has no pipes".to_owned()));
        };
        let mut asked = Self { process, to, from, heard: Vec::new(), touching: None };
        match asked.hear(Instant::now() + within) {
            Ok(Word::Ready) => Ok(asked),
            _ => {
                let _ = asked.process.kill();
                let _ = asked.process.wait();
                Err(failed("the child that was to look did not begin".to_owned()))
            }
        }
    }

    fn question(&mut self, question: &Question, time: Duration) -> Result<serde_json::Value, Silence> {
        self.begin(question)?;
        let mut end = Instant::now() + time;
        loop {
            match self.hear(end)? {
                Word::Answer(value) => return Ok(value),
                // Each file system has its own time.
                Word::Touching(device) => (self.touching, end) = (device, Instant::now() + time),
                Word::Ready => return Err(Silence::Broken),
            }
        }
    }

    /// Asks, and does not wait.
    pub fn begin(&mut self, question: &Question) -> Result<(), Silence> {
        self.touching = None;
        let mut line = serde_json::to_vec(question).map_err(|_| Silence::Broken)?;
        line.push(b'\n');
        self.to.write_all(&line).map_err(|_| Silence::Broken)
    }

    /// What it answers until then, if it does.
    pub fn answer<T: DeserializeOwned>(&mut self, end: Instant) -> Result<T, Silence> {
        loop {
            if let Word::Answer(value) = self.hear(end)? {
                return serde_json::from_value(value).map_err(|_| Silence::Broken);
            }
        }
    }

    /// Kills it. Whoever waits for a frozen server may not die of that before it answers: nobody waits for it here.
    pub fn abandon(mut self) {
        let _ = self.process.kill();
        let _ = self.process.try_wait();
    }

    fn hear(&mut self, end: Instant) -> Result<Word, Silence> {
        loop {
            if let Some(at) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=at).collect();
                return serde_json::from_slice(&line).map_err(|_| Silence::Broken);
            }
            let left = end.saturating_duration_since(Instant::now());
            if !readable_within(self.from.as_raw_fd(), left).map_err(|_| Silence::Broken)? {
                return Err(Silence::Hangs);
            }
            let mut bytes = [0; 65_536];
            match self.from.read(&mut bytes) {
                Ok(0) | Err(_) => return Err(Silence::Broken),
                Ok(more) => self.heard.extend(&bytes[..more]),
            }
        }
    }
}

/// What the child says while it looks.
pub struct Mouth {
    said: Option<Option<Device>>,
}

impl Mouth {
    /// Before a file system is touched. The same one again need not be said.
    pub fn touching(&mut self, device: Option<Device>) {
        if self.said != Some(device) {
            self.said = Some(device);
            say(&Word::Touching(device));
        }
    }
}

fn say(word: &Word) {
    let Ok(mut line) = serde_json::to_vec(word) else { return };
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    // Whoever does not listen any more is gone.
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// The child's life: answers until its standard input ends.
pub fn look_main() -> i32 {
    // Ctrl-C in a terminal reaches the whole group: whoever asks ends it in order, and this with it.
    // SAFETY: a plain system call; to ignore a signal runs nothing.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
    say(&Word::Ready);
    let mut glancer = Glancer::default();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return 1 };
        let Ok(question) = serde_json::from_str::<Question>(&line) else { return 1 };
        let value = answer(&question, &mut Mouth { said: None }, &mut glancer);
        say(&Word::Answer(value));
    }
    0
}

/// Runs a command that may not answer, such as an engine's: what it said, or why there is nothing.
pub fn told_within(command: &mut Command, time: Duration) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let end = Instant::now() + time;
    let (out, error) = (child.stdout.take(), child.stderr.take());
    let said = out.and_then(|mut out| read_until(&mut out, end));
    let complaint = error.and_then(|mut error| read_until(&mut error, end));
    let (Some(said), Some(complaint)) = (said, complaint) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it did not answer within {} s", time.as_secs()));
    };
    match child.wait() {
        Ok(status) if status.success() => Ok(said),
        Ok(status) if complaint.trim().is_empty() => Err(status.to_string()),
        Ok(_) => Err(complaint.trim().lines().next_back().unwrap_or_default().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Everything until the other side closes; `None`: it does not.
fn read_until(from: &mut (impl Read + AsRawFd), end: Instant) -> Option<String> {
    let (mut all, mut bytes) = (Vec::new(), [0; 65_536]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if !readable_within(from.as_raw_fd(), left).ok()? {
            return None;
        }
        match from.read(&mut bytes).ok()? {
            0 => return Some(String::from_utf8_lossy(&all).into_owned()),
            more => all.extend(&bytes[..more]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<String, String> {
        told_within(Command::new("/bin/sh").args(["-c", script]), Duration::from_secs(2))
    }

    #[test]
    fn a_command_tells_complains_or_is_given_up() {
        assert_eq!(shell("echo yes").as_deref(), Ok("yes\n"));
        assert_eq!(shell("echo one >&2; echo two >&2; exit 3"), Err("two".to_owned()));
        assert!(shell("exit 3").expect_err("it failed").contains('3'));
        assert_eq!(shell("exec sleep 30"), Err("it did not answer within 2 s".to_owned()));
        assert!(told_within(&mut Command::new("/no/such/program"), TIME).is_err());
    }
}
