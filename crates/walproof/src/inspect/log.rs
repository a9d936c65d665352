//! A `-wal` read to its end, and compared with its database page by page.
//!
//! The log is streamed: a few parts are in memory at a time, and one entry for each page that differs.
//! Three passes: which frames are valid (`walproof_lab::collect::log_file`, by several threads); with a database file
//! beside it, which of their pages that holds already, and how many commits it does not.
//! What it must not do: conclude anything; `weigh.rs` does.

use std::collections::{BTreeSet, HashMap};
use std::io::{ErrorKind, Read};

use serde::Serialize;
use walproof_format::sqlite::checksum::Checksum;
use walproof_format::sqlite::db_header::DbHeader;
use walproof_format::sqlite::pages::lock_page;
use walproof_format::sqlite::wal::{FRAME_HEADER_SIZE, FrameHeader, FrameSeen, WalScan, WalSummary};
use walproof_format::sqlite::wal_header::{Salts, WAL_HEADER_SIZE, WalHeader};
use walproof_format::sqlite::wal_index::WalIndexCopy;
use walproof_lab::collect::log_file::LogFile;
use walproof_lab::error::LabError;

use super::gather::Opened;

/// Differing pages that are kept account of: some 40 MB.
const DIFFERING_PAGES_MAX: usize = 1_000_000;

/// A log is read on so far without a frame of its generation.
const STRANGE_BYTES_MAX: u64 = 1 << 30;
/// Ranges of missing pages that are kept.
const RANGES_MAX: usize = 20;

/// The log.
#[derive(Debug, Serialize)]
pub struct WalFile {
    /// Its size.
    pub bytes: u64,
    /// Bytes at its end that were not read: nothing of its generation was in [`STRANGE_BYTES_MAX`] before them.
    pub unread_bytes: u64,
    /// Its first 32 bytes.
    pub header: WalHeader,
    /// Its frames; none when there are none, or when no page size is known.
    pub frames: Option<WalSummary>,
    /// The frame that the -shm names as the last.
    pub index_frame: Option<IndexFrame>,
    /// The database header in the last committed version of page 1, when the log has one.
    pub page_one: Option<DbHeader>,
    /// What of it the database file lacks; none when that could not be compared.
    pub pending: Option<Pending>,
    /// Pages that the database has after the last commit, and that neither its file nor the log holds.
    pub nowhere: Option<Nowhere>,
}

/// Pages that are not to be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nowhere {
    /// How many.
    pub pages: u64,
    /// The first of them in ranges, first and last; a few.
    pub ranges: Vec<(u32, u32)>,
}

/// The frame mxFrame of the -shm, as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IndexFrame {
    /// Its stored checksum.
    pub checksum: Checksum,
    /// Whether it and all frames before it are valid.
    pub valid: bool,
}

/// What recovery keeps of the log and the database file does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Pages whose content in the file is not the last committed one.
    pub pages: u64,
    /// The first frame that is not in the database file: one whose page, and all later versions of it, differ from it.
    pub first_frame: Option<u64>,
    /// Commits from that frame on.
    pub commits: u64,
    /// Each page that differs has a newest frame: the first of these. A checkpoint copies newest frames alone, so where
    /// nBackfill stands after it, a copy was counted and not made.
    pub first_newest_frame: Option<u64>,
}

/// Reads the log; `database` is its database, `index` what the -shm says when it is to be believed.
pub fn read(
    wal: &Opened,
    header_of_database: Option<&DbHeader>,
    database: Option<&Opened>,
    index: Option<&WalIndexCopy>,
) -> Result<WalFile, LabError> {
    let header = WalHeader::parse(wal.head());
    let mut seen = WalFile {
        bytes: wal.bytes,
        unread_bytes: 0,
        frames: None,
        index_frame: None,
        page_one: None,
        pending: None,
        nowhere: None,
        header,
    };
    let Some(scan) = WalScan::new(&seen.header) else {
        let known = [header_of_database.and_then(|header| header.page_size), seen.header.page_size];
        if let Some((frames, unread)) = behind_lost_header(wal, known.into_iter().flatten())? {
            (seen.frames, seen.unread_bytes) = (Some(frames), unread);
        }
        return Ok(seen);
    };
    let named = index.map_or(0, |index| u64::from(index.max_frame));
    let mut page_one = LastCommitted::default();
    let (frames, unread) = scan_all(wal, scan, |frame| {
        if frame.number == named {
            seen.index_frame = Some(IndexFrame { checksum: frame.header.checksum, valid: frame.valid });
        }
        page_one.see(&frame);
    })?;
    seen.unread_bytes = unread;
    seen.page_one = page_one.read(wal, seen.header.page_size)?;
    // A page of another size is in another place.
    let foreign =
        header_of_database.and_then(|header| header.page_size).is_some_and(|size| Some(size) != seen.header.page_size);
    compare(wal, database.filter(|_| !foreign), &frames, &mut seen)?;
    seen.frames = Some(frames);
    Ok(seen)
}

/// The newest committed frame of page 1.
#[derive(Default)]
struct LastCommitted {
    seen: Option<u64>,
    committed: Option<u64>,
}

impl LastCommitted {
    fn see(&mut self, frame: &FrameSeen) {
        if !frame.valid {
            return;
        }
        if frame.header.page == 1 {
            self.seen = Some(frame.number);
        }
        if frame.header.commit_pages > 0 {
            self.committed = self.seen;
        }
    }

    fn read(&self, wal: &Opened, page_size: Option<u32>) -> Result<Option<DbHeader>, LabError> {
        let (Some(number), Some(page_size)) = (self.committed, page_size) else { return Ok(None) };
        let mut start = [0; 100];
        let frame_size = FRAME_HEADER_SIZE as u64 + u64::from(page_size);
        let offset = WAL_HEADER_SIZE as u64 + (number - 1) * frame_size + FRAME_HEADER_SIZE as u64;
        let length = wal.read_at(&mut start, offset)?;
        Ok(Some(DbHeader::parse(&start[..length])))
    }
}

/// The generation in the header of the log; none when that is lost.
fn scan_generation(wal: &Opened) -> Option<Salts> {
    Some(WalHeader::parse(wal.head())).filter(|header| header.damage.is_empty())?.salts
}

/// With the bytes that were not read: a log that is nothing but room (a sparse file of a terabyte) has an end.
fn scan_all(wal: &Opened, mut scan: WalScan, mut each: impl FnMut(FrameSeen)) -> Result<(WalSummary, u64), LabError> {
    let log = LogFile { file: &wal.file, bytes: wal.bytes, check: scan.check(), before: scan.before() };
    let frame_size = scan.frame_size() as u64;
    let (mut generation, mut strange_bytes) = (scan_generation(wal), 0);
    let rest = log.each(log.threads(), |checked| {
        let frame = scan.push_checked(checked);
        let own = *generation.get_or_insert(frame.header.salts) == frame.header.salts;
        strange_bytes = if own && !frame.header.is_zeroed() { 0 } else { strange_bytes + frame_size };
        each(frame);
        strange_bytes < STRANGE_BYTES_MAX
    });
    let rest = rest.map_err(|error| wal.failed(&error))?;
    let unread = if strange_bytes >= STRANGE_BYTES_MAX { rest } else { 0 };
    Ok((scan.finish(rest - unread), unread))
}

/// Frames behind a header that is damaged: in the likeliest page size, then in any, in both byte orders, until some
/// commit hangs together with the frame before it.
fn behind_lost_header(wal: &Opened, likely: impl Iterator<Item = u32>) -> Result<Option<(WalSummary, u64)>, LabError> {
    let mut first = None;
    for page_size in likely.chain((9..=16).map(|power| 1 << power)) {
        for big_endian in [false, true] {
            let Some(scan) = WalScan::without_header(page_size, big_endian) else { continue };
            let (seen, unread) = scan_all(wal, scan, |_| ())?;
            if seen.beyond.same_generation_commits > 0 {
                return Ok(Some((seen, unread)));
            }
            first.get_or_insert((seen, unread));
        }
    }
    Ok(first.filter(|(seen, _)| seen.frames > 0))
}

/// Fills the buffer unless the reader ends before.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Second and third pass. A page of the database file is that of some frame, or older than the log: from the first
/// frame after it, the file lacks what the log has.
fn compare(wal: &Opened, database: Option<&Opened>, frames: &WalSummary, seen: &mut WalFile) -> Result<(), LabError> {
    let (Some(page_size), Some(pages)) = (seen.header.page_size, frames.database_pages) else { return Ok(()) };
    let Some(database) = database else { return Ok(()) };
    let mut reader = wal.reader_from(WAL_HEADER_SIZE as u64)?;
    let (mut frame, mut page) = (vec![0; FRAME_HEADER_SIZE + page_size as usize], vec![0; page_size as usize]);
    // First frame that the file lacks, and newest frame.
    let mut lacking: HashMap<u32, (u64, u64)> = HashMap::new();
    let mut highest = 0;
    let file_pages = u32::try_from(database.bytes / u64::from(page_size)).unwrap_or(u32::MAX);
    let mut beyond = BTreeSet::new();
    for number in 1..=frames.frames_committed {
        let length = fill(&mut reader, &mut frame).map_err(|error| wal.failed(&error))?;
        let Some(header) = FrameHeader::parse(&frame).filter(|_| length == frame.len()) else { return Ok(()) };
        let content = &frame[FRAME_HEADER_SIZE..];
        // What a commit cut off, a checkpoint passes over; when the page is there again, it counts from then.
        if header.commit_pages > 0 && header.commit_pages < highest {
            lacking.retain(|page, _| *page <= header.commit_pages);
            highest = header.commit_pages;
        }
        // A checkpoint does not copy pages beyond the end of the database.
        if !(1..=pages).contains(&header.page) {
            continue;
        }
        if header.page > file_pages {
            beyond.insert(header.page);
        }
        let offset = u64::from(header.page - 1) * u64::from(page_size);
        let length = database.read_at(&mut page, offset)?;
        if page[..length] == *content {
            lacking.remove(&header.page);
        } else {
            lacking.entry(header.page).or_insert((number, number)).1 = number;
            highest = highest.max(header.page);
        }
        if lacking.len().max(beyond.len()) > DIFFERING_PAGES_MAX {
            return Ok(());
        }
    }
    seen.nowhere = nowhere(file_pages, beyond, pages, page_size);
    let first_frame = lacking.values().map(|(first, _)| *first).min();
    let first_newest_frame = lacking.values().map(|(_, newest)| *newest).min();
    let commits = first_frame.map_or(Ok(0), |first| commits_from(wal, page_size, first, frames.frames_committed))?;
    seen.pending = Some(Pending { pages: lacking.len() as u64, first_frame, commits, first_newest_frame });
    Ok(())
}

/// `known`: pages beyond the file that have a frame. SQLite never writes the lock page.
fn nowhere(file_pages: u32, mut known: BTreeSet<u32>, pages: u32, page_size: u32) -> Option<Nowhere> {
    let lock = lock_page(page_size);
    if (u64::from(file_pages) + 1..=u64::from(pages)).contains(&u64::from(lock)) {
        known.insert(lock);
    }
    let count = u64::from(pages.saturating_sub(file_pages)) - known.len() as u64;
    let (mut ranges, mut next) = (Vec::new(), u64::from(file_pages) + 1);
    for page in known.into_iter().map(u64::from).chain([u64::from(pages) + 1]) {
        if next < page && ranges.len() < RANGES_MAX {
            ranges.push((next as u32, (page - 1) as u32));
        }
        next = page + 1;
    }
    (count > 0).then_some(Nowhere { pages: count, ranges })
}

fn commits_from(wal: &Opened, page_size: u32, first: u64, last: u64) -> Result<u64, LabError> {
    let frame_size = FRAME_HEADER_SIZE as u64 + u64::from(page_size);
    let mut bytes = [0; FRAME_HEADER_SIZE];
    let mut commits = 0;
    for number in first..=last {
        let length = wal.read_at(&mut bytes, WAL_HEADER_SIZE as u64 + (number - 1) * frame_size)?;
        let header = FrameHeader::parse(&bytes[..length]);
        commits += u64::from(header.is_some_and(|header| header.commit_pages > 0));
    }
    Ok(commits)
}
