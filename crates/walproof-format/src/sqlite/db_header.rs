//! The database header: the first 100 bytes of the file.
//!
//! ```text
//! offset size field
//!   0     16  "SQLite format 3\0"
//!  16      2  page size, big-endian; 1 means 65536
//!  18      1  file format write version: 1 rollback journal, 2 WAL
//!  19      1  file format read version: likewise
//!  24      4  file change counter (not moved by every commit in WAL mode)
//!  28      4  database size in pages
//!  92      4  the change counter for which the size is valid
//!  96      4  SQLITE_VERSION_NUMBER of the last writer
//! ```
//!
//! Valid when (1) the magic is there, (2) the page size is a power of two in 512..=65536, (3) both versions are 1
//! or 2. What is not valid is reported as damage beside what could be read.

/// Length of the header in bytes.
pub const DB_HEADER_SIZE: usize = 100;
/// First sixteen bytes of a database.
pub const DB_MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// Which family of journal modes the header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalFamily {
    /// Versions 1: DELETE, TRUNCATE, PERSIST, MEMORY or OFF.
    Rollback,
    /// Versions 2: WAL.
    Wal,
}

/// What could be read of a database header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbHeader {
    /// Page size in bytes, when it is a legal one.
    pub page_size: Option<u32>,
    /// Byte 18.
    pub write_version: Option<u8>,
    /// Byte 19.
    pub read_version: Option<u8>,
    /// File change counter.
    pub change_counter: Option<u32>,
    /// Database size in pages as stored.
    pub page_count: Option<u32>,
    /// SQLITE_VERSION_NUMBER of the last writer.
    pub writer_version: Option<u32>,
    /// What is wrong with the bytes; empty when nothing is.
    pub damage: Vec<&'static str>,
}

impl DbHeader {
    /// Read what can be read; short or damaged bytes are no error.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut header = Self {
            page_size: u16_at(bytes, 16).and_then(page_size),
            write_version: bytes.get(18).copied(),
            read_version: bytes.get(19).copied(),
            change_counter: u32_at(bytes, 24),
            page_count: u32_at(bytes, 28),
            writer_version: u32_at(bytes, 96),
            damage: Vec::new(),
        };
        header.damage = header.damage_in(bytes);
        header
    }

    /// The family that both version bytes agree on.
    pub fn journal_family(&self) -> Option<JournalFamily> {
        match (self.write_version?, self.read_version?) {
            (1, 1) => Some(JournalFamily::Rollback),
            (2, 2) => Some(JournalFamily::Wal),
            _ => None,
        }
    }

    fn damage_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut damage = Vec::new();
        let mut check = |sound: bool, what| {
            if !sound {
                damage.push(what);
            }
        };
        check(bytes.len() >= DB_HEADER_SIZE, "shorter than 100 bytes");
        check(bytes.starts_with(&DB_MAGIC), "no `SQLite format 3` at offset 0");
        check(self.page_size.is_some(), "page size at offset 16 is not a power of two in 512..=65536");
        check(self.journal_family().is_some(), "versions at offsets 18 and 19 are not 1/1 or 2/2");
        damage
    }
}

fn page_size(stored: u16) -> Option<u32> {
    match stored {
        1 => Some(65536),
        size if size >= 512 && size.is_power_of_two() => Some(u32::from(size)),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(version: u8) -> Vec<u8> {
        let mut bytes = vec![0; DB_HEADER_SIZE];
        bytes[..16].copy_from_slice(&DB_MAGIC);
        bytes[16..18].copy_from_slice(&4096u16.to_be_bytes());
        bytes[18] = version;
        bytes[19] = version;
        bytes[24..28].copy_from_slice(&7u32.to_be_bytes());
        bytes
    }

    #[test]
    fn a_sound_header_decodes() {
        let header = DbHeader::parse(&bytes(2));
        assert_eq!((header.page_size, header.change_counter), (Some(4096), Some(7)));
        assert_eq!(header.journal_family(), Some(JournalFamily::Wal));
        assert_eq!(DbHeader::parse(&bytes(1)).journal_family(), Some(JournalFamily::Rollback));
        assert!(header.damage.is_empty());
    }

    #[test]
    fn sixty_four_kibibytes_are_stored_as_one() {
        let mut bytes = bytes(1);
        bytes[16..18].copy_from_slice(&1u16.to_be_bytes());
        assert_eq!(DbHeader::parse(&bytes).page_size, Some(65536));
    }

    #[test]
    fn damage_is_told_and_the_rest_is_read() {
        let mut zeroed = bytes(2);
        zeroed[..16].fill(0);
        let header = DbHeader::parse(&zeroed);
        assert_eq!(header.page_size, Some(4096));
        assert_eq!(header.damage, ["no `SQLite format 3` at offset 0"]);
    }

    #[test]
    fn every_length_is_read_without_panic() {
        for length in 0..=DB_HEADER_SIZE {
            let header = DbHeader::parse(&bytes(2)[..length]);
            assert_eq!(header.damage.is_empty(), length == DB_HEADER_SIZE);
        }
    }
}
