//! The freelist: pages that hold nothing and wait to be used again.
//!
//! ```text
//! trunk page: offset size field (all big-endian)
//!   0      4  next trunk page; 0: the last
//!   4      4  leaves of this trunk: at most usable bytes / 4 - 2
//!   8     4n  the leaves
//! leaf page: no content; what lies there is old
//! ```
//!
//! The database header names the first trunk (offset 32) and the number of trunks and leaves together (offset 36).
//! A trunk is valid when (1) it has as many leaves at most as it has room for, (2) each leaf and the next trunk are
//! pages of the database. Who walks the list must mind cycles: `owners.rs` does.

use super::u32_at;

/// A trunk page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trunk<'a> {
    /// The next trunk.
    pub next: Option<u32>,
    /// Leaves as stored.
    pub leaf_count: u32,
    leaves: &'a [u8],
}

impl<'a> Trunk<'a> {
    /// `None` when there are fewer than eight bytes.
    pub fn parse(page: &'a [u8], usable_bytes: u32) -> Option<Self> {
        let leaf_count = u32_at(page, 4)?;
        let room = (usable_bytes as usize / 4).saturating_sub(2);
        let bytes = 4 * (leaf_count as usize).min(room);
        let leaves = page.get(8..8 + bytes)?;
        Some(Self { next: u32_at(page, 0).filter(|next| *next != 0), leaf_count, leaves })
    }

    /// Whether it has room for as many leaves as it says.
    pub const fn fits(&self) -> bool {
        self.leaves.len() / 4 == self.leaf_count as usize
    }

    /// The leaves that it has room for.
    pub fn leaves(&self) -> impl Iterator<Item = u32> + 'a {
        self.leaves.chunks_exact(4).filter_map(|four| u32_at(four, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trunk_names_its_leaves_and_no_more_than_fit() {
        let mut page = vec![0; 512];
        for (index, word) in [9u32, 2, 4, 5].into_iter().enumerate() {
            page[4 * index..4 * index + 4].copy_from_slice(&word.to_be_bytes());
        }
        let trunk = Trunk::parse(&page, 512).expect("a trunk");
        assert_eq!((trunk.next, trunk.leaves().collect::<Vec<_>>(), trunk.fits()), (Some(9), vec![4, 5], true));
        page[4..8].fill(0xff);
        let trunk = Trunk::parse(&page, 512).expect("a trunk");
        assert_eq!((trunk.leaves().count(), trunk.fits()), (126, false));
        assert!(Trunk::parse(&page[..7], 512).is_none());
    }
}
