//! A forked child meets a POSIX lock of this process: what SQLite's own locks do between two processes.
//!
//! Only on request: the caller may have threads, and a fork copies its page tables. The child makes two system calls,
//! `fcntl` and `exit_group`, both async-signal-safe, on memory that was laid out before. It is made by `clone` itself
//! and not by `fork`, so that no `pthread_atfork` handler of the host runs, and without an exit signal: the host gets no
//! SIGCHLD, and its `wait` for any child does not find this one. All signals are blocked meanwhile, so that none of the
//! host's handlers runs in the child. Its copies of descriptors are closed when it ends; that drops the locks of
//! the child alone, since POSIX locks belong to the table of descriptors.
//!
//! What this file must not do: allocate or lock in the child, wait for children of others, touch another file than the
//! scratch file.
//! Where to look next: `scratch`.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::locks::{posix, posix_lock};
use crate::resolve::errno;
use crate::scratch::Answer;

/// How long the child may take; then it is killed, by its pid.
const WAIT_MAX: Duration = Duration::from_millis(500);
const BETWEEN_LOOKS: Duration = Duration::from_micros(200);

/// Exit codes of the child; an errno is added to the last.
const REFUSED: i32 = 0;
const GRANTED: i32 = 1;
const ERRNO: i32 = 10;

/// `Yes`: the child was refused what this process holds.
pub(crate) fn is_refused(own: &File, for_child: &File) -> Answer {
    match posix(own, libc::F_WRLCK) {
        Ok(true) => {}
        Ok(false) => return Answer::No,
        Err(errno) => return Answer::Errno(errno),
    }
    let answer = meet(for_child);
    let _ = posix(own, libc::F_UNLCK);
    answer
}

fn meet(file: &File) -> Answer {
    match spawn(file) {
        Ok(pid) => reap(pid),
        Err(errno) => Answer::Errno(errno),
    }
}

fn spawn(file: &File) -> Result<libc::pid_t, i32> {
    let lock = posix_lock(libc::F_WRLCK);
    let descriptor = file.as_raw_fd();
    let signals = block_signals();
    // SAFETY: flags 0 is a plain fork without an exit signal; every argument is zero, so their order, which differs
    // between machines, does not matter. The child goes on with a copy of this stack and calls `attempt` alone.
    let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
    if pid == 0 {
        attempt(descriptor, &lock);
    }
    let error = errno(&io::Error::last_os_error());
    restore_signals(&signals);
    if pid < 0 { Err(error) } else { Ok(pid as libc::pid_t) }
}

/// The child's life.
fn attempt(descriptor: i32, lock: &libc::flock) -> ! {
    // SAFETY: `fcntl` and `exit_group` are async-signal-safe; the descriptor was open when the child was made.
    unsafe {
        let granted = libc::fcntl(descriptor, libc::F_SETLK, lock) == 0;
        let errno = *libc::__errno_location();
        let code = match errno {
            _ if granted => GRANTED,
            libc::EAGAIN | libc::EACCES => REFUSED,
            errno => ERRNO + errno,
        };
        loop {
            libc::syscall(libc::SYS_exit_group, code);
        }
    }
}

/// Waits for this child and no other. `__WALL`, since it has no exit signal.
fn reap(pid: libc::pid_t) -> Answer {
    let begun = Instant::now();
    let mut killed = false;
    loop {
        let mut status = 0;
        let flags = libc::__WALL | if killed { 0 } else { libc::WNOHANG };
        // SAFETY: `status` is valid over the call.
        let reaped = unsafe { libc::waitpid(pid, &raw mut status, flags) };
        if reaped == pid {
            return if killed { Answer::Errno(libc::ETIMEDOUT) } else { told(status) };
        }
        if reaped < 0 && errno(&io::Error::last_os_error()) != libc::EINTR {
            return Answer::Errno(libc::ECHILD);
        }
        if reaped == 0 && begun.elapsed() > WAIT_MAX {
            killed = true;
            // SAFETY: the child was not reaped, so the pid is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        } else if reaped == 0 {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

fn told(status: i32) -> Answer {
    if !libc::WIFEXITED(status) {
        return Answer::Errno(libc::ECHILD);
    }
    match libc::WEXITSTATUS(status) {
        REFUSED => Answer::Yes,
        GRANTED => Answer::No,
        code => Answer::Errno(code - ERRNO),
    }
}

fn block_signals() -> libc::sigset_t {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset fills `all` before it is read; pthread_sigmask fills `before` and cannot fail with SIG_SETMASK.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: `before` came from pthread_sigmask.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}
