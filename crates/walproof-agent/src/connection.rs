//! Opening SQLite the way an application does, plus what the history needs to know.
//!
//! A busy handler with a short random back-off (fairer than busy_timeout) that gives up when the lab wants attention;
//! a WAL hook that remembers the WAL's length after each commit and checkpoints like `wal_autocheckpoint` would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags, ffi};
use walproof_format::history::Place;
use walproof_format::protocol::{Quirks, Workload};

use crate::random::Random;

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
    let mut connection = Connection::open_with_flags(uri(path, quirks), flags(quirks, create)).at(Place::Open)?;
    connection.set_prepared_statement_cache_capacity(32);
    let timeout = Duration::from_millis(workload.busy_timeout_ms.into());
    connection.busy_handler(Some(back_off(timeout, seed, attention))).at(Place::Open)?;
    connection.execute_batch(&format!("PRAGMA synchronous={}", word(&workload.synchronous))).at(Place::Open)?;
    if workload.journal_mode == "wal" {
        let every = workload.autocheckpoint_frames;
        connection.wal_hook(Some(autocheckpoint(every, feedback))).at(Place::Open)?;
    } else if workload.journal_mode != "delete" && !create && !quirks.read_only {
        journal_mode(&connection, Some(&workload.journal_mode))?;
    }
    Ok(connection)
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

/// Sleeps 50 to 150 microseconds, up to ten times that when it takes long; gives up after `timeout` or on attention.
fn back_off(timeout: Duration, seed: u64, attention: Arc<AtomicBool>) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut random = Random::new(seed);
    let mut since = Instant::now();
    move |count| {
        if count == 0 {
            since = Instant::now();
        }
        if attention.load(Ordering::Acquire) || since.elapsed() > timeout {
            return false;
        }
        let factor = 1 + (count as u64 / 20).min(9);
        std::thread::sleep(Duration::from_micros((50 + random.below(100)) * factor));
        true
    }
}

fn autocheckpoint(
    every: u32,
    feedback: Arc<WalFeedback>,
) -> impl FnMut(&mut Wal, i32) -> rusqlite::Result<()> + Send + 'static {
    // A busy log that a PASSIVE checkpoint could not finish is tried again after as many frames more, not after every
    // commit: else somebody always checkpoints, nobody ever finishes, and the log is never reset.
    let mut next = every;
    move |wal, frames| {
        let frames = frames as u32;
        feedback.frames.store(frames, Ordering::Relaxed);
        if frames < every {
            next = every;
        }
        if every == 0 || frames < next {
            return Ok(());
        }
        next = frames + every;
        if let Err(rusqlite::Error::SqliteFailure(code, _)) = wal.checkpoint()
            && code.extended_code & 0xff != ffi::SQLITE_BUSY
        {
            feedback.checkpoint_code.store(code.extended_code as u32, Ordering::Relaxed);
        }
        Ok(())
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
