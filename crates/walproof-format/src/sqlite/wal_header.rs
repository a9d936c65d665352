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
//! 512..=65536, (4) the checksum agrees. Frames are not parsed here.

/// Length of the header in bytes.
pub const WAL_HEADER_SIZE: usize = 32;
/// Magic when checksums read little-endian words; the lowest bit set means big-endian.
pub const WAL_MAGIC: u32 = 0x377f_0682;
/// The only format version.
pub const WAL_VERSION: u32 = 3_007_000;

/// What could be read of a WAL header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalHeader {
    /// The magic as stored.
    pub magic: Option<u32>,
    /// Page size in bytes as stored.
    pub page_size: Option<u32>,
    /// How often the log was restarted.
    pub checkpoint_sequence: Option<u32>,
    /// salt-1 and salt-2.
    pub salts: Option<(u32, u32)>,
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
            salts: u32_at(bytes, 16).zip(u32_at(bytes, 20)),
            damage: Vec::new(),
        };
        header.damage = header.damage_in(bytes);
        header
    }

    fn damage_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut damage = Vec::new();
        let mut check = |sound: bool, what| {
            if !sound {
                damage.push(what);
            }
        };
        check(bytes.len() >= WAL_HEADER_SIZE, "shorter than 32 bytes");
        check(self.magic.is_some_and(|magic| magic & !1 == WAL_MAGIC), "magic at offset 0 is unknown");
        check(u32_at(bytes, 4) == Some(WAL_VERSION), "version at offset 4 is not 3007000");
        check(self.page_size.is_some_and(is_page_size), "page size at offset 8 is not a power of two in 512..=65536");
        check(self.checksum_agrees(bytes), "checksum at offset 24 does not agree");
        damage
    }

    fn checksum_agrees(&self, bytes: &[u8]) -> bool {
        let stored = u32_at(bytes, 24).zip(u32_at(bytes, 28));
        let big_endian = self.magic.is_some_and(|magic| magic & 1 == 1);
        stored.is_some() && stored == bytes.get(..24).map(|covered| checksum(covered, big_endian))
    }
}

/// The checksum of the WAL format over whole pairs of words, from zero.
fn checksum(bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let word = |four: &[u8]| {
        let four = [four[0], four[1], four[2], four[3]];
        if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    bytes.chunks_exact(8).fold((0u32, 0u32), |(s0, s1), pair| {
        let s0 = s0.wrapping_add(word(&pair[..4])).wrapping_add(s1);
        (s0, s1.wrapping_add(word(&pair[4..])).wrapping_add(s0))
    })
}

fn is_page_size(size: u32) -> bool {
    size.is_power_of_two() && (512..=65536).contains(&size)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
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
        let (s0, s1) = checksum(&bytes, big_endian);
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
            assert_eq!(header.salts, Some((0x1234_5678, 0x9abc_def0)));
        }
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
