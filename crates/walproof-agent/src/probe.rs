//! Single system calls on the lab's order: what two parties need to find out what they share.
//!
//! The lab holds the clock: a call that hangs here hangs only this agent, which the lab then kills.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use walproof_format::protocol::{ProbeAnswer, ProbeStep};

/// Bytes mapped: one wal-index region.
const MAPPING_SIZE: usize = 32 * 1024;

/// Holds what the steps opened.
#[derive(Debug, Default)]
pub struct Prober {
    files: HashMap<u32, OwnedFd>,
    mappings: HashMap<u32, usize>,
}

impl Prober {
    /// Carries out one step.
    pub fn carry_out(&mut self, step: ProbeStep) -> ProbeAnswer {
        match self.try_step(step) {
            Ok(answer) => answer,
            Err(error) => ProbeAnswer { errno: Some(error.raw_os_error().unwrap_or(libc::EIO)), ..Default::default() },
        }
    }

    fn try_step(&mut self, step: ProbeStep) -> io::Result<ProbeAnswer> {
        let value = match step {
            ProbeStep::Open { handle, path, create } => self.open(handle, &path, create)?,
            ProbeStep::Close { handle } => u64::from(self.files.remove(&handle).is_some()),
            ProbeStep::Write { handle, offset, value } => self.write(handle, offset, value)?,
            ProbeStep::Read { handle, offset } => self.read(handle, offset)?,
            ProbeStep::Truncate { handle, size } => self.truncate(handle, size)?,
            ProbeStep::Lock { handle, offset } => self.lock(handle, offset, libc::F_WRLCK)?,
            ProbeStep::Unlock { handle, offset } => self.lock(handle, offset, libc::F_UNLCK)?,
            ProbeStep::Map { handle } => self.map(handle)?,
            ProbeStep::Store { handle, offset, value } => {
                self.cell(handle, offset)?.store(value, Ordering::SeqCst);
                value
            }
            ProbeStep::Load { handle, offset, until, wait_ms } => self.load(handle, offset, until, wait_ms)?,
            ProbeStep::Size { path } => std::fs::metadata(path)?.len(),
            ProbeStep::Unlink { path } => std::fs::remove_file(path).map(|()| 1)?,
            ProbeStep::Mountinfo => {
                let text = std::fs::read_to_string("/proc/self/mountinfo")?;
                return Ok(ProbeAnswer { text, ..Default::default() });
            }
        };
        Ok(ProbeAnswer { value, ..Default::default() })
    }

    fn open(&mut self, handle: u32, path: &str, create: bool) -> io::Result<u64> {
        let path = CString::new(Path::new(path).as_os_str().as_bytes())?;
        let flags = libc::O_RDWR | libc::O_CLOEXEC | if create { libc::O_CREAT | libc::O_EXCL } else { 0 };
        // SAFETY: `path` is a valid C string; the descriptor that comes back is owned by nobody else.
        let fd = unsafe { libc::open(path.as_ptr(), flags, 0o666) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        if create {
            // The umask is the agent's own affair: who may open the database is asked of the database.
            // SAFETY: a descriptor of ours.
            unsafe { libc::fchmod(fd, 0o666) };
        }
        // SAFETY: as above.
        self.files.insert(handle, unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(1)
    }

    fn fd(&self, handle: u32) -> io::Result<i32> {
        let file = self.files.get(&handle).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        Ok(file.as_raw_fd())
    }

    fn write(&self, handle: u32, offset: u64, value: u64) -> io::Result<u64> {
        let bytes = value.to_le_bytes();
        // SAFETY: reads eight bytes from `bytes`.
        let count = unsafe { libc::pwrite(self.fd(handle)?, bytes.as_ptr().cast(), 8, offset as i64) };
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as u64) }
    }

    fn read(&self, handle: u32, offset: u64) -> io::Result<u64> {
        let mut bytes = [0u8; 8];
        // SAFETY: writes at most eight bytes into `bytes`.
        let count = unsafe { libc::pread(self.fd(handle)?, bytes.as_mut_ptr().cast(), 8, offset as i64) };
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(u64::from_le_bytes(bytes)) }
    }

    fn truncate(&self, handle: u32, size: u64) -> io::Result<u64> {
        // SAFETY: a plain system call on a descriptor of ours.
        let code = unsafe { libc::ftruncate(self.fd(handle)?, size as i64) };
        if code < 0 { Err(io::Error::last_os_error()) } else { Ok(size) }
    }

    /// 1: got the lock; 0: somebody else has a conflicting one.
    fn lock(&self, handle: u32, offset: u64, kind: i32) -> io::Result<u64> {
        // SAFETY: flock is plain data; all zero is a valid value.
        let mut request: libc::flock = unsafe { std::mem::zeroed() };
        request.l_type = kind as i16;
        request.l_whence = libc::SEEK_SET as i16;
        request.l_start = offset as i64;
        request.l_len = 1;
        // SAFETY: `request` is a valid flock and lives through the call.
        let code = unsafe { libc::fcntl(self.fd(handle)?, libc::F_SETLK, &request) };
        if code == 0 {
            return Ok(1);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(0),
            _ => Err(error),
        }
    }

    fn map(&mut self, handle: u32) -> io::Result<u64> {
        let fd = self.fd(handle)?;
        // SAFETY: a fresh shared mapping; the kernel chooses the address; it stays mapped while the process lives.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), MAPPING_SIZE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        self.mappings.insert(handle, base as usize);
        // Faults the page in, so that a later load is answered from what is mapped now.
        Ok(self.cell(handle, 0)?.load(Ordering::SeqCst))
    }

    fn cell(&self, handle: u32, offset: u64) -> io::Result<&AtomicU64> {
        let base = *self.mappings.get(&handle).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        if !offset.is_multiple_of(8) || offset as usize + 8 > MAPPING_SIZE {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: aligned and inside a mapping that lives as long as the process; other processes may store into it,
        // which atomics allow.
        Ok(unsafe { AtomicU64::from_ptr((base + offset as usize) as *mut u64) })
    }

    fn load(&self, handle: u32, offset: u64, until: u64, wait_ms: u32) -> io::Result<u64> {
        let cell = self.cell(handle, offset)?;
        let deadline = Instant::now() + Duration::from_millis(wait_ms.into());
        loop {
            let value = cell.load(Ordering::SeqCst);
            if value == until || Instant::now() >= deadline {
                return Ok(value);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
