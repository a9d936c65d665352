//! A page of a b-tree: table or index, interior or leaf.
//!
//! ```text
//! offset size field (all big-endian; on page 1 everything starts 100 bytes later)
//!   0      1  2 interior index, 5 interior table, 10 leaf index, 13 leaf table
//!   1      2  first freeblock; 0: none
//!   3      2  cells
//!   5      2  start of the cell content; 0: 65536
//!   7      1  fragmented free bytes
//!   8      4  rightmost child, on interior pages alone
//! 8|12    2n  offset of each cell, in the order of keys, from the start of the page
//!
//! cell             interior table  left child (4), rowid (varint)
//!                  leaf table      payload bytes (varint), rowid (varint), payload, first overflow page (4)
//!                  interior index  left child (4), payload bytes (varint), payload, first overflow page (4)
//!                  leaf index      payload bytes (varint), payload, first overflow page (4)
//! freeblock        next (2), bytes with these four (2)
//! overflow page    next (4); 0: the last; then usable bytes - 4 of payload
//! ```
//!
//! With U usable bytes, a payload of P bytes stays on the page when P <= X, where X = U - 35 in a leaf table and
//! (U - 12) * 64 / 255 - 23 in an index. Otherwise K = M + (P - M) % (U - 4) bytes stay if K <= X, else M, where
//! M = (U - 12) * 32 / 255 - 23; the rest lies in overflow pages.
//!
//! Sound when (1) the kind is known, (2) the cell pointers end before the content starts, (3) each cell lies between
//! the content's start and the usable end, (4) freeblocks lie there in rising order, at least four bytes each, not
//! adjacent, (5) cells and freeblocks do not overlap, (6) what is neither is as many bytes as the header calls
//! fragmented. What is not is named; what can be read is read. A `WITHOUT ROWID` table is an index b-tree.

use serde::Serialize;

use super::record::varint;
use super::{damage, u16_at, u32_at};

/// Bytes of the database header, before the b-tree header of page 1.
const BEFORE_PAGE_ONE: usize = 100;
/// The least bytes that a cell takes: it must have room for a freeblock.
const CELL_BYTES_MIN: usize = 4;

/// What a page of a b-tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BtreeKind {
    /// 2.
    InteriorIndex,
    /// 5.
    InteriorTable,
    /// 10.
    LeafIndex,
    /// 13.
    LeafTable,
}

impl BtreeKind {
    /// From the first byte of the header.
    pub const fn of(byte: u8) -> Option<Self> {
        match byte {
            2 => Some(Self::InteriorIndex),
            5 => Some(Self::InteriorTable),
            10 => Some(Self::LeafIndex),
            13 => Some(Self::LeafTable),
            _ => None,
        }
    }

    /// Whether it has children.
    pub const fn is_interior(self) -> bool {
        matches!(self, Self::InteriorIndex | Self::InteriorTable)
    }

    /// Whether its tree is a table with rowids.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::InteriorTable | Self::LeafTable)
    }
}

/// A cell, as far as it could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// The page before it in the order of keys, on interior pages.
    pub left_child: Option<u32>,
    /// The rowid, in tables.
    pub rowid: Option<i64>,
    /// Bytes of the whole payload; 0 on interior pages of tables.
    pub payload_bytes: u64,
    /// What of the payload is on the page.
    pub local: &'a [u8],
    /// The first overflow page, when not all of it is.
    pub overflow: Option<u32>,
    /// Where it starts.
    pub offset: usize,
    /// Bytes that it takes.
    pub bytes: usize,
}

impl Cell<'_> {
    /// Overflow pages that the payload takes.
    pub fn overflow_pages(&self, usable_bytes: u32) -> u64 {
        let beyond = self.payload_bytes.saturating_sub(self.local.len() as u64);
        beyond.div_ceil(u64::from(usable_bytes.saturating_sub(4)).max(1))
    }
}

/// The header of a b-tree page, and the page.
#[derive(Clone, Copy, Debug)]
pub struct BtreePage<'a> {
    /// The page up to its reserved bytes.
    usable: &'a [u8],
    /// Where the header starts.
    start: usize,
    /// What it is.
    pub kind: BtreeKind,
    /// Offset of the first freeblock; 0: none.
    pub first_freeblock: u16,
    /// Cells.
    pub cell_count: u16,
    /// Where the cell content starts: at most 65536.
    pub content_start: u32,
    /// Free bytes in pieces of less than four.
    pub fragmented_bytes: u8,
    /// The last child, on interior pages.
    pub right_child: Option<u32>,
}

/// The free pieces of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freeblocks {
    /// Offset and bytes of each.
    pub blocks: Vec<(usize, usize)>,
    /// Whether the list broke off at something that is not valid.
    pub damaged: bool,
}

impl<'a> BtreePage<'a> {
    /// `None` when the first byte names no kind, or there is no room for a header.
    pub fn parse(page: &'a [u8], number: u32, usable_bytes: u32) -> Option<Self> {
        let usable = page.get(..usable_bytes as usize)?;
        let start = if number == 1 { BEFORE_PAGE_ONE } else { 0 };
        let kind = BtreeKind::of(*usable.get(start)?)?;
        let content_start = u16_at(usable, start + 5)?;
        Some(Self {
            usable,
            start,
            kind,
            first_freeblock: u16_at(usable, start + 1)?,
            cell_count: u16_at(usable, start + 3)?,
            content_start: if content_start == 0 { 65536 } else { content_start.into() },
            fragmented_bytes: *usable.get(start + 7)?,
            right_child: if kind.is_interior() { Some(u32_at(usable, start + 8)?) } else { None },
        })
    }

    /// Where the cell pointers start.
    const fn pointers_start(&self) -> usize {
        self.start + if self.kind.is_interior() { 12 } else { 8 }
    }

    /// Where the cell pointers end.
    const fn pointers_end(&self) -> usize {
        self.pointers_start() + 2 * self.cell_count as usize
    }

    /// A cell, from 0; `None`: it does not lie within the content.
    pub fn cell(&self, index: u16) -> Option<Cell<'a>> {
        if index >= self.cell_count {
            return None;
        }
        let offset = usize::from(u16_at(self.usable, self.pointers_start() + 2 * usize::from(index))?);
        if offset < self.pointers_end() {
            return None;
        }
        self.cell_at(offset)
    }

    fn cell_at(&self, offset: usize) -> Option<Cell<'a>> {
        let bytes = self.usable.get(offset..)?;
        let mut at = 0;
        let left_child = match self.kind.is_interior() {
            true => {
                at = 4;
                Some(u32_at(bytes, 0)?)
            }
            false => None,
        };
        let mut number = || {
            let (value, length) = varint(bytes.get(at..)?)?;
            at += length;
            Some(value)
        };
        let payload_bytes = if self.kind == BtreeKind::InteriorTable { 0 } else { number()? };
        let rowid = if self.kind.is_table() { Some(number()? as i64) } else { None };
        let local_bytes = local_bytes(payload_bytes, self.usable.len(), self.kind.is_table());
        let local = bytes.get(at..at + local_bytes)?;
        at += local_bytes;
        let overflow = match payload_bytes > local_bytes as u64 {
            true => {
                at += 4;
                Some(u32_at(bytes, at - 4)?)
            }
            false => None,
        };
        let bytes = at.max(CELL_BYTES_MIN);
        Some(Cell { left_child, rowid, payload_bytes, local, overflow, offset, bytes })
    }

    /// All cells; `None` for each that is not within the content.
    pub fn cells(&self) -> impl Iterator<Item = Option<Cell<'a>>> + '_ {
        (0..self.cell_count).map(|index| self.cell(index))
    }

    /// The list of freeblocks; at most a quarter of the usable bytes, since offsets rise.
    pub fn freeblocks(&self) -> Freeblocks {
        let mut found = Freeblocks::default();
        let (mut at, mut least) = (usize::from(self.first_freeblock), self.pointers_end());
        while at != 0 {
            let block = u16_at(self.usable, at).zip(u16_at(self.usable, at + 2));
            let fits = |bytes: usize| bytes >= 4 && at >= least && at + bytes <= self.usable.len();
            match block.map(|(next, bytes)| (usize::from(next), usize::from(bytes))).filter(|(_, bytes)| fits(*bytes)) {
                Some((next, bytes)) => {
                    found.blocks.push((at, bytes));
                    // Adjacent ones would have been merged.
                    least = at + bytes + 4;
                    at = next;
                }
                None => {
                    found.damaged = true;
                    break;
                }
            }
        }
        found
    }

    /// What is wrong with it by the conditions above; empty when nothing is.
    pub fn damage(&self) -> Vec<&'static str> {
        let freeblocks = self.freeblocks();
        let content_start = self.content_start as usize;
        let starts_after_pointers = content_start >= self.pointers_end() && content_start <= self.usable.len();
        let mut pieces = freeblocks.blocks.clone();
        let mut cells_lie_within = true;
        if starts_after_pointers {
            for cell in self.cells() {
                match cell.filter(|cell| cell.offset >= content_start) {
                    Some(cell) => pieces.push((cell.offset, cell.bytes)),
                    None => cells_lie_within = false,
                }
            }
        }
        pieces.sort_unstable();
        let apart = pieces.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0)
            && pieces.iter().all(|(offset, bytes)| offset + bytes <= self.usable.len());
        let whole = starts_after_pointers && cells_lie_within && !freeblocks.damaged && apart;
        let taken: usize = pieces.iter().map(|(_, bytes)| bytes).sum();
        let spare = self.usable.len().checked_sub(content_start.saturating_add(taken));
        damage([
            (starts_after_pointers, "the content starts within the cell pointers, or beyond the page"),
            (cells_lie_within, "a cell does not lie within the content"),
            (!freeblocks.damaged, "the list of freeblocks is broken"),
            (apart, "cells or freeblocks overlap"),
            (!whole || spare == Some(self.fragmented_bytes.into()), "free bytes do not add up"),
        ])
    }
}

/// How much of a payload stays on the page.
fn local_bytes(payload_bytes: u64, usable: usize, is_table: bool) -> usize {
    let usable = usable.max(480) as u64;
    let most = if is_table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
    if payload_bytes <= most {
        return payload_bytes as usize;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let kept = least + (payload_bytes - least) % (usable - 4);
    (if kept <= most { kept } else { least }) as usize
}
