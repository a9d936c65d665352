//! A MAP_SHARED mapping of 32 KiB, one wal-index region, read and written by atomics.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bytes mapped: one wal-index region.
const MAPPING_SIZE: usize = 32 * 1024;

/// Mapped as long as the process lives.
#[derive(Debug)]
pub struct Mapping {
    base: usize,
}

impl Mapping {
    pub fn of(fd: i32) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh shared mapping; the kernel chooses the address; it stays mapped while the process lives.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), MAPPING_SIZE, access, libc::MAP_SHARED, fd, 0) };
        if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { base: base as usize }) }
    }

    /// Eight bytes at an offset that eight divides.
    pub fn cell(&self, offset: u64) -> io::Result<&AtomicU64> {
        if !offset.is_multiple_of(8) || offset as usize + 8 > MAPPING_SIZE {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: aligned and inside a mapping that lives as long as the process; other processes may store into it,
        // which atomics allow.
        Ok(unsafe { AtomicU64::from_ptr((self.base + offset as usize) as *mut u64) })
    }

    /// Faults the page in, so that a later load is answered from what is mapped now.
    pub fn load(&self, offset: u64) -> io::Result<u64> {
        Ok(self.cell(offset)?.load(Ordering::SeqCst))
    }

    pub fn store(&self, offset: u64, value: u64) -> io::Result<u64> {
        self.cell(offset)?.store(value, Ordering::SeqCst);
        Ok(value)
    }

    /// The first load that gives `until`, or the last one in time.
    pub fn load_until(&self, offset: u64, until: u64, wait_ms: u32) -> io::Result<u64> {
        let deadline = Instant::now() + Duration::from_millis(wait_ms.into());
        loop {
            let value = self.load(offset)?;
            if value == until || Instant::now() >= deadline {
                return Ok(value);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
