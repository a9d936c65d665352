//! The log: frames, commits, the wal-index and its hash tables, and the database as it was at each commit.

use std::borrow::Cow;

use walproof_format::sqlite::checksum;
use walproof_format::sqlite::log_pages::{LogIndex, page_offset};
use walproof_format::sqlite::pages::{PageSource, PagesInMemory};
use walproof_format::sqlite::wal::{FRAME_HEADER_SIZE, WalScan, WalSummary};
use walproof_format::sqlite::wal_hash::{BLOCK_BYTES, HashBlock, Looked, block_of, newest};
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WAL_MAGIC, WalHeader};
use walproof_format::sqlite::wal_index::WalIndex;

use super::files::{Files, dump_of};
use super::history::Life;

/// How often something was really compared.
#[derive(Debug, Default)]
pub struct Counts {
    commits: u64,
    look_ups: u64,
    torn: u64,
    big_endian: u64,
    changed_bytes: u64,
    blocks_beyond_first: u64,
}

impl Counts {
    pub fn is_plenty(&self) -> bool {
        [self.commits, self.torn, self.big_endian, self.changed_bytes].iter().all(|count| *count >= 5)
            && self.look_ups >= 500
            && self.blocks_beyond_first >= 1
    }
}

/// A log read to its end.
pub struct Log {
    pub summary: WalSummary,
    pub index: LogIndex,
    /// The page of each valid frame.
    pub pages: Vec<u32>,
}

impl Log {
    pub fn read(wal: &[u8]) -> Option<Self> {
        let mut scan = WalScan::new(&WalHeader::parse(wal))?;
        let mut headers = Vec::new();
        let frames = wal.get(WAL_HEADER_SIZE..)?.chunks_exact(scan.frame_size());
        let rest = frames.remainder().len();
        for frame in frames {
            let seen = scan.push(frame)?;
            if seen.valid {
                headers.push(seen.header);
            }
        }
        let pages = headers.iter().map(|header| header.page).collect();
        Some(Self { summary: scan.finish(rest as u64), index: LogIndex::of(headers), pages })
    }
}

/// A database file under its log, up to a frame.
pub struct AtCommit<'a> {
    pub files: &'a Files,
    pub index: Option<&'a LogIndex>,
    pub last_frame: u64,
    pub page_count: u32,
    pub page_size: u32,
}

impl PageSource for AtCommit<'_> {
    fn page_size(&self) -> u32 {
        self.page_size
    }

    fn page_count(&self) -> u32 {
        self.page_count
    }

    fn page(&self, number: u32) -> Option<Cow<'_, [u8]>> {
        let Some(frame) = self.index.and_then(|index| index.newest(number, self.last_frame)) else {
            let file = PagesInMemory::new(&self.files.database, self.page_size)?;
            return file.page(number).map(|page| Cow::Owned(page.into_owned()));
        };
        let start = page_offset(frame, self.page_size) as usize;
        self.files.wal.get(start..start + self.page_size as usize).map(Cow::Borrowed)
    }
}

impl<'a> AtCommit<'a> {
    /// The newest state; the log's when it has any.
    pub fn newest(files: &'a Files, log: Option<&'a Log>, page_size: u32) -> Self {
        let commit = log.and_then(|log| log.index.commits().last());
        let in_file = (files.database.len() / page_size as usize) as u32;
        Self {
            files,
            index: log.map(|log| &log.index),
            last_frame: commit.map_or(0, |commit| commit.last_frame),
            page_count: commit.map_or(in_file, |commit| commit.database_pages),
            page_size,
        }
    }

    fn assembled(&self) -> Vec<u8> {
        let page = |number| self.page(number).expect("every page is somewhere");
        (1..=self.page_count).flat_map(|number| page(number).into_owned()).collect()
    }
}

pub fn compare(life: &mut Life, counts: &mut Counts) {
    let (max_frame, backfilled) = life.log_state();
    let files = Files::of(&life.folder.at("live.db"));
    let log = Log::read(&files.wal);
    let index = WalIndex::parse(&files.shm);
    let header = index.believed().unwrap_or_else(|| panic!("{:?}", index.damage));
    assert_eq!(i64::from(header.max_frame), max_frame, "mxFrame, {}", life.describe());
    assert_eq!(index.backfilled_frames.map(i64::from), Some(backfilled), "nBackfill");
    assert_eq!(header.page_size, Some(life.page_size));
    let Some(log) = log else { return assert_eq!(max_frame, 0, "a log without a header") };
    if log.summary.salts != Some(header.salts) {
        // Restarted, and nothing written since: the next writer begins a new generation.
        return assert_eq!(max_frame, 0);
    }
    assert_eq!(log.summary.frames_committed as i64, max_frame, "committed frames, {}", life.describe());
    if max_frame > 0 {
        assert_eq!(log.summary.last_commit_checksum, Some(header.frame_checksum));
        assert_eq!(log.summary.database_pages, Some(header.database_pages));
    }
    look_ups(&files, &log, header.max_frame, counts);
    commits(life, &files, &log, backfilled as u64, counts);
    big_endian(life, &files, &log, counts);
    for _ in 0..3 {
        torn(life, &files, backfilled as u64, counts);
    }
}

/// The hash tables say of each page what the log says.
fn look_ups(files: &Files, log: &Log, max_frame: u32, counts: &mut Counts) {
    let big_endian = cfg!(target_endian = "big");
    let block = |number: u32| files.shm.get(number as usize * BLOCK_BYTES..(number as usize + 1) * BLOCK_BYTES);
    for frame in 1..=max_frame {
        let number = block_of(frame);
        let parsed = block(number).and_then(|bytes| HashBlock::parse(bytes, number, big_endian)).expect("a block");
        assert_eq!(parsed.page_of(frame), Some(log.pages[frame as usize - 1]), "aPgno of frame {frame}");
    }
    counts.blocks_beyond_first += u64::from(block_of(max_frame));
    for page in 1..=log.summary.database_pages.unwrap_or(0) + 3 {
        let expected =
            log.index.newest(page, max_frame.into()).map_or(Looked::Nowhere, |frame| Looked::At(frame as u32));
        let found = newest(page, max_frame, big_endian, |number| block(number).map(Cow::Borrowed));
        assert_eq!(found, expected, "look-up of page {page}");
        counts.look_ups += 1;
    }
}

/// The database put together at each known commit is what SQLite read then.
fn commits(life: &Life, files: &Files, log: &Log, backfilled: u64, counts: &mut Counts) {
    let copy = life.folder.at("copy.db");
    for commit in log.index.commits() {
        let Some(known) = life.known.iter().find(|known| known.last_frame == commit.last_frame as i64) else {
            continue;
        };
        if !log.index.overwritten_after(commit.last_frame, backfilled).is_empty() {
            continue;
        }
        let at = AtCommit {
            files,
            index: Some(&log.index),
            last_frame: commit.last_frame,
            page_count: commit.database_pages,
            page_size: life.page_size,
        };
        let assembled = Files { database: at.assembled(), ..Files::default() };
        let found = dump_of(&assembled, &copy).expect("SQLite reads it");
        assert_eq!(found, known.dump, "content at frame {}, {}", commit.last_frame, life.describe());
        counts.commits += 1;
    }
}

/// The same log as a big-endian machine would have written it: SQLite recovers the same rows from it.
fn big_endian(life: &Life, files: &Files, log: &Log, counts: &mut Counts) {
    let Some(known) = life.known.last().filter(|_| log.summary.frames_committed > 0) else { return };
    let mut other = files.clone();
    other.wal = re_checksummed(&files.wal, life.page_size as usize, log.summary.frames_valid);
    let seen = Log::read(&other.wal).expect("a header").summary;
    assert_eq!(seen.frames_valid, log.summary.frames_valid);
    assert_eq!(seen.commits, log.summary.commits);
    let found = dump_of(&other, &life.folder.at("copy.db")).expect("SQLite reads it");
    assert_eq!(found, known.dump, "big-endian checksums, {}", life.describe());
    counts.big_endian += 1;
}

fn re_checksummed(wal: &[u8], page_size: usize, frames: u64) -> Vec<u8> {
    let mut wal = wal.to_vec();
    let to_big = wal[..4] == WAL_MAGIC.to_be_bytes();
    wal[..4].copy_from_slice(&(if to_big { WAL_MAGIC | 1 } else { WAL_MAGIC }).to_be_bytes());
    let store = |place: &mut [u8], sum: (u32, u32)| {
        place[..4].copy_from_slice(&sum.0.to_be_bytes());
        place[4..8].copy_from_slice(&sum.1.to_be_bytes());
    };
    let mut sum = checksum::serial(&wal[..24], to_big, (0, 0));
    store(&mut wal[24..32], sum);
    for frame in wal[WAL_HEADER_SIZE..].chunks_exact_mut(FRAME_HEADER_SIZE + page_size).take(frames as usize) {
        sum = checksum::serial(&frame[..8], to_big, sum);
        sum = checksum::serial(&frame[FRAME_HEADER_SIZE..], to_big, sum);
        store(&mut frame[16..24], sum);
    }
    wal
}

/// A log cut anywhere, or with a byte changed: what we say that recovery keeps is what SQLite's recovery keeps.
fn torn(life: &mut Life, files: &Files, backfilled: u64, counts: &mut Counts) {
    if files.wal.len() <= WAL_HEADER_SIZE {
        return;
    }
    let mut other = files.clone();
    let place = life.random.below(other.wal.len());
    let cut = life.random.below(2) == 0;
    if cut {
        other.wal.truncate(place);
    } else {
        other.wal[place] ^= 1 << life.random.below(8);
    }
    let whole = Log::read(&files.wal).expect("a header");
    let log = Log::read(&other.wal);
    let kept = log.as_ref().map_or(0, |log| log.summary.frames_committed);
    let Some(known) = life.known.iter().find(|known| known.last_frame == kept as i64) else { return };
    if !whole.index.overwritten_after(kept, backfilled).is_empty() || (kept == 0 && backfilled > 0) {
        return;
    }
    match dump_of(&other, &life.folder.at("copy.db")) {
        Ok(found) => assert_eq!(found, known.dump, "byte {place}, cut {cut}, kept {kept}, {}", life.describe()),
        // Another format version (bytes 4..8) is an error to SQLite.
        Err(error) => assert!(!cut && (4..8).contains(&place), "byte {place}, cut {cut}: {error}"),
    }
    if cut { counts.torn += 1 } else { counts.changed_bytes += 1 }
}
