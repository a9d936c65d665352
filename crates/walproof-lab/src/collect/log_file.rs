//! The frames of a `-wal` file, read and checked: one after the other for who asks, several at once underneath.
//!
//! What it must not do: conclude anything, or map the file (who cuts a mapped file kills its reader). Each frame goes on
//! from the checksum that is stored before it, so that threads check parts of the log by themselves; the caller sees the
//! frames in their order and puts the chain together (`walproof_format::sqlite::wal::WalScan`). Memory is one part for
//! each thread, and the headers of a few parts. `cargo xtask bench inspect` measures it.

use std::fs::File;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{SyncSender, sync_channel};

use walproof_format::sqlite::wal::{CheckedFrame, FRAME_HEADER_SIZE, FrameCheck, FrameHeader};
use walproof_format::sqlite::{checksum::Checksum, wal_header::WAL_HEADER_SIZE};

/// Bytes that are read at a time: they stay in the cache of one core.
const PART_BYTES: usize = 256 << 10;
/// A log smaller than this is read by one thread: starting others would take longer.
const ALONE_BYTES_MAX: u64 = 4 << 20;
/// More threads than these wait for memory, not for a processor.
const THREADS_MAX: usize = 4;
/// Parts that a thread may be ahead.
const PARTS_AHEAD: usize = 2;

/// A log of so many bytes, to be checked.
#[derive(Clone, Copy, Debug)]
pub struct LogFile<'a> {
    /// Open for reading.
    pub file: &'a File,
    /// Nothing is read beyond.
    pub bytes: u64,
    /// Page size and byte order.
    pub check: FrameCheck,
    /// The checksum that the first frame goes on from.
    pub before: Option<Checksum>,
}

/// The frames of one part; fewer than there should be when the file has shrunk.
type Part = Result<Vec<CheckedFrame>>;

impl LogFile<'_> {
    /// As many threads as there are processors, a few at most.
    pub fn threads(&self) -> usize {
        let most = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        if self.bytes <= ALONE_BYTES_MAX { 1 } else { most }
    }

    /// Every whole frame in its order, until `each` has enough; returns the bytes after the last.
    pub fn each(&self, threads: usize, mut each: impl FnMut(&CheckedFrame) -> bool) -> Result<u64> {
        let mut frames = 0;
        let mut take = |part: Vec<CheckedFrame>| {
            for frame in &part {
                frames += 1;
                if !each(frame) {
                    return false;
                }
            }
            part.len() as u64 == self.part_frames()
        };
        match threads {
            0 | 1 => self.alone(&mut take)?,
            _ => self.together(threads, &mut take)?,
        }
        let after_header = self.bytes.saturating_sub(WAL_HEADER_SIZE as u64);
        Ok(after_header - (frames * self.check.frame_size() as u64).min(after_header))
    }

    /// Whole frames of a part: one at least.
    const fn part_frames(&self) -> u64 {
        let frames = PART_BYTES / self.check.frame_size();
        if frames == 0 { 1 } else { frames as u64 }
    }

    fn frame_count(&self) -> u64 {
        self.bytes.saturating_sub(WAL_HEADER_SIZE as u64) / self.check.frame_size() as u64
    }

    fn offset(&self, frames: u64) -> u64 {
        WAL_HEADER_SIZE as u64 + frames * self.check.frame_size() as u64
    }

    fn buffer(&self) -> Vec<u8> {
        vec![0; self.part_frames() as usize * self.check.frame_size()]
    }

    fn alone(&self, take: &mut impl FnMut(Vec<CheckedFrame>) -> bool) -> Result<()> {
        let mut buffer = self.buffer();
        let mut number = 0;
        while take(self.part(number, &mut buffer)?) {
            number += 1;
        }
        Ok(())
    }

    /// Thread t of n checks the parts t, t + n, t + 2 n and so on; they are taken in turn.
    fn together(&self, threads: usize, take: &mut impl FnMut(Vec<CheckedFrame>) -> bool) -> Result<()> {
        std::thread::scope(|scope| {
            let receivers: Vec<_> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(PARTS_AHEAD);
                    scope.spawn(move || self.every(first as u64, threads, &sender));
                    receiver
                })
                .collect();
            for receiver in receivers.iter().cycle() {
                let Ok(part) = receiver.recv() else { break };
                if !take(part?) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Until nobody listens, or a part is not whole.
    fn every(&self, first: u64, step: usize, sender: &SyncSender<Part>) {
        let mut buffer = self.buffer();
        for number in (first..).step_by(step) {
            let part = self.part(number, &mut buffer);
            let last = part.as_ref().map_or(true, |frames| (frames.len() as u64) < self.part_frames());
            if sender.send(part).is_err() || last {
                return;
            }
        }
    }

    fn part(&self, number: u64, buffer: &mut [u8]) -> Part {
        let first = number * self.part_frames();
        let frames = self.part_frames().min(self.frame_count().saturating_sub(first));
        let wanted = frames as usize * self.check.frame_size();
        let length = read_at_most(self.file, &mut buffer[..wanted], self.offset(first))?;
        let before = if first == 0 { self.before } else { self.stored_before(first)? };
        Ok(self.check.check(&buffer[..length], before).collect())
    }

    /// The checksum stored in the frame before one that is not the first.
    fn stored_before(&self, frame: u64) -> Result<Option<Checksum>> {
        let mut header = [0; FRAME_HEADER_SIZE];
        let length = read_at_most(self.file, &mut header, self.offset(frame - 1))?;
        Ok(FrameHeader::parse(&header[..length]).map(|header| header.checksum))
    }
}

/// Fills as much of the buffer as the file has.
pub fn read_at_most(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
