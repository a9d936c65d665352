//! The pointer map of an auto-vacuum database: who points to each page.
//!
//! ```text
//! pages 2, 2 + (J + 1), 2 + 2 (J + 1), ... with J = usable bytes / 5; one later when it would be the lock page
//! entry of a page, five bytes, in the order of the J pages that follow the map's own:
//!   0      1  1 root of a b-tree, 2 free, 3 first overflow page, 4 later overflow page, 5 other page of a b-tree
//!   1      4  big-endian: 1 and 2: 0; 3: the page with the cell; 4: the overflow page before; 5: the parent
//! ```
//!
//! There only when the largest root page in the database header (offset 52) is not 0. Valid when (1) the kind is
//! known, (2) the entry says what the page that points there says: `owners.rs` compares.

use super::pages::lock_page;
use super::u32_at;

/// What points to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// 1.
    Root,
    /// 2.
    Free,
    /// 3, with the page that holds the cell.
    FirstOverflow(u32),
    /// 4, with the overflow page before.
    LaterOverflow(u32),
    /// 5, with the parent.
    Child(u32),
}

/// The map page that has the entry of a page; the page itself when it is one. `None` for pages 0 and 1.
pub fn map_page_of(number: u32, page_size: u32, usable_bytes: u32) -> Option<u32> {
    let behind = number.checked_sub(2)?;
    let stride = usable_bytes / 5 + 1;
    let map = behind / stride * stride + 2;
    Some(if map == lock_page(page_size) { map + 1 } else { map })
}

/// Whether a page is one of the map's.
pub fn is_map_page(number: u32, page_size: u32, usable_bytes: u32) -> bool {
    map_page_of(number, page_size, usable_bytes) == Some(number)
}

/// The entry of a page in its map page; `None`: no entry there, or of no known kind.
pub fn entry(map: &[u8], map_page: u32, number: u32) -> Option<Pointer> {
    let offset = 5 * number.checked_sub(map_page)?.checked_sub(1)? as usize;
    let parent = u32_at(map, offset + 1)?;
    match map[offset] {
        1 => Some(Pointer::Root),
        2 => Some(Pointer::Free),
        3 => Some(Pointer::FirstOverflow(parent)),
        4 => Some(Pointer::LaterOverflow(parent)),
        5 => Some(Pointer::Child(parent)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_pages_are_where_sqlite_puts_them() {
        let at = |number| map_page_of(number, 512, 512);
        assert_eq!(
            (at(1), at(2), at(3), at(104), at(105), at(106)),
            (None, Some(2), Some(2), Some(2), Some(105), Some(105))
        );
        assert!(is_map_page(2, 512, 512) && is_map_page(105, 512, 512) && !is_map_page(3, 512, 512));
    }

    #[test]
    fn the_lock_page_is_no_map_page() {
        // Page size and reserved bytes for which the lock page would be one.
        let found = [512u32, 1024, 2048, 4096, 8192].into_iter().find_map(|size| {
            let usable = (480.min(size)..=size).find(|usable| (lock_page(size) - 2).is_multiple_of(usable / 5 + 1))?;
            Some((size, usable))
        });
        let (size, usable) = found.expect("some");
        let lock = lock_page(size);
        assert_eq!(map_page_of(lock, size, usable), Some(lock + 1));
        assert!(is_map_page(lock + 1, size, usable) && !is_map_page(lock, size, usable));
        assert!(!is_map_page(lock + 2, size, usable));
    }

    #[test]
    fn entries_decode() {
        let map = [1, 0, 0, 0, 0, 3, 0, 0, 0, 9, 7, 0, 0, 0, 0, 5, 0];
        assert_eq!((entry(&map, 2, 3), entry(&map, 2, 4)), (Some(Pointer::Root), Some(Pointer::FirstOverflow(9))));
        assert_eq!((entry(&map, 2, 5), entry(&map, 2, 6), entry(&map, 2, 2)), (None, None, None));
    }
}
