//! The header of a `-wal` file: its first 32 bytes.
//!
//! ```text
//! offset size field (all big-endian)
//!   0      4  magic 0x377f0682 (checksums of little-endian words) or 0x377f0683 (big-endian words)
//!   4      4  format version 3007000
//!   8      4  page size
//!  12      4  checkpoint sequence number: grows by one at every restart of the log
//!  16      4  salt-1: grows by one at every restart of the log
//!  20      4  salt-2: random at every restart of the log
//!  24      8  checksum of the 24 bytes before
//! ```
//!
//! Valid when (1) the magic is known, (2) the version is 3007000, (3) the page size is a power of two in
//! 512..=65536, (4) the checksum agrees. With another version SQLite refuses to open the database; with any other
//! damage it takes the log for empty, whatever lies behind the header. Frames are parsed in `wal.rs`.

use std::fmt;

use serde::{Serialize, Serializer};

use super::checksum::{self, Checksum};
use super::{damage, is_page_size, u32_at};

/// Length of the header in bytes.
pub const WAL_HEADER_SIZE: usize = 32;
/// Magic when checksums read little-endian words; the lowest bit set means big-endian.
pub const WAL_MAGIC: u32 = 0x377f_0682;
/// The only format version.
pub const WAL_VERSION: u32 = 3_007_000;

/// salt-1 and salt-2: the name of a generation of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salts(pub u32, pub u32);

impl fmt::Display for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}", self.0, self.1)
    }
}

impl Serialize for Salts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What could be read of a WAL header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WalHeader {
    /// The magic as stored.
    pub magic: Option<u32>,
    /// Page size in bytes as stored.
    pub page_size: Option<u32>,
    /// How often the log was restarted.
    pub checkpoint_sequence: Option<u32>,
    /// salt-1 and salt-2.
    pub salts: Option<Salts>,
    /// The stored checksum, from which the first frame's goes on.
    pub checksum: Option<Checksum>,
    /// Whether there are 32 bytes and all are zero.
    pub zeroed: bool,
    /// What is wrong with the bytes; empty when nothing is.
    pub damage: Vec<&'static str>,
}

impl WalHeader {
    /// Read what can be read; short or damaged bytes are no error.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut header = Self {
            magic: u32_at(bytes, 0),
            page_size: u32_at(bytes, 8),
            checkpoint_sequence: u32_at(bytes, 12),
            salts: u32_at(bytes, 16).zip(u32_at(bytes, 20)).map(|(one, two)| Salts(one, two)),
            checksum: u32_at(bytes, 24).zip(u32_at(bytes, 28)),
            zeroed: bytes.get(..WAL_HEADER_SIZE).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)),
            damage: Vec::new(),
        };
        header.damage = damage([
            (bytes.len() >= WAL_HEADER_SIZE, "shorter than 32 bytes"),
            (header.magic.is_some_and(|magic| magic & !1 == WAL_MAGIC), "magic at offset 0 is unknown"),
            (u32_at(bytes, 4) == Some(WAL_VERSION), "version at offset 4 is not 3007000"),
            (header.page_size.is_some_and(is_page_size), "page size at offset 8 is not a power of two in 512..=65536"),
            (header.checksum_agrees(bytes), "checksum at offset 24 does not agree"),
        ]);
        header
    }

    /// Whether checksums read big-endian words.
    pub fn big_endian_checksums(&self) -> bool {
        self.magic.is_some_and(|magic| magic & 1 == 1)
    }

    fn checksum_agrees(&self, bytes: &[u8]) -> bool {
        let covered = bytes.get(..24);
        self.checksum.is_some()
            && self.checksum == covered.map(|covered| checksum::serial(covered, self.big_endian_checksums(), (0, 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header as the layout above has it, with its checksum.
    fn bytes(big_endian: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [WAL_MAGIC | u32::from(big_endian), WAL_VERSION, 4096, 3, 0x1234_5678, 0x9abc_def0] {
            bytes.extend(word.to_be_bytes());
        }
        let (s0, s1) = checksum::serial(&bytes, big_endian, (0, 0));
        bytes.extend(s0.to_be_bytes());
        bytes.extend(s1.to_be_bytes());
        bytes
    }

    #[test]
    fn both_byte_orders_decode() {
        for big_endian in [false, true] {
            let header = WalHeader::parse(&bytes(big_endian));
            assert_eq!(header.damage, [""; 0]);
            assert_eq!(header.checkpoint_sequence, Some(3));
            assert_eq!(header.salts, Some(Salts(0x1234_5678, 0x9abc_def0)));
            assert_eq!(header.big_endian_checksums(), big_endian);
        }
    }

    #[test]
    fn salts_read_as_a_name() {
        assert_eq!(Salts(0x1234, 0x9abc_def0).to_string(), "00001234-9abcdef0");
    }

    #[test]
    fn every_changed_byte_is_damage_and_no_panic() {
        for offset in 0..WAL_HEADER_SIZE {
            let mut damaged = bytes(false);
            damaged[offset] ^= 0x40;
            assert!(!WalHeader::parse(&damaged).damage.is_empty(), "byte {offset}");
        }
    }

    #[test]
    fn every_length_is_read_without_panic() {
        for length in 0..WAL_HEADER_SIZE {
            assert!(!WalHeader::parse(&bytes(false)[..length]).damage.is_empty());
        }
    }
}
