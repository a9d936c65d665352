//! Where pages come from, and the pages that are not anybody's: the lock page and the pointer map's places.
//!
//! ```text
//! page n (from 1)      byte (n - 1) * page size of the database file, unless a log has a newer one
//! lock page            the page that holds byte 0x40000000 (PENDING_BYTE): never used, whatever it holds
//! usable bytes         page size less the reserved bytes of the database header (offset 20); at least 480
//! ```
//!
//! What it must not do: read a file. A [`PageSource`] is the database file, or the file under a log at some commit
//! (`log_pages.rs`), or a copy in memory; what walks over pages takes any of them.

use std::borrow::Cow;

use super::db_header::DbHeader;
use super::is_page_size;
use super::lock_bytes::PENDING_BYTE;

/// A database as pages, at one moment.
pub trait PageSource {
    /// Bytes of a page: a power of two in 512..=65536.
    fn page_size(&self) -> u32;

    /// Pages of the database.
    fn page_count(&self) -> u32;

    /// A whole page, from 1; `None`: there is none, or it cannot be read.
    fn page(&self, number: u32) -> Option<Cow<'_, [u8]>>;
}

impl<S: PageSource + ?Sized> PageSource for &S {
    fn page_size(&self) -> u32 {
        (**self).page_size()
    }

    fn page_count(&self) -> u32 {
        (**self).page_count()
    }

    fn page(&self, number: u32) -> Option<Cow<'_, [u8]>> {
        (**self).page(number)
    }
}

/// A database file that is in memory.
#[derive(Clone, Copy, Debug)]
pub struct PagesInMemory<'a> {
    bytes: &'a [u8],
    page_size: u32,
}

impl<'a> PagesInMemory<'a> {
    /// `None` when the page size is none. A page that is not whole does not count.
    pub fn new(bytes: &'a [u8], page_size: u32) -> Option<Self> {
        is_page_size(page_size).then_some(Self { bytes, page_size })
    }

    /// With the page size of its header.
    pub fn of_file(bytes: &'a [u8]) -> Option<Self> {
        Self::new(bytes, DbHeader::parse(bytes).page_size?)
    }
}

impl PageSource for PagesInMemory<'_> {
    fn page_size(&self) -> u32 {
        self.page_size
    }

    fn page_count(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.page_size as usize).unwrap_or(u32::MAX)
    }

    fn page(&self, number: u32) -> Option<Cow<'_, [u8]>> {
        let size = self.page_size as usize;
        let start = (number.checked_sub(1)? as usize).checked_mul(size)?;
        self.bytes.get(start..start.checked_add(size)?).map(Cow::Borrowed)
    }
}

/// The page that is never used, since SQLite's lock bytes lie in it.
pub const fn lock_page(page_size: u32) -> u32 {
    (PENDING_BYTE / page_size as u64) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_page_is_where_the_lock_bytes_are() {
        assert_eq!((lock_page(512), lock_page(4096), lock_page(65536)), (2_097_153, 262_145, 16_385));
    }

    #[test]
    fn pages_are_counted_from_one_and_whole() {
        let bytes = [vec![1; 512], vec![2; 512], vec![3; 100]].concat();
        let pages = PagesInMemory::new(&bytes, 512).expect("a page size");
        assert_eq!(pages.page_count(), 2);
        assert_eq!(pages.page(2).map(|page| page[0]), Some(2));
        assert!(pages.page(0).is_none() && pages.page(3).is_none());
        assert!(PagesInMemory::new(&bytes, 500).is_none());
    }
}
