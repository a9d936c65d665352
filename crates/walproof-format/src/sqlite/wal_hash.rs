//! The hash tables of a `-shm` file: for each frame its page, and for a page its newest frame.
//!
//! ```text
//! block 0      bytes 0..32768: the header of 136 bytes (`wal_index.rs`), then aPgno of frames 1..=4062, then aHash
//! block b > 0  bytes 32768 b ..: aPgno of frames 4062 + 4096 (b - 1) + 1 .., 4096 of them, then aHash
//! aPgno        4 bytes each, native byte order: the page number of each frame
//! aHash        the last 16384 bytes of a block: 8192 slots of 2 bytes, native; 0: empty, else an index into aPgno from 1
//! ```
//!
//! A page's slot is (page * 383) % 8192; when it is taken, the one after. To look up a page at mxFrame: blocks from the
//! last to the first, in each from the page's slot on until an empty one, the largest frame at most mxFrame whose aPgno
//! is the page.
//!
//! Valid when (1) every aPgno up to mxFrame is the page of that frame in the log, (2) a look-up of each finds it,
//! (3) no run of slots goes all the way round. Frames after mxFrame are those of a writer at work, or left by one that
//! rolled back: they say nothing.

use std::borrow::Cow;

use super::u32_at;
use super::wal_index::WAL_INDEX_HEADER_SIZE;

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 32_768;
/// Slots of a block.
const SLOTS: usize = 8_192;
/// Bytes of a block's slots, at its end.
const SLOTS_BYTES: usize = 2 * SLOTS;
/// Frames of a block.
const BLOCK_FRAMES: u32 = 4_096;
/// Frames of the first block, which has the header as well.
const FIRST_BLOCK_FRAMES: u32 = BLOCK_FRAMES - (WAL_INDEX_HEADER_SIZE / 4) as u32;

/// The block that has a frame, from 1.
pub const fn block_of(frame: u32) -> u32 {
    if frame <= FIRST_BLOCK_FRAMES { 0 } else { (frame - FIRST_BLOCK_FRAMES - 1) / BLOCK_FRAMES + 1 }
}

/// One block.
#[derive(Clone, Copy, Debug)]
pub struct HashBlock<'a> {
    /// Page numbers, four bytes each.
    pages: &'a [u8],
    /// Slots, two bytes each.
    slots: &'a [u8],
    /// The frame before its first.
    before: u32,
    big_endian: bool,
}

impl<'a> HashBlock<'a> {
    /// Block `number` of a -shm written by a machine of this byte order; `None` when it is not whole.
    pub fn parse(block: &'a [u8], number: u32, big_endian: bool) -> Option<Self> {
        let block = block.get(..BLOCK_BYTES)?;
        let start = if number == 0 { WAL_INDEX_HEADER_SIZE } else { 0 };
        let before = match number {
            0 => 0,
            _ => BLOCK_FRAMES.checked_mul(number - 1)?.checked_add(FIRST_BLOCK_FRAMES)?,
        };
        let slots_start = BLOCK_BYTES - SLOTS_BYTES;
        Some(Self { pages: &block[start..slots_start], slots: &block[slots_start..], before, big_endian })
    }

    /// Frames of this block: first and last.
    pub const fn frames(&self) -> (u32, u32) {
        (self.before + 1, self.before.saturating_add((self.pages.len() / 4) as u32))
    }

    /// The page of a frame of this block; `None`: it is another block's.
    pub fn page_of(&self, frame: u32) -> Option<u32> {
        let index = frame.checked_sub(self.before)?.checked_sub(1)? as usize;
        let word = u32_at(self.pages, index.checked_mul(4)?)?;
        Some(if self.big_endian { word } else { word.swap_bytes() })
    }

    fn slot(&self, slot: usize) -> u16 {
        let two = [self.slots[2 * slot], self.slots[2 * slot + 1]];
        if self.big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) }
    }

    /// The newest frame of a page in this block, at most `last`.
    pub fn newest(&self, page: u32, last: u32) -> Looked {
        let mut slot = page.wrapping_mul(383) as usize % SLOTS;
        let mut found = None;
        for _ in 0..SLOTS {
            let index = self.slot(slot);
            if index == 0 {
                return found.map_or(Looked::Nowhere, Looked::At);
            }
            let frame = self.before.saturating_add(index.into());
            if frame <= last && self.page_of(frame) == Some(page) {
                // SQLite takes the last one that it comes by.
                found = Some(frame);
            }
            slot = (slot + 1) % SLOTS;
        }
        Looked::Endless
    }
}

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// In this frame.
    At(u32),
    /// The log does not have the page.
    Nowhere,
    /// No slot is empty: SQLite reports SQLITE_CORRUPT.
    Endless,
    /// A block could not be read.
    Unread,
}

/// The newest frame of a page, as SQLite finds it; `block` gives block by block.
pub fn newest<'a>(
    page: u32,
    max_frame: u32,
    big_endian: bool,
    mut block: impl FnMut(u32) -> Option<Cow<'a, [u8]>>,
) -> Looked {
    for number in (0..=block_of(max_frame)).rev() {
        let bytes = block(number);
        let Some(block) = bytes.as_deref().and_then(|bytes| HashBlock::parse(bytes, number, big_endian)) else {
            return Looked::Unread;
        };
        match block.newest(page, max_frame) {
            Looked::Nowhere => {}
            found => return found,
        }
    }
    Looked::Nowhere
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Block 0 with these pages as frames 1, 2, ...
    fn block(pages: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK_BYTES];
        for (index, page) in pages.iter().enumerate() {
            let at = WAL_INDEX_HEADER_SIZE + 4 * index;
            bytes[at..at + 4].copy_from_slice(&page.to_le_bytes());
            let mut slot = *page as usize * 383 % SLOTS;
            let place = |slot: usize| BLOCK_BYTES - SLOTS_BYTES + 2 * slot;
            while bytes[place(slot)..place(slot) + 2] != [0, 0] {
                slot = (slot + 1) % SLOTS;
            }
            bytes[place(slot)..place(slot) + 2].copy_from_slice(&(index as u16 + 1).to_le_bytes());
        }
        bytes
    }

    fn look_up(bytes: &[u8], page: u32, last: u32) -> Looked {
        newest(page, last, false, |number| (number == 0).then_some(Cow::Borrowed(bytes)))
    }

    #[test]
    fn blocks_start_where_sqlite_starts_them() {
        assert_eq!((block_of(1), block_of(4062), block_of(4063), block_of(8158), block_of(8159)), (0, 0, 1, 1, 2));
        let second = HashBlock::parse(&[0; BLOCK_BYTES], 1, false).map(|block| block.frames());
        assert_eq!(second, Some((4063, 8158)));
    }

    #[test]
    fn the_newest_frame_at_most_the_last_is_found() {
        // 8195 has the slot of 3.
        let bytes = block(&[3, 5, 8195, 3]);
        assert_eq!((look_up(&bytes, 3, 4), look_up(&bytes, 3, 3)), (Looked::At(4), Looked::At(1)));
        assert_eq!((look_up(&bytes, 8195, 4), look_up(&bytes, 9, 4)), (Looked::At(3), Looked::Nowhere));
        assert_eq!(look_up(&bytes, 3, 5000), Looked::Unread);
    }

    #[test]
    fn a_table_without_an_empty_slot_ends() {
        let mut bytes = block(&[]);
        bytes[BLOCK_BYTES - SLOTS_BYTES..].fill(1);
        assert_eq!(look_up(&bytes, 3, 4), Looked::Endless);
    }
}
