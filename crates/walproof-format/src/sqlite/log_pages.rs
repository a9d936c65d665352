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
//! Memory is twelve bytes for each frame. What it must not do: read a file; frames come from `wal.rs`, pages by offset.

use serde::Serialize;

use super::wal::{FRAME_HEADER_SIZE, FrameHeader};
use super::wal_header::WAL_HEADER_SIZE;

/// A commit in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogCommit {
    /// Its place among the commits of the log, from 1.
    pub number: u64,
    /// Its first frame, from 1.
    pub first_frame: u64,
    /// Its last frame, which ends it.
    pub last_frame: u64,
    /// Database size in pages after it.
    pub database_pages: u32,
}

/// Which frames each page has.
#[derive(Clone, Debug, Default)]
pub struct LogIndex {
    /// The page of each frame, from the first to the last one that is committed.
    pages: Vec<u32>,
    /// Page and frame, sorted.
    frames: Vec<(u32, u32)>,
    commits: Vec<LogCommit>,
}

/// Valid frames in their order; what follows the last commit is left out in the end.
#[derive(Debug, Default)]
pub struct LogIndexBuilder {
    pages: Vec<u32>,
    commits: Vec<LogCommit>,
}

impl LogIndexBuilder {
    /// The next frame. More than 4294967295 cannot be told apart: who feeds it stops before.
    pub fn push(&mut self, header: &FrameHeader) {
        self.pages.push(header.page);
        if header.commit_pages > 0 {
            self.commits.push(LogCommit {
                number: self.commits.len() as u64 + 1,
                first_frame: self.commits.last().map_or(1, |before| before.last_frame + 1),
                last_frame: self.frames(),
                database_pages: header.commit_pages,
            });
        }
    }

    /// Puts another in the place of the last one, which ended no transaction.
    pub fn replace_last(&mut self, header: &FrameHeader) {
        self.pages.pop();
        self.push(header);
    }

    /// How many there are.
    pub const fn frames(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Nothing more comes.
    pub fn finish(mut self) -> LogIndex {
        let committed = self.commits.last().map_or(0, |commit| commit.last_frame);
        self.pages.truncate(usize::try_from(committed).unwrap_or(usize::MAX));
        let mut frames: Vec<(u32, u32)> = self.pages.iter().copied().zip(1..=u32::MAX).collect();
        frames.sort_unstable();
        LogIndex { pages: self.pages, frames, commits: self.commits }
    }
}

impl LogIndex {
    /// From the headers of valid frames in their order.
    pub fn of(headers: impl IntoIterator<Item = FrameHeader>) -> Self {
        let mut builder = LogIndexBuilder::default();
        headers.into_iter().for_each(|header| builder.push(&header));
        builder.finish()
    }

    /// Its commits, in their order.
    pub fn commits(&self) -> &[LogCommit] {
        &self.commits
    }

    /// The page of a committed frame.
    pub fn page_of(&self, frame: u64) -> Option<u32> {
        self.pages.get(usize::try_from(frame.checked_sub(1)?).ok()?).copied()
    }

    /// The newest frame of a page among the first `last_frame`.
    pub fn newest(&self, page: u32, last_frame: u64) -> Option<u64> {
        let last_frame = u32::try_from(last_frame).unwrap_or(u32::MAX);
        let end = self.frames.partition_point(|entry| *entry <= (page, last_frame));
        self.frames[..end].last().filter(|(found, _)| *found == page).map(|(_, frame)| u64::from(*frame))
    }

    /// Pages from `first_page` on that have a frame among the first `last_frame`, in rising order.
    pub fn pages_from(&self, first_page: u32, last_frame: u64) -> impl Iterator<Item = u32> {
        let begin = self.frames.partition_point(|(page, _)| *page < first_page);
        let firsts = self.frames[begin..].chunk_by(|one, next| one.0 == next.0).map(|of_page| of_page[0]);
        firsts.filter(move |(_, first)| u64::from(*first) <= last_frame).map(|(page, _)| page)
    }

    /// Pages whose first frame lies after `last_frame` and at or before `backfilled`, in rising order: when a checkpoint
    /// copied so far, the file has them newer than that commit, and what they were is lost.
    pub fn overwritten_after(&self, last_frame: u64, backfilled: u64) -> Vec<u32> {
        let firsts = self.frames.chunk_by(|one, next| one.0 == next.0).map(|of_page| of_page[0]);
        let lies = |first: u32| u64::from(first) > last_frame && u64::from(first) <= backfilled;
        firsts.filter(|(_, first)| lies(*first)).map(|(page, _)| page).collect()
    }
}

/// Where the page of a frame lies in the -wal file.
pub const fn page_offset(frame: u64, page_size: u32) -> u64 {
    let frame_bytes = FRAME_HEADER_SIZE as u64 + page_size as u64;
    WAL_HEADER_SIZE as u64 + frame.saturating_sub(1) * frame_bytes + FRAME_HEADER_SIZE as u64
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
        assert_eq!((index.newest(9, 5), index.page_of(5), index.page_of(0)), (None, None, None));
        assert_eq!((index.page_of(2), index.commits()[1].first_frame), (Some(2), 3));
        assert_eq!(index.pages_from(2, 4).collect::<Vec<u32>>(), [2, 3]);
        assert_eq!(index.pages_from(2, 3).collect::<Vec<u32>>(), [2]);
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
