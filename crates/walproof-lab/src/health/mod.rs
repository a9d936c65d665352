//! Looks at databases for a probe, and answers in time whatever the storage does: [`ask`].
//!
//! A forked child looks. Whoever asks waits for it no longer than it was told to, and never touches the storage itself: a
//! process that waits for a server that does not answer may not even be killed before that does. Such a child is killed,
//! left behind and ends when the storage answers; while [`LEFT_BEHIND_MAX`] of them wait, nobody else is sent after them.
//!
//! What it must not do: open a database with SQLite, take a lock or ask for one, open anything for writing, judge.
//! Where to look next: `sight.rs` for one look, `holders.rs` for locks and openers; `walproof_judge::health`.

mod holders;
mod sight;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use walproof_judge::health::{Answer, Finding, Health, Question, another_look_after_ms, weigh};

use crate::collect::live::databases;
use crate::error::LabError;
use crate::runtimes::pidfd::readable_within;

/// What the child calls itself.
const CHILD_NAME: &std::ffi::CStr = c"walproof-looks";
/// Children that may wait for storage at the same time.
const LEFT_BEHIND_MAX: usize = 8;

/// Asks about all of these within this time. `openers`: look at processes as well. An error means that nobody could be
/// sent to look.
///
/// Must be called while the process has one thread.
pub fn ask(paths: &[PathBuf], question: &Question, openers: bool, time: Duration) -> Result<Vec<Health>, LabError> {
    let end = Instant::now() + time;
    let waiting = left_behind();
    if waiting >= LEFT_BEHIND_MAX {
        let says = format!("{waiting} earlier probes still wait for the storage");
        return Ok(paths.iter().map(|path| silent(path, says.clone())).collect());
    }
    let (from, child) = send(|to| look_at_all(paths, question, openers, to))?;
    let heard = hear(from, paths.len(), end);
    end_child(child);
    let unheard = paths.iter().skip(heard.len());
    let ms = time.as_millis();
    let unheard: Vec<Health> =
        unheard.map(|path| silent(path, format!("the storage did not answer within {ms} ms"))).collect();
    Ok(heard.into_iter().flatten().chain(unheard).collect())
}

fn silent(path: &Path, says: String) -> Health {
    let try_this = "the server or the disk behind the mount, and the kernel's log; a restart does not mend it";
    Health::unseen(path.display().to_string(), "storage-silent", says, try_this)
}

/// Earlier children that ended in nothing: they belong to process 1 here by now. Those that are dead and only not waited
/// for do not count.
fn left_behind() -> usize {
    let children = fs::read_to_string("/proc/1/task/1/children").unwrap_or_default();
    let ours = |pid: &&str| {
        let told = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = told.split_once(" (walproof-looks) ").map(|(_, after)| after);
        after.is_some_and(|after| !after.starts_with(['Z', 'X']))
    };
    children.split_whitespace().filter(ours).count()
}

/// Sends a child that does this and ends; what it writes can be read.
fn send(work: impl FnOnce(&mut File)) -> Result<(OwnedFd, libc::pid_t), LabError> {
    let failed =
        |error: std::io::Error| LabError::new("cannot look", error, "more processes for this user: `ulimit -u`");
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two descriptors to a valid place.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(failed(std::io::Error::last_os_error()));
    }
    // SAFETY: both are fresh descriptors that nobody else owns.
    let [from, to] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    // SAFETY: this process has one thread, so that the child finds every lock of the allocator open.
    match unsafe { libc::fork() } {
        -1 => Err(failed(std::io::Error::last_os_error())),
        0 => {
            drop(from);
            be_a_child();
            work(&mut File::from(to));
            // SAFETY: ends the child without anything of the parent's being done twice.
            unsafe { libc::_exit(0) }
        }
        child => Ok((from, child)),
    }
}

/// Lets go of everything that somebody may wait for: the pipes of whoever runs the probe above all.
fn be_a_child() {
    // SAFETY: plain system calls on a C string and on descriptors of our own; what fails leaves things as they are.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, CHILD_NAME.as_ptr());
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        (0..=2).for_each(|standard| {
            libc::dup2(null, standard);
        });
    }
}

/// Ends the child, whatever it does. One that is done or can be killed is waited for, so that process 1 of a container
/// need not; one that waits for storage is left behind.
fn end_child(child: libc::pid_t) {
    // SAFETY: a signal to a child of ours that was not waited for yet.
    unsafe { libc::kill(child, libc::SIGKILL) };
    for _ in 0..20 {
        // SAFETY: asks for a child of ours without waiting; its status is not wanted.
        if unsafe { libc::waitpid(child, std::ptr::null_mut(), libc::WNOHANG) } != 0 {
            return;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// The child's life: each path's answer is a line.
fn look_at_all(paths: &[PathBuf], question: &Question, openers: bool, to: &mut File) {
    for path in paths {
        let Ok(mut line) = serde_json::to_vec(&look_at(path, question, openers)) else { return };
        line.push(b'\n');
        if to.write_all(&line).is_err() {
            return;
        }
    }
}

fn look_at(path: &Path, question: &Question, openers: bool) -> Vec<Health> {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return vec![series(path, question, openers)];
    }
    match databases(path) {
        Ok(found) => found.iter().map(|path| series(path, question, openers)).collect(),
        Err(because) => vec![no_database_in(path, question, because)],
    }
}

/// A directory in which no database lies.
fn no_database_in(path: &Path, question: &Question, says: String) -> Health {
    let ready = if question.may_be_missing { Answer::Healthy } else { Answer::Unhealthy };
    let mut health = Health::unseen(path.display().to_string(), "missing", says, "the path of the database itself");
    health.findings[0] = Finding { ready, live: Answer::Healthy, ..health.findings[0].clone() };
    health.answer = health.findings[0].answer(question.asked);
    health
}

/// Looks until what was seen is settled.
fn series(path: &Path, question: &Question, openers: bool) -> Health {
    let begun = Instant::now();
    let mut looks = Vec::new();
    loop {
        looks.push(sight::look(path, openers));
        let spent_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match another_look_after_ms(&looks, question, spent_ms) {
            Some(pause_ms) => std::thread::sleep(Duration::from_millis(pause_ms)),
            None => return weigh(&looks, question).expect("there is a look"),
        }
    }
}

/// What the child said in time, a list for each path.
fn hear(from: OwnedFd, paths: usize, end: Instant) -> Vec<Vec<Health>> {
    let mut from = File::from(from);
    let (mut text, mut block) = (Vec::new(), [0; 4096]);
    while text.iter().filter(|byte| **byte == b'\n').count() < paths {
        let left = end.saturating_duration_since(Instant::now());
        if !matches!(readable_within(from.as_raw_fd(), left), Ok(true)) {
            break;
        }
        match from.read(&mut block) {
            Ok(0) | Err(_) => break,
            Ok(length) => text.extend_from_slice(&block[..length]),
        }
    }
    text.split_inclusive(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect()
}
