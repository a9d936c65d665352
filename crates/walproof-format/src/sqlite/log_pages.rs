//! A database file under its log, at any commit of it.
//!
//! ```text
//! page n at commit c: the newest frame of page n among the frames 1..=(last frame of c), else page n of the file;
//! the database then has as many pages as the last frame of c says
//! ```
//!
//! That is what a reader saw whose mark was that frame. It holds (1) for valid frames only, (2) when the file was not
//! changed since by a checkpoint that went further: a checkpoint writes newer pages into the file, so that of a page
//! with no frame up to c nothing is lost, and of one with an older frame that one is taken; but a page whose first frame
//! lies after c and was checkpointed is newer in the file than c. [`LogIndex::overwritten_after`] names such pages.
//!
//! Memory is eight bytes for each frame. What it must not do: read a file; frames come from `wal.rs`, pages by offset.

use super::wal::{FRAME_HEADER_SIZE, FrameHeader};
use super::wal_header::WAL_HEADER_SIZE;

/// A commit in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCommit {
    /// Its last frame, from 1.
    pub last_frame: u32,
    /// Database size in pages after it.
    pub database_pages: u32,
}

/// Which frames each page has.
#[derive(Clone, Debug, Default)]
pub struct LogIndex {
    /// Page and frame, sorted once it is done.
    frames: Vec<(u32, u32)>,
    commits: Vec<LogCommit>,
}

impl LogIndex {
    /// From the headers of valid frames in their order; what follows the last commit is left out, and so is what lies
    /// behind frame 4294967295.
    pub fn of(headers: impl IntoIterator<Item = FrameHeader>) -> Self {
        let mut index = Self::default();
        for (header, frame) in headers.into_iter().zip(1..=u32::MAX) {
            index.frames.push((header.page, frame));
            if header.commit_pages > 0 {
                index.commits.push(LogCommit { last_frame: frame, database_pages: header.commit_pages });
            }
        }
        let committed = index.commits.last().map_or(0, |commit| commit.last_frame as usize);
        index.frames.truncate(committed);
        index.frames.sort_unstable();
        index
    }

    /// Its commits, in their order.
    pub fn commits(&self) -> &[LogCommit] {
        &self.commits
    }

    /// The newest frame of a page among the first `last_frame`.
    pub fn newest(&self, page: u32, last_frame: u32) -> Option<u32> {
        let end = self.frames.partition_point(|entry| *entry <= (page, last_frame));
        self.frames[..end].last().filter(|(found, _)| *found == page).map(|(_, frame)| *frame)
    }

    /// Pages whose first frame lies after `last_frame` and at or before `backfilled`, in rising order: when a checkpoint
    /// copied so far, the file has them newer than that commit, and what they were is lost.
    pub fn overwritten_after(&self, last_frame: u32, backfilled: u32) -> Vec<u32> {
        let firsts = self.frames.chunk_by(|one, next| one.0 == next.0).map(|of_page| of_page[0]);
        firsts.filter(|(_, first)| *first > last_frame && *first <= backfilled).map(|(page, _)| page).collect()
    }
}

/// Where the page of a frame lies in the -wal file.
pub const fn page_offset(frame: u32, page_size: u32) -> u64 {
    let frame_bytes = FRAME_HEADER_SIZE as u64 + page_size as u64;
    WAL_HEADER_SIZE as u64 + (frame as u64).saturating_sub(1) * frame_bytes + FRAME_HEADER_SIZE as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::wal_header::Salts;

    fn index(frames: &[(u32, u32)]) -> LogIndex {
        let header = |(page, commit_pages): &(u32, u32)| (*page, *commit_pages);
        LogIndex::of(frames.iter().map(header).map(|(page, commit_pages)| FrameHeader {
            page,
            commit_pages,
            salts: Salts(1, 2),
            checksum: (0, 0),
        }))
    }

    #[test]
    fn a_page_is_that_of_its_newest_frame_up_to_the_commit() {
        let index = index(&[(1, 0), (2, 2), (1, 2), (3, 3), (9, 0)]);
        assert_eq!(index.commits().len(), 3);
        assert_eq!((index.newest(1, 2), index.newest(1, 3), index.newest(3, 3)), (Some(1), Some(3), None));
        // After the last commit.
        assert_eq!(index.newest(9, 5), None);
    }

    #[test]
    fn pages_that_a_checkpoint_took_further_are_named() {
        let index = index(&[(1, 0), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(index.overwritten_after(2, 3), [3]);
        assert!(index.overwritten_after(2, 2).is_empty());
    }

    #[test]
    fn offsets_are_those_of_the_file() {
        assert_eq!((page_offset(1, 512), page_offset(2, 512)), (56, 592));
    }
}
