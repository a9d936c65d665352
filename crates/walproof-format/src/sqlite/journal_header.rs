//! The header of a rollback journal, `-journal`: its first 28 bytes.
//!
//! ```text
//! offset size field (all big-endian)
//!   0      8  magic d9 d5 05 f9 20 a1 63 d7
//!   8      4  pages that follow; 0xffffffff: as many as the file holds; 0: not synced yet, SQLite plays none back
//!  12      4  nonce of the page checksums
//!  16      4  database size in pages before the transaction
//!  20      4  sector size: the first page record is at this offset
//!  24      4  page size
//! ```
//!
//! A record is a page number, the page, a checksum: page size + 8 bytes. A journal is hot when its first byte is not
//! zero, its database is not empty, nobody holds a RESERVED lock on the database, and the super-journal that its end
//! may name exists. Locks are not in the bytes: a journal that looks hot may be in use by a live transaction.
//! PERSIST ends a transaction by zeroing these 28 bytes, TRUNCATE by emptying the file, DELETE by unlinking it.
//! A transaction that spilled has further headers at sector boundaries; they are not read here.

use serde::Serialize;

use super::{damage, is_page_size, u32_at};

/// Length of the header in bytes.
pub const JOURNAL_HEADER_SIZE: usize = 28;
/// First eight bytes.
pub const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// What a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalState {
    /// No bytes: finished by TRUNCATE, or only just made.
    Empty,
    /// The header is zeroed: finished by PERSIST.
    Finished,
    /// The magic is there, and no page is to be played back yet: the database file is as it was.
    Begun,
    /// The magic is there, and pages: interrupted, or in use.
    HotOrInUse,
    /// The first byte is neither: SQLite finds nothing to play back in it.
    NotAJournal,
}

/// What could be read of a rollback journal's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalHeader {
    /// What it is.
    pub state: JournalState,
    /// Page records as stored; `u32::MAX`: as many as the file holds.
    pub stored_page_count: Option<u32>,
    /// Page records that the header speaks of and the file has room for.
    pub page_records: Option<u64>,
    /// Nonce of the page checksums.
    pub nonce: Option<u32>,
    /// Database size in pages before the transaction.
    pub initial_pages: Option<u32>,
    /// Sector size in bytes.
    pub sector_size: Option<u32>,
    /// Page size in bytes.
    pub page_size: Option<u32>,
    /// What is wrong with the bytes; empty when nothing is, or when there is no header to be wrong.
    pub damage: Vec<&'static str>,
}

impl JournalHeader {
    /// Read what can be read of the first bytes of a file of so many; short or damaged bytes are no error.
    pub fn parse(bytes: &[u8], file_bytes: u64) -> Self {
        let mut header = Self {
            state: JournalState::NotAJournal,
            stored_page_count: u32_at(bytes, 8),
            page_records: None,
            nonce: u32_at(bytes, 12),
            initial_pages: u32_at(bytes, 16),
            sector_size: u32_at(bytes, 20),
            page_size: u32_at(bytes, 24),
            damage: Vec::new(),
        };
        let magic = bytes.starts_with(&JOURNAL_MAGIC);
        if magic {
            header.damage = damage([
                (bytes.len() >= JOURNAL_HEADER_SIZE, "shorter than 28 bytes"),
                (
                    header.sector_size.is_some_and(|size| size.is_power_of_two() && (32..=65536).contains(&size)),
                    "sector size at offset 20 is not a power of two in 32..=65536",
                ),
                (
                    header.page_size.is_some_and(is_page_size),
                    "page size at offset 24 is not a power of two in 512..=65536",
                ),
            ]);
            header.page_records = header.records(file_bytes);
        }
        header.state = match bytes.first() {
            None => JournalState::Empty,
            Some(0) => JournalState::Finished,
            Some(_) if !magic => JournalState::NotAJournal,
            Some(_) if header.page_records == Some(0) => JournalState::Begun,
            Some(_) => JournalState::HotOrInUse,
        };
        header
    }

    fn records(&self, file_bytes: u64) -> Option<u64> {
        if !self.damage.is_empty() {
            return None;
        }
        let room = file_bytes.saturating_sub(self.sector_size?.into()) / (u64::from(self.page_size?) + 8);
        Some(room.min(self.stored_page_count?.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: u32) -> Vec<u8> {
        let words = [count, 0xabcd, 10, 512, 4096].map(u32::to_be_bytes).concat();
        [JOURNAL_MAGIC.to_vec(), words].concat()
    }

    #[test]
    fn a_hot_journal_decodes() {
        let header = JournalHeader::parse(&bytes(2), 512 + 2 * 4104);
        assert_eq!((header.state, header.page_records), (JournalState::HotOrInUse, Some(2)));
        assert_eq!((header.nonce, header.initial_pages), (Some(0xabcd), Some(10)));
        assert_eq!((header.sector_size, header.page_size), (Some(512), Some(4096)));
        assert_eq!(header.damage, [""; 0]);
    }

    #[test]
    fn pages_are_counted_by_the_file_when_the_header_says_so() {
        assert_eq!(JournalHeader::parse(&bytes(u32::MAX), 512 + 3 * 4104 + 7).page_records, Some(3));
        assert_eq!(JournalHeader::parse(&bytes(9), 600).state, JournalState::Begun);
        assert_eq!(JournalHeader::parse(&bytes(0), 1 << 20).state, JournalState::Begun);
    }

    #[test]
    fn finished_and_foreign_files_are_told() {
        assert_eq!(JournalHeader::parse(&[], 0).state, JournalState::Empty);
        assert_eq!(JournalHeader::parse(&[0; 28], 512).state, JournalState::Finished);
        assert_eq!(JournalHeader::parse(b"hello, this is text, no journal", 31).state, JournalState::NotAJournal);
    }

    #[test]
    fn every_length_is_read_without_panic() {
        for length in 0..JOURNAL_HEADER_SIZE {
            let header = JournalHeader::parse(&bytes(2)[..length], length as u64);
            assert_eq!(header.page_records, None);
        }
    }
}
