//! The header of a `-shm` file, the wal-index: its first 136 bytes.
//!
//! ```text
//! offset size field (in the byte order of the machine that wrote it, except the salts)
//!   0      4  version 3007000
//!   4      4  unused
//!   8      4  change counter: grows with every transaction
//!  12      1  1 once it is initialised
//!  13      1  1 when checksums of the log read big-endian words
//!  14      2  page size; 65536 is stored as 1
//!  16      4  mxFrame: the last frame that is committed
//!  20      4  database size in pages
//!  24      8  checksum of the frame mxFrame
//!  32      8  salt-1, salt-2: byte for byte those of the log's header
//!  40      8  checksum of the 40 bytes before
//!  48     48  the same again; a writer writes the second copy first
//!  96      4  nBackfill: frames that are in the database file already
//! 100     20  five read marks; 0xffffffff: not in use
//! 120      8  the bytes that are locked; never written
//! 128      4  nBackfillAttempted
//! 132      4  unused
//! ```
//!
//! To be believed when (1) both copies are equal, (2) the version is 3007000, (3) it is initialised, (4) the checksum
//! agrees. The file is shared memory: whoever opens the database while nobody has it open makes it anew from the log,
//! so what it says matters only while somebody has it open, or as testimony of what was there.

use serde::Serialize;

use super::checksum::{self, Checksum};
use super::wal_header::{Salts, WAL_VERSION};
use super::{damage, is_page_size, u32_at};

/// Bytes before the hash tables.
pub const WAL_INDEX_HEADER_SIZE: usize = 136;
/// Bytes of one copy.
const COPY_SIZE: usize = 48;
/// A read mark that nobody uses.
const READMARK_NOT_USED: u32 = u32::MAX;

/// One of the two copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WalIndexCopy {
    /// Format version as stored.
    pub version: u32,
    /// Change counter.
    pub change_counter: u32,
    /// Whether it is initialised.
    pub initialised: bool,
    /// Whether checksums of the log read big-endian words.
    pub big_endian_checksums: bool,
    /// Page size in bytes, when it is a legal one.
    pub page_size: Option<u32>,
    /// Last committed frame of the log; 0: none.
    pub max_frame: u32,
    /// Database size in pages.
    pub database_pages: u32,
    /// Checksum of the frame `max_frame`.
    pub frame_checksum: Checksum,
    /// Generation of the log.
    pub salts: Salts,
    /// Whether the stored checksum agrees.
    pub checksum_agrees: bool,
}

/// What could be read of a wal-index header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WalIndex {
    /// Whether a big-endian machine wrote it.
    pub big_endian_machine: bool,
    /// The copy at offset 0.
    pub first: Option<WalIndexCopy>,
    /// The copy at offset 48.
    pub second: Option<WalIndexCopy>,
    /// Frames that are in the database file already.
    pub backfilled_frames: Option<u32>,
    /// Frames that a checkpoint has begun to copy.
    pub backfill_attempted_frames: Option<u32>,
    /// The five read marks; `None`: not in use.
    pub read_marks: [Option<u32>; 5],
    /// Whether there are 136 bytes and all are zero: nobody has initialised it.
    pub zeroed: bool,
    /// What is wrong with the bytes; empty when nothing is.
    pub damage: Vec<&'static str>,
}

impl WalIndex {
    /// Read what can be read; short or damaged bytes are no error.
    pub fn parse(bytes: &[u8]) -> Self {
        let big_endian_machine = u32_at(bytes, 0) == Some(WAL_VERSION);
        let at = |offset| native_at(bytes, offset, big_endian_machine);
        let copy =
            |offset: usize| Some(WalIndexCopy::parse(bytes.get(offset..offset + COPY_SIZE)?, big_endian_machine));
        let mark = |index: usize| at(100 + 4 * index).filter(|mark| *mark != READMARK_NOT_USED);
        let (first, second) = (copy(0), copy(COPY_SIZE));
        let is = |sound: fn(&WalIndexCopy) -> bool| first.as_ref().is_some_and(sound);
        let damage = damage([
            (bytes.len() >= WAL_INDEX_HEADER_SIZE, "shorter than 136 bytes"),
            (first == second && bytes.get(..COPY_SIZE) == bytes.get(COPY_SIZE..2 * COPY_SIZE), "the two copies differ"),
            (is(|copy| copy.version == WAL_VERSION), "version at offset 0 is not 3007000"),
            (is(|copy| copy.initialised), "not initialised"),
            (is(|copy| copy.checksum_agrees), "checksum at offset 40 does not agree"),
        ]);
        Self {
            big_endian_machine,
            backfilled_frames: at(96),
            backfill_attempted_frames: at(128),
            read_marks: std::array::from_fn(mark),
            zeroed: bytes.get(..WAL_INDEX_HEADER_SIZE).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)),
            damage,
            first,
            second,
        }
    }

    /// The header, when it is to be believed.
    pub fn believed(&self) -> Option<&WalIndexCopy> {
        self.first.as_ref().filter(|_| self.damage.is_empty())
    }
}

impl WalIndexCopy {
    /// `bytes` are 48.
    fn parse(bytes: &[u8], big_endian: bool) -> Self {
        let at = |offset| native_at(bytes, offset, big_endian).unwrap_or_default();
        let sixteen = [bytes[14], bytes[15]];
        let stored = u32::from(if big_endian { u16::from_be_bytes(sixteen) } else { u16::from_le_bytes(sixteen) });
        let page_size = (stored & 0xfe00) | ((stored & 1) << 16);
        Self {
            version: at(0),
            change_counter: at(8),
            initialised: bytes[12] != 0,
            big_endian_checksums: bytes[13] != 0,
            page_size: Some(page_size).filter(|size| is_page_size(*size)),
            max_frame: at(16),
            database_pages: at(20),
            frame_checksum: (at(24), at(28)),
            salts: Salts(u32_at(bytes, 32).unwrap_or_default(), u32_at(bytes, 36).unwrap_or_default()),
            checksum_agrees: checksum::serial(&bytes[..40], big_endian, (0, 0)) == (at(40), at(44)),
        }
    }
}

fn native_at(bytes: &[u8], offset: usize, big_endian: bool) -> Option<u32> {
    u32_at(bytes, offset).map(|word| if big_endian { word } else { word.swap_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(big_endian: bool) -> Vec<u8> {
        let word = |word: u32| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
        let mut copy: Vec<u8> = [WAL_VERSION, 0, 5].into_iter().flat_map(word).collect();
        copy.extend([1, 0]);
        copy.extend(if big_endian { 4096u16.to_be_bytes() } else { 4096u16.to_le_bytes() });
        copy.extend([9, 3, 0x11, 0x22].into_iter().flat_map(word));
        copy.extend([7u32, 8].into_iter().flat_map(u32::to_be_bytes));
        let sum = checksum::serial(&copy, big_endian, (0, 0));
        copy.extend([sum.0, sum.1].into_iter().flat_map(word));
        let rest = [4, 0, 9, u32::MAX, u32::MAX, u32::MAX, 0, 0, 6, 0];
        [copy.clone(), copy, rest.into_iter().flat_map(word).collect()].concat()
    }

    #[test]
    fn both_machines_decode() {
        for big_endian in [false, true] {
            let index = WalIndex::parse(&bytes(big_endian));
            let header = index.believed().expect("a sound header");
            assert_eq!((header.max_frame, header.database_pages, header.page_size), (9, 3, Some(4096)));
            assert_eq!((header.salts, header.frame_checksum), (Salts(7, 8), (0x11, 0x22)));
            assert_eq!((index.backfilled_frames, index.backfill_attempted_frames), (Some(4), Some(6)));
            assert_eq!(index.read_marks, [Some(0), Some(9), None, None, None]);
            assert_eq!(index.big_endian_machine, big_endian);
        }
    }

    #[test]
    fn every_changed_byte_of_a_copy_is_damage() {
        for offset in 0..2 * COPY_SIZE {
            let mut damaged = bytes(false);
            damaged[offset] ^= 0x10;
            assert!(WalIndex::parse(&damaged).believed().is_none(), "byte {offset}");
        }
    }

    #[test]
    fn every_length_is_read_without_panic() {
        for length in 0..WAL_INDEX_HEADER_SIZE {
            assert!(WalIndex::parse(&bytes(false)[..length]).believed().is_none());
        }
        assert!(WalIndex::parse(&[0; WAL_INDEX_HEADER_SIZE]).zeroed);
    }
}
