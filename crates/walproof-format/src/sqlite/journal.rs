//! A rollback journal: what playing it back would restore.
//!
//! ```text
//! segment, at a multiple of the sector size
//!   0     28  header (`journal_header.rs`), filled up to one sector; the first one's sector and page size count
//!  ...        as many records as it says
//! record
//!   0      4  page number, big-endian
//!   4      n  the page as it was before the transaction
//! n+4      4  checksum: nonce of the segment + bytes n-200, n-400, ... of the page that are beyond offset 0
//! at the end, when the transaction spans several databases
//!   0      4  number of the lock page
//!   4      m  name of the super-journal
//! m+4      4  m
//! m+8      4  sum of the bytes of the name
//! m+12     8  the magic of journals
//! ```
//!
//! Playing back cuts the database to the size that the first header names, then takes record after record, segment
//! after segment, and stops for good at (1) a page number 0 or of the lock page, (2) a checksum that does not agree,
//! (3) the end of the file, (4) a segment without the magic. A record of a page beyond that size is passed over, its
//! checksum unread. With a super-journal named and not there, nothing is played back: the transaction was committed.
//!
//! PERSIST leaves records of earlier transactions behind those of this one: in a journal that was never synced, whose
//! header has no count, their checksums end it, and nothing is wrong.
//!
//! Not here: reading files. Memory is one page.

use std::borrow::Cow;

use serde::Serialize;

use super::journal_header::{JOURNAL_HEADER_SIZE, JOURNAL_MAGIC, JournalHeader};
use super::pages::lock_page;
use super::{is_page_size, u32_at};

/// No file name of SQLite's is longer.
const NAME_BYTES_MAX: u64 = 4_096;

/// Bytes of a file, wherever they lie.
pub trait ByteSource {
    /// How many there are.
    fn length(&self) -> u64;

    /// So many from an offset on; `None` when there are fewer, or they cannot be read.
    fn read(&self, offset: u64, length: usize) -> Option<Cow<'_, [u8]>>;
}

impl ByteSource for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> Option<Cow<'_, [u8]>> {
        let start = usize::try_from(offset).ok()?;
        self.get(start..start.checked_add(length)?).map(Cow::Borrowed)
    }
}

/// Why playing back ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaybackEnd {
    /// Nothing is left to play back.
    #[default]
    Done,
    /// A segment says that it has more records than the file holds.
    FileEnds,
    /// A record's checksum does not agree.
    Checksum,
    /// A record of page 0 or of the lock page.
    NoPage,
    /// The first header has impossible sizes, or is none.
    Header,
}

/// A record that playing back would restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRecord<'a> {
    /// The page number.
    pub page: u32,
    /// The page as it was.
    pub content: &'a [u8],
    /// Where the page lies in the journal.
    pub offset: u64,
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JournalSummary {
    /// Segments that were read.
    pub segments: u64,
    /// Records that playing back restores.
    pub records_restored: u64,
    /// Records of pages beyond the size before the transaction: passed over.
    pub records_beyond: u64,
    /// Database size in pages before the transaction.
    pub initial_pages: Option<u32>,
    /// Page size in bytes.
    pub page_size: Option<u32>,
    /// Why it ends.
    pub end: PlaybackEnd,
    /// Where it ends.
    pub end_offset: u64,
    /// The super-journal that the end names.
    pub super_journal: Option<String>,
}

/// Reads a whole journal; `each` sees the records that would be restored, in their order. `page_size_of_database` is
/// for journals of SQLite before 3.5.8, which do not name it.
pub fn read(
    journal: &(impl ByteSource + ?Sized),
    page_size_of_database: Option<u32>,
    mut each: impl FnMut(JournalRecord<'_>),
) -> JournalSummary {
    let mut summary = JournalSummary { super_journal: super_journal(journal), ..JournalSummary::default() };
    let Some(sizes) = Sizes::of(journal, page_size_of_database) else {
        summary.end = if journal.length() == 0 { PlaybackEnd::Done } else { PlaybackEnd::Header };
        return summary;
    };
    summary.page_size = Some(sizes.page);
    let mut at = 0;
    while let Some((count, nonce, initial_pages)) = sizes.segment(journal, at) {
        summary.segments += 1;
        let initial_pages = *summary.initial_pages.get_or_insert(initial_pages);
        at += u64::from(sizes.sector);
        let count = match count {
            u32::MAX => journal.length().saturating_sub(sizes.sector.into()) / sizes.record(),
            count => count.into(),
        };
        for _ in 0..count {
            match sizes.playback(journal, at, nonce, initial_pages) {
                Played::Restored(page, bytes) => {
                    summary.records_restored += 1;
                    let content = &bytes[4..4 + sizes.page as usize];
                    each(JournalRecord { page, content, offset: at + 4 });
                }
                Played::Beyond => summary.records_beyond += 1,
                Played::Stopped(end) => {
                    (summary.end, summary.end_offset) = (end, at);
                    return summary;
                }
            }
            at += sizes.record();
        }
        at = at.next_multiple_of(sizes.sector.into());
    }
    summary.end_offset = at.min(journal.length());
    summary
}

/// The sizes that the first header names.
struct Sizes {
    sector: u32,
    page: u32,
}

enum Played<'a> {
    Restored(u32, Cow<'a, [u8]>),
    Beyond,
    Stopped(PlaybackEnd),
}

impl Sizes {
    fn of(journal: &(impl ByteSource + ?Sized), page_size_of_database: Option<u32>) -> Option<Self> {
        let bytes = journal.read(0, JOURNAL_HEADER_SIZE)?;
        let header = JournalHeader::parse(&bytes, journal.length());
        let page = header.page_size.filter(|size| *size != 0).or(page_size_of_database)?;
        let sector = header.sector_size?;
        let legal = is_page_size(page) && sector.is_power_of_two() && (32..=65536).contains(&sector);
        (bytes.starts_with(&JOURNAL_MAGIC) && legal).then_some(Self { sector, page })
    }

    const fn record(&self) -> u64 {
        self.page as u64 + 8
    }

    /// Records, nonce and initial size of the segment at an offset.
    fn segment(&self, journal: &(impl ByteSource + ?Sized), at: u64) -> Option<(u32, u32, u32)> {
        if at.checked_add(self.sector.into())? > journal.length() {
            return None;
        }
        let bytes = journal.read(at, 20)?;
        let whole = bytes.starts_with(&JOURNAL_MAGIC);
        Some((u32_at(&bytes, 8)?, u32_at(&bytes, 12)?, u32_at(&bytes, 16)?)).filter(|_| whole)
    }

    fn playback<'a>(
        &self,
        journal: &'a (impl ByteSource + ?Sized),
        at: u64,
        nonce: u32,
        initial_pages: u32,
    ) -> Played<'a> {
        let page_bytes = self.page as usize;
        let Some(bytes) = journal.read(at, page_bytes + 4) else { return Played::Stopped(PlaybackEnd::FileEnds) };
        let page = u32_at(&bytes, 0).unwrap_or(0);
        if page == 0 || page == lock_page(self.page) {
            return Played::Stopped(PlaybackEnd::NoPage);
        }
        if page > initial_pages {
            return Played::Beyond;
        }
        let stored = journal.read(at + 4 + u64::from(self.page), 4).and_then(|four| u32_at(&four, 0));
        match stored {
            None => Played::Stopped(PlaybackEnd::FileEnds),
            Some(stored) if stored == page_checksum(nonce, &bytes[4..]) => Played::Restored(page, bytes),
            Some(_) => Played::Stopped(PlaybackEnd::Checksum),
        }
    }
}

/// The checksum of a record's page.
pub fn page_checksum(nonce: u32, page: &[u8]) -> u32 {
    let from_behind = (1..).map(|step| page.len().checked_sub(200 * step));
    let offsets = from_behind.map_while(|offset| offset.filter(|offset| *offset > 0));
    offsets.fold(nonce, |sum, offset| sum.wrapping_add(page[offset].into()))
}

/// The super-journal that the end of a journal names.
pub fn super_journal(journal: &(impl ByteSource + ?Sized)) -> Option<String> {
    let end = journal.length();
    let tail = journal.read(end.checked_sub(16)?, 16)?;
    let (length, sum) = (u32_at(&tail, 0)?, u32_at(&tail, 4)?);
    let start = (end - 16).checked_sub(length.into())?;
    if tail[8..] != JOURNAL_MAGIC || length == 0 || u64::from(length) > NAME_BYTES_MAX {
        return None;
    }
    let name = journal.read(start, length as usize)?;
    // C's `char` is signed on some machines.
    let unsigned = name.iter().fold(0u32, |sum, byte| sum.wrapping_add((*byte).into()));
    let signed = name.iter().fold(0u32, |sum, byte| sum.wrapping_add(*byte as i8 as u32));
    let agrees = sum == unsigned || sum == signed;
    agrees.then(|| String::from_utf8_lossy(&name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pages of 512 bytes in one segment, sector 512.
    fn journal() -> Vec<u8> {
        let header = [2u32, 5, 10, 512, 512].map(u32::to_be_bytes).concat();
        let mut bytes = [JOURNAL_MAGIC.to_vec(), header].concat();
        bytes.resize(512, 0);
        for page in [3u32, 11] {
            let content = vec![page as u8; 512];
            bytes.extend(page.to_be_bytes());
            bytes.extend(&content);
            bytes.extend(page_checksum(5, &content).to_be_bytes());
        }
        bytes
    }

    fn pages(bytes: &[u8]) -> (Vec<u32>, JournalSummary) {
        let mut restored = Vec::new();
        let summary = read(bytes, None, |record| restored.push(record.page));
        (restored, summary)
    }

    #[test]
    fn pages_of_the_old_size_are_restored_and_others_passed_over() {
        let (restored, summary) = pages(&journal());
        assert_eq!((restored, summary.records_beyond), (vec![3], 1));
        assert_eq!((summary.end, summary.initial_pages), (PlaybackEnd::Done, Some(10)));
    }

    #[test]
    fn bytes_in_two_hundreds_from_behind_are_covered() {
        assert_eq!(page_checksum(5, &[1; 512]), 5 + 2);
        let mut damaged = journal();
        damaged[512 + 4 + 312] ^= 1;
        assert_eq!(pages(&damaged).1.end, PlaybackEnd::Checksum);
    }

    #[test]
    fn the_super_journal_is_named_at_the_end() {
        let mut bytes = journal();
        let name = b"/data/app.db-mj0123";
        bytes.extend(lock_page(512).to_be_bytes());
        bytes.extend(name);
        bytes.extend((name.len() as u32).to_be_bytes());
        bytes.extend(name.iter().map(|byte| u32::from(*byte)).sum::<u32>().to_be_bytes());
        bytes.extend(JOURNAL_MAGIC);
        assert_eq!(pages(&bytes).1.super_journal.as_deref(), Some("/data/app.db-mj0123"));
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        assert_eq!(pages(&bytes).1.super_journal, None);
    }

    #[test]
    fn every_length_is_read_without_panic() {
        let bytes = journal();
        for length in 0..bytes.len() {
            assert!(pages(&bytes[..length]).1.records_restored <= 1);
        }
    }
}
