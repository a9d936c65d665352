//! The history's writer: stores records into a shared mapping of a preallocated file.
//!
//! A store survives SIGKILL at the next instruction because it is in the page cache already. The file is
//! preallocated, because a store into a hole on a full disk is SIGBUS. No system call per record; a new segment
//! costs a few, once in [`CAPACITY`] records.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use walproof_format::history::{
    ACKNOWLEDGED_OFFSET, PHASE_OFFSET, Phase, RECORD_SIZE, Record, SEGMENT_SIZE, SegmentHeader, segment_file_name,
};

/// Records in a segment: with the header they fill 1 MiB.
pub const CAPACITY: u32 = (SEGMENT_SIZE / RECORD_SIZE) as u32 - 1;

/// Writes the history of one life of an agent; without a folder it writes nowhere (probe, benchmarks).
#[derive(Debug)]
pub struct HistoryWriter {
    folder: Option<PathBuf>,
    agent: u16,
    incarnation: u16,
    segment: u32,
    next: u32,
    acknowledged: u64,
    mapping: Option<Mapping>,
}

impl HistoryWriter {
    /// Makes the first segment in `folder`.
    pub fn create(folder: Option<PathBuf>, agent: u16, incarnation: u16) -> io::Result<Self> {
        let mut writer = Self { folder, agent, incarnation, segment: 0, next: 0, acknowledged: 0, mapping: None };
        writer.mapping = writer.map_segment(0)?;
        Ok(writer)
    }

    /// Stores a new record and returns its slot for [`Self::update`]. The slot stays valid until the next `append`.
    pub fn append(&mut self, record: &Record) -> io::Result<u32> {
        if self.next == CAPACITY {
            self.segment += 1;
            self.mapping = self.map_segment(self.segment)?;
            self.next = 0;
        }
        let slot = self.next;
        self.next += 1;
        self.update(slot, record);
        Ok(slot)
    }

    /// Stores a record over the one in `slot`, its phase byte last.
    pub fn update(&mut self, slot: u32, record: &Record) {
        if let Some(mapping) = &self.mapping {
            mapping.store((slot as usize + 1) * RECORD_SIZE, &record.encode());
        }
    }

    /// Moves the record in `slot` to another phase: one byte.
    pub fn set_phase(&mut self, slot: u32, phase: Phase) {
        if let Some(mapping) = &self.mapping {
            mapping.store_phase((slot as usize + 1) * RECORD_SIZE, phase);
        }
    }

    /// Counts one more commit that was acknowledged: the lab sees progress without reading records.
    pub fn count_acknowledged(&mut self) {
        self.acknowledged += 1;
        if let Some(mapping) = &self.mapping {
            mapping.acknowledged().store(self.acknowledged, Ordering::Release);
        }
    }

    fn map_segment(&self, segment: u32) -> io::Result<Option<Mapping>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(segment_file_name(self.agent, self.incarnation, segment));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        let mapping = Mapping::new(&file)?;
        let header = SegmentHeader {
            agent: self.agent.into(),
            incarnation: self.incarnation.into(),
            segment,
            capacity: CAPACITY,
        };
        mapping.store(0, &header.encode());
        mapping.acknowledged().store(self.acknowledged, Ordering::Release);
        Ok(Some(mapping))
    }
}

#[derive(Debug)]
struct Mapping {
    base: *mut u8,
}

impl Mapping {
    fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the descriptor is open for writing; posix_fallocate touches no memory of ours.
        let code = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, SEGMENT_SIZE as i64) };
        if code != 0 {
            return Err(io::Error::from_raw_os_error(code));
        }
        // SAFETY: a fresh shared mapping of a file that has exactly this size; the kernel chooses the address.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SEGMENT_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { base: base.cast() }) }
    }

    /// Stores a record or the header; the phase byte last: a body that is read after its phase is whole.
    fn store(&self, offset: usize, bytes: &[u8; RECORD_SIZE]) {
        assert!(offset + RECORD_SIZE <= SEGMENT_SIZE, "a record lies inside its segment");
        // SAFETY: the range lies inside the mapping (asserted) and this process is its only writer.
        unsafe {
            let target = self.base.add(offset);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, PHASE_OFFSET);
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr().add(PHASE_OFFSET + 1),
                target.add(PHASE_OFFSET + 1),
                RECORD_SIZE - PHASE_OFFSET - 1,
            );
        }
        self.phase_at(offset).store(bytes[PHASE_OFFSET], Ordering::Release);
    }

    fn store_phase(&self, offset: usize, phase: Phase) {
        assert!(offset + RECORD_SIZE <= SEGMENT_SIZE, "a record lies inside its segment");
        self.phase_at(offset).store(phase as u8, Ordering::Release);
    }

    fn acknowledged(&self) -> &AtomicU64 {
        // SAFETY: aligned (the mapping begins on a page), in bounds, and nobody holds a plain reference.
        unsafe { AtomicU64::from_ptr(self.base.add(ACKNOWLEDGED_OFFSET).cast()) }
    }

    fn phase_at(&self, offset: usize) -> &AtomicU8 {
        // SAFETY: in bounds (checked by the callers), one byte has no alignment, and nobody holds a plain reference.
        unsafe { AtomicU8::from_ptr(self.base.add(offset + PHASE_OFFSET)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` is a mapping of exactly this size that nothing refers to any more.
        unsafe { libc::munmap(self.base.cast(), SEGMENT_SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn record(number: u64) -> Record {
        Record { start_ns: 1, number, token: 2, hash: 3, counter: 4, wal_frames: 5, agent: 1, ..Record::BLANK }
    }

    #[test]
    fn records_are_in_the_file_at_once_and_segments_follow_each_other() {
        let folder = std::env::temp_dir().join(format!("walproof-history-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        let mut writer = HistoryWriter::create(Some(folder.clone()), 1, 0).expect("first segment");
        for number in 0..u64::from(CAPACITY) + 2 {
            let slot = writer.append(&record(number)).expect("room");
            writer.set_phase(slot, Phase::Committing);
        }
        let read = |segment, index: usize| {
            let bytes = std::fs::read(folder.join(segment_file_name(1, 0, segment))).expect("segment");
            let at = (index + 1) * RECORD_SIZE;
            Record::decode(bytes[at..at + RECORD_SIZE].try_into().expect("64 bytes"))
        };
        assert_eq!(read(0, 7), Some(Record { phase: Phase::Committing, ..record(7) }));
        assert_eq!(read(1, 1).map(|r| r.number), Some(u64::from(CAPACITY) + 1));
        assert_eq!(read(1, 2), None);
        std::fs::remove_dir_all(folder).expect("removes");
    }
}
