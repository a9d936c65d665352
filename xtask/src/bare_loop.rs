//! The ledger workload's SQL in a plain application: no lab, no history, no chain that anybody checks.
//!
//! What is the same as in `walproof-agent` (`ledger.rs`, `connection.rs`): schema, pragmas, statements and their
//! cache, rows touched, share of reads, checkpoints, reopening, folding, WAL hook. The busy back-off is the one that
//! agents had before decision 0030, of a fixed length. What an application
//! would not do is left out: the clock is not read, nothing is hashed, nothing is recorded, values that the ledger
//! computes are any numbers here.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Result, Row, params};
use serde_json::json;
use walproof_format::ledger::{CELL_COUNT, mix};
use walproof_format::protocol::{Configuration, Workload};

/// The first argument that makes xtask a bare loop.
pub const NAME: &str = "bare-loop";
/// As `FOLD_ROWS` in the agent.
const FOLD_ROWS: i64 = 512;
/// As `WINDOW_ROWS` in the agent.
const WINDOW_ROWS: i64 = 8;
/// As `BALLAST_ROWS` in the agent.
const BALLAST_ROWS: u64 = 64;
/// As `OUTGROWN` in the agent.
const OUTGROWN: u32 = 3;

/// One process: says `ready`, works from the first line on standard input to the second, tells what it did.
pub fn child_main(configuration: &str) -> std::result::Result<(), String> {
    let configuration: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut bare = BareLoop::new(configuration, Arc::clone(&stop));
    println!("ready");
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    let mut lines = std::io::stdin().lock().lines();
    lines.next();
    drop(lines);
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().next();
        stop.store(true, Ordering::Release);
    });
    let began_ns = walproof_lab::clock::monotonic_ns();
    while !bare.stop.load(Ordering::Relaxed) {
        bare.step().map_err(|error| format!("the bare loop: {error}"))?;
    }
    let ended_ns = walproof_lab::clock::monotonic_ns();
    println!("{}", json!({"commits": bare.commits, "reads": bare.reads, "began_ns": began_ns, "ended_ns": ended_ns}));
    Ok(())
}

struct BareLoop {
    path: String,
    workload: Workload,
    stop: Arc<AtomicBool>,
    frames: Arc<AtomicU32>,
    connection: Option<Connection>,
    random: u64,
    author: i64,
    until_reopen: u64,
    commits: u64,
    reads: u64,
}

impl BareLoop {
    fn new(configuration: Configuration, stop: Arc<AtomicBool>) -> Self {
        Self {
            path: configuration.database,
            workload: configuration.workload,
            stop,
            frames: Arc::default(),
            connection: None,
            random: mix(configuration.seed),
            author: i64::from(configuration.agent),
            until_reopen: 1,
            commits: 0,
            reads: 0,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = mix(self.random);
        self.random % bound.max(1)
    }

    /// As `Worker::step`.
    fn step(&mut self) -> Result<()> {
        if self.connection.is_none() {
            let every = u64::from(self.workload.reopen_every);
            // As for agents, 0 is never.
            self.until_reopen = if every == 0 { u64::MAX } else { 1 + self.below(2 * every) };
            let opened = open(&self.path, &self.workload, self.random, &self.stop, &self.frames);
            self.connection = busy_is_fine(opened)?;
            return Ok(());
        }
        let outgrown = OUTGROWN * self.workload.autocheckpoint_frames;
        let outgrew = outgrown != 0 && self.frames.swap(0, Ordering::Relaxed) > outgrown;
        let wal = self.workload.journal_mode == "wal";
        let every = u64::from(self.workload.checkpoint_every);
        if outgrew && self.below(8) == 0 {
            let mode = 2 + self.below(2) as usize;
            self.checkpoint(mode)?;
        } else if wal && every != 0 && self.below(every) == 0 {
            let mode = self.below(4) as usize;
            self.checkpoint(mode)?;
        } else if self.below(100) < u64::from(self.workload.read_percent) {
            self.transaction(Self::read)?.inspect(|()| self.reads += 1);
        } else {
            self.transaction(Self::write)?.inspect(|()| self.commits += 1);
        }
        self.until_reopen -= 1;
        if self.until_reopen == 0 {
            self.connection.take().map_or(Ok(()), |connection| connection.close().map_err(|(_, error)| error))?;
        }
        Ok(())
    }

    /// `None`: busy; it is rolled back and the loop goes on.
    fn transaction(&mut self, body: fn(&mut Self, &Connection) -> Result<()>) -> Result<Option<()>> {
        let Some(connection) = self.connection.take() else { return Ok(None) };
        let done = body(self, &connection);
        if done.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        self.connection = Some(connection);
        busy_is_fine(done)
    }

    fn checkpoint(&self, mode: usize) -> Result<()> {
        let mode = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][mode];
        let Some(connection) = &self.connection else { return Ok(()) };
        let row = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(0));
        busy_is_fine(row).map(drop)
    }

    /// As `read_snapshot`.
    fn read(&mut self, connection: &Connection) -> Result<()> {
        connection.execute_batch("BEGIN")?;
        read_head(connection)?;
        let newest = "SELECT number, writer, counter, token, hash FROM ledger ORDER BY number DESC LIMIT ?1";
        connection.prepare_cached(newest)?.query_map(params![WINDOW_ROWS], five)?.try_for_each(|row| row.map(drop))?;
        let mut cells = connection.prepare_cached("SELECT cell, number FROM cells")?;
        let mut rows = cells.query([])?;
        let mut sum = 0i64;
        while let Some(row) = rows.next()? {
            sum = sum.wrapping_add(row.get::<_, i64>(0)?).wrapping_add(row.get::<_, i64>(1)?);
        }
        std::hint::black_box(sum);
        let ballast = self.below(BALLAST_ROWS) as i64;
        connection
            .prepare_cached("SELECT number FROM ballast WHERE id=?1")?
            .query_row(params![ballast], |row| row.get::<_, i64>(0))?;
        connection.execute_batch("COMMIT")
    }

    /// As `write_transaction`.
    fn write(&mut self, connection: &Connection) -> Result<()> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut head = read_head(connection)?;
        let kept = i64::from(self.workload.ledger_rows_max);
        if head[0] - head[3] >= kept + FOLD_ROWS {
            fold(connection, &mut head)?;
        }
        let number = head[0] + 1;
        let first = self.below(CELL_COUNT);
        for step in 0..u64::from(self.workload.row_changes) {
            let cell = ((first + step * 19) % CELL_COUNT) as i64;
            let mut select = connection.prepare_cached("SELECT number FROM cells WHERE cell=?1")?;
            std::hint::black_box(select.query_row(params![cell], |row| row.get::<_, i64>(0))?);
            let mut update = connection.prepare_cached("UPDATE cells SET number=?1 WHERE cell=?2")?;
            update.execute(params![number, cell])?;
        }
        let (token, hash) = (self.below(u64::MAX) as i64, self.random.rotate_left(17) as i64);
        connection
            .prepare_cached(
                "UPDATE ledger_head SET number=?1, hash=?2, cells=?3, horizon_number=?4, horizon_hash=?5, \
                 horizon_count=?6 WHERE id=1",
            )?
            .execute(params![number, hash, token, head[3], head[4], head[5]])?;
        connection.prepare_cached("INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5)")?.execute(params![
            number,
            self.author,
            self.commits as i64,
            token,
            hash
        ])?;
        connection.execute_batch("COMMIT")
    }
}

/// Number, hash, cells, horizon's number, hash and count.
fn read_head(connection: &Connection) -> Result<[i64; 6]> {
    let sql = "SELECT number, hash, cells, horizon_number, horizon_hash, horizon_count FROM ledger_head WHERE id=1";
    connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?]))
}

fn fold(connection: &Connection, head: &mut [i64; 6]) -> Result<()> {
    let to = head[3] + FOLD_ROWS;
    let sql = "SELECT number, writer, counter, token, hash FROM ledger WHERE number<=?1 ORDER BY number";
    let rows = connection.prepare_cached(sql)?.query_map(params![to], five)?.collect::<Result<Vec<_>>>()?;
    connection.prepare_cached("DELETE FROM ledger WHERE number<=?1")?.execute(params![to])?;
    (head[3], head[5]) = (to, head[5] + rows.len() as i64);
    Ok(())
}

fn five(row: &Row<'_>) -> Result<[i64; 5]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
}

fn busy_is_fine<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(None),
        Err(error) => Err(error),
    }
}

/// As `connection::open`.
fn open(
    path: &str,
    workload: &Workload,
    seed: u64,
    stop: &Arc<AtomicBool>,
    frames: &Arc<AtomicU32>,
) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.busy_handler(Some(back_off(workload, seed, Arc::clone(stop))))?;
    connection.execute_batch(&format!("PRAGMA synchronous={}", workload.synchronous))?;
    if workload.journal_mode == "wal" {
        let (every, frames, mut next) = (workload.autocheckpoint_frames, Arc::clone(frames), 0);
        connection.wal_hook(Some(move |wal: &mut rusqlite::hooks::Wal, count: i32| {
            let count = count as u32;
            frames.store(count, Ordering::Relaxed);
            next = if count < every { every } else { next.max(every) };
            if every != 0 && count >= next {
                next = count + every;
                busy_is_fine(wal.checkpoint())?;
            }
            Ok(())
        }))?;
    }
    Ok(connection)
}

fn back_off(workload: &Workload, seed: u64, stop: Arc<AtomicBool>) -> impl FnMut(i32) -> bool + Send + 'static {
    let timeout = Duration::from_millis(workload.busy_timeout_ms.into());
    let (mut random, mut since) = (seed, Instant::now());
    move |count| {
        if count == 0 {
            since = Instant::now();
        }
        if stop.load(Ordering::Acquire) || since.elapsed() > timeout {
            return false;
        }
        random = mix(random);
        let factor = 1 + (count as u64 / 20).min(9);
        std::thread::sleep(Duration::from_micros((50 + random % 100) * factor));
        true
    }
}
