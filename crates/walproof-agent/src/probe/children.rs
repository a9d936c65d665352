//! Forked children of the agent: holders of a lock that close, exit, die or stand still, and one that touches a mapping
//! which may kill it.
//!
//! What this file must not do: allocate, lock or unwind in a child. The agent has a second thread, so a child makes
//! system calls alone, on memory that was laid out before the fork. A child dies with the agent.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use walproof_format::probe_step::{ByteRange, Fate, LockKind, ProbeAnswer};

use super::locks::{refused, request};
use super::mapping::Mapping;

/// What the lab's orders are to a child.
const CLOSE: u8 = b'c';
const EXIT: u8 = b'x';

/// A forked process that holds a lock.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    orders: OwnedFd,
    answers: OwnedFd,
    reaped: bool,
}

impl Child {
    /// Forks it; it opens the file by itself and tries the lock once. Says whether it got it.
    pub fn hold(path: &CString, range: ByteRange, kind: LockKind) -> io::Result<(Self, bool)> {
        let (orders_out, orders_in) = pipe()?;
        let (answers_out, answers_in) = pipe()?;
        let lock = request(range, kind);
        // SAFETY: the child calls `life` alone, which makes system calls and never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            life(path, &lock, orders_out.as_raw_fd(), answers_in.as_raw_fd());
        }
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        let child = Self { pid, orders: orders_in, answers: answers_out, reaped: false };
        drop(answers_in);
        let errno = child.hear()?;
        let got = errno == 0 || refused(io::Error::from_raw_os_error(errno))? == 1;
        Ok((child, got))
    }

    /// Lets something happen to it, and waits until it has happened.
    pub fn meet(&mut self, fate: Fate) -> io::Result<()> {
        match fate {
            Fate::Close => self.order(CLOSE).and_then(|()| self.hear().map(drop)),
            Fate::Exit => self.order(EXIT).and_then(|()| self.reap()),
            Fate::Kill => self.signal(libc::SIGKILL).and_then(|()| self.reap()),
            Fate::Stop => self.signal(libc::SIGSTOP).and_then(|()| self.wait(libc::WUNTRACED)),
            Fate::Continue => self.signal(libc::SIGCONT),
        }
    }

    fn order(&self, order: u8) -> io::Result<()> {
        // SAFETY: reads one byte from `order`.
        let count = unsafe { libc::write(self.orders.as_raw_fd(), (&raw const order).cast(), 1) };
        if count == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Four bytes: an errno, 0 for success.
    fn hear(&self) -> io::Result<i32> {
        let mut bytes = [0u8; 4];
        // SAFETY: writes at most four bytes into `bytes`.
        let count = unsafe { libc::read(self.answers.as_raw_fd(), bytes.as_mut_ptr().cast(), 4) };
        if count == 4 { Ok(i32::from_ne_bytes(bytes)) } else { Err(io::Error::from_raw_os_error(libc::EPIPE)) }
    }

    fn signal(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the child was not reaped, so the pid is still its own.
        if self.reaped || unsafe { libc::kill(self.pid, signal) } != 0 {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    }

    fn reap(&mut self) -> io::Result<()> {
        self.wait(0)?;
        self.reaped = true;
        Ok(())
    }

    fn wait(&self, flags: i32) -> io::Result<()> {
        wait_for(self.pid, flags).map(drop)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped && self.signal(libc::SIGKILL).is_ok() {
            let _ = self.reap();
        }
    }
}

/// The life of a holder: it answers with its lock's errno, then follows orders until there are none.
fn life(path: &CString, lock: &libc::flock, orders: i32, answers: i32) -> ! {
    // SAFETY: system calls alone, each async-signal-safe, on memory that was laid out before the fork.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let fd = libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let code = if fd < 0 { fd } else { libc::fcntl(fd, libc::F_SETLK, lock) };
        answer(answers, if code < 0 { *libc::__errno_location() } else { 0 });
        let mut order = 0u8;
        while libc::read(orders, (&raw mut order).cast(), 1) == 1 && order == CLOSE {
            libc::close(fd);
            answer(answers, 0);
        }
        libc::_exit(0)
    }
}

/// # Safety
/// `answers` is a descriptor of the caller's.
unsafe fn answer(answers: i32, errno: i32) {
    let bytes = errno.to_ne_bytes();
    // SAFETY: reads four bytes from `bytes`.
    unsafe { libc::write(answers, bytes.as_ptr().cast(), 4) };
}

/// Loads eight bytes in a child: what it read, or the signal that it died of.
pub fn end_of_touch(mapping: &Mapping, offset: u64) -> io::Result<ProbeAnswer> {
    let cell = mapping.cell(offset)?;
    let (read_end, write_end) = pipe()?;
    let descriptor = write_end.as_raw_fd();
    // SAFETY: the child loads, writes and exits; it may die of SIGBUS, which is the answer then.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: system calls alone.
        unsafe {
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            let value = cell.load(std::sync::atomic::Ordering::SeqCst).to_ne_bytes();
            libc::write(descriptor, value.as_ptr().cast(), 8);
            libc::_exit(0)
        }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let status = wait_for(pid, 0)?;
    let mut bytes = [0u8; 8];
    drop(write_end);
    // SAFETY: writes at most eight bytes into `bytes`.
    unsafe { libc::read(read_end.as_raw_fd(), bytes.as_mut_ptr().cast(), 8) };
    let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
    Ok(ProbeAnswer { value: u64::from_ne_bytes(bytes), signal, ..ProbeAnswer::default() })
}

/// Waits for this child and no other; gives its status.
fn wait_for(pid: i32, flags: i32) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is valid over the call.
        if unsafe { libc::waitpid(pid, &mut status, flags) } == pid {
            return Ok(status);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: writes two descriptors, which nobody else owns.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}
