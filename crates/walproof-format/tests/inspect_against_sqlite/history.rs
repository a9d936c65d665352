//! A made-up life of a database: settings and steps drawn from a seed, played by SQLite.
//!
//! What it must not do: check anything. The same seed plays the same steps; random bytes come from the seed as well.

use rusqlite::Connection;
use walproof_testbench::Folder;

use super::files::{dump, folder};

/// splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A commit whose content is known.
#[derive(Clone, Copy)]
pub struct Known {
    /// mxFrame after it, as SQLite says; 0 in rollback modes.
    pub last_frame: i64,
    /// The digest of its rows.
    pub dump: u64,
}

/// A database that lives.
pub struct Life {
    pub folder: Folder,
    pub random: Random,
    pub page_size: u32,
    /// Writes most of it.
    pub writer: Connection,
    /// Writes some, and pins snapshots.
    pub other: Connection,
    pub wal: bool,
    /// Commits of this generation of the log.
    pub known: Vec<Known>,
    /// The salts of this generation.
    generation: Vec<u8>,
    encoding: &'static str,
    tables: usize,
    pinned: bool,
}

/// Bytes at the end of each page that SQLite leaves alone; no PRAGMA sets them.
fn reserve(connection: &Connection, mut bytes: i32) {
    use rusqlite::ffi;
    // SAFETY: the connection is open, and `bytes` is the int that this call reads and writes.
    unsafe {
        let place = (&raw mut bytes).cast();
        ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), ffi::SQLITE_FCNTL_RESERVE_BYTES, place);
    }
}

impl Life {
    pub fn begin(seed: u64, wal: bool) -> Self {
        let mut random = Random::new(seed);
        let folder = folder();
        let page_size = 512 << random.below(8);
        let open = || {
            let connection = Connection::open(folder.at("live.db")).expect("SQLite opens it");
            // Whoever is in the way is another connection of this thread: waiting would help nobody.
            connection.busy_timeout(std::time::Duration::ZERO).expect("a setting");
            connection
        };
        let writer = open();
        let (vacuum, encoding) = (random.below(3), random.one_of(&["UTF-8", "UTF-16le", "UTF-16be"]));
        let journal = if wal { "WAL" } else { random.one_of(&["DELETE", "PERSIST", "TRUNCATE"]) };
        reserve(&writer, if random.below(3) == 0 { random.below(33) as i32 } else { 0 });
        let settings = format!(
            "PRAGMA encoding='{encoding}'; PRAGMA page_size={page_size}; PRAGMA auto_vacuum={vacuum}; \
             PRAGMA journal_mode={journal}; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous={};",
            random.one_of(&["OFF", "NORMAL", "FULL"])
        );
        writer.execute_batch(&settings).expect("settings");
        let schema = "BEGIN; CREATE TABLE rows(a INTEGER PRIMARY KEY, b TEXT, c BLOB); \
            CREATE TABLE keys(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID; CREATE INDEX rows_b ON rows(b, c); \
            CREATE VIEW seen AS SELECT a FROM rows; \
            CREATE TRIGGER told AFTER DELETE ON rows BEGIN DELETE FROM keys WHERE k = old.b; END; COMMIT";
        writer.execute_batch(schema).expect("a schema");
        let other = open();
        other.execute_batch("PRAGMA wal_autocheckpoint=0").expect("settings");
        Self {
            folder,
            random,
            page_size,
            writer,
            other,
            wal,
            known: Vec::new(),
            generation: Vec::new(),
            encoding,
            tables: 0,
            pinned: false,
        }
    }

    pub fn describe(&self) -> String {
        format!("page size {}, {}, {}", self.page_size, if self.wal { "WAL" } else { "rollback" }, self.encoding)
    }

    /// (mxFrame, nBackfill) as SQLite says.
    pub fn log_state(&self) -> (i64, i64) {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
        self.writer.query_row("PRAGMA wal_checkpoint(NOOP)", [], row).expect("an answer")
    }

    /// One step, and what is known after it.
    pub fn step(&mut self) {
        match self.random.below(20) {
            0..=6 => self.insert(),
            7 | 8 => self.delete(),
            9 | 10 => self.update(),
            11 => self.make_table(),
            12 => self.drop_table(),
            13 => self.savepoints(),
            14 => self.roll_back(),
            15 => self.pin(),
            16 | 17 if self.wal => self.checkpoint(),
            16..=18 => self.other_writes(),
            _ => self.vacuum(),
        }
        self.note();
    }

    /// More frames than the first block of the wal-index has, in some histories with small pages.
    pub fn long_commit(&mut self) {
        if self.page_size <= 1024 && self.random.below(2) == 0 {
            self.execute(&format!("INSERT INTO rows(c) VALUES (zeroblob({}))", 4_300 * self.page_size));
            self.note();
        }
    }

    /// Remembers what SQLite reads now.
    fn note(&mut self) {
        let last_frame = if self.wal { self.log_state().0 } else { 0 };
        let log = std::fs::read(self.folder.at("live.db-wal")).unwrap_or_default();
        let generation = log.get(16..24).unwrap_or_default();
        if generation != self.generation {
            // A log is begun anew once the database has all of it, also by a commit longer than all of the log before.
            self.generation = generation.to_vec();
            let before = self.known.last().map(|known| Known { last_frame: 0, ..*known });
            self.known = before.into_iter().collect();
        }
        if self.known.last().is_some_and(|known| known.last_frame > last_frame) {
            self.known.clear();
        }
        let dump = dump(&self.writer).expect("SQLite reads it");
        self.known.retain(|known| known.last_frame < last_frame);
        self.known.push(Known { last_frame, dump });
    }

    /// Executed by the first connection; what a pinned snapshot forbids is passed over.
    fn execute(&self, sql: &str) {
        if let Err(error) = self.writer.execute_batch(sql) {
            let busy = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                || error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseLocked);
            assert!(busy, "{sql}: {error}");
            let _ = self.writer.execute_batch("ROLLBACK");
        }
    }

    /// Mostly short, sometimes several overflow pages.
    fn length(&mut self) -> usize {
        match self.random.below(8) {
            0 => self.random.below(4 * self.page_size as usize),
            1 => self.random.below(self.page_size as usize),
            _ => self.random.below(40),
        }
    }

    fn text(&mut self) -> String {
        let length = self.length();
        let mut word = self.random.next();
        let letters = (0..length).map(|_| {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ['a', 'b', 'ß', '日', 'z'][(word >> 33) as usize % 5]
        });
        letters.collect()
    }

    fn insert_sql(&mut self, count: usize) -> String {
        let mut sql = String::new();
        for _ in 0..count {
            let (text, key, length, number) = (self.text(), self.text(), self.length(), self.random.next());
            sql += &format!("INSERT INTO rows(b, c) VALUES ('{text}', zeroblob({length}));");
            sql += &format!("INSERT OR REPLACE INTO keys VALUES ('{number:x}{key}', x'{number:016x}');");
        }
        sql
    }

    fn insert(&mut self) {
        let count = 1 + self.random.below(12);
        let rows = self.insert_sql(count);
        self.execute(&format!("BEGIN; {rows} COMMIT"));
    }

    fn delete(&mut self) {
        let (parts, part) = (2 + self.random.below(4), self.random.below(2));
        self.execute(&format!("BEGIN; DELETE FROM rows WHERE a % {parts} = {part}; DELETE FROM keys WHERE length(k) % {parts} = {part}; COMMIT"));
    }

    fn update(&mut self) {
        let (text, parts, length) = (self.text(), 3 + self.random.below(5), self.length());
        let (version, application) = (self.random.below(1000), self.random.below(1000));
        self.execute(&format!(
            "BEGIN; UPDATE rows SET b = b || '{text}', c = zeroblob({length}) WHERE a % {parts} = 1; \
             PRAGMA user_version={version}; PRAGMA application_id={application}; COMMIT"
        ));
    }

    fn make_table(&mut self) {
        self.tables += 1;
        let (number, text) = (self.tables, self.text());
        self.execute(&format!(
            "BEGIN; CREATE TABLE \"made {number} ß\"(x, y DEFAULT '{text}'); CREATE INDEX \"of {number}\" ON \"made {number} ß\"(x); \
             INSERT INTO \"made {number} ß\"(x) SELECT b FROM rows; COMMIT"
        ));
    }

    fn drop_table(&mut self) {
        let number = 1 + self.random.below(self.tables);
        self.execute(&format!("DROP TABLE IF EXISTS \"made {number} ß\""));
    }

    fn savepoints(&mut self) {
        let (kept, gone) = (self.insert_sql(3), self.insert_sql(9));
        self.execute(&format!(
            "PRAGMA cache_size=4; BEGIN; {kept} SAVEPOINT s; {gone} DELETE FROM rows WHERE a % 2 = 0; ROLLBACK TO s; {kept} COMMIT; PRAGMA cache_size=-2000"
        ));
    }

    /// A small cache, so that what is rolled back has reached the log or the file.
    fn roll_back(&mut self) {
        let rows = self.insert_sql(20);
        self.execute(&format!(
            "PRAGMA cache_size=2; BEGIN; {rows} UPDATE rows SET c = x'00'; ROLLBACK; PRAGMA cache_size=-2000"
        ));
    }

    /// A snapshot of the other connection begins or ends; in rollback modes it would shut writers out.
    fn pin(&mut self) {
        if self.wal {
            let sql = if self.pinned { "COMMIT" } else { "BEGIN; SELECT count(*) FROM rows" };
            self.other.execute_batch(sql).expect("a snapshot");
            self.pinned = !self.pinned;
        }
    }

    fn checkpoint(&mut self) {
        let kind = self.random.one_of(&["PASSIVE", "PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
        let _ = self.writer.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |row| row.get::<_, i64>(0));
    }

    fn other_writes(&mut self) {
        let rows = self.insert_sql(3);
        if !self.pinned {
            self.other.execute_batch(&format!("BEGIN; {rows} COMMIT")).expect("the other writes");
        }
    }

    fn vacuum(&mut self) {
        if self.random.below(3) == 0 {
            self.execute("VACUUM");
        } else {
            let pages = self.random.below(20);
            self.execute(&format!("PRAGMA incremental_vacuum({pages})"));
        }
    }
}
