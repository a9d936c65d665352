//! A shared writable mapping that cannot kill the host.
//!
//! A store into a page that the storage cannot give is SIGBUS, and a library must not install a handler for it. So
//! bytes go in and out through a pipe: the kernel copies between pipe and mapping, and where the page cannot be had the
//! call fails with EFAULT instead.
//!
//! What this file must not do: touch the mapping by itself.
//! Where to look next: `scratch`.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use crate::resolve::errno;

/// Bytes carried at once: SQLite's marks and frame counts are words of this size.
pub(crate) type Word = [u8; 8];

pub(crate) struct Mapping {
    address: *mut libc::c_void,
    length: usize,
}

impl Mapping {
    /// Maps the first bytes of the file, shared, for reading and writing, as SQLite maps the `-shm`.
    pub(crate) fn new(file: &File, length: usize) -> Result<Self, i32> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place that the kernel chooses touches no memory that is in use.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED { Err(errno(&io::Error::last_os_error())) } else { Ok(Self { address, length }) }
    }

    /// Puts a word at this offset.
    pub(crate) fn store(&self, carrier: &mut Carrier, offset: usize, word: Word) -> Result<(), i32> {
        carrier.write_end.write_all(&word).map_err(|error| errno(&error))?;
        let place = self.place(offset);
        // SAFETY: `place` and eight bytes after it lie in the mapping; the kernel answers EFAULT where no page is.
        let count = unsafe { libc::read(carrier.read_end.as_raw_fd(), place, size_of::<Word>()) };
        whole(count)
    }

    /// The word at this offset.
    pub(crate) fn load(&self, carrier: &mut Carrier, offset: usize) -> Result<Word, i32> {
        let place = self.place(offset);
        // SAFETY: as in `store`; the bytes go into the pipe, which has room for them.
        let count = unsafe { libc::write(carrier.write_end.as_raw_fd(), place, size_of::<Word>()) };
        whole(count)?;
        let mut word = Word::default();
        carrier.read_end.read_exact(&mut word).map_err(|error| errno(&error))?;
        Ok(word)
    }

    fn place(&self, offset: usize) -> *mut libc::c_void {
        assert!(offset + size_of::<Word>() <= self.length, "inside the mapping");
        self.address.wrapping_byte_add(offset)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, and nothing refers to it any more.
        unsafe { libc::munmap(self.address, self.length) };
    }
}

/// A pipe that carries words between memory and mappings. After a failure it may hold bytes: drop it then.
pub(crate) struct Carrier {
    read_end: PipeReader,
    write_end: PipeWriter,
}

impl Carrier {
    pub(crate) fn new() -> Result<Self, i32> {
        let (read_end, write_end) = io::pipe().map_err(|error| errno(&error))?;
        for descriptor in [read_end.as_raw_fd(), write_end.as_raw_fd()] {
            never_wait(descriptor);
        }
        Ok(Self { read_end, write_end })
    }
}

/// A pipe that came up short must answer EAGAIN, not hang.
fn never_wait(descriptor: RawFd) {
    // SAFETY: the descriptor is this process's own pipe.
    unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFL);
        libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

fn whole(count: isize) -> Result<(), i32> {
    match usize::try_from(count) {
        Ok(count) if count == size_of::<Word>() => Ok(()),
        Ok(_) => Err(libc::EIO),
        Err(_) => Err(errno(&io::Error::last_os_error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::FromRawFd;

    /// A file in memory, of this many bytes.
    fn memory_file(bytes: u64) -> File {
        // SAFETY: the name is NUL-terminated; the descriptor is new and owned by the File alone.
        let file = unsafe { File::from_raw_fd(libc::memfd_create(c"mapping".as_ptr(), libc::MFD_CLOEXEC)) };
        file.set_len(bytes).unwrap();
        file
    }

    #[test]
    fn a_word_that_was_stored_is_loaded_through_another_mapping() {
        let file = memory_file(8192);
        let (one, other) = (Mapping::new(&file, 8192).unwrap(), Mapping::new(&file, 8192).unwrap());
        let mut carrier = Carrier::new().unwrap();
        one.store(&mut carrier, 4096, *b"walproof").unwrap();
        assert_eq!(other.load(&mut carrier, 4096), Ok(*b"walproof"));
    }

    #[test]
    fn a_page_that_is_not_there_is_an_errno_and_no_signal() {
        let file = memory_file(4096);
        let mapping = Mapping::new(&file, 8192).unwrap();
        assert_eq!(mapping.load(&mut Carrier::new().unwrap(), 4096), Err(libc::EFAULT));
        assert_eq!(mapping.store(&mut Carrier::new().unwrap(), 4096, *b"walproof"), Err(libc::EFAULT));
    }
}
