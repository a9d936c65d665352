//! Opening SQLite the way an application does, plus what the history needs to know.
//!
//! A busy handler: SQLite's own timeout, or a back-off that is as long as a few commits take and the same for everybody
//! and gives up when the lab wants attention (docs/decisions/0030-fair-back-off.md);
//! a WAL hook that remembers the WAL's length after each commit and checkpoints like `wal_autocheckpoint` would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Params, ffi};
use walproof_format::history::Place;
use walproof_format::protocol::{Busy, Quirks, Workload};

use crate::hooks::{Hooks, Log};
use crate::random::Random;

/// WAL with `locking_mode=EXCLUSIVE`; SQLite has no word for both.
pub const WAL_EXCLUSIVE: &str = "wal-exclusive";

/// SQLite said no, and where.
#[derive(Clone, Debug)]
pub struct SqlFailure {
    /// Which statement.
    pub place: Place,
    /// SQLite's extended result code.
    pub extended_code: u32,
    /// The operating system's error number, 0: none.
    pub errno: i32,
    /// SQLite's message.
    pub message: String,
}

impl SqlFailure {
    /// Whether the primary code is SQLITE_BUSY.
    pub fn is_busy(&self) -> bool {
        self.extended_code & 0xff == ffi::SQLITE_BUSY as u32
    }

    /// Whether a constraint of the schema was broken.
    pub fn is_constraint(&self) -> bool {
        self.extended_code & 0xff == ffi::SQLITE_CONSTRAINT as u32
    }
}

/// Attaches the place to what rusqlite returns.
pub trait AtPlace<T> {
    /// `Err` with the place and the extended code.
    fn at(self, place: Place) -> Result<T, SqlFailure>;
}

impl<T> AtPlace<T> for rusqlite::Result<T> {
    fn at(self, place: Place) -> Result<T, SqlFailure> {
        self.map_err(|error| match &error {
            rusqlite::Error::SqliteFailure(code, _) => SqlFailure {
                place,
                extended_code: code.extended_code as u32,
                errno: std::io::Error::last_os_error().raw_os_error().unwrap_or(0),
                message: error.to_string(),
            },
            // A row that must be there is not, or has another type: the database is not what was written.
            _ => SqlFailure { place, extended_code: ffi::SQLITE_CORRUPT as u32, errno: 0, message: error.to_string() },
        })
    }
}

/// What the WAL hook tells the worker.
#[derive(Debug, Default)]
pub struct WalFeedback {
    /// Frames in the WAL after the last commit.
    pub frames: AtomicU32,
    /// Extended code of an automatic checkpoint that failed, 0: none; BUSY is no failure.
    pub checkpoint_code: AtomicU32,
    /// How long this agent's transactions hold the write lock, in nanoseconds, a sliding median; 0: none yet.
    pub hold_ns: AtomicU32,
    /// How often this agent found the lock taken before it got it, a sliding mean in sixteenths.
    pub tries: AtomicU32,
}

impl WalFeedback {
    /// One more wait ended after so many tries.
    fn note_tries(&self, tries: u32) {
        let mean = self.tries.load(Ordering::Relaxed);
        self.tries.store(mean - mean / 16 + tries.min(1 << 16), Ordering::Relaxed);
    }

    /// How long a back-off is to be on average: twice as many holds of the lock as tries are needed to find it free. So
    /// looking costs little where writers never rest, and a lock that is often free is taken up at once.
    fn back_off_ns(&self) -> u64 {
        let tries = u64::from(self.tries.load(Ordering::Relaxed) / 8).max(BACK_OFF_HOLDS_MIN);
        (tries * u64::from(self.hold_ns.load(Ordering::Relaxed))).clamp(BACK_OFF_NS_MIN, BACK_OFF_NS_MAX)
    }

    /// One more transaction held the write lock so long. What is kept is a sliding median: a commit that also
    /// checkpointed and synced, once in many, says nothing of how long the lock is held.
    pub fn note_hold(&self, ns: u64) {
        let ns = u32::try_from(ns).unwrap_or(u32::MAX);
        let median = self.hold_ns.load(Ordering::Relaxed);
        let step = median / 16;
        let next = match median {
            0 => ns,
            _ if ns > median => median.saturating_add(step),
            _ => median - step,
        };
        self.hold_ns.store(next.max(64), Ordering::Relaxed);
    }
}

/// Prepared statements kept besides those of the ledgers.
const STATEMENTS: usize = 32;
/// Prepared statements of one ledger.
const STATEMENTS_OF_A_LEDGER: usize = 6;

/// Changes rows by a statement that is kept prepared.
pub fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<(), SqlFailure> {
    let mut statement = connection.prepare_cached(sql).at(Place::Change)?;
    statement.execute(values).map(drop).at(Place::Change)
}

/// Opens the database with the workload's pragmas. `create` makes it.
pub fn open(
    path: &str,
    workload: &Workload,
    quirks: &Quirks,
    create: bool,
    seed: u64,
    attention: Arc<AtomicBool>,
    feedback: Arc<WalFeedback>,
) -> Result<Connection, SqlFailure> {
    let connection = Connection::open_with_flags(uri(path, quirks), flags(quirks, create)).at(Place::Open)?;
    connection
        .set_prepared_statement_cache_capacity(STATEMENTS + STATEMENTS_OF_A_LEDGER * usize::from(workload.key_count()));
    let timeout = Duration::from_millis(workload.busy_timeout_ms.into());
    match workload.busy {
        Busy::FairBackOff => {
            connection.on_busy(back_off(timeout, seed, attention, Arc::clone(&feedback))).at(Place::Open)?;
        }
        Busy::BusyTimeout => connection.busy_timeout(timeout).at(Place::Open)?,
    }
    if workload.journal_mode == WAL_EXCLUSIVE {
        // Before the first access: then SQLite keeps the wal-index in its own memory and makes no -shm.
        connection.execute_batch("PRAGMA locking_mode=EXCLUSIVE").at(Place::Open)?;
    }
    connection.execute_batch(&format!("PRAGMA synchronous={}", word(&workload.synchronous))).at(Place::Open)?;
    if workload.journal_mode.starts_with("wal") {
        let every = workload.autocheckpoint_frames;
        connection.on_log(autocheckpoint(every, feedback)).at(Place::Open)?;
    } else if workload.journal_mode != "delete" && !create && !quirks.read_only {
        journal_mode(&connection, Some(&workload.journal_mode))?;
    }
    Ok(connection)
}

/// Opens it with `locking_mode=EXCLUSIVE`. Two connections that open at once both keep SHARED, in this mode even after
/// an error, and neither gets EXCLUSIVE, however long it waits: so each waits for a moment, closes and comes again.
pub fn open_exclusive(
    path: &str,
    workload: &Workload,
    quirks: &Quirks,
    create: bool,
    seed: u64,
    attention: Arc<AtomicBool>,
    feedback: Arc<WalFeedback>,
) -> Result<Connection, SqlFailure> {
    let (mut random, since) = (Random::new(seed), Instant::now());
    let timeout = Duration::from_millis(workload.busy_timeout_ms.into());
    loop {
        let moment = Workload { busy_timeout_ms: 5 + random.below(20) as u32, ..workload.clone() };
        let opened = open(path, &moment, quirks, create, random.next(), Arc::clone(&attention), Arc::clone(&feedback));
        match opened {
            Err(failure) if failure.is_busy() && since.elapsed() < timeout && !attention.load(Ordering::Acquire) => {
                std::thread::sleep(Duration::from_millis(1 + random.below(10)));
            }
            other => return other,
        }
    }
}

fn flags(quirks: &Quirks, create: bool) -> OpenFlags {
    let how = match (quirks.read_only, create) {
        (true, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
        (false, false) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        (false, true) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    how | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI
}

/// The database as an SQLite URI, with the parameters that the quirks ask for.
fn uri(path: &str, quirks: &Quirks) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(byte.into()),
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    let vfs = quirks.vfs.iter().map(|vfs| format!("vfs={vfs}"));
    let parameters: Vec<String> = vfs.chain(quirks.nolock.then(|| "nolock=1".to_owned())).collect();
    if !parameters.is_empty() {
        uri.push('?');
        uri.push_str(&parameters.join("&"));
    }
    uri
}

/// What `PRAGMA journal_mode` answers, after setting it when `set` is given.
pub fn journal_mode(connection: &Connection, set: Option<&str>) -> Result<String, SqlFailure> {
    let sql = match set {
        Some(WAL_EXCLUSIVE) => "PRAGMA journal_mode=wal".to_owned(),
        Some(mode) => format!("PRAGMA journal_mode={}", word(mode)),
        None => "PRAGMA journal_mode".to_owned(),
    };
    connection.query_row(&sql, [], |row| row.get(0)).at(Place::Open)
}

/// Pages that this connection's cache has spilled so far.
pub fn spilled_pages(connection: &Connection) -> u32 {
    let (mut current, mut highest) = (0, 0);
    // SAFETY: the handle belongs to a live connection of this thread; both out-pointers are valid.
    unsafe {
        ffi::sqlite3_db_status(connection.handle(), ffi::SQLITE_DBSTATUS_CACHE_SPILL, &mut current, &mut highest, 0);
    }
    u32::try_from(current).unwrap_or(0)
}

/// Pragmas take no parameters: only letters pass.
fn word(value: &str) -> String {
    value.chars().filter(char::is_ascii_alphabetic).collect()
}

/// A back-off lasts at least as long as so many transactions hold the lock.
const BACK_OFF_HOLDS_MIN: u64 = 4;
/// Shorter ones only burn time: the kernel adds about 50 microseconds to every sleep.
const BACK_OFF_NS_MIN: u64 = 100_000;
/// Longer ones would make an agent deaf to the lab.
const BACK_OFF_NS_MAX: u64 = 25_000_000;

/// Sleeps half to one and a half times the mean, drawn anew each time; gives up after `timeout` or on attention.
///
/// The mean follows how long this agent's own transactions hold the lock and how rarely it is free, and never how long
/// this wait has lasted: who came first and who came last try equally often, so nobody starves. SQLite's own timeout
/// waits longer the longer it has waited (1, 2, 5 ... 100 ms), so that whoever lost once goes on losing.
fn back_off(
    timeout: Duration,
    seed: u64,
    attention: Arc<AtomicBool>,
    feedback: Arc<WalFeedback>,
) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut random = Random::new(seed);
    let (mut since, mut tries) = (Instant::now(), 0);
    move |count| {
        if count == 0 {
            since = Instant::now();
            feedback.note_tries(tries);
        }
        if attention.load(Ordering::Acquire) || since.elapsed() > timeout {
            return false;
        }
        tries = count as u32 + 1;
        let mean_ns = feedback.back_off_ns();
        std::thread::sleep(Duration::from_nanos(mean_ns / 2 + random.below(mean_ns)));
        true
    }
}

fn autocheckpoint(every: u32, feedback: Arc<WalFeedback>) -> impl FnMut(Log, u32) + Send + 'static {
    // A busy log that a PASSIVE checkpoint could not finish is tried again after as many frames more, not after every
    // commit: else somebody always checkpoints, nobody ever finishes, and the log is never reset.
    let mut next = every;
    move |log, frames| {
        feedback.frames.store(frames, Ordering::Relaxed);
        if frames < every {
            next = every;
        }
        if every == 0 || frames < next {
            return;
        }
        next = frames + every;
        if let Err(code) = log.checkpoint()
            && code & 0xff != ffi::SQLITE_BUSY as u32
        {
            feedback.checkpoint_code.store(code, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_a_path_whatever_is_in_it() {
        assert_eq!(uri("/db/walproof.db", &Quirks::default()), "file:/db/walproof.db");
        assert_eq!(uri("/a b?vfs=x#%41", &Quirks::default()), "file:/a%20b%3fvfs%3dx%23%2541");
        let quirks = Quirks { vfs: Some("unix-none".into()), nolock: true, ..Quirks::default() };
        assert_eq!(uri("/db/x", &quirks), "file:/db/x?vfs=unix-none&nolock=1");
    }
}
