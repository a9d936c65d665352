//! The ledger on real SQLite: every commit numbered and chained, every transaction recorded.
//!
//! Tables (see `walproof_format::ledger` for the arithmetic):
//! `ledger_head` one row: newest number, its chain hash, the digest of what rides along, the horizon;
//! `ledger` one row a commit above the horizon; `ballast` rows that only a transaction meant to be killed ever
//! changes. What else a transaction changes is the workload's (`workloads/`).
//!
//! Keyed workloads have several ledgers in tables of their own (`ledger_head_3`, `ledger_3`) and share no row: each
//! transaction is one of one ledger.
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
    FLAG_INVARIANT_BROKEN, FLAG_LEDGER_DISAGREES, FLAG_SPILLED, Operation, Phase, Place, Record, Wait,
};
use walproof_format::ledger::{CELL_COUNT, FinalState, GENESIS, LedgerRow, chain, mix, writer};
use walproof_format::protocol::{COUNTER_FREE, CheckpointMode, Configuration, Duty};

use crate::clock::monotonic_ns;
use crate::connection::{
    AtPlace, SqlFailure, WAL_EXCLUSIVE, WalFeedback, execute, journal_mode, open, open_exclusive, spilled_pages,
};
use crate::history::HistoryWriter;
use crate::random::Random;
use crate::workloads::{self, Rider, Turn};

/// Rows folded at once.
const FOLD_ROWS: u64 = 512;
/// Newest ledger rows that every read checks.
const WINDOW_ROWS: usize = 8;
/// Rows of `ballast`, a page each: many times the cache of a parked transaction.
const BALLAST_ROWS: u64 = 64;
/// How many times `autocheckpoint_frames` the log may be long before an agent insists on restarting it.
const OUTGROWN: u32 = 3;
/// Between two visits: what somebody opened a moment ago can be read by the others.
const VISIT_PAUSE: Duration = Duration::from_millis(3);
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
    /// What rides on the ledger.
    rider: Box<dyn Rider>,
    /// The ledgers by key.
    ledgers: Vec<Ledger>,
}

/// The statements of one ledger.
#[derive(Debug)]
struct Ledger {
    key: u8,
    read_head: String,
    update_head: String,
    insert: String,
    newest: String,
    oldest: String,
    remove: String,
    all: String,
    /// Its rows were once not what the horizon promised: nothing is folded any more.
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

impl Ledger {
    /// `suffix` is part of the tables' names: empty where there is one ledger.
    fn new(key: u8, suffix: &str) -> Self {
        let columns = "number, writer, counter, token, hash";
        Self {
            key,
            read_head: format!(
                "SELECT number, hash, cells, horizon_number, horizon_hash, horizon_count FROM ledger_head{suffix} \
                 WHERE id=1"
            ),
            update_head: format!(
                "UPDATE ledger_head{suffix} SET number=?1, hash=?2, cells=?3, horizon_number=?4, horizon_hash=?5, \
                 horizon_count=?6 WHERE id=1"
            ),
            insert: format!("INSERT INTO ledger{suffix} VALUES(?1, ?2, ?3, ?4, ?5)"),
            newest: format!("SELECT {columns} FROM ledger{suffix} ORDER BY number DESC LIMIT ?1"),
            oldest: format!("SELECT {columns} FROM ledger{suffix} WHERE number<=?1 ORDER BY number"),
            remove: format!("DELETE FROM ledger{suffix} WHERE number<=?1"),
            all: format!("SELECT {columns} FROM ledger{suffix} NOT INDEXED"),
            fold_refused: false,
        }
    }

    fn suffix(key: u8, keyed: bool) -> String {
        if keyed { format!("_{key}") } else { String::new() }
    }
}

impl Worker {
    /// A worker that has not opened anything; its history's first segment exists.
    pub fn new(configuration: Configuration, attention: Arc<AtomicBool>) -> io::Result<Self> {
        let folder = configuration.history.as_ref().map(PathBuf::from);
        let history = HistoryWriter::create(folder, configuration.agent, configuration.incarnation)?;
        let life = u64::from(writer(configuration.agent, configuration.incarnation));
        let workload = &configuration.workload;
        let ledger = |key| Ledger::new(key, &Ledger::suffix(key, workload.is_keyed()));
        let unknown = || io::Error::new(io::ErrorKind::InvalidInput, format!("no workload `{}`", workload.name));
        Ok(Self {
            rider: workloads::start(&configuration).ok_or_else(unknown)?,
            ledgers: (0..workload.key_count()).map(ledger).collect(),
            random: Random::new(configuration.seed ^ mix(life)),
            configuration,
            attention,
            connection: None,
            history,
            feedback: Arc::default(),
            counter: 0,
            until_reopen: 1,
            fresh: true,
        })
    }

    /// Creates database, schema and rows; answers with what `PRAGMA journal_mode` said.
    pub fn create(&mut self) -> Result<String, SqlFailure> {
        let connection = self.open_connection(true)?;
        let workload = &self.configuration.workload;
        connection.execute_batch(&format!("PRAGMA page_size={}", workload.page_size_bytes)).at(Place::Open)?;
        let mode = journal_mode(&connection, Some(&workload.journal_mode))?;
        connection.execute_batch("BEGIN IMMEDIATE").at(Place::Begin)?;
        let digest = self.rider.schema(&connection, workload)?;
        for ledger in &self.ledgers {
            let suffix = Ledger::suffix(ledger.key, workload.is_keyed());
            connection.execute_batch(&SCHEMA.replace('$', &suffix)).at(Place::Change)?;
            let head = format!("INSERT INTO ledger_head{suffix} VALUES(1, 0, ?1, ?2, 0, ?1, 0)");
            connection.execute(&head, params![GENESIS as i64, digest as i64]).at(Place::Change)?;
        }
        connection.execute_batch(BALLAST_SCHEMA).at(Place::Change)?;
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
        self.ledgers.iter().try_for_each(|ledger| read_head(&connection, ledger).map(drop))?;
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
            Duty::Visit => {
                self.read();
                self.close();
                std::thread::sleep(VISIT_PAUSE);
                return;
            }
            Duty::Checkpoint { mode } => {
                let drawn = CheckpointMode::ALL[self.random.below(4) as usize];
                self.checkpoint(mode.unwrap_or(drawn));
            }
        }
        self.until_reopen = self.until_reopen.saturating_sub(1);
        if self.until_reopen == 0 && self.configuration.workload.reopen_every != 0 {
            self.close();
        }
        // A checkpointer does one after another: who thinks is the application.
        if self.configuration.workload.think_us != 0 && !matches!(self.configuration.duty, Duty::Checkpoint { .. }) {
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
        } else if self.rider.reads(&mut self.random, read_percent) {
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
        if self.configuration.workload.journal_mode == WAL_EXCLUSIVE {
            // Whoever had the database to itself lets others come first: it would be back before they look again.
            std::thread::sleep(Duration::from_millis(2 + self.random.below(4)));
        }
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
        let open = if configuration.workload.journal_mode == WAL_EXCLUSIVE { open_exclusive } else { open };
        open(&configuration.database, &configuration.workload, &configuration.quirks, create, seed, attention, feedback)
    }

    fn read(&mut self) {
        let mut record = self.blank(Operation::Read);
        record.key = self.random_key();
        let Some(connection) = self.connection.take() else { return };
        let outcome = self.read_snapshot(&connection, &mut record);
        record.end_ns = monotonic_ns();
        if outcome.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        self.connection = Some(connection);
        self.settle(&mut record, outcome.err());
        self.rider.settled(&record);
        self.append(&record);
        self.rest_after(&record);
    }

    /// One read transaction: the head, and whether newest rows, what rides along and one row of ballast belong to it.
    fn read_snapshot(&mut self, connection: &Connection, record: &mut Record) -> Result<(), SqlFailure> {
        let ballast_row = self.random.below(BALLAST_ROWS);
        let ledger = &self.ledgers[usize::from(record.key)];
        connection.execute_batch("BEGIN").at(Place::Begin)?;
        let head = read_head(connection, ledger)?;
        let newest = read_newest_rows(connection, ledger)?;
        let mut flags = 0;
        if newest.first().map_or(head.number != 0, |row| row.number != head.number || row.hash != head.hash) {
            flags |= FLAG_LEDGER_DISAGREES;
        }
        if newest.windows(2).any(|pair| !follows(&pair[0], pair[1].number, pair[1].hash)) {
            flags |= FLAG_CHAIN_BROKEN;
        }
        if ballast_number(connection, ballast_row)? != 0 {
            flags |= FLAG_CELLS_DISAGREE;
        }
        let rows = self.configuration.workload.row_changes.into();
        let mut turn = turn(&self.configuration, &mut self.random, connection, head.number, head.cells, rows);
        if let Some(broken) = self.rider.check(&mut turn)? {
            flags |= FLAG_INVARIANT_BROKEN;
            record.counter = broken;
        }
        connection.execute_batch("COMMIT").at(Place::Commit)?;
        (record.number, record.hash) = (head.number, head.hash);
        record.flags |= flags;
        Ok(())
    }

    fn random_key(&mut self) -> u8 {
        match self.ledgers.len() {
            1 => 0,
            several => self.random.below(several as u64) as u8,
        }
    }

    /// Of a write: in `counter-free` everybody has a ledger that nobody else writes.
    fn key_to_write(&mut self) -> u8 {
        let own = usize::from(self.configuration.agent) % self.ledgers.len();
        if self.configuration.workload.name == COUNTER_FREE { own as u8 } else { self.random_key() }
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
        self.rider.settled(&record);
        self.note_times(&mut record);
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
        record.wait = waited(record, monotonic_ns());
        self.history.update(slot, record);
        let head = read_head(connection, &self.ledgers[usize::from(record.key)])?;
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

    /// How long it waited where it never began, and for the back-off how long it held the write lock.
    fn note_times(&self, record: &mut Record) {
        if record.phase == Phase::Done {
            let whole_ns = record.end_ns.saturating_sub(record.start_ns);
            self.feedback.note_hold(whole_ns.saturating_sub(record.wait.us() * 1000));
        } else if record.place == Some(Place::Begin) {
            record.wait = waited(record, record.end_ns);
        }
    }

    /// Adds one commit to the ledger and lets the workload change `rows` rows; fills in the record's number and hash.
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
        let mut turn = turn(&self.configuration, &mut self.random, connection, record.number, head.cells, rows);
        let cells = self.rider.change(&mut turn)?;
        let number = record.number as i64;
        let ledger = &self.ledgers[usize::from(record.key)];
        execute(
            connection,
            &ledger.update_head,
            params![
                number,
                record.hash as i64,
                cells as i64,
                head.horizon_number as i64,
                head.horizon_hash as i64,
                head.horizon_count as i64
            ],
        )?;
        let (token, hash) = (record.token as i64, record.hash as i64);
        execute(connection, &ledger.insert, params![number, author, record.counter, token, hash])
    }

    fn fold_when_long(&mut self, connection: &Connection, head: Head, record: &mut Record) -> Result<Head, SqlFailure> {
        let above = head.number.saturating_sub(head.horizon_number);
        let ledger = &mut self.ledgers[usize::from(record.key)];
        if ledger.fold_refused || above < u64::from(self.configuration.workload.ledger_rows_max) + FOLD_ROWS {
            return Ok(head);
        }
        record.operation = Operation::Fold;
        match fold(connection, ledger, head)? {
            Some(folded) => Ok(folded),
            None => {
                ledger.fold_refused = true;
                record.flags |= FLAG_FOLD_REFUSED;
                Ok(head)
            }
        }
    }

    fn parked_transaction(&mut self, connection: &Connection, record: &mut Record) -> Result<u32, SqlFailure> {
        connection
            .execute_batch(&format!("PRAGMA cache_size={PARKED_CACHE_PAGES}; BEGIN IMMEDIATE"))
            .at(Place::Begin)?;
        let head = read_head(connection, &self.ledgers[usize::from(record.key)])?;
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
            self.read_everything(&connection, &mut state)?;
            connection.close().map_err(|(_, error)| error).at(Place::Close)
        });
        if let Err(failure) = seen {
            state.error = Some((failure.extended_code, format!("{}: {}", failure.place.word(), failure.message)));
        }
        state
    }

    fn read_everything(&mut self, connection: &Connection, state: &mut FinalState) -> Result<(), SqlFailure> {
        connection.execute_batch("BEGIN").at(Place::Begin)?;
        let touched = "SELECT count(*) FROM ballast WHERE number<>0";
        let touched: i64 = connection.query_row(touched, [], |row| row.get(0)).at(Place::ReadCells)?;
        state.journal_mode = journal_mode(connection, None)?;
        let (agent, start_ns) = (state.agent, state.start_ns);
        let mut ledgers = self.ledgers.iter();
        if let Some(first) = ledgers.next() {
            read_ledger(connection, first, state)?;
        }
        for ledger in ledgers {
            let mut other = FinalState { agent, start_ns, cells_agree: true, ..FinalState::default() };
            read_ledger(connection, ledger, &mut other)?;
            state.others.push(other);
        }
        let digest = read_head(connection, &self.ledgers[0])?.cells;
        let mut turn = turn(&self.configuration, &mut self.random, connection, state.number, digest, 0);
        state.cells_agree = touched == 0;
        if let Some(broken) = self.rider.check_whole(&mut turn)? {
            let names = workloads::invariants(&self.configuration.workload);
            state.broken.extend(names.into_iter().nth(broken as usize));
        }
        let mut check = connection.prepare("PRAGMA integrity_check(20)").at(Place::ReadLedger)?;
        let lines: Vec<String> =
            check.query_map([], |row| row.get(0)).and_then(Iterator::collect).at(Place::ReadLedger)?;
        state.integrity = lines.into_iter().filter(|line| line != "ok").collect();
        connection.execute_batch("COMMIT").at(Place::Commit)
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
        let (token, key) = (self.random.next(), self.key_to_write());
        Record { token, key, counter: self.counter, ..self.blank(Operation::Write) }
    }

    /// The phase that an outcome means for the application.
    fn settle(&self, record: &mut Record, failure: Option<SqlFailure>) {
        let Some(failure) = failure else {
            record.phase = Phase::Done;
            return;
        };
        // A constraint that the user's own statements break is theirs: rolled back, and no error of the boundary.
        let own = self.configuration.workload.custom.is_some() && failure.is_constraint();
        record.extended_code = if own { 0 } else { failure.extended_code };
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

fn waited(record: &Record, until_ns: u64) -> Wait {
    Wait::from_us(until_ns.saturating_sub(record.start_ns) / 1000)
}

/// Exit code of an agent that could not write its history.
pub const HISTORY_FAILED: i32 = 74;

/// `$` stands for the suffix of one ledger's tables.
const SCHEMA: &str = "CREATE TABLE ledger_head$(id INTEGER PRIMARY KEY CHECK(id=1), number INTEGER NOT NULL,
  hash INTEGER NOT NULL, cells INTEGER NOT NULL, horizon_number INTEGER NOT NULL, horizon_hash INTEGER NOT NULL,
  horizon_count INTEGER NOT NULL);
CREATE TABLE ledger$(number INTEGER PRIMARY KEY, writer INTEGER NOT NULL, counter INTEGER NOT NULL,
  token INTEGER NOT NULL, hash INTEGER NOT NULL);
CREATE INDEX ledger$_by_token ON ledger$(token);";
const BALLAST_SCHEMA: &str =
    "CREATE TABLE ballast(id INTEGER PRIMARY KEY, number INTEGER NOT NULL, padding BLOB NOT NULL);";
const INSERT_BALLAST: &str = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<?1)
  INSERT INTO ballast SELECT i, 0, zeroblob(?2) FROM n";

fn read_head(connection: &Connection, ledger: &Ledger) -> Result<Head, SqlFailure> {
    let mut statement = connection.prepare_cached(&ledger.read_head).at(Place::ReadHead)?;
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

fn follows(row: &LedgerRow, previous_number: u64, previous_hash: u64) -> bool {
    row.number == previous_number + 1
        && row.hash == chain(previous_hash, row.number, row.writer, row.counter, row.token)
}

fn read_newest_rows(connection: &Connection, ledger: &Ledger) -> Result<Vec<LedgerRow>, SqlFailure> {
    let mut statement = connection.prepare_cached(&ledger.newest).at(Place::ReadLedger)?;
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

fn ballast_number(connection: &Connection, row: u64) -> Result<i64, SqlFailure> {
    let mut statement = connection.prepare_cached("SELECT number FROM ballast WHERE id=?1").at(Place::ReadCells)?;
    statement.query_row(params![row as i64], |row| row.get(0)).at(Place::ReadCells)
}

/// Moves the horizon over the oldest rows, or `None` when they are not what it promises.
fn fold(connection: &Connection, ledger: &Ledger, head: Head) -> Result<Option<Head>, SqlFailure> {
    let to = head.horizon_number + FOLD_ROWS;
    let mut statement = connection.prepare_cached(&ledger.oldest).at(Place::ReadLedger)?;
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
    execute(connection, &ledger.remove, params![to as i64])?;
    let horizon_count = head.horizon_count + rows.len() as u64;
    Ok(Some(Head { horizon_number: number, horizon_hash: hash, horizon_count, ..head }))
}

fn turn<'a>(
    configuration: &Configuration,
    random: &'a mut Random,
    connection: &'a Connection,
    number: u64,
    digest: u64,
    rows: u64,
) -> Turn<'a> {
    Turn { connection, random, number, digest, rows, agent: configuration.agent }
}

/// Head, horizon and rows of one ledger.
fn read_ledger(connection: &Connection, ledger: &Ledger, state: &mut FinalState) -> Result<(), SqlFailure> {
    let head = read_head(connection, ledger)?;
    state.key = ledger.key;
    (state.number, state.hash) = (head.number, head.hash);
    (state.horizon_number, state.horizon_hash) = (head.horizon_number, head.horizon_hash);
    state.horizon_count = head.horizon_count;
    let mut statement = connection.prepare(&ledger.all).at(Place::ReadLedger)?;
    state.rows = statement.query_map([], ledger_row).and_then(Iterator::collect).at(Place::ReadLedger)?;
    Ok(())
}
