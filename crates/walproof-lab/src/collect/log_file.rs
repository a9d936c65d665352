//! The frames of a `-wal` file, read and checked: one after the other for who asks, several at once underneath.
//!
//! What it must not do: conclude anything, or map the file (who cuts a mapped file kills its reader). Each frame goes on
//! from the checksum that is stored before it, so that threads check parts of the log by themselves; the caller sees the
//! frames in their order and puts the chain together (`walproof_format::sqlite::wal::WalScan`). Memory is one part for
//! each thread, and the headers of a few stretches of parts: handing over each part by itself woke the caller so often
//! that a third of the time was lost. `cargo xtask bench inspect` measures it.

use std::fs::File;
use std::io::Result;
use std::sync::mpsc::{SyncSender, sync_channel};

use walproof_format::sqlite::wal::{CheckedFrame, FRAME_HEADER_SIZE, FrameCheck, FrameHeader};
use walproof_format::sqlite::{checksum::Checksum, wal_header::WAL_HEADER_SIZE};

use super::quiet::read_at_most;

/// Bytes that are read at a time: they stay in the cache of one core.
const PART_BYTES: usize = 256 << 10;
/// Parts that are handed over at once.
const STRETCH_PARTS: u64 = 16;
/// A log smaller than this is read by one thread: starting others would take longer.
const ALONE_BYTES_MAX: u64 = 4 << 20;
/// More threads than these wait for memory, not for a processor.
const THREADS_MAX: usize = 4;
/// Stretches that a thread may be ahead.
const STRETCHES_AHEAD: usize = 2;

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

/// The frames of one stretch; fewer than there should be when the file has shrunk.
type Stretch = Result<Vec<CheckedFrame>>;

impl LogFile<'_> {
    /// As many threads as there are processors, a few at most.
    pub fn threads(&self) -> usize {
        let most = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        if self.bytes <= ALONE_BYTES_MAX { 1 } else { most }
    }

    /// Every whole frame in its order, until `each` has enough; returns the bytes after the last.
    pub fn each(&self, threads: usize, mut each: impl FnMut(&CheckedFrame) -> bool) -> Result<u64> {
        let mut frames = 0;
        let mut take = |stretch: Vec<CheckedFrame>| {
            for frame in &stretch {
                frames += 1;
                if !each(frame) {
                    return false;
                }
            }
            stretch.len() as u64 == self.stretch_frames()
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

    const fn stretch_frames(&self) -> u64 {
        self.part_frames() * STRETCH_PARTS
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
        while take(self.stretch(number, &mut buffer)?) {
            number += 1;
        }
        Ok(())
    }

    /// Thread t of n checks the stretches t, t + n, t + 2 n and so on; they are taken in turn.
    fn together(&self, threads: usize, take: &mut impl FnMut(Vec<CheckedFrame>) -> bool) -> Result<()> {
        std::thread::scope(|scope| {
            let receivers: Vec<_> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(STRETCHES_AHEAD);
                    scope.spawn(move || self.every(first as u64, threads, &sender));
                    receiver
                })
                .collect();
            for receiver in receivers.iter().cycle() {
                let Ok(stretch) = receiver.recv() else { break };
                if !take(stretch?) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Until nobody listens, or a stretch is not whole.
    fn every(&self, first: u64, step: usize, sender: &SyncSender<Stretch>) {
        let mut buffer = self.buffer();
        for number in (first..).step_by(step) {
            let stretch = self.stretch(number, &mut buffer);
            let last = stretch.as_ref().map_or(true, |frames| (frames.len() as u64) < self.stretch_frames());
            if sender.send(stretch).is_err() || last {
                return;
            }
        }
    }

    /// Part after part, until one is not whole.
    fn stretch(&self, number: u64, buffer: &mut [u8]) -> Stretch {
        let first = number * self.stretch_frames();
        let mut before = if first == 0 { self.before } else { self.stored_before(first)? };
        let mut frames =
            Vec::with_capacity(self.stretch_frames().min(self.frame_count().saturating_sub(first)) as usize);
        while (frames.len() as u64) < self.stretch_frames() {
            let at = first + frames.len() as u64;
            let wanted =
                self.part_frames().min(self.frame_count().saturating_sub(at)) as usize * self.check.frame_size();
            let length = read_at_most(self.file, &mut buffer[..wanted], self.offset(at))?;
            let seen = frames.len();
            frames.extend(self.check.check(&buffer[..length], before));
            before = frames.last().map(|frame| frame.header.checksum);
            if ((frames.len() - seen) as u64) < self.part_frames() {
                break;
            }
        }
        Ok(frames)
    }

    /// The checksum stored in the frame before one that is not the first.
    fn stored_before(&self, frame: u64) -> Result<Option<Checksum>> {
        let mut header = [0; FRAME_HEADER_SIZE];
        let length = read_at_most(self.file, &mut header, self.offset(frame - 1))?;
        Ok(FrameHeader::parse(&header[..length]).map(|header| header.checksum))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    use walproof_format::sqlite::checksum;
    use walproof_format::sqlite::wal::WalScan;
    use walproof_format::sqlite::wal_header::{WAL_MAGIC, WAL_VERSION, WalHeader};

    use super::*;

    const PAGE: usize = 4096;

    /// A sound log of so many frames, each of which ends a transaction.
    fn log(frames: u32) -> Vec<u8> {
        let mut bytes = [WAL_MAGIC, WAL_VERSION, PAGE as u32, 0, 7, 8].map(u32::to_be_bytes).concat();
        let mut sum = checksum::block(&bytes, false, (0, 0));
        bytes.extend([sum.0, sum.1].map(u32::to_be_bytes).concat());
        for number in 1..=frames {
            let eight = [number, frames].map(u32::to_be_bytes).concat();
            let page = number.to_le_bytes().repeat(PAGE / 4);
            sum = checksum::block(&page, false, checksum::block(&eight, false, sum));
            bytes.extend(eight);
            bytes.extend([7, 8, sum.0, sum.1].map(u32::to_be_bytes).concat());
            bytes.extend(page);
        }
        bytes
    }

    /// Page numbers seen, how many frames are valid, and the bytes that made none.
    fn read(bytes: &[u8], claimed: u64, threads: usize, enough: usize) -> (Vec<u32>, u64, u64) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("walproof-log-file-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        let mut scan = WalScan::new(&WalHeader::parse(bytes)).unwrap();
        let log = LogFile { file: &file, bytes: claimed, check: scan.check(), before: scan.before() };
        let mut pages = Vec::new();
        let rest = log.each(threads, |frame| {
            pages.push(scan.push_checked(frame).header.page);
            pages.len() < enough
        });
        fs::remove_file(&path).unwrap();
        (pages, scan.finish(0).frames_valid, rest.unwrap())
    }

    /// Around the bounds of parts and stretches, and with an odd end: any number of threads sees what one sees.
    #[test]
    fn threads_see_every_frame_in_order() {
        let part = PART_BYTES / (PAGE + FRAME_HEADER_SIZE);
        let stretch = part * STRETCH_PARTS as usize;
        let whole = log(3 * stretch as u32 + 1);
        for frames in [0, 1, part - 1, part, part + 1, stretch - 1, stretch, stretch + 1, 2 * stretch, 3 * stretch + 1]
        {
            let bytes = &whole[..(WAL_HEADER_SIZE + frames * (PAGE + FRAME_HEADER_SIZE) + 13).min(whole.len())];
            let odd = (bytes.len() - WAL_HEADER_SIZE - frames * (PAGE + FRAME_HEADER_SIZE)) as u64;
            let expected = ((1..=frames as u32).collect(), frames as u64, odd);
            for threads in [1, 2, 3, 4] {
                let seen = read(bytes, bytes.len() as u64, threads, usize::MAX);
                assert!(seen == expected, "{frames} frames, {threads} threads: {} valid, {} left", seen.1, seen.2);
            }
        }
    }

    /// What is damaged is one frame that does not follow, wherever a thread began.
    #[test]
    fn damage_is_found_in_every_stretch() {
        let stretch = PART_BYTES / (PAGE + FRAME_HEADER_SIZE) * STRETCH_PARTS as usize;
        let whole = log(2 * stretch as u32 + 5);
        for damaged in [0, 1, stretch - 1, stretch, stretch + 1, 2 * stretch + 4] {
            let mut bytes = whole.clone();
            bytes[WAL_HEADER_SIZE + damaged * (PAGE + FRAME_HEADER_SIZE) + FRAME_HEADER_SIZE + 100] ^= 1;
            for threads in [1, 2, 3] {
                assert_eq!(
                    read(&bytes, bytes.len() as u64, threads, usize::MAX).1,
                    damaged as u64,
                    "{threads} threads"
                );
            }
        }
    }

    /// A log that has become shorter than it was ends where it ends, and who has enough is asked no more.
    #[test]
    fn a_shrunken_log_ends_and_enough_is_enough() {
        let bytes = log(3_000);
        for threads in [1, 2, 3] {
            let claimed = bytes.len() as u64 + 2_000 * (PAGE + FRAME_HEADER_SIZE) as u64;
            let (pages, valid, rest) = read(&bytes, claimed, threads, usize::MAX);
            assert_eq!((pages.len(), valid), (3_000, 3_000), "{threads} threads");
            assert_eq!(rest, 2_000 * (PAGE + FRAME_HEADER_SIZE) as u64);
            assert_eq!(read(&bytes, bytes.len() as u64, threads, 1_234).0.len(), 1_234);
        }
    }
}
