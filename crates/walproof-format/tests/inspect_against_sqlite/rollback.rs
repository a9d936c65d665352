//! Rollback journals: copied out of a transaction that spilled, played back by us and by SQLite, byte by byte the same;
//! also when bytes of the journal were changed or cut.

use rusqlite::Connection;
use walproof_format::sqlite::journal::{self, JournalSummary, PlaybackEnd};
use walproof_format::sqlite::journal_header::{JournalHeader, JournalState};

use super::files::{Files, dump, dump_of};
use super::history::Life;

/// How often something was really compared.
#[derive(Debug, Default)]
pub struct Counts {
    hot: u64,
    records: u64,
    segments: u64,
    broken: u64,
    broken_early: u64,
}

impl Counts {
    pub fn is_plenty(&self) -> bool {
        self.hot >= 5 && self.records >= 50 && self.broken >= 20 && self.broken_early >= 3
    }
}

/// More than any of these databases: a size in a broken header, which SQLite would make of the file.
const DATABASE_BYTES_MAX: u64 = 64 << 20;

/// The database file after playing back; `None` when it would be far too large.
fn played_back(files: &Files) -> Option<(Vec<u8>, JournalSummary)> {
    let mut records = Vec::new();
    let page_size = u32::from(u16::from_be_bytes([files.database[16], files.database[17]]));
    let page_size = if page_size == 1 { 65536 } else { page_size };
    let summary = journal::read(files.journal.as_slice(), Some(page_size), |record| {
        records.push((record.page, record.content.to_vec()));
    });
    let mut database = files.database.clone();
    if let (Some(pages), Some(size)) = (summary.initial_pages, summary.page_size) {
        if u64::from(pages) * u64::from(size) > DATABASE_BYTES_MAX {
            return None;
        }
        database.resize(pages as usize * size as usize, 0);
        for (page, content) in records {
            let start = (page as usize - 1) * content.len();
            database[start..start + content.len()].copy_from_slice(&content);
        }
    }
    Some((database, summary))
}

pub fn compare(life: &mut Life, counts: &mut Counts) {
    let path = life.folder.at("live.db");
    let before = dump(&life.writer).expect("SQLite reads it");
    let spill = "PRAGMA cache_size=2; BEGIN; UPDATE rows SET b = b || 'x', c = zeroblob(700); \
        INSERT INTO rows(b) SELECT hex(randomblob(200)) FROM rows LIMIT 30; DELETE FROM keys WHERE length(k) % 2;";
    life.writer.execute_batch(spill).expect("a transaction");
    let files = Files::of(&path);
    life.writer.execute_batch("ROLLBACK").expect("its end");
    let header = JournalHeader::parse(&files.journal, files.journal.len() as u64);
    if header.state != JournalState::HotOrInUse {
        return;
    }
    let (restored, summary) = played_back(&files).expect("a usual size");
    // PERSIST leaves records of earlier transactions, with another nonce, behind those of this one.
    let mode: String = life.writer.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("a mode");
    assert!(summary.end == PlaybackEnd::Done || mode == "persist", "{summary:?}, {}", life.describe());
    let copy = life.folder.at("copy.db");
    let ours = Files { database: restored.clone(), ..Files::default() };
    assert_eq!(dump_of(&ours, &copy).expect("SQLite reads it"), before, "{summary:?}, {}", life.describe());
    assert_eq!(dump_of(&files, &copy).expect("SQLite rolls it back"), before);
    assert!(Files::of(&copy).database == restored, "byte by byte, {summary:?}, {}", life.describe());
    counts.hot += 1;
    counts.records += summary.records_restored;
    counts.segments += summary.segments;
    for _ in 0..6 {
        broken(life, &files, counts);
    }
}

/// Headers are hit as often as records.
fn broken(life: &mut Life, files: &Files, counts: &mut Counts) {
    let mut other = files.clone();
    let length = other.journal.len();
    let place = if life.random.below(2) == 0 { life.random.below(28) } else { life.random.below(length) };
    match life.random.below(3) {
        0 => other.journal.truncate(place.max(1)),
        _ => other.journal[place] ^= 1 << life.random.below(8),
    }
    let Some((restored, summary)) = played_back(&other) else { return };
    let copy = life.folder.at("copy.db");
    other.lay(&copy);
    let connection = Connection::open(&copy).expect("SQLite opens it");
    let answer: rusqlite::Result<i64> =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    drop(connection);
    let after = Files::of(&copy);
    let same = after.database == restored;
    assert!(
        same,
        "byte {place}, {summary:?}, {answer:?}, {} and {} bytes, {}",
        after.database.len(),
        restored.len(),
        life.describe()
    );
    counts.broken += 1;
    counts.broken_early += u64::from(summary.end != PlaybackEnd::Done);
}
