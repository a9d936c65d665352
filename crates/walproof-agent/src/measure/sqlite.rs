//! Real SQLite on scratch databases: how many small transactions it commits in given settings, what it asked of the
//! storage meanwhile, how long a point read takes.
//!
//! **The shape**, the same in all settings. `cells(id INTEGER PRIMARY KEY, value BLOB)` with rows of 200 bytes, 4 MiB
//! of pages. A transaction is one `UPDATE cells SET value = ? WHERE id = ?` in autocommit: it changes one page, in
//! rollback modes page 1 as well. The 64 rows that are changed lie on 64 pages and are taken in turn; these pages are
//! in SQLite's cache before a slice begins. A read is `SELECT value FROM cells WHERE id = ?` of any row.
//!
//! **The log** has its full length before it is first written, and autocheckpoint is off: a slice may end
//! with a transaction over all 64 rows and one PASSIVE checkpoint, which is timed apart, and the first commit after it,
//! which begins the log anew, is timed apart as well. So slices of any length tell the cost of a commit and of a
//! checkpoint, and what a given `wal_autocheckpoint` makes of both follows.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, ffi, params};
use walproof_format::measure::{CheckpointTime, CommitTimes, Histogram, Settings};

use super::MeasureFailure;
use super::calls::{WRITE_BYTES, filled, log_bytes, log_frames, settle};
use super::shim;
use crate::clock::monotonic_ns;
use crate::random::Random;

/// Bytes of pages in a database.
const DATABASE_BYTES: u64 = 4 << 20;
/// Bytes of a row's value.
const VALUE_BYTES: usize = 200;
/// Rows that are changed; they lie on as many pages.
const HOT_ROWS: i64 = 64;

/// The databases of this folder: one for each journal mode and page size, opened once.
pub struct Databases {
    folder: PathBuf,
    open: BTreeMap<(String, u32), Database>,
}

struct Database {
    connection: Connection,
    /// The database and its log, opened before SQLite did and closed after it: closing drops POSIX locks.
    files: Vec<fs::File>,
    path: PathBuf,
    rows: i64,
    page_bytes: u32,
    is_log: bool,
    /// As it is set now.
    settings: Option<Settings>,
    /// Hot rows changed so far.
    cursor: i64,
    /// Everything in the log was copied: the next commit begins it anew.
    is_copied: bool,
    /// Commits since then.
    in_log: u32,
    random: Random,
}

impl Databases {
    /// None is there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, open: BTreeMap::new() }
    }

    /// Makes the database that these settings need, when it is not there.
    pub fn open(&mut self, settings: &Settings) -> Result<(), MeasureFailure> {
        self.database(settings).map(drop)
    }

    fn database(&mut self, settings: &Settings) -> Result<&mut Database, MeasureFailure> {
        let key = (settings.journal_mode.clone(), settings.page_bytes);
        if !self.open.contains_key(&key) {
            let made = Database::make(&self.folder, settings)?;
            self.open.insert(key.clone(), made);
        }
        let database = self.open.get_mut(&key).expect("it was put there");
        database.set(settings)?;
        Ok(database)
    }

    /// Commits until the slice is over, at least once.
    pub fn commits(
        &mut self,
        settings: &Settings,
        for_ms: u32,
        most: u32,
        checkpoint: bool,
    ) -> Result<CommitTimes, MeasureFailure> {
        self.database(settings)?.commits(for_ms, most, checkpoint)
    }

    /// Reads until the slice is over, at least once.
    pub fn reads(&mut self, settings: &Settings, for_ms: u32) -> Result<Histogram, MeasureFailure> {
        self.database(settings)?.reads(for_ms)
    }
}

impl Database {
    fn make(folder: &Path, settings: &Settings) -> Result<Self, MeasureFailure> {
        let is_log = settings.journal_mode == "wal";
        let path = folder.join(format!("sqlite-{}-{}.db", settings.journal_mode, settings.page_bytes));
        let (bytes, rows) = image(settings.page_bytes, is_log)?;
        let written = write_through(&path, &bytes).map_err(MeasureFailure::system("write a scratch database"))?;
        let mut files = vec![written];
        if is_log {
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            let page_bytes = u64::from(settings.page_bytes);
            // No header in it: to SQLite it is empty, and keeps its blocks.
            let log = filled(log.as_ref(), log_bytes(log_frames(page_bytes), page_bytes));
            files.push(log.map_err(MeasureFailure::system("write a scratch log"))?);
        }
        if !shim::register() {
            return Err(refused("register a VFS", "this SQLite has no VFS `unix`"));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(&path, flags, shim::NAME)
            .map_err(MeasureFailure::sql("open a scratch database"))?;
        let page_bytes = settings.page_bytes;
        let random = Random::new(u64::from(page_bytes));
        Ok(Self {
            connection,
            files,
            path,
            rows,
            page_bytes,
            is_log,
            settings: None,
            cursor: 0,
            is_copied: true,
            in_log: 0,
            random,
        })
    }

    fn set(&mut self, settings: &Settings) -> Result<(), MeasureFailure> {
        if self.settings.as_ref() == Some(settings) {
            return Ok(());
        }
        let mode = self.pragma("journal_mode", &settings.journal_mode)?;
        if mode != settings.journal_mode {
            let because = format!("`PRAGMA journal_mode={}` answered `{mode}`", settings.journal_mode);
            return Err(refused("set the journal mode", &because));
        }
        self.pragma("wal_autocheckpoint", "0")?;
        self.pragma("synchronous", &settings.synchronous)?;
        self.pragma("mmap_size", &settings.mmap_bytes.to_string())?;
        self.pragma("cache_size", &format!("-{}", settings.cache_kib))?;
        self.settings = Some(settings.clone());
        Ok(())
    }

    /// What it answers; nothing where it does not.
    fn pragma(&self, name: &str, value: &str) -> Result<String, MeasureFailure> {
        let sql = format!("PRAGMA {name}={value}");
        let mut statement = self.connection.prepare(&sql).map_err(MeasureFailure::sql(sql.as_str()))?;
        let mut rows = statement.query([]).map_err(MeasureFailure::sql(sql.as_str()))?;
        let row = rows.next().map_err(MeasureFailure::sql(sql.as_str()))?;
        Ok(row.and_then(|row| row.get_ref(0).ok()).map_or_else(String::new, |value| match value.as_str() {
            Ok(text) => text.to_owned(),
            Err(_) => value.as_i64().unwrap_or_default().to_string(),
        }))
    }

    fn commits(&mut self, for_ms: u32, most: u32, checkpoint: bool) -> Result<CommitTimes, MeasureFailure> {
        let mut times = CommitTimes::default();
        self.settle().map_err(MeasureFailure::system("sync scratch files"))?;
        self.warm()?;
        if self.is_log && self.is_copied {
            times.restart_ns = Some(self.commit()?);
        }
        // The log never outgrows its first length: the transaction over all hot rows comes on top.
        let room = (log_frames(self.page_bytes.into()) as u32).saturating_sub(2 * HOT_ROWS as u32).max(1);
        let most = if self.is_log { most.min(room.saturating_sub(self.in_log).max(1)) } else { most };
        shim::take();
        let end_ns = monotonic_ns() + u64::from(for_ms) * 1_000_000;
        while times.latency.count() == 0 || (monotonic_ns() < end_ns && times.latency.count() < u64::from(most)) {
            let ns = self.commit()?;
            times.latency.record(ns);
        }
        times.inside = shim::take();
        self.in_log += times.latency.count() as u32;
        if self.is_log && (checkpoint || self.in_log + HOT_ROWS as u32 >= room) {
            times.checkpoint = Some(self.checkpoint()?);
        }
        Ok(times)
    }

    /// What commits without syncs left unwritten is not for the first sync of this slice.
    fn settle(&self) -> io::Result<()> {
        let mut journal = self.path.clone().into_os_string();
        journal.push("-journal");
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        settle(folder, &self.files.iter().collect::<Vec<_>>(), journal.as_ref())
    }

    /// The pages of all hot rows are in the cache afterwards, in one snapshot.
    fn warm(&mut self) -> Result<(), MeasureFailure> {
        let place = "read the hot rows";
        self.connection.execute_batch("BEGIN").map_err(MeasureFailure::sql(place))?;
        for hot in 0..HOT_ROWS {
            self.read(self.hot_row(hot))?;
        }
        self.connection.execute_batch("COMMIT").map_err(MeasureFailure::sql(place))
    }

    fn hot_row(&self, which: i64) -> i64 {
        1 + which * (self.rows / HOT_ROWS)
    }

    /// One transaction, and how long it took.
    fn commit(&mut self) -> Result<u64, MeasureFailure> {
        self.cursor += 1;
        let (row, value) = (self.hot_row(self.cursor % HOT_ROWS), self.value());
        let place = "UPDATE cells";
        let mut statement = self.connection.prepare_cached(UPDATE).map_err(MeasureFailure::sql(place))?;
        let began = monotonic_ns();
        statement.execute(params![&value[..], row]).map_err(MeasureFailure::sql(place))?;
        Ok(monotonic_ns() - began)
    }

    fn value(&mut self) -> [u8; VALUE_BYTES] {
        let mut value = [0; VALUE_BYTES];
        value.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.random.next().to_le_bytes()[..part.len()]));
        value
    }

    /// Every hot page is in the log, then a checkpoint copies it.
    fn checkpoint(&mut self) -> Result<CheckpointTime, MeasureFailure> {
        let place = "PRAGMA wal_checkpoint";
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(MeasureFailure::sql(place))?;
        for _ in 0..HOT_ROWS {
            self.commit()?;
        }
        self.connection.execute_batch("COMMIT").map_err(MeasureFailure::sql(place))?;
        shim::take();
        let began = monotonic_ns();
        let copied: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))
            .map_err(MeasureFailure::sql(place))?;
        let ns = monotonic_ns() - began;
        self.is_copied = copied > 0;
        self.in_log = 0;
        Ok(CheckpointTime { ns, pages: HOT_ROWS as u32, inside: shim::take() })
    }

    fn reads(&mut self, for_ms: u32) -> Result<Histogram, MeasureFailure> {
        let mut latency = Histogram::default();
        let end_ns = monotonic_ns() + u64::from(for_ms) * 1_000_000;
        while latency.count() == 0 || monotonic_ns() < end_ns {
            let row = 1 + (self.random.next() % self.rows as u64) as i64;
            latency.record(self.read(row)?);
        }
        Ok(latency)
    }

    fn read(&self, row: i64) -> Result<u64, MeasureFailure> {
        let place = "SELECT value FROM cells";
        let mut statement = self.connection.prepare_cached(SELECT).map_err(MeasureFailure::sql(place))?;
        let began = monotonic_ns();
        let length = statement.query_row([row], |row| Ok(row.get_ref(0)?.as_blob().map_or(0, <[u8]>::len)));
        let ns = monotonic_ns() - began;
        match length.map_err(MeasureFailure::sql(place))? {
            VALUE_BYTES => Ok(ns),
            _ => Err(refused(place, &format!("row {row} has not the {VALUE_BYTES} bytes that were written"))),
        }
    }
}

const UPDATE: &str = "UPDATE cells SET value = ?1 WHERE id = ?2";
const SELECT: &str = "SELECT value FROM cells WHERE id = ?1";

fn refused(place: &str, message: &str) -> MeasureFailure {
    MeasureFailure { place: place.to_owned(), extended_code: 0, errno: 0, message: message.to_owned() }
}

/// A database made in memory, so that the storage gets it in a few large writes; and how many rows it has.
fn image(page_bytes: u32, is_log: bool) -> Result<(Vec<u8>, i64), MeasureFailure> {
    let place = "make a database in memory";
    let sql = || MeasureFailure::sql(place);
    let connection = Connection::open_in_memory().map_err(sql())?;
    let schema = format!("PRAGMA page_size={page_bytes}; CREATE TABLE cells(id INTEGER PRIMARY KEY, value BLOB);");
    connection.execute_batch(&schema).map_err(sql())?;
    let rows = (DATABASE_BYTES / u64::from(page_bytes)) as i64 * (i64::from(page_bytes) / (VALUE_BYTES as i64 + 10));
    let fill = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1) \
                INSERT INTO cells SELECT id, randomblob(?2) FROM n";
    connection.execute(fill, params![rows, VALUE_BYTES as i64]).map_err(sql())?;
    let mut bytes = serialized(&connection).ok_or_else(|| refused(place, "no memory for it"))?;
    if is_log && bytes.len() > 19 {
        bytes[18..20].fill(2);
    }
    Ok((bytes, rows))
}

fn serialized(connection: &Connection) -> Option<Vec<u8>> {
    let mut size = 0;
    // SAFETY: a live handle, a C string and a valid out-pointer; what comes back is ours to free, or null.
    let start = unsafe { ffi::sqlite3_serialize(connection.handle(), c"main".as_ptr(), &mut size, 0) };
    if start.is_null() {
        return None;
    }
    // SAFETY: SQLite gave so many bytes at `start`.
    let bytes = unsafe { std::slice::from_raw_parts(start, size as usize) }.to_vec();
    // SAFETY: allocated by SQLite, freed once.
    unsafe { ffi::sqlite3_free(start.cast()) };
    Some(bytes)
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<fs::File> {
    let mut file = fs::File::create(path)?;
    bytes.chunks(WRITE_BYTES).try_for_each(|part| file.write_all(part))?;
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use walproof_format::measure::CallGroup;

    fn settings(journal_mode: &str, synchronous: &str, page_bytes: u32) -> Settings {
        let (journal_mode, synchronous) = (journal_mode.to_owned(), synchronous.to_owned());
        Settings { journal_mode, synchronous, page_bytes, mmap_bytes: 0, cache_kib: 2000 }
    }

    fn in_folder<T>(name: &str, act: impl FnOnce(&mut Databases) -> T) -> T {
        let folder = std::env::temp_dir().join(format!("walproof-commits-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("temporary folder");
        let outcome = act(&mut Databases::new(folder.clone()));
        fs::remove_dir_all(folder).expect("removes");
        outcome
    }

    fn per_commit(times: &CommitTimes, group: CallGroup) -> f64 {
        let count = times.inside.iter().find(|time| time.group == group).map_or(0, |time| time.count);
        count as f64 / times.latency.count() as f64
    }

    #[test]
    fn a_commit_to_the_log_is_two_writes_and_at_full_one_sync() {
        in_folder("wal", |databases| {
            for (synchronous, syncs) in [("off", 0.0), ("normal", 0.0), ("full", 1.0)] {
                let times = databases.commits(&settings("wal", synchronous, 4096), 1000, 20, true).expect("commits");
                assert_eq!(times.latency.count(), 20);
                assert_eq!(per_commit(&times, CallGroup::Write), 2.0, "{synchronous}");
                assert_eq!(per_commit(&times, CallGroup::Sync), syncs, "{synchronous}");
                assert_eq!(per_commit(&times, CallGroup::Read), 0.0, "the hot pages are in the cache");
                assert!(times.restart_ns.is_some());
                assert_eq!(times.checkpoint.expect("a log").pages, 64);
            }
        });
    }

    #[test]
    fn a_commit_with_a_journal_syncs_as_often_as_it_is_told() {
        in_folder("rollback", |databases| {
            for (mode, synchronous, syncs) in
                [("delete", "off", 0.0), ("delete", "normal", 2.0), ("delete", "full", 3.0), ("truncate", "full", 4.0)]
            {
                let times = databases.commits(&settings(mode, synchronous, 4096), 1000, 10, true).expect("commits");
                assert_eq!(per_commit(&times, CallGroup::Sync), syncs, "{mode} {synchronous}");
                assert_eq!((times.restart_ns, times.checkpoint), (None, None));
            }
        });
    }

    #[test]
    fn the_log_keeps_its_first_length_with_any_page_size() {
        in_folder("length", |databases| {
            for page_bytes in [1024, 4096, 16384] {
                let of_page = settings("wal", "off", page_bytes);
                for _ in 0..6 {
                    databases.commits(&of_page, 10_000, 400, false).expect("commits");
                }
                let name = format!("sqlite-wal-{page_bytes}.db-wal");
                let length = fs::metadata(databases.folder.join(name)).expect("a log").len();
                assert_eq!(length, log_bytes(log_frames(page_bytes.into()), page_bytes.into()));
                assert!(databases.reads(&of_page, 5).expect("reads").count() > 0);
            }
        });
    }
}
