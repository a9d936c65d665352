//! Handles of processes: signals that can never reach a stranger who inherited a number.
//!
//! What this file is: `pidfd_open`, `pidfd_send_signal`, and waiting for an end by `poll`; facts of `/proc/PID`.
//! What it must not do: signal by number.
//! Where to look next: `embedded.rs` and `process.rs`, which pause and kill through it; `run/leavings.rs`, which cleans.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// A process, held so that its number cannot be given to another one behind our back.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// Takes hold of a living (or dead, but not yet waited for) process.
    pub fn open(pid: u32) -> io::Result<Pidfd> {
        // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, nobody else owns it.
        Ok(Pidfd(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// The same for a process that was started with `WALPROOF_RUN=<run>`; `None`: it is gone, or somebody else's.
    pub fn open_of_run(pid: u32, run: &str) -> Option<Pidfd> {
        // Held first and looked at then: the number cannot be given to another one in between.
        let held = Pidfd::open(pid).ok()?;
        let label = format!("WALPROOF_RUN={run}");
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|one| one == label.as_bytes()).then_some(held)
    }

    /// Sends a signal; a process that has ended already is not an error.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the descriptor is ours, the null pointer asks for the default information.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match answer {
            0 => Ok(()),
            _ => match io::Error::last_os_error() {
                ended if ended.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                other => Err(other),
            },
        }
    }

    /// Waits for the end of the process; false: it lives after `timeout`.
    pub fn ended_within(&self, timeout: Duration) -> io::Result<bool> {
        readable_within(self.0.as_raw_fd(), timeout)
    }

    /// The descriptor, for a `poll` of one's own.
    pub fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Waits until a descriptor can be read (or was hung up); false after `timeout`.
pub fn readable_within(fd: RawFd, timeout: Duration) -> io::Result<bool> {
    let end = Instant::now() + timeout;
    loop {
        let rest = end.saturating_duration_since(Instant::now());
        let rest_ms = i32::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that lives on this stack frame.
        match unsafe { libc::poll(&mut poll, 1, rest_ms) } {
            0 => return Ok(false),
            1.. => return Ok(true),
            _ => match io::Error::last_os_error() {
                again if again.kind() == io::ErrorKind::Interrupted => continue,
                other => return Err(other),
            },
        }
    }
}

/// When a process started, in clock ticks since the boot; `None` when there is no such process.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a process has ended and only waits to be reaped.
pub fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_held_signalled_and_seen_to_end() {
        let mut child = std::process::Command::new("/proc/self/exe")
            .arg("--list")
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("the test binary starts itself");
        let held = Pidfd::open(child.id()).expect("a child can be held");
        held.signal(libc::SIGKILL).expect("a child can be signalled");
        assert!(held.ended_within(Duration::from_secs(5)).expect("poll"));
        child.wait().expect("the child is ours");
        held.signal(libc::SIGKILL).expect("a signal to the dead is no error");
    }

    #[test]
    fn we_have_started_and_are_no_zombie() {
        assert!(start_ticks(std::process::id()).is_some_and(|ticks| ticks > 0));
        assert!(!is_zombie(std::process::id()));
    }

    #[test]
    fn nobody_has_no_start() {
        assert_eq!(start_ticks(u32::MAX), None);
    }
}
