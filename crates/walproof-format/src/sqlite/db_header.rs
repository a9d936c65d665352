//! The database header: the first 100 bytes of the file.
//!
//! ```text
//! offset size field (all big-endian)
//!   0     16  "SQLite format 3\0"
//!  16      2  page size; 1 means 65536
//!  18      1  file format write version: 1 rollback journal, 2 WAL
//!  19      1  file format read version: likewise
//!  20      1  bytes reserved at the end of each page
//!  21      3  payload fractions 64, 32, 32
//!  24      4  file change counter (not moved by every commit in WAL mode)
//!  28      4  database size in pages; valid when it is not 0 and the change counter is the one at 92
//!  32      4  first trunk page of the freelist
//!  36      4  pages on the freelist
//!  40      4  schema cookie
//!  44      4  schema format 1..=4
//!  52      4  largest root page; not 0: auto-vacuum
//!  56      4  text encoding: 1 UTF-8, 2 UTF-16le, 3 UTF-16be
//!  60      4  user_version
//!  64      4  not 0: incremental vacuum
//!  68      4  application_id
//!  92      4  version-valid-for: the change counter for which the size is valid
//!  96      4  SQLITE_VERSION_NUMBER of the last writer
//! ```
//!
//! Valid when (1) the magic is there, (2) the page size is a power of two in 512..=65536, (3) both versions are 1
//! or 2, (4) the payload fractions are 64, 32, 32, (5) 480 bytes of a page at least are not reserved. What is not valid
//! is reported as damage beside what could be read.

use serde::Serialize;

use super::{damage, is_page_size, u16_at, u32_at};

/// Length of the header in bytes.
pub const DB_HEADER_SIZE: usize = 100;
/// First sixteen bytes of a database.
pub const DB_MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// Which family of journal modes the header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalFamily {
    /// Versions 1: DELETE, TRUNCATE, PERSIST, MEMORY or OFF.
    Rollback,
    /// Versions 2: WAL.
    Wal,
}

/// How text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TextEncoding {
    /// 1.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// 2.
    #[serde(rename = "UTF-16le")]
    Utf16Little,
    /// 3.
    #[serde(rename = "UTF-16be")]
    Utf16Big,
}

impl TextEncoding {
    /// As `PRAGMA encoding` says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Little => "UTF-16le",
            Self::Utf16Big => "UTF-16be",
        }
    }
}

/// What could be read of a database header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DbHeader {
    /// Page size in bytes, when it is a legal one.
    pub page_size: Option<u32>,
    /// Byte 18.
    pub write_version: Option<u8>,
    /// Byte 19.
    pub read_version: Option<u8>,
    /// Bytes reserved at the end of each page.
    pub reserved_bytes: Option<u8>,
    /// File change counter.
    pub change_counter: Option<u32>,
    /// Database size in pages as stored.
    pub page_count: Option<u32>,
    /// Pages on the freelist.
    pub freelist_pages: Option<u32>,
    /// Grows with every change of the schema.
    pub schema_cookie: Option<u32>,
    /// Schema format.
    pub schema_format: Option<u32>,
    /// Whether pages are moved so that the file can shrink.
    pub auto_vacuum: Option<bool>,
    /// Text encoding; `None` in a database without a table as well.
    pub text_encoding: Option<TextEncoding>,
    /// The application's own number.
    pub user_version: Option<u32>,
    /// What application the file belongs to.
    pub application_id: Option<u32>,
    /// The change counter for which the size is valid.
    pub version_valid_for: Option<u32>,
    /// SQLITE_VERSION_NUMBER of the last writer.
    pub writer_version: Option<u32>,
    /// Whether there are 100 bytes and all are zero.
    pub zeroed: bool,
    /// What is wrong with the bytes; empty when nothing is.
    pub damage: Vec<&'static str>,
}

impl DbHeader {
    /// Read what can be read; short or damaged bytes are no error.
    pub fn parse(bytes: &[u8]) -> Self {
        let at = |offset| u32_at(bytes, offset);
        let mut header = Self {
            page_size: u16_at(bytes, 16).and_then(page_size),
            write_version: bytes.get(18).copied(),
            read_version: bytes.get(19).copied(),
            reserved_bytes: bytes.get(20).copied(),
            change_counter: at(24),
            page_count: at(28),
            freelist_pages: at(36),
            schema_cookie: at(40),
            schema_format: at(44),
            auto_vacuum: at(52).map(|root| root != 0),
            text_encoding: at(56).and_then(text_encoding),
            user_version: at(60),
            application_id: at(68),
            version_valid_for: at(92),
            writer_version: at(96),
            zeroed: bytes.get(..DB_HEADER_SIZE).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)),
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

    /// The size in pages, when SQLite would believe it; otherwise SQLite goes by the size of the file.
    pub fn believed_page_count(&self) -> Option<u32> {
        self.page_count.filter(|count| *count > 0 && self.change_counter == self.version_valid_for)
    }

    /// The last writer, as in `3.51.3`; SQLite before 3.7.0 left no number.
    pub fn writer(&self) -> Option<String> {
        let number = self.writer_version.filter(|number| *number >= 3_000_000)?;
        Some(format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000))
    }

    fn damage_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let usable = self.page_size.zip(self.reserved_bytes).map(|(size, reserved)| size - u32::from(reserved));
        damage([
            (bytes.len() >= DB_HEADER_SIZE, "shorter than 100 bytes"),
            (bytes.starts_with(&DB_MAGIC), "no `SQLite format 3` at offset 0"),
            (self.page_size.is_some(), "page size at offset 16 is not a power of two in 512..=65536"),
            (self.journal_family().is_some(), "versions at offsets 18 and 19 are not 1/1 or 2/2"),
            (
                bytes.get(21..24).is_none_or(|three| three == [64, 32, 32]),
                "payload fractions at offset 21 are not 64, 32, 32",
            ),
            (usable.is_none_or(|bytes| bytes >= 480), "more of a page is reserved at offset 20 than can be"),
        ])
    }
}

fn page_size(stored: u16) -> Option<u32> {
    let size = if stored == 1 { 65536 } else { u32::from(stored) };
    is_page_size(size).then_some(size)
}

fn text_encoding(stored: u32) -> Option<TextEncoding> {
    match stored {
        1 => Some(TextEncoding::Utf8),
        2 => Some(TextEncoding::Utf16Little),
        3 => Some(TextEncoding::Utf16Big),
        _ => None,
    }
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
        bytes[21..24].copy_from_slice(&[64, 32, 32]);
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
