//! Steps of a probe on the lab's order: what two parties need to find out what they share.
//!
//! What this room is: [`Prober`] with the plain file calls, `locks` for byte ranges, `children` for holders that end in
//! ways of their own, `mapping` for shared memory, `litmus` for races on it.
//! What it must not do: judge, or hold the clock: a call that hangs here hangs only this agent, which the lab then kills.

mod children;
mod litmus;
mod locks;
mod mapping;

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use walproof_format::probe_step::{ProbeAnswer, ProbeStep};

use self::children::{Child, end_of_touch};
use self::mapping::Mapping;

/// Holds what the steps opened.
#[derive(Debug, Default)]
pub struct Prober {
    files: HashMap<u32, OwnedFd>,
    mappings: HashMap<u32, Mapping>,
    children: HashMap<u32, Child>,
}

impl Prober {
    /// Carries out steps, one after the other.
    pub fn carry_out(&mut self, steps: Vec<ProbeStep>) -> Vec<ProbeAnswer> {
        steps.into_iter().map(|step| self.timed(step)).collect()
    }

    fn timed(&mut self, step: ProbeStep) -> ProbeAnswer {
        let began = Instant::now();
        let outcome = self.step(step);
        let took_ns = began.elapsed().as_nanos() as u64;
        let failed = |error: io::Error| ProbeAnswer {
            errno: Some(error.raw_os_error().unwrap_or(libc::EIO)),
            ..ProbeAnswer::default()
        };
        ProbeAnswer { took_ns, ..outcome.unwrap_or_else(failed) }
    }

    fn step(&mut self, step: ProbeStep) -> io::Result<ProbeAnswer> {
        let value = match step {
            ProbeStep::Open { handle, path, create } => self.open(handle, &path, create)?,
            ProbeStep::Close { handle } => u64::from(self.files.remove(&handle).is_some()),
            ProbeStep::Write { handle, offset, value } => write_at(self.fd(handle)?, offset, value)?,
            ProbeStep::Read { handle, offset } => read_at(self.fd(handle)?, offset)?,
            // SAFETY: plain system calls on a descriptor of ours.
            ProbeStep::Truncate { handle, size } => unsafe {
                done(libc::ftruncate(self.fd(handle)?, size as i64)).map(|_| size)?
            },
            // SAFETY: as above.
            ProbeStep::Sync { handle } => unsafe { done(libc::fdatasync(self.fd(handle)?)).map(|_| 1)? },
            ProbeStep::Lock { handle, range, kind, owner } => locks::lock(self.fd(handle)?, range, kind, owner)?,
            ProbeStep::Holder { handle, range, kind } => return locks::holder(self.fd(handle)?, range, kind),
            ProbeStep::Hold { child, path, range, kind } => {
                let (holder, got) = Child::hold(&c_path(&path)?, range, kind)?;
                self.children.insert(child, holder);
                u64::from(got)
            }
            ProbeStep::Child { child, fate } => {
                self.children.get_mut(&child).ok_or_else(unknown_handle)?.meet(fate).map(|()| 1)?
            }
            ProbeStep::Map { handle } => {
                let mapping = Mapping::of(self.fd(handle)?)?;
                let first = mapping.load(0)?;
                self.mappings.insert(handle, mapping);
                first
            }
            ProbeStep::Store { handle, offset, value } => self.mapping(handle)?.store(offset, value)?,
            ProbeStep::Load { handle, offset, until, wait_ms } => {
                self.mapping(handle)?.load_until(offset, until, wait_ms)?
            }
            ProbeStep::Touch { handle, offset } => return end_of_touch(self.mapping(handle)?, offset),
            ProbeStep::Litmus { handle, path, test, role, time_ms, rounds_max } => {
                let (mapping, path) = (self.mappings.get(&handle), c_path(&path)?);
                return litmus::race((test, role), mapping, (self.fd(handle)?, &path), (time_ms, rounds_max));
            }
            ProbeStep::Size { path } => std::fs::metadata(path)?.len(),
            ProbeStep::Rename { from, to } => std::fs::rename(from, to).map(|()| 1)?,
            ProbeStep::Unlink { path } => std::fs::remove_file(path).map(|()| 1)?,
            ProbeStep::Mountinfo => {
                let text = std::fs::read_to_string("/proc/self/mountinfo")?;
                return Ok(ProbeAnswer { text, ..ProbeAnswer::default() });
            }
        };
        Ok(ProbeAnswer { value, ..ProbeAnswer::default() })
    }

    fn open(&mut self, handle: u32, path: &str, create: bool) -> io::Result<u64> {
        let fd = open_at(&c_path(path)?, if create { libc::O_CREAT | libc::O_EXCL } else { 0 })?;
        if create {
            // The umask is the agent's own affair: who may open the database is asked of the database.
            // SAFETY: a descriptor of ours.
            unsafe { libc::fchmod(fd.as_raw_fd(), 0o666) };
        }
        self.files.insert(handle, fd);
        Ok(1)
    }

    fn fd(&self, handle: u32) -> io::Result<i32> {
        self.files.get(&handle).map(AsRawFd::as_raw_fd).ok_or_else(unknown_handle)
    }

    fn mapping(&self, handle: u32) -> io::Result<&Mapping> {
        self.mappings.get(&handle).ok_or_else(unknown_handle)
    }
}

/// open(O_RDWR) of an existing file, or with more flags.
fn open_at(path: &CString, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: `path` is a valid C string; the descriptor that comes back is owned by nobody else.
    unsafe {
        let fd = done(libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC | flags, 0o666))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn write_at(fd: i32, offset: u64, value: u64) -> io::Result<u64> {
    let bytes = value.to_le_bytes();
    // SAFETY: reads eight bytes from `bytes`.
    let count = unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), 8, offset as i64) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as u64) }
}

/// What lies there; beyond the end of the file zeros.
fn read_at(fd: i32, offset: u64) -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: writes at most eight bytes into `bytes`.
    let count = unsafe { libc::pread(fd, bytes.as_mut_ptr().cast(), 8, offset as i64) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(u64::from_le_bytes(bytes)) }
}

fn done(code: i32) -> io::Result<i32> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}

fn c_path(path: &str) -> io::Result<CString> {
    Ok(CString::new(path.as_bytes())?)
}

fn unknown_handle() -> io::Error {
    io::Error::from_raw_os_error(libc::EBADF)
}
