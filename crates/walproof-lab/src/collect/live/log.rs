//! What can be told of a `-wal` and a `-shm` beside their database.
//!
//! A log is called foreign only where SQLite cannot have written it for this file: it holds commits, and its pages have
//! another size, which no journal mode with a log can change; or its last page 1 is older than the one in the file. The
//! second holds because the change counter in page 1 never goes back: what the file holds came from this log, or from
//! before it. The file must have been read first. Nothing proves that a log does belong to a file: several states of a
//! database may bear the same counter.
//!
//! What it must not do: judge damage; `walproof inspect` does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::collect::quiet::open_quietly;
use walproof_format::sqlite::db_header::DbHeader;
use walproof_format::sqlite::wal::{FRAME_HEADER_SIZE, WalScan};
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WalHeader};
use walproof_format::sqlite::wal_index::{WAL_INDEX_HEADER_SIZE, WalIndex};
use walproof_judge::sharing::live::LiveDatabase;

/// How much of a log is read.
const READ_BYTES_MAX: u64 = 64 << 20;
/// A writer may be between the two copies of the wal-index header.
const TRIES: u32 = 5;

/// Reads what lies beside `path`.
pub fn read(path: &str, database: Option<&DbHeader>, into: &mut LiveDatabase) {
    let Some(wal) = open_regular(&format!("{path}-wal")) else { return };
    let mut bytes = [0; WAL_HEADER_SIZE];
    let length = wal.read_at(&mut bytes, 0).unwrap_or(0);
    let header = WalHeader::parse(&bytes[..length]);
    into.wal_fits =
        database.filter(|database| database.damage.is_empty()).and_then(|database| fits(&wal, &header, database));
    into.frames_waiting = open_regular(&format!("{path}-shm")).and_then(|shm| frames_waiting(&shm, &header));
}

fn open_regular(path: &str) -> Option<File> {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| open_quietly(Path::new(path)).ok()).flatten()
}

/// `Some(false)`: it does not. `None`: nothing speaks against it.
fn fits(wal: &File, header: &WalHeader, database: &DbHeader) -> Option<bool> {
    let mut scan = WalScan::new(header)?;
    let size = database.page_size?;
    let foreign = header.page_size != Some(size);
    let mut frame = vec![0; scan.frame_size()];
    // Page 1 of the transaction that is being read, and of the last one that was committed.
    let (mut begun, mut committed, mut commits) = (None, None, 0);
    let mut offset = WAL_HEADER_SIZE as u64;
    while offset + frame.len() as u64 <= READ_BYTES_MAX && wal.read_exact_at(&mut frame, offset).is_ok() {
        offset += frame.len() as u64;
        let Some(seen) = scan.push(&frame).filter(|seen| seen.valid) else {
            return end(foreign, commits, committed, database);
        };
        if seen.header.page == 1 {
            begun = DbHeader::parse(&frame[FRAME_HEADER_SIZE..][..100]).change_counter;
        }
        if seen.header.commit_pages > 0 {
            commits += 1;
            committed = begun.or(committed);
            if foreign {
                return Some(false);
            }
        }
    }
    let whole = offset + frame.len() as u64 <= READ_BYTES_MAX;
    if whole { end(foreign, commits, committed, database) } else { None }
}

fn end(foreign: bool, commits: u64, page_one: Option<u32>, database: &DbHeader) -> Option<bool> {
    match (commits, page_one.zip(database.change_counter)) {
        (1.., _) if foreign => Some(false),
        (1.., Some((in_log, in_file))) => (in_log < in_file).then_some(false),
        _ => None,
    }
}

/// Frames that are committed and not in the database file, if the wal-index is whole and of this log.
fn frames_waiting(shm: &File, wal: &WalHeader) -> Option<u64> {
    let mut bytes = [0; WAL_INDEX_HEADER_SIZE];
    for _ in 0..TRIES {
        let length = shm.read_at(&mut bytes, 0).ok()?;
        let index = WalIndex::parse(&bytes[..length]);
        let Some((believed, backfilled)) = index.believed().zip(index.backfilled_frames) else { continue };
        let salts = wal.salts.filter(|_| wal.damage.is_empty());
        // A log that is begun anew has its new salts in the wal-index first: the first one, and one more.
        let begun_anew = believed.max_frame == 0
            && salts.is_none_or(|salts| salts.0.wrapping_add(1) == believed.salts.0 || salts == believed.salts);
        return match (begun_anew, salts == Some(believed.salts)) {
            (true, _) => Some(0),
            (false, same) => same.then(|| u64::from(believed.max_frame.saturating_sub(backfilled))),
        };
    }
    None
}
