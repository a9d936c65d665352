//! The frames of a `-wal` file, one after the other.
//!
//! ```text
//! offset of frame n (from 1): 32 + (n - 1) * (24 + page size); all big-endian
//!   0      4  page number
//!   4      4  database size in pages after this commit; 0 when the frame does not end a transaction
//!   8      8  salt-1, salt-2: those of the header
//!  16      8  checksum: from that of the frame before (for the first, of the header) over bytes 0..8 and the page
//!  24      n  the page
//! ```
//!
//! Recovery reads from the start and stops at the first frame that is not valid: (1) its salts are the header's,
//! (2) its page number is not 0, (3) its checksum goes on from the frame before. What it keeps ends with the last valid
//! frame that ends a transaction.
//!
//! What lies beyond is often harmless. A log is restarted by a new header alone, so frames of an older generation stay
//! behind it. A transaction that was rolled back, or whose process died, leaves frames of this generation without a
//! commit, and a shorter one written over it leaves their rest. Since each frame stores its checksum, one beyond the
//! break is still checked against the frame before it: commits there that hang together were lost to damage, or were
//! never acknowledged. The bytes alone cannot tell which.
//!
//! A log synced on storage without powersafe overwrite repeats its commit frame up to the end of a sector; each counts
//! as a commit here.
//!
//! Not here: reading files. Memory is one page at a time, the caller's.

use serde::Serialize;

use super::checksum::{self, Checksum};
use super::u32_at;
use super::wal_header::{Salts, WalHeader};

/// Bytes before the page of a frame.
pub const FRAME_HEADER_SIZE: usize = 24;

/// The first 24 bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Page number, from 1.
    pub page: u32,
    /// Database size in pages after the commit that this frame ends; 0: it ends none.
    pub commit_pages: u32,
    /// salt-1 and salt-2.
    pub salts: Salts,
    /// The stored checksum.
    pub checksum: Checksum,
}

impl FrameHeader {
    /// `None` when there are fewer than 24 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let at = |offset| u32_at(bytes, offset);
        Some(Self { page: at(0)?, commit_pages: at(4)?, salts: Salts(at(8)?, at(12)?), checksum: (at(16)?, at(20)?) })
    }

    /// Whether all 24 bytes are zero.
    pub fn is_zeroed(&self) -> bool {
        *self == Self { page: 0, commit_pages: 0, salts: Salts(0, 0), checksum: (0, 0) }
    }
}

/// A frame, and whether its checksum goes on from the one stored in the frame before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedFrame {
    /// Its header.
    pub header: FrameHeader,
    /// Whether it does; false when there is nothing to go on from.
    pub follows: bool,
}

/// How frames are checked. Each goes on from the checksum stored before it, so that any part of a log can be checked by
/// itself, also by several threads.
#[derive(Clone, Copy, Debug)]
pub struct FrameCheck {
    page_size: usize,
    big_endian: bool,
}

impl FrameCheck {
    /// Bytes of a frame: at most 65560.
    pub const fn frame_size(&self) -> usize {
        FRAME_HEADER_SIZE + self.page_size
    }

    /// The whole frames at the start of some bytes; `before` is the checksum stored before the first.
    pub fn check<'a>(
        &self,
        frames: &'a [u8],
        mut before: Option<Checksum>,
    ) -> impl Iterator<Item = CheckedFrame> + use<'a> {
        let big_endian = self.big_endian;
        frames.chunks_exact(self.frame_size()).filter_map(move |frame| {
            let header = FrameHeader::parse(frame)?;
            let sum = before.map(|before| {
                let seed = checksum::serial(&frame[..8], big_endian, before);
                checksum::block(&frame[FRAME_HEADER_SIZE..], big_endian, seed)
            });
            before = Some(header.checksum);
            Some(CheckedFrame { header, follows: sum == before })
        })
    }
}

/// Why the chain of valid frames ends before the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Break {
    /// The next frame bears other salts: it was left by another generation.
    OtherGeneration,
    /// The next frame bears these salts, and its checksum does not go on from the frame before.
    Checksum,
    /// The next frame bears these salts and page number 0.
    PageZero,
    /// The next frame's header is all zero.
    Zeroed,
    /// The header of the log is lost: no frame is valid.
    HeaderLost,
}

/// Whole frames after the last valid one, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// With the salts of the header.
    pub same_generation: u64,
    /// Of those: ending a transaction, and their checksum goes on from the frame before.
    pub same_generation_commits: u64,
    /// With other salts.
    pub other_generations: u64,
    /// With a header that is all zero.
    pub zeroed: u64,
}

/// What a log holds, as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WalSummary {
    /// The generation that frames were compared with.
    pub salts: Option<Salts>,
    /// Whole frames in the file.
    pub frames: u64,
    /// Frames up to the first that is not valid.
    pub frames_valid: u64,
    /// Frames up to the last valid one that ends a transaction: what recovery keeps.
    pub frames_committed: u64,
    /// Transactions that recovery keeps.
    pub commits: u64,
    /// Database size in pages after the last of them.
    pub database_pages: Option<u32>,
    /// The stored checksum of the last frame that recovery keeps.
    pub last_commit_checksum: Option<Checksum>,
    /// Why the chain ends before the file; `None`: it does not.
    pub break_reason: Option<Break>,
    /// Whole frames after the chain.
    pub beyond: Beyond,
    /// Bytes after the last whole frame.
    pub partial_bytes: u64,
}

/// What one frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSeen {
    /// Its number, from 1.
    pub number: u64,
    /// Its header.
    pub header: FrameHeader,
    /// Whether it and all before it are valid.
    pub valid: bool,
}

/// Reads a log frame by frame.
#[derive(Clone, Debug)]
pub struct WalScan {
    page_size: usize,
    big_endian: bool,
    /// Checksum stored before the next frame; `None` when it is lost with the header.
    before: Option<Checksum>,
    summary: WalSummary,
}

impl WalScan {
    /// A log with this header; `None` when the header is damaged: SQLite would take the log for empty.
    pub fn new(header: &WalHeader) -> Option<Self> {
        if !header.damage.is_empty() {
            return None;
        }
        Some(Self {
            page_size: header.page_size? as usize,
            big_endian: header.big_endian_checksums(),
            before: Some(header.checksum?),
            summary: WalSummary { salts: header.salts, ..WalSummary::default() },
        })
    }

    /// A log whose header is lost: no frame is valid, and the first frame's salts name the generation. `None` when the
    /// page size is none.
    pub fn without_header(page_size: u32, big_endian: bool) -> Option<Self> {
        let summary = WalSummary { break_reason: Some(Break::HeaderLost), ..WalSummary::default() };
        super::is_page_size(page_size).then_some(Self {
            page_size: page_size as usize,
            big_endian,
            before: None,
            summary,
        })
    }

    /// How its frames are checked.
    pub const fn check(&self) -> FrameCheck {
        FrameCheck { page_size: self.page_size, big_endian: self.big_endian }
    }

    /// The checksum that the first frame goes on from; `None` when it is lost with the header.
    pub const fn before(&self) -> Option<Checksum> {
        self.before
    }

    /// Bytes of a frame: at most 65560.
    pub const fn frame_size(&self) -> usize {
        self.check().frame_size()
    }

    /// The next whole frame; `None`, and nothing counted, when it has another length than [`Self::frame_size`].
    pub fn push(&mut self, frame: &[u8]) -> Option<FrameSeen> {
        if frame.len() != self.frame_size() {
            return None;
        }
        let checked = self.check().check(frame, self.before).next()?;
        Some(self.push_checked(&checked))
    }

    /// The next frame, when it was checked elsewhere: against the checksum stored in the frame before.
    pub fn push_checked(&mut self, checked: &CheckedFrame) -> FrameSeen {
        let header = checked.header;
        let generation = *self.summary.salts.get_or_insert(header.salts);
        let broken = match () {
            () if header.is_zeroed() => Some(Break::Zeroed),
            () if header.salts != generation => Some(Break::OtherGeneration),
            () if header.page == 0 => Some(Break::PageZero),
            () if !checked.follows => Some(Break::Checksum),
            () => None,
        };
        self.before = Some(header.checksum);
        self.summary.frames += 1;
        if self.summary.break_reason.is_none() {
            self.summary.break_reason = broken;
        }
        let valid = self.summary.break_reason.is_none();
        if valid {
            self.count_valid(&header)
        } else {
            self.count_beyond(&header, broken)
        }
        FrameSeen { number: self.summary.frames, header, valid }
    }

    fn count_valid(&mut self, header: &FrameHeader) {
        let summary = &mut self.summary;
        summary.frames_valid += 1;
        if header.commit_pages > 0 {
            summary.commits += 1;
            summary.frames_committed = summary.frames_valid;
            summary.database_pages = Some(header.commit_pages);
            summary.last_commit_checksum = Some(header.checksum);
        }
    }

    fn count_beyond(&mut self, header: &FrameHeader, broken: Option<Break>) {
        let beyond = &mut self.summary.beyond;
        match broken {
            Some(Break::Zeroed) => beyond.zeroed += 1,
            Some(Break::OtherGeneration) => beyond.other_generations += 1,
            _ => {
                beyond.same_generation += 1;
                beyond.same_generation_commits += u64::from(broken.is_none() && header.commit_pages > 0);
            }
        }
    }

    /// The end of the file, with the bytes that made no whole frame.
    pub fn finish(mut self, partial_bytes: u64) -> WalSummary {
        self.summary.partial_bytes = partial_bytes;
        self.summary
    }
}

/// Reads a whole log that is in memory already.
pub fn scan(header: &WalHeader, after_header: &[u8]) -> Option<WalSummary> {
    let mut scan = WalScan::new(header)?;
    let frames = after_header.chunks_exact(scan.frame_size());
    let rest = frames.remainder().len() as u64;
    frames.for_each(|frame| {
        scan.push(frame);
    });
    Some(scan.finish(rest))
}

#[cfg(test)]
mod tests {
    use super::super::wal_header::{WAL_HEADER_SIZE, WAL_MAGIC, WAL_VERSION};
    use super::*;

    const PAGE: usize = 512;
    const FRAME: usize = PAGE + FRAME_HEADER_SIZE;

    /// A log of (page, commit size), written as SQLite does.
    fn log(big_endian: bool, salt: u32, frames: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [WAL_MAGIC | u32::from(big_endian), WAL_VERSION, PAGE as u32, 0, salt, 99] {
            bytes.extend(word.to_be_bytes());
        }
        let mut sum = checksum::serial(&bytes, big_endian, (0, 0));
        bytes.extend([sum.0, sum.1].map(u32::to_be_bytes).concat());
        for (number, (page, commit)) in frames.iter().enumerate() {
            let eight = [page.to_be_bytes(), commit.to_be_bytes()].concat();
            let content = vec![number as u8 + 1; PAGE];
            sum = checksum::serial(&content, big_endian, checksum::serial(&eight, big_endian, sum));
            bytes.extend(eight);
            bytes.extend([salt, 99, sum.0, sum.1].map(u32::to_be_bytes).concat());
            bytes.extend(content);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> WalSummary {
        scan(&WalHeader::parse(bytes), &bytes[WAL_HEADER_SIZE..]).expect("a sound header")
    }

    const THREE_COMMITS: &[(u32, u32)] = &[(1, 0), (2, 2), (2, 2), (3, 0), (1, 3)];

    #[test]
    fn a_sound_log_is_read_to_its_end_in_both_byte_orders() {
        for big_endian in [false, true] {
            let seen = read(&log(big_endian, 7, THREE_COMMITS));
            assert_eq!((seen.frames, seen.frames_valid, seen.frames_committed, seen.commits), (5, 5, 5, 3));
            assert_eq!((seen.database_pages, seen.break_reason), (Some(3), None));
            assert_eq!(seen.beyond, Beyond::default());
        }
    }

    #[test]
    fn a_transaction_without_commit_is_not_kept() {
        let seen = read(&log(false, 7, &[(1, 1), (2, 0), (3, 0)]));
        assert_eq!((seen.frames_valid, seen.frames_committed, seen.commits), (3, 1, 1));
    }

    #[test]
    fn an_older_generation_lies_beyond() {
        let mut bytes = log(false, 8, &[(1, 1)]);
        bytes.extend_from_slice(&log(false, 7, THREE_COMMITS)[WAL_HEADER_SIZE + FRAME..]);
        let seen = read(&bytes);
        assert_eq!((seen.commits, seen.break_reason), (1, Some(Break::OtherGeneration)));
        assert_eq!(seen.beyond, Beyond { other_generations: 4, ..Beyond::default() });
    }

    #[test]
    fn commits_behind_a_changed_byte_are_counted_as_lost() {
        let mut bytes = log(false, 7, THREE_COMMITS);
        bytes[WAL_HEADER_SIZE + 2 * FRAME + 100] ^= 1;
        let seen = read(&bytes);
        assert_eq!((seen.frames_committed, seen.commits, seen.break_reason), (2, 1, Some(Break::Checksum)));
        // Frame 3 ends a transaction as well, but its own content is what changed.
        assert_eq!(seen.beyond, Beyond { same_generation: 3, same_generation_commits: 1, ..Beyond::default() });
    }

    #[test]
    fn zeros_and_a_torn_tail_are_told() {
        let mut bytes = log(false, 7, &[(1, 1)]);
        bytes.resize(bytes.len() + 2 * FRAME + 100, 0);
        let seen = read(&bytes);
        assert_eq!((seen.frames, seen.break_reason), (3, Some(Break::Zeroed)));
        assert_eq!((seen.beyond.zeroed, seen.partial_bytes), (2, 100));
    }

    #[test]
    fn frames_behind_a_lost_header_still_hang_together() {
        let bytes = log(false, 7, THREE_COMMITS);
        let mut scan = WalScan::without_header(PAGE as u32, false).expect("a page size");
        for frame in bytes[WAL_HEADER_SIZE..].chunks_exact(FRAME) {
            assert!(!scan.push(frame).expect("a whole frame").valid);
        }
        let seen = scan.finish(0);
        assert_eq!((seen.frames_valid, seen.beyond.same_generation, seen.beyond.same_generation_commits), (0, 5, 3));
        assert!(WalScan::without_header(1000, false).is_none());
    }

    #[test]
    fn every_changed_byte_ends_the_chain_there() {
        let bytes = log(false, 7, THREE_COMMITS);
        for offset in WAL_HEADER_SIZE..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 0x10;
            let frame = ((offset - WAL_HEADER_SIZE) / FRAME) as u64;
            assert_eq!(read(&damaged).frames_valid, frame, "byte {offset}");
        }
    }

    #[test]
    fn every_length_is_read_without_panic() {
        let bytes = log(false, 7, THREE_COMMITS);
        for length in WAL_HEADER_SIZE..bytes.len() {
            let seen = read(&bytes[..length]);
            assert_eq!(seen.frames_valid, ((length - WAL_HEADER_SIZE) / FRAME) as u64);
            assert_eq!(seen.partial_bytes, ((length - WAL_HEADER_SIZE) % FRAME) as u64);
        }
    }
}
