//! A log with its database: its commits, and every page as it was at one of them.
//!
//! A page at commit N is the newest frame of it up to N's last frame, as a reader of that moment sees it; without such a
//! frame it is the page of the database file, unless a checkpoint has put a later frame there. That is found out by
//! comparing: a page of the file that equals a later frame, and has no frame up to N, is lost for N (or that frame
//! changed nothing, which cannot be told from it). Pages beyond the end of the file are lost as well: a later checkpoint
//! may have cut them off.
//!
//! While it is written out, others may write. What was copied is compared, not what lay there before; the log is read
//! again to its present end first; and a log or a database that was restarted or replaced meanwhile is an error. So what
//! comes out is right, or refused.
//!
//! Memory: 12 bytes for each frame. What it must not do: conclude anything, write to
//! what it reads.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use walproof_format::sqlite::checksum::Checksum;
use walproof_format::sqlite::log_pages::{LogCommit, LogIndex, LogIndexBuilder, page_offset};
use walproof_format::sqlite::pages::{PageSource, lock_page};
use walproof_format::sqlite::wal::{CheckedFrame, FRAME_HEADER_SIZE, FrameCheck, FrameHeader, WalScan, WalSummary};
use walproof_format::sqlite::wal_header::{Salts, WAL_HEADER_SIZE, WalHeader};

use crate::collect::quiet::Source;
use crate::error::LabError;

/// Frames of a log that are kept account of: 64 GiB of pages of 4096 bytes.
const FRAMES_MAX: u64 = 16 << 20;
/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What lies behind the damaged header of a log.
#[derive(Debug)]
pub struct Behind {
    /// Frames that hang together; those before the first of them have no page.
    pub log: Log,
    /// The first of them, from 1.
    pub first_frame: u64,
    /// Its checksum goes on from something that is left; of the others it does.
    pub first_is_checked: bool,
}

/// A log, read to its end.
#[derive(Debug)]
pub struct Log {
    source: Source,
    /// Its first 32 bytes.
    head: [u8; WAL_HEADER_SIZE],
    /// Size of a page.
    pub page_size: u32,
    /// What it holds.
    pub summary: WalSummary,
    /// What recovery keeps.
    index: LogIndex,
}

impl Log {
    /// Reads it; `None`: its header is damaged, and SQLite would take it for empty.
    pub fn read(source: Source) -> Result<Option<Self>, LabError> {
        let head = head_of(&source)?;
        let header = WalHeader::parse(&head);
        let (Some(mut scan), Some(page_size)) = (WalScan::new(&header), header.page_size) else { return Ok(None) };
        let mut index = LogIndexBuilder::default();
        let mut frames = Frames::of(&source, page_size, 1);
        let rest = loop {
            let frame = frames.read_next()?;
            let Some(seen) = scan.push(frame) else { break frame.len() };
            if seen.valid {
                push(&mut index, &seen.header, &source)?;
            }
        };
        let (summary, index) = (scan.finish(rest as u64), index.finish());
        Ok(Some(Self { source, head, page_size, summary, index }))
    }

    /// Behind a damaged header: the first run of frames of one generation in which each goes on from the one before it.
    /// `None`: the header is sound, or no transaction ends in such a run.
    pub fn behind_damaged_header(source: &Source, page_size: u32) -> Result<Option<Behind>, LabError> {
        let head = head_of(source)?;
        let header = WalHeader::parse(&head);
        if header.damage.is_empty() {
            return Ok(None);
        }
        let mut found: Option<Behind> = None;
        for big_endian in [false, true] {
            let Some(scan) = WalScan::without_header(page_size, big_endian) else { return Ok(None) };
            let behind = Self::run_of_frames(source, head, scan.check(), header.checksum)?;
            let commits = |behind: &Option<Behind>| behind.as_ref().map_or(0, |behind| behind.log.commits().len());
            if commits(&behind) > commits(&found) {
                found = behind;
            }
        }
        Ok(found)
    }

    fn run_of_frames(
        source: &Source,
        head: [u8; WAL_HEADER_SIZE],
        check: FrameCheck,
        mut before: Option<Checksum>,
    ) -> Result<Option<Behind>, LabError> {
        let page_size = (check.frame_size() - FRAME_HEADER_SIZE) as u32;
        let mut index = LogIndexBuilder::default();
        let mut frames = Frames::of(source, page_size, 1);
        // The frame just before, which the run may begin with, and how the run began.
        let mut last: Option<CheckedFrame> = None;
        let mut began: Option<(u64, bool, Salts)> = None;
        loop {
            let bytes = frames.read_next()?;
            let Some(frame) = check.check(bytes, before).next() else { break };
            before = Some(frame.header.checksum);
            let is_page = |header: &FrameHeader| header.page > 0 && !header.is_zeroed();
            let goes_on = frame.follows && is_page(&frame.header);
            match began {
                Some((_, _, salts)) if goes_on && frame.header.salts == salts => {}
                Some(_) => break,
                None if goes_on => {
                    let salts = frame.header.salts;
                    let first = last.filter(|last| last.header.salts == salts && is_page(&last.header));
                    began = Some(match first {
                        Some(first) => (index.frames(), first.follows, salts),
                        None => (index.frames() + 1, true, salts),
                    });
                    if let Some(first) = first {
                        index.replace_last(&first.header);
                    }
                }
                None => {
                    push(&mut index, &NO_FRAME, source)?;
                    last = Some(frame);
                    continue;
                }
            }
            push(&mut index, &frame.header, source)?;
        }
        let Some((first_frame, first_is_checked, salts)) = began else { return Ok(None) };
        let index = index.finish();
        let Some(end) = index.commits().last().copied() else { return Ok(None) };
        let summary = WalSummary {
            salts: Some(salts),
            frames_valid: end.last_frame,
            frames_committed: end.last_frame,
            commits: index.commits().len() as u64,
            database_pages: Some(end.database_pages),
            ..WalSummary::default()
        };
        let again = Source::open(&source.path)?.filter(|again| again.identity() == source.identity());
        let Some(source) = again else { return Ok(None) };
        let log = Self { source, head, page_size, summary, index };
        Ok(Some(Behind { log, first_frame, first_is_checked }))
    }

    /// The file it was read from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What recovery keeps, one after the other.
    pub fn commits(&self) -> &[LogCommit] {
        self.index.commits()
    }

    /// The page of a frame that is kept; behind a damaged header, frames before the first of the run have none.
    pub fn page_of(&self, frame: u64) -> Option<u32> {
        self.index.page_of(frame).filter(|page| *page > 0)
    }

    /// A commit by its number.
    pub fn commit(&self, number: u64) -> Option<&LogCommit> {
        self.commits().get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// The page of a frame: as many bytes as the buffer has.
    pub fn content(&self, frame: u64, page: &mut [u8]) -> Result<bool, LabError> {
        Ok(self.source.read_at(page, page_offset(frame, self.page_size))? == page.len())
    }

    /// Whether the file still begins as it did: a log that was restarted has a new header.
    fn is_same(&self) -> Result<bool, LabError> {
        Ok(head_of(&self.source)? == self.head && same_file(&self.source)?)
    }
}

/// A frame of which nothing is known.
const NO_FRAME: FrameHeader = FrameHeader { page: 0, commit_pages: 0, salts: Salts(0, 0), checksum: (0, 0) };

/// As many bytes as the file has, then zeros.
fn head_of(source: &Source) -> Result<[u8; WAL_HEADER_SIZE], LabError> {
    let mut head = [0; WAL_HEADER_SIZE];
    source.read_at(&mut head, 0).map(|_| head)
}

fn push(index: &mut LogIndexBuilder, header: &FrameHeader, source: &Source) -> Result<(), LabError> {
    index.push(header);
    if index.frames() <= FRAMES_MAX {
        return Ok(());
    }
    let because = format!("it has more than {FRAMES_MAX} frames, of which no account is kept");
    let try_this = "a checkpoint on a copy: open a copy of the database and its -wal with sqlite3";
    Err(LabError::path("cannot take apart", &source.path, because, try_this))
}

/// Whether its path still leads to it.
fn same_file(source: &Source) -> Result<bool, LabError> {
    Ok(Source::open(&source.path)?.is_some_and(|now| now.identity() == source.identity()))
}

/// The same, and that nothing was cut off it.
fn is_as_long(source: &Source) -> Result<bool, LabError> {
    Ok(same_file(source)? && source.file.metadata().is_ok_and(|now| now.len() >= source.bytes))
}

/// Blind: worth another try.
fn changed(log: &Log) -> LabError {
    let because = "a checkpoint ran, the log was restarted, or a file was replaced while it was read";
    let try_this = "again; or `--salvage DIR` first, and then the same on the copies";
    LabError::path("cannot take apart", &log.source.path, because, try_this).blind()
}

/// The frames of a log from one of them on, as they stand in the file now.
pub struct Frames<'a> {
    reader: std::io::BufReader<At<'a>>,
    source: &'a Source,
    frame: Vec<u8>,
}

/// A file from an offset on, without its own place in it.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

impl<'a> Frames<'a> {
    /// From a frame on, counted from 1.
    pub fn of(source: &'a Source, page_size: u32, first: u64) -> Self {
        let at = At { file: &source.file, offset: page_offset(first, page_size) - FRAME_HEADER_SIZE as u64 };
        let frame = vec![0; FRAME_HEADER_SIZE + page_size as usize];
        Self { reader: std::io::BufReader::with_capacity(256 << 10, at), source, frame }
    }

    /// The next frame: shorter than one at the end of the file.
    pub fn read_next(&mut self) -> Result<&[u8], LabError> {
        let mut filled = 0;
        while filled < self.frame.len() {
            match self.reader.read(&mut self.frame[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let try_this = "whether the storage answers: `dmesg`, the server's log";
                    return Err(LabError::path("cannot read", &self.source.path, error, try_this));
                }
            }
        }
        Ok(&self.frame[..filled])
    }
}

/// Where a page comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A frame of the log.
    Frame(u64),
    /// The database file.
    File,
    /// Neither: it is zero, or nobody knows.
    Nowhere,
}

/// A database at one moment: its file, under a log up to some frame.
pub struct Snapshot<'a> {
    log: Option<&'a Log>,
    database: Option<&'a Source>,
    page_size: u32,
    pages: u32,
    last_frame: u64,
}

impl<'a> Snapshot<'a> {
    /// As of a commit of a log.
    pub fn at(log: &'a Log, database: Option<&'a Source>, commit: &LogCommit) -> Self {
        let (page_size, pages, last_frame) = (log.page_size, commit.database_pages, commit.last_frame);
        Self { log: Some(log), database, page_size, pages, last_frame }
    }

    /// The file alone. `page_size` is a legal one.
    pub fn of_file(database: &'a Source, page_size: u32) -> Self {
        let pages = u32::try_from(database.bytes / u64::from(page_size)).unwrap_or(u32::MAX);
        Self { log: None, database: Some(database), page_size, pages, last_frame: 0 }
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Pages of the database.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Whole pages of the file.
    pub fn file_pages(&self) -> u32 {
        let bytes = self.database.map_or(0, |database| database.bytes);
        u32::try_from(bytes / u64::from(self.page_size)).unwrap_or(u32::MAX)
    }

    /// The newest frame of a page.
    pub fn frame_of(&self, page: u32) -> Option<u64> {
        self.log?.index.newest(page, self.last_frame)
    }

    /// Fills in a page, and tells where it came from.
    pub fn read(&self, page: u32, buffer: &mut [u8]) -> Result<Origin, LabError> {
        if let Some((log, frame)) = self.log.zip(self.frame_of(page))
            && log.content(frame, buffer)?
        {
            return Ok(Origin::Frame(frame));
        }
        let offset = u64::from(page.saturating_sub(1)) * u64::from(self.page_size);
        let length = self.database.map_or(Ok(0), |database| database.read_at(buffer, offset))?;
        buffer[length..].fill(0);
        Ok(if length == buffer.len() && page > 0 { Origin::File } else { Origin::Nowhere })
    }

    /// Writes all of it to an empty file, and tells which pages are not what they were.
    pub fn write_to(&self, out: &File, name: &std::path::Path) -> Result<Lost, LabError> {
        let failed = |error: &std::io::Error| super::place::cannot_write(name, error);
        out.set_len(u64::from(self.pages) * u64::from(self.page_size)).map_err(|error| failed(&error))?;
        self.write_file(out).map_err(|error| error.unwrap_or_else(|error| failed(&error)))?;
        let mut page = vec![0; self.page_size as usize];
        if let Some(log) = self.log {
            for frame in 1..=self.last_frame {
                let Some(number) = log.page_of(frame).filter(|number| self.frame_of(*number) == Some(frame)) else {
                    continue;
                };
                if number > self.pages || !log.content(frame, &mut page)? {
                    continue;
                }
                let offset = u64::from(number - 1) * u64::from(self.page_size);
                out.write_all_at(&page, offset).map_err(|error| failed(&error))?;
            }
        }
        self.lost(|number, buffer| {
            let offset = u64::from(number - 1) * u64::from(self.page_size);
            out.read_exact_at(buffer, offset).map(|()| true).map_err(|error| failed(&error))
        })
    }

    /// The pages of the file, as far as they belong to the database.
    fn write_file(&self, out: &File) -> Result<(), Written> {
        let Some(database) = self.database else { return Ok(()) };
        let end = u64::from(self.pages.min(self.file_pages())) * u64::from(self.page_size);
        let (mut chunk, mut offset) = (vec![0; CHUNK_BYTES], 0);
        while offset < end {
            let wanted = usize::try_from(end - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let length = database.read_at(&mut chunk[..wanted], offset).map_err(Written::Read)?;
            if length == 0 {
                break;
            }
            // What is zero stays a hole.
            if chunk[..length].iter().any(|byte| *byte != 0) {
                out.write_all_at(&chunk[..length], offset).map_err(Written::Write)?;
            }
            offset += length as u64;
        }
        Ok(())
    }

    /// The pages that are lost, the file being as it is now.
    pub fn lost_now(&self) -> Result<Lost, LabError> {
        self.lost(|number, buffer| Ok(self.read(number, buffer)? != Origin::Nowhere))
    }

    /// `page` tells what was taken from the file. Every frame after the last one is looked at, also what is not
    /// committed: it may have been, when a checkpoint ran.
    fn lost(&self, mut page: impl FnMut(u32, &mut [u8]) -> Result<bool, LabError>) -> Result<Lost, LabError> {
        let mut lost = Lost { beyond_file: self.beyond_file(), ..Lost::default() };
        let Some(log) = self.log else { return Ok(lost) };
        let (mut found, mut now) = (vec![0; self.page_size as usize], vec![0; self.page_size as usize]);
        let mut overwritten = BTreeSet::new();
        let end = self.pages.min(self.file_pages());
        let mut frames = Frames::of(&log.source, log.page_size, self.last_frame + 1);
        loop {
            let frame = frames.read_next()?;
            if frame.len() < FRAME_HEADER_SIZE + self.page_size as usize {
                break;
            }
            let Some(header) = FrameHeader::parse(frame) else { break };
            let number = header.page;
            let of_file = (1..=end).contains(&number) && self.frame_of(number).is_none();
            if !of_file || Some(header.salts) != log.summary.salts || number == lock_page(self.page_size) {
                continue;
            }
            if overwritten.contains(&number) || !page(number, &mut found)? {
                continue;
            }
            if found == frame[FRAME_HEADER_SIZE..] {
                overwritten.insert(number);
            }
            // What was copied while a checkpoint wrote there may be neither the one nor the other.
            if self.read(number, &mut now)? != Origin::File || now != found {
                return Err(changed(log));
            }
        }
        if !log.is_same()? || !self.database.map_or(Ok(true), is_as_long)? {
            return Err(changed(log));
        }
        lost.overwritten = ranges(overwritten.into_iter());
        Ok(lost)
    }

    /// Pages that neither the file nor a frame holds.
    fn beyond_file(&self) -> Vec<(u32, u32)> {
        let first = self.file_pages().saturating_add(1);
        let with_frame = self.log.into_iter().flat_map(|log| log.index.pages_from(first, self.last_frame));
        let mut known: Vec<u32> = with_frame.chain([lock_page(self.page_size)]).collect();
        known.sort_unstable();
        gaps(first, self.pages, known)
    }
}

/// What of these pages is not among the known ones, which rise, in ranges.
fn gaps(first: u32, last: u32, known: Vec<u32>) -> Vec<(u32, u32)> {
    let (mut all, mut next) = (Vec::new(), u64::from(first));
    for page in
        known.into_iter().map(u64::from).chain([u64::from(last) + 1]).skip_while(|page| *page < u64::from(first))
    {
        let before = (page - 1).min(u64::from(last));
        if next <= before {
            all.push((next as u32, before as u32));
        }
        next = next.max(page + 1);
    }
    all
}

/// Which side of a copy failed.
enum Written {
    Read(LabError),
    Write(std::io::Error),
}

impl Written {
    fn unwrap_or_else(self, write: impl FnOnce(std::io::Error) -> LabError) -> LabError {
        match self {
            Self::Read(error) => error,
            Self::Write(error) => write(error),
        }
    }
}

/// Pages that are not to be had as they were, in ranges: first and last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The file holds what a later frame holds, and no frame holds what was there before.
    pub overwritten: Vec<(u32, u32)>,
    /// Neither the file nor the log reaches so far.
    pub beyond_file: Vec<(u32, u32)>,
}

impl Lost {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.overwritten.is_empty() && self.beyond_file.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.overwritten.iter().chain(&self.beyond_file).map(|(first, last)| u64::from(last - first) + 1).sum()
    }
}

/// Rising numbers as ranges.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut all: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match all.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => all.push((number, number)),
        }
    }
    all
}

impl PageSource for Snapshot<'_> {
    fn page_size(&self) -> u32 {
        self.page_size
    }

    fn page_count(&self) -> u32 {
        self.pages
    }

    fn page(&self, number: u32) -> Option<Cow<'_, [u8]>> {
        let mut page = vec![0; self.page_size as usize];
        let origin = self.read(number, &mut page).ok().filter(|_| (1..=self.pages).contains(&number))?;
        (origin != Origin::Nowhere).then_some(Cow::Owned(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(ranges([1, 2, 3, 7, 9, 10].into_iter()), [(1, 3), (7, 7), (9, 10)]);
        assert_eq!(ranges(std::iter::empty()), []);
    }

    #[test]
    fn what_lies_beyond_the_file_is_told_without_counting_it_through() {
        let lock = lock_page(4096);
        let known = || vec![3, lock, u32::MAX - 1];
        let expected = [(1, 2), (4, lock - 1), (lock + 1, u32::MAX - 2), (u32::MAX, u32::MAX)];
        assert_eq!(gaps(1, u32::MAX, known()), expected);
        assert_eq!(gaps(1, 2, known()), [(1, 2)]);
        assert_eq!(gaps(4, 5, known()), [(4, 5)]);
        assert_eq!(gaps(6, 5, known()), []);
    }
}
