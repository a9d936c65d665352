//! The ledger workload on real SQLite: every commit numbered and chained, every transaction recorded.
//!
//! Tables (see `walproof_format::ledger` for the arithmetic):
//! `ledger_head` one row: newest number, its chain hash, the digest of the cells, the horizon;
//! `ledger` one row a commit above the horizon; `cells` 64 rows on several pages, each holding the number of the
//! commit that changed it last; `ballast` rows that only a transaction meant to be killed ever changes.
//!
//! Folding: when more than `ledger_rows_max` rows stand above the horizon, a writer checks that the oldest 512 are
//! contiguous and chain from the horizon's hash, deletes them and moves the horizon. What folding can no longer see:
//! damage done to a row after it was folded (it is gone), and which of two equal-hashed pasts it was (2^-64).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, params};
use walproof_format::history::{
    FLAG_CELLS_DISAGREE, FLAG_CHAIN_BROKEN, FLAG_FOLD_REFUSED, FLAG_FRESH_CONNECTION, FLAG_IN_TRANSACTION,
    FLAG_LEDGER_DISAGREES, FLAG_SPILLED, Operation, Phase, Place, Record,
};
use walproof_format::ledger::{
    CELL_COUNT, FinalState, GENESIS, LedgerRow, cell_digest, chain, genesis_cells, mix, writer,
};
use walproof_format::protocol::{CheckpointMode, Configuration, Duty};

use crate::clock::monotonic_ns;
use crate::connection::{AtPlace, SqlFailure, WalFeedback, journal_mode, open, spilled_pages};
use crate::history::HistoryWriter;
use crate::random::Random;

/// Rows folded at once.
const FOLD_ROWS: u64 = 512;
/// Newest ledger rows that every read checks.
const WINDOW_ROWS: usize = 8;
/// Rows of `ballast`, a page each: many times the cache of a parked transaction.
const BALLAST_ROWS: u64 = 64;
/// How many times `autocheckpoint_frames` the log may be long before an agent insists on restarting it.
const OUTGROWN: u32 = 3;
/// Pages in the cache of a parked transaction.
const PARKED_CACHE_PAGES: u32 = 10;

/// Works on one database, one connection at a time.
#[derive(Debug)]
pub struct Worker {
    configuration: Configuration,
    attention: Arc<AtomicBool>,
    connection: Option<Connection>,
    history: HistoryWriter,
    random: Random,
    feedback: Arc<WalFeedback>,
    counter: u32,
    until_reopen: u64,
    fresh: bool,
    fold_refused: bool,
}

/// The head row.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    number: u64,
    hash: u64,
    cells: u64,
    horizon_number: u64,
    horizon_hash: u64,
    horizon_count: u64,
}

impl Worker {
    /// A worker that has not opened anything; its history's first segment exists.
    pub fn new(configuration: Configuration, attention: Arc<AtomicBool>) -> io::Result<Self> {
        let folder = configuration.history.as_ref().map(PathBuf::from);
        let history = HistoryWriter::create(folder, configuration.agent, configuration.incarnation)?;
        let life = u64::from(writer(configuration.agent, configuration.incarnation));
        Ok(Self {
            random: Random::new(configuration.seed ^ mix(life)),
            configuration,
            attention,
            connection: None,
            history,
            feedback: Arc::default(),
            counter: 0,
            until_reopen: 1,
            fresh: true,
            fold_refused: false,
        })
    }

    /// Creates database, schema and rows; answers with what `PRAGMA journal_mode` said.
    pub fn create(&mut self) -> Result<String, SqlFailure> {
        let workload = &self.configuration.workload;
        let connection = self.open_connection(true)?;
        connection.execute_batch(&format!("PRAGMA page_size={}", workload.page_size_bytes)).at(Place::Open)?;
        let mode = journal_mode(&connection, Some(&workload.journal_mode))?;
        connection.execute_batch(SCHEMA).at(Place::Change)?;
        let padding = 400 * workload.page_size_bytes / 4096;
        connection
            .execute(
                "INSERT INTO ledger_head VALUES(1, 0, ?1, ?2, 0, ?1, 0)",
                params![GENESIS as i64, genesis_cells() as i64],
            )
            .at(Place::Change)?;
        connection.execute(INSERT_CELLS, params![CELL_COUNT as i64, padding]).at(Place::Change)?;
        let page = workload.page_size_bytes.saturating_sub(200);
        connection.execute(INSERT_BALLAST, params![BALLAST_ROWS as i64, page]).at(Place::Change)?;
        connection.execute_batch("COMMIT").at(Place::Commit)?;
        connection.close().map_err(|(_, error)| error).at(Place::Close)?;
        Ok(mode)
    }

    /// From now on, working means this.
    pub fn turn(&mut self, duty: Duty) {
        self.configuration.duty = duty;
    }

    /// Begins a read transaction and keeps its snapshot.
    pub fn hold(&mut self) -> Result<(), SqlFailure> {
        self.close();
        let connection = self.open_connection(false)?;
        connection.execute_batch("BEGIN").at(Place::Begin)?;
        read_head(&connection)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Runs VACUUM once.
    pub fn vacuum(&mut self) -> Result<(), SqlFailure> {
        self.release();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open_connection(false)?,
        };
        let vacuumed = connection.execute_batch("VACUUM").at(Place::Change);
        self.connection = Some(connection);
        vacuumed
    }

    /// Ends a transaction that a command left open.
    fn release(&mut self) {
        if let Some(connection) = self.connection.as_ref().filter(|connection| !connection.is_autocommit()) {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    /// One operation of the workload: a transaction, a checkpoint or a reopening.
    pub fn step(&mut self) {
        if self.connection.is_none() {
            self.reopen();
            return;
        }
        self.release();
        match self.configuration.duty {
            Duty::Work => self.work(),
            Duty::Read => self.read(),
            Duty::Checkpoint { mode } => {
                let drawn = CheckpointMode::ALL[self.random.below(4) as usize];
                self.checkpoint(mode.unwrap_or(drawn));
            }
        }
        self.until_reopen = self.until_reopen.saturating_sub(1);
        if self.until_reopen == 0 && self.configuration.workload.reopen_every != 0 {
            self.close();
        }
        if self.configuration.workload.think_us != 0 {
            std::thread::sleep(Duration::from_micros(self.configuration.workload.think_us.into()));
        }
    }

    fn work(&mut self) {
        let workload = &self.configuration.workload;
        let read_percent = u64::from(workload.read_percent);
        let checkpoint_every = match workload.journal_mode.as_str() {
            "wal" => u64::from(workload.checkpoint_every),
            _ => 0,
        };
        if self.log_outgrew() && self.random.once_in(8) {
            self.checkpoint(CheckpointMode::ALL[2 + self.random.clone().below(2) as usize]);
        } else if self.random.once_in(checkpoint_every) {
            let mode = self.random.below(4) as usize;
            self.checkpoint(CheckpointMode::ALL[mode]);
        } else if self.random.below(100) < read_percent {
            self.read();
        } else {
            self.write();
        }
        if self.configuration.quirks.cancel_locks && self.random.once_in(10) {
            self.cancel_locks();
        }
    }

    /// Closes the connection, when there is one.
    pub fn close(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let mut record = self.blank(Operation::Close);
        let closed = connection.close().map_err(|(_, error)| error).at(Place::Close);
        record.end_ns = monotonic_ns();
        self.settle(&mut record, closed.err());
        self.append(&record);
    }

    /// Leaves a transaction open that spilled its cache; answers with the number of spilled pages.
    pub fn park(&mut self) -> Result<u32, SqlFailure> {
        self.close();
        let connection = self.open_connection(false)?;
        let mut record = self.blank_write();
        let slot = self.append(&record);
        let parked = self.parked_transaction(&connection, &mut record);
        match &parked {
            Ok(_) => self.history.update(slot, &record),
            Err(failure) => {
                let _ = connection.execute_batch("ROLLBACK");
                record.end_ns = monotonic_ns();
                self.settle(&mut record, Some(failure.clone()));
                self.history.update(slot, &record);
            }
        }
        self.connection = Some(connection);
        parked
    }

    /// Reopens and tells all that is there. Damage and errors stand only when a second, clean look shows them again; a
    /// snapshot that contradicts itself stands at once, since no transient error explains it.
    pub fn final_state(&mut self) -> FinalState {
        self.close();
        let first = self.look_at_everything();
        if first.error.is_none() && first.integrity.is_empty() {
            return first;
        }
        std::thread::sleep(Duration::from_millis(50));
        self.look_at_everything()
    }

    fn reopen(&mut self) {
        let mut record = self.blank(Operation::Open);
        let opened = self.open_connection(false);
        record.end_ns = monotonic_ns();
        self.fresh = true;
        self.until_reopen = 1 + self.random.below(2 * u64::from(self.configuration.workload.reopen_every));
        match opened {
            Ok(connection) => {
                self.connection = Some(connection);
                self.settle(&mut record, None);
                self.append(&record);
            }
            Err(failure) => {
                self.settle(&mut record, Some(failure));
                self.append(&record);
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn open_connection(&self, create: bool) -> Result<Connection, SqlFailure> {
        let configuration = &self.configuration;
        let seed = configuration.seed ^ u64::from(self.counter);
        let (attention, feedback) = (Arc::clone(&self.attention), Arc::clone(&self.feedback));
        open(&configuration.database, &configuration.workload, &configuration.quirks, create, seed, attention, feedback)
    }

    fn read(&mut self) {
        let mut record = self.blank(Operation::Read);
        let Some(connection) = &self.connection else { return };
        let ballast_row = self.random.below(BALLAST_ROWS);
        let outcome = read_snapshot(connection, ballast_row);
        record.end_ns = monotonic_ns();
        match outcome {
            Ok((head, flags)) => {
                record.number = head.number;
                record.hash = head.hash;
                record.flags |= flags;
                self.settle(&mut record, None);
            }
            Err(failure) => {
                let _ = connection.execute_batch("ROLLBACK");
                self.settle(&mut record, Some(failure));
            }
        }
        self.append(&record);
        self.rest_after(&record);
    }

    fn write(&mut self) {
        let mut record = self.blank_write();
        let slot = self.append(&record);
        let Some(connection) = self.connection.take() else { return };
        let outcome = self.write_transaction(&connection, &mut record, slot);
        record.end_ns = monotonic_ns();
        if outcome.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        self.connection = Some(connection);
        self.settle(&mut record, outcome.err());
        record.wal_frames = if record.phase == Phase::Done { self.feedback.frames.load(Ordering::Relaxed) } else { 0 };
        self.history.update(slot, &record);
        if record.phase == Phase::Done {
            self.history.count_acknowledged();
        }
        self.rest_after(&record);
        self.note_failed_autocheckpoint();
    }

    fn write_transaction(&mut self, connection: &Connection, record: &mut Record, slot: u32) -> Result<(), SqlFailure> {
        connection.execute_batch("BEGIN IMMEDIATE").at(Place::Begin)?;
        record.flags |= FLAG_IN_TRANSACTION;
        self.history.update(slot, record);
        let head = read_head(connection)?;
        let head = self.fold_when_long(connection, head, record)?;
        self.change(connection, head, record, self.configuration.workload.row_changes.into())?;
        if self.configuration.quirks.cancel_locks && self.random.once_in(4) {
            self.cancel_locks();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.history.update(slot, record);
        self.history.set_phase(slot, Phase::Committing);
        connection.execute_batch("COMMIT").at(Place::Commit)
    }

    /// Adds one commit to the ledger and changes `rows` cells; fills in the record's number and hash.
    fn change(
        &mut self,
        connection: &Connection,
        head: Head,
        record: &mut Record,
        rows: u64,
    ) -> Result<(), SqlFailure> {
        let author = writer(record.agent, record.incarnation);
        record.number = head.number + 1;
        record.hash = chain(head.hash, record.number, author, record.counter, record.token);
        let first_cell = self.random.below(CELL_COUNT);
        let cells = change_cells(connection, head.cells, record.number, first_cell, rows)?;
        let number = record.number as i64;
        execute(
            connection,
            "UPDATE ledger_head SET number=?1, hash=?2, cells=?3, horizon_number=?4, horizon_hash=?5, \
             horizon_count=?6 WHERE id=1",
            params![
                number,
                record.hash as i64,
                cells as i64,
                head.horizon_number as i64,
                head.horizon_hash as i64,
                head.horizon_count as i64
            ],
        )?;
        execute(
            connection,
            "INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5)",
            params![number, author, record.counter, record.token as i64, record.hash as i64],
        )
    }

    fn fold_when_long(&mut self, connection: &Connection, head: Head, record: &mut Record) -> Result<Head, SqlFailure> {
        let above = head.number.saturating_sub(head.horizon_number);
        if self.fold_refused || above < u64::from(self.configuration.workload.ledger_rows_max) + FOLD_ROWS {
            return Ok(head);
        }
        record.operation = Operation::Fold;
        match fold(connection, head)? {
            Some(folded) => Ok(folded),
            None => {
                self.fold_refused = true;
                record.flags |= FLAG_FOLD_REFUSED;
                Ok(head)
            }
        }
    }

    fn parked_transaction(&mut self, connection: &Connection, record: &mut Record) -> Result<u32, SqlFailure> {
        connection
            .execute_batch(&format!("PRAGMA cache_size={PARKED_CACHE_PAGES}; BEGIN IMMEDIATE"))
            .at(Place::Begin)?;
        let head = read_head(connection)?;
        self.change(connection, head, record, CELL_COUNT)?;
        execute(connection, "UPDATE ballast SET number=?1", params![record.number as i64])?;
        record.flags |= FLAG_SPILLED | FLAG_IN_TRANSACTION;
        Ok(spilled_pages(connection))
    }

    /// Whether this agent saw the log at several times the length at which it ought to be checkpointed.
    fn log_outgrew(&self) -> bool {
        let every = self.configuration.workload.autocheckpoint_frames;
        every != 0 && self.feedback.frames.swap(0, Ordering::Relaxed) > OUTGROWN * every
    }

    /// An explicit checkpoint in one of SQLite's four modes.
    fn checkpoint(&mut self, mode: CheckpointMode) {
        let mut record = self.blank(Operation::Checkpoint);
        record.counter = mode as u32;
        let Some(connection) = &self.connection else { return };
        let busy: Result<i64, SqlFailure> = connection
            .query_row(&format!("PRAGMA wal_checkpoint({})", mode.word()), [], |row| row.get(0))
            .at(Place::Checkpoint);
        record.end_ns = monotonic_ns();
        match busy {
            Ok(busy) => {
                self.settle(&mut record, None);
                record.phase = if busy == 0 { Phase::Done } else { Phase::Busy };
            }
            Err(failure) => self.settle(&mut record, Some(failure)),
        }
        self.append(&record);
    }

    fn note_failed_autocheckpoint(&mut self) {
        let code = self.feedback.checkpoint_code.swap(0, Ordering::Relaxed);
        if code != 0 {
            let mut record = self.blank(Operation::Checkpoint);
            record.end_ns = record.start_ns;
            record.phase = Phase::Failed;
            record.extended_code = code;
            record.place = Some(Place::Checkpoint);
            self.append(&record);
        }
    }

    /// What careless code does (a copy, a checksum of all files of the database): POSIX drops all locks of a process
    /// on a file when it closes any descriptor of it. `-shm` belongs to it: where only the database's own locks are
    /// dropped, a last closer of SQLite 3.51 and newer still sees the others by their DMS locks.
    fn cancel_locks(&self) {
        for suffix in ["", "-wal", "-shm"] {
            drop(std::fs::File::open(format!("{}{suffix}", self.configuration.database)));
        }
    }

    fn look_at_everything(&mut self) -> FinalState {
        let start_ns = monotonic_ns();
        let mut state = FinalState { agent: self.configuration.agent, start_ns, ..FinalState::default() };
        let seen = self.open_connection(false).and_then(|connection| {
            read_everything(&connection, &mut state)?;
            connection.close().map_err(|(_, error)| error).at(Place::Close)
        });
        if let Err(failure) = seen {
            state.error = Some((failure.extended_code, format!("{}: {}", failure.place.word(), failure.message)));
        }
        state
    }

    fn blank(&mut self, operation: Operation) -> Record {
        let transaction = matches!(operation, Operation::Read | Operation::Write);
        let fresh = transaction && std::mem::take(&mut self.fresh);
        Record {
            start_ns: monotonic_ns(),
            agent: self.configuration.agent,
            incarnation: self.configuration.incarnation,
            operation,
            flags: if fresh { FLAG_FRESH_CONNECTION } else { 0 },
            ..Record::BLANK
        }
    }

    fn blank_write(&mut self) -> Record {
        self.counter += 1;
        let token = self.random.next();
        Record { token, counter: self.counter, ..self.blank(Operation::Write) }
    }

    /// The phase that an outcome means for the application.
    fn settle(&self, record: &mut Record, failure: Option<SqlFailure>) {
        let Some(failure) = failure else {
            record.phase = Phase::Done;
            return;
        };
        record.extended_code = failure.extended_code;
        record.place = Some(failure.place);
        record.phase = match failure.place {
            _ if failure.is_busy() => Phase::Busy,
            Place::Commit => Phase::Unsettled,
            _ => Phase::Failed,
        };
    }

    fn append(&mut self, record: &Record) -> u32 {
        self.history.append(record).unwrap_or_else(|error| {
            eprintln!("walproof agent: cannot extend the history\nbecause: {error}\ntry: free space where it is kept");
            std::process::exit(HISTORY_FAILED);
        })
    }

    /// After an error an application pauses; it also keeps a broken world from filling the history.
    fn rest_after(&self, record: &Record) {
        if record.phase != Phase::Done && record.phase != Phase::Busy {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

/// Exit code of an agent that could not write its history.
pub const HISTORY_FAILED: i32 = 74;

const SCHEMA: &str = "BEGIN IMMEDIATE;
CREATE TABLE ledger_head(id INTEGER PRIMARY KEY CHECK(id=1), number INTEGER NOT NULL, hash INTEGER NOT NULL,
  cells INTEGER NOT NULL, horizon_number INTEGER NOT NULL, horizon_hash INTEGER NOT NULL, horizon_count INTEGER NOT NULL);
CREATE TABLE ledger(number INTEGER PRIMARY KEY, writer INTEGER NOT NULL, counter INTEGER NOT NULL,
  token INTEGER NOT NULL, hash INTEGER NOT NULL);
CREATE INDEX ledger_by_token ON ledger(token);
CREATE TABLE cells(cell INTEGER PRIMARY KEY, number INTEGER NOT NULL, padding BLOB NOT NULL);
CREATE TABLE ballast(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, padding BLOB NOT NULL);";

const INSERT_CELLS: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
  INSERT INTO cells SELECT i, 0, zeroblob(?2) FROM n";
const INSERT_BALLAST: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
  INSERT INTO ballast SELECT i, 0, zeroblob(?2) FROM n";

fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), SqlFailure> {
    let mut statement = connection.prepare_cached(sql).at(Place::Change)?;
    statement.execute(values).map(drop).at(Place::Change)
}

fn read_head(connection: &Connection) -> Result<Head, SqlFailure> {
    let sql = "SELECT number, hash, cells, horizon_number, horizon_hash, horizon_count FROM ledger_head WHERE id=1";
    let mut statement = connection.prepare_cached(sql).at(Place::ReadHead)?;
    let word = |row: &rusqlite::Row<'_>, column| row.get::<_, i64>(column).map(|value| value as u64);
    statement
        .query_row([], |row| {
            Ok(Head {
                number: word(row, 0)?,
                hash: word(row, 1)?,
                cells: word(row, 2)?,
                horizon_number: word(row, 3)?,
                horizon_hash: word(row, 4)?,
                horizon_count: word(row, 5)?,
            })
        })
        .at(Place::ReadHead)
}

/// One read transaction: the head, and whether newest rows, cells and one row of ballast belong to it.
fn read_snapshot(connection: &Connection, ballast_row: u64) -> Result<(Head, u16), SqlFailure> {
    connection.execute_batch("BEGIN").at(Place::Begin)?;
    let head = read_head(connection)?;
    let newest = read_newest_rows(connection)?;
    let mut flags = 0;
    if newest.first().map_or(head.number != 0, |row| row.number != head.number || row.hash != head.hash) {
        flags |= FLAG_LEDGER_DISAGREES;
    }
    if newest.windows(2).any(|pair| !follows(&pair[0], pair[1].number, pair[1].hash)) {
        flags |= FLAG_CHAIN_BROKEN;
    }
    if digest_cells(connection)? != head.cells || ballast_number(connection, ballast_row)? != 0 {
        flags |= FLAG_CELLS_DISAGREE;
    }
    connection.execute_batch("COMMIT").at(Place::Commit)?;
    Ok((head, flags))
}

fn follows(row: &LedgerRow, previous_number: u64, previous_hash: u64) -> bool {
    row.number == previous_number + 1
        && row.hash == chain(previous_hash, row.number, row.writer, row.counter, row.token)
}

fn read_newest_rows(connection: &Connection) -> Result<Vec<LedgerRow>, SqlFailure> {
    let sql = "SELECT number, writer, counter, token, hash FROM ledger ORDER BY number DESC LIMIT ?1";
    let mut statement = connection.prepare_cached(sql).at(Place::ReadLedger)?;
    let rows = statement.query_map(params![WINDOW_ROWS as i64], ledger_row).at(Place::ReadLedger)?;
    rows.collect::<rusqlite::Result<_>>().at(Place::ReadLedger)
}

fn ledger_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<LedgerRow> {
    Ok(LedgerRow {
        number: row.get::<_, i64>(0)? as u64,
        writer: row.get::<_, i64>(1)? as u32,
        counter: row.get::<_, i64>(2)? as u32,
        token: row.get::<_, i64>(3)? as u64,
        hash: row.get::<_, i64>(4)? as u64,
    })
}

fn digest_cells(connection: &Connection) -> Result<u64, SqlFailure> {
    let mut statement = connection.prepare_cached("SELECT cell, number FROM cells").at(Place::ReadCells)?;
    let mut rows = statement.query([]).at(Place::ReadCells)?;
    let mut digest = 0u64;
    while let Some(row) = rows.next().at(Place::ReadCells)? {
        let cell: i64 = row.get(0).at(Place::ReadCells)?;
        let number: i64 = row.get(1).at(Place::ReadCells)?;
        digest = digest.wrapping_add(cell_digest(cell as u64, number as u64));
    }
    Ok(digest)
}

fn ballast_number(connection: &Connection, row: u64) -> Result<i64, SqlFailure> {
    let mut statement = connection.prepare_cached("SELECT number FROM ballast WHERE id=?1").at(Place::ReadCells)?;
    statement.query_row(params![row as i64], |row| row.get(0)).at(Place::ReadCells)
}

/// Gives `rows` neighbouring cells the new number and returns the new digest.
fn change_cells(
    connection: &Connection,
    digest: u64,
    number: u64,
    first_cell: u64,
    rows: u64,
) -> Result<u64, SqlFailure> {
    // A stride that is coprime to the count spreads the changed cells over all pages.
    const STRIDE: u64 = 19;
    let mut digest = digest;
    for step in 0..rows.min(CELL_COUNT) {
        let cell = (first_cell + step * STRIDE) % CELL_COUNT;
        let mut select = connection.prepare_cached("SELECT number FROM cells WHERE cell=?1").at(Place::ReadCells)?;
        let before: i64 = select.query_row(params![cell as i64], |row| row.get(0)).at(Place::ReadCells)?;
        execute(connection, "UPDATE cells SET number=?1 WHERE cell=?2", params![number as i64, cell as i64])?;
        digest = digest.wrapping_sub(cell_digest(cell, before as u64)).wrapping_add(cell_digest(cell, number));
    }
    Ok(digest)
}

/// Moves the horizon over the oldest rows, or `None` when they are not what it promises.
fn fold(connection: &Connection, head: Head) -> Result<Option<Head>, SqlFailure> {
    let to = head.horizon_number + FOLD_ROWS;
    let sql = "SELECT number, writer, counter, token, hash FROM ledger WHERE number<=?1 ORDER BY number";
    let mut statement = connection.prepare_cached(sql).at(Place::ReadLedger)?;
    let rows: Vec<LedgerRow> =
        statement.query_map(params![to as i64], ledger_row).and_then(Iterator::collect).at(Place::ReadLedger)?;
    let (mut number, mut hash) = (head.horizon_number, head.horizon_hash);
    for row in &rows {
        if !follows(row, number, hash) {
            return Ok(None);
        }
        (number, hash) = (row.number, row.hash);
    }
    if number != to {
        return Ok(None);
    }
    execute(connection, "DELETE FROM ledger WHERE number<=?1", params![to as i64])?;
    let horizon_count = head.horizon_count + rows.len() as u64;
    Ok(Some(Head { horizon_number: number, horizon_hash: hash, horizon_count, ..head }))
}

fn read_everything(connection: &Connection, state: &mut FinalState) -> Result<(), SqlFailure> {
    connection.execute_batch("BEGIN").at(Place::Begin)?;
    let head = read_head(connection)?;
    state.journal_mode = journal_mode(connection, None)?;
    state.number = head.number;
    state.hash = head.hash;
    state.horizon_number = head.horizon_number;
    state.horizon_hash = head.horizon_hash;
    state.horizon_count = head.horizon_count;
    let sql = "SELECT number, writer, counter, token, hash FROM ledger NOT INDEXED";
    let mut statement = connection.prepare(sql).at(Place::ReadLedger)?;
    state.rows = statement.query_map([], ledger_row).and_then(Iterator::collect).at(Place::ReadLedger)?;
    let touched: i64 = connection
        .query_row("SELECT count(*) FROM ballast WHERE number<>0", [], |row| row.get(0))
        .at(Place::ReadCells)?;
    state.cells_agree = touched == 0 && digest_cells(connection)? == head.cells;
    let mut check = connection.prepare("PRAGMA integrity_check(20)").at(Place::ReadLedger)?;
    let lines: Vec<String> = check.query_map([], |row| row.get(0)).and_then(Iterator::collect).at(Place::ReadLedger)?;
    state.integrity = lines.into_iter().filter(|line| line != "ok").collect();
    connection.execute_batch("COMMIT").at(Place::Commit)
}
