//! `walproof inspect` from outside: the real binary on files that SQLite wrote, held against what SQLite says of them,
//! and on the same files broken in many ways.
//!
//! What it must not do: look into walproof. Files are copied while a connection is open, so that a log stays behind as
//! after a crash; that copying drops this process's own locks does no harm, nobody else has these files open.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use serde_json::Value;
use walproof_format::sqlite::checksum;
use walproof_testbench::Folder;

const SIDECARS: [&str; 4] = ["", "-wal", "-shm", "-journal"];
const PAGE_SIZES: [u32; 3] = [512, 4096, 65536];

struct Ended {
    code: i32,
    json: Value,
    error: String,
}

impl Ended {
    /// The only database.
    fn one(&self) -> &Value {
        let all = self.json["databases"].as_array().expect("a list");
        assert_eq!(all.len(), 1, "{}", self.error);
        &all[0]
    }

    fn names(&self, level: &str) -> Vec<&str> {
        let findings = self.one()["findings"].as_array().expect("a list");
        let of_level = findings.iter().filter(|finding| finding["level"] == level);
        of_level.filter_map(|finding| finding["name"].as_str()).collect()
    }

    #[track_caller]
    fn assert_wrong(&self, name: &str) {
        assert_eq!((self.code, self.names("wrong")), (1, vec![name]), "{:#}", self.json);
    }

    #[track_caller]
    fn assert_sound(&self, level: &str, name: &str) {
        assert_eq!(self.code, 0, "{:#}", self.json);
        assert!(self.names(level).contains(&name), "{:#}", self.json);
    }
}

fn run(arguments: &[&Path]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    let out = command.arg("inspect").args(arguments).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (out.status.code().expect("no signal"), text(out.stdout), text(out.stderr))
}

fn inspect(path: &Path) -> Ended {
    let (code, out, error) = run(&[path, Path::new("--json")]);
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|cause| panic!("{cause}: {out}{error}"));
    assert_eq!(json["walproof_inspect"], 1);
    Ended { code, json, error }
}

fn sidecar(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// The files as a crash would leave them.
fn copy_set(from: &Path, to: &Path, suffixes: &[&str]) {
    for suffix in suffixes {
        let source = sidecar(from, suffix);
        if source.exists() {
            fs::copy(source, sidecar(to, suffix)).expect("a copy");
        }
    }
}

fn open(path: &Path, page_size: u32, journal: &str) -> Connection {
    let connection = Connection::open(path).expect("SQLite opens it");
    let sql = format!("PRAGMA page_size={page_size}; PRAGMA journal_mode={journal}; PRAGMA wal_autocheckpoint=0;");
    connection.execute_batch(&sql).expect("settings");
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b TEXT)").expect("a table");
    connection
}

fn insert(connection: &Connection, commits: u32) {
    for _ in 0..commits {
        connection.execute("INSERT INTO t(b) VALUES (hex(randomblob(100)))", []).expect("an insert");
    }
}

fn pragma(connection: &Connection, name: &str) -> i64 {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).expect(name)
}

fn rows(path: &Path) -> i64 {
    let connection = Connection::open(path).expect("SQLite opens it");
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("SQLite reads it")
}

/// A log with 9 commits that the database has and 7 that it lacks.
fn crashed(folder: &Folder, page_size: u32) -> PathBuf {
    let (live, dead) = (folder.at("live.db"), folder.at("dead.db"));
    let connection = open(&live, page_size, "wal");
    insert(&connection, 8);
    // A reader keeps the log from being restarted, not from being copied.
    let reader = Connection::open(&live).expect("a reader");
    reader.execute_batch("BEGIN; SELECT * FROM t LIMIT 1").expect("a snapshot");
    connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").expect("a checkpoint");
    insert(&connection, 7);
    reader.execute_batch("COMMIT").expect("the end");
    copy_set(&live, &dead, &SIDECARS);
    dead
}

/// The frames of a log, each as (offset, length).
fn frames(log: &[u8]) -> Vec<std::ops::Range<usize>> {
    let page_size = u32::from_be_bytes(log[8..12].try_into().expect("four bytes")) as usize;
    let starts = (32..log.len()).step_by(24 + page_size);
    starts.map(|start| start..start + 24 + page_size).collect()
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    change(&mut bytes);
    fs::write(path, bytes).expect("a write");
}

// ---- against SQLite ----

#[test]
fn header_fields_are_what_sqlite_says() {
    let folder = Folder::new("inspect");
    for (page_size, encoding) in PAGE_SIZES.into_iter().zip(["UTF-8", "UTF-16le", "UTF-16be"]) {
        let path = folder.at(&format!("{page_size}.db"));
        let connection = Connection::open(&path).expect("SQLite opens it");
        let sql = format!("PRAGMA encoding='{encoding}'; PRAGMA page_size={page_size}; PRAGMA auto_vacuum=FULL;");
        connection.execute_batch(&sql).expect("settings");
        drop(connection);
        let connection = Connection::open(&path).expect("SQLite opens it");
        connection.execute_batch(&sql).expect("settings");
        connection.execute_batch("CREATE TABLE t(a, b); PRAGMA user_version=-77; PRAGMA application_id=252006674; PRAGMA auto_vacuum=NONE;").expect("a table");
        connection.execute_batch("INSERT INTO t VALUES (1, zeroblob(300000))").expect("an insert");
        let seen = inspect(&path);
        let header = &seen.one()["database"]["header"];
        assert_eq!(header["page_size"], pragma(&connection, "page_size"));
        assert_eq!(header["page_count"], pragma(&connection, "page_count"));
        assert_eq!(header["freelist_pages"], pragma(&connection, "freelist_count"));
        assert_eq!(header["schema_cookie"], pragma(&connection, "schema_version"));
        assert_eq!(header["application_id"], pragma(&connection, "application_id"));
        assert_eq!(header["user_version"], (pragma(&connection, "user_version") as i32).cast_unsigned());
        assert_eq!(header["auto_vacuum"], pragma(&connection, "auto_vacuum") != 0);
        assert_eq!(header["text_encoding"], encoding);
        assert_eq!(header["writer_version"], rusqlite::version_number());
        assert_eq!((header["write_version"].as_u64(), header["read_version"].as_u64()), (Some(1), Some(1)));
        assert_eq!(header["version_valid_for"], header["change_counter"]);
        assert_eq!(seen.code, 0, "{:#}", seen.json);
    }
}

#[test]
fn free_pages_are_counted() {
    let folder = Folder::new("inspect");
    let path = folder.at("free.db");
    let connection = open(&path, 4096, "delete");
    connection.execute_batch("INSERT INTO t(b) VALUES (hex(zeroblob(50000))); DELETE FROM t").expect("rows");
    let free = pragma(&connection, "freelist_count");
    assert!(free > 10);
    assert_eq!(inspect(&path).one()["database"]["header"]["freelist_pages"], free);
}

#[test]
fn a_log_is_what_sqlite_recovers() {
    for page_size in PAGE_SIZES {
        let folder = Folder::new("inspect");
        let dead = crashed(&folder, page_size);
        let seen = inspect(&dead);
        seen.assert_sound("caution", "pending-commits");
        seen.assert_sound("note", "index-agrees");
        let log = &seen.one()["wal"];
        let (frames, index) = (&log["frames"], &seen.one()["shm"]["header"]);
        assert_eq!(log["header"]["page_size"], page_size);
        assert_eq!((&frames["commits"], &log["pending"]["commits"]), (&16.into(), &7.into()), "{log:#}");
        assert_eq!(index["first"], index["second"]);
        assert_eq!(index["first"]["max_frame"], frames["frames_committed"]);
        assert_eq!(index["first"]["database_pages"], frames["database_pages"]);
        assert_eq!(index["first"]["frame_checksum"], frames["last_commit_checksum"]);
        assert_eq!(index["first"]["page_size"], page_size);
        let first = log["pending"]["first_frame"].as_u64().expect("a frame");
        assert!(first > index["backfilled_frames"].as_u64().expect("a number"));
        // SQLite on a copy: the same frames, pages and rows; and without the log, the rows that we said are lost.
        let (copy, bare) = (folder.at("copy.db"), folder.at("bare.db"));
        copy_set(&dead, &copy, &["", "-wal"]);
        copy_set(&dead, &bare, &[""]);
        let connection = Connection::open(&copy).expect("SQLite recovers it");
        assert_eq!(pragma(&connection, "page_count"), frames["database_pages"].as_i64().expect("a number"));
        let checkpointed: i64 =
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).expect("a checkpoint");
        assert_eq!(checkpointed, frames["frames_committed"].as_i64().expect("a number"));
        drop(connection);
        assert_eq!((rows(&copy), rows(&bare)), (15, 8));
    }
}

#[test]
fn the_live_index_is_what_a_checkpoint_reports() {
    let folder = Folder::new("inspect");
    let path = folder.at("live.db");
    let connection = open(&path, 4096, "wal");
    insert(&connection, 5);
    let (log, copied): (i64, i64) = connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
        .expect("a checkpoint");
    let seen = inspect(&path);
    seen.assert_sound("note", "log-is-backfilled");
    let index = &seen.one()["shm"]["header"];
    assert_eq!((&index["first"]["max_frame"], &index["backfilled_frames"]), (&log.into(), &copied.into()));
    // The next writer restarts the log; the older generation stays behind.
    let before = seen.one()["wal"]["header"]["salts"].clone();
    insert(&connection, 1);
    let seen = inspect(&path);
    seen.assert_sound("note", "older-generation");
    assert_ne!(seen.one()["wal"]["header"]["salts"], before);
    assert_eq!(seen.one()["wal"]["pending"]["commits"], 1);
    // TRUNCATE leaves an empty log, the last close none.
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").ok();
    inspect(&path).assert_sound("note", "empty-log");
    drop(connection);
    inspect(&path).assert_sound("note", "no-log");
}

#[test]
fn a_big_endian_log_is_read_as_sqlite_reads_it() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 512);
    let little = inspect(&dead);
    let _ = fs::remove_file(sidecar(&dead, "-shm"));
    edit(&sidecar(&dead, "-wal"), |log| {
        log[3] |= 1;
        let mut sum = checksum::serial(&log[..24], true, (0, 0));
        let store = |bytes: &mut [u8], sum: (u32, u32)| {
            bytes.copy_from_slice(&[sum.0, sum.1].map(u32::to_be_bytes).concat());
        };
        store(&mut log[24..32], sum);
        for frame in frames(log) {
            sum = checksum::serial(&log[frame.start..frame.start + 8], true, sum);
            sum = checksum::serial(&log[frame.start + 24..frame.end], true, sum);
            store(&mut log[frame.start + 16..frame.start + 24], sum);
        }
    });
    let big = inspect(&dead);
    big.assert_sound("caution", "pending-commits");
    assert_eq!(big.one()["wal"]["header"]["magic"], 0x377f_0683);
    for field in ["frames", "frames_valid", "frames_committed", "commits", "database_pages"] {
        assert_eq!(big.one()["wal"]["frames"][field], little.one()["wal"]["frames"][field], "{field}");
    }
    assert_eq!(rows(&dead), 15);
}

// ---- rollback journals ----

#[test]
fn a_persisted_journal_is_finished() {
    let folder = Folder::new("inspect");
    let path = folder.at("persist.db");
    let connection = open(&path, 4096, "persist");
    insert(&connection, 2);
    drop(connection);
    assert!(sidecar(&path, "-journal").exists());
    let seen = inspect(&path);
    seen.assert_sound("note", "finished-journal");
    assert_eq!(seen.one()["journal"]["header"]["state"], "finished");
}

#[test]
fn a_hot_journal_is_told_and_sqlite_rolls_it_back() {
    let folder = Folder::new("inspect");
    let (live, dead) = (folder.at("live.db"), folder.at("dead.db"));
    let connection = open(&live, 1024, "delete");
    insert(&connection, 500);
    let pages = pragma(&connection, "page_count");
    connection.execute_batch("PRAGMA cache_size=10; BEGIN; UPDATE t SET b = hex(randomblob(300))").expect("it spills");
    copy_set(&live, &dead, &SIDECARS);
    connection.execute_batch("ROLLBACK").expect("the end");
    let seen = inspect(&dead);
    seen.assert_sound("caution", "hot-journal");
    let header = &seen.one()["journal"]["header"];
    assert_eq!((&header["initial_pages"], &header["page_size"]), (&pages.into(), &1024.into()));
    assert!(header["page_records"].as_u64().expect("a number") > 0);
    let connection = Connection::open(&dead).expect("SQLite opens it");
    assert_eq!(pragma(&connection, "page_count"), pages);
    assert!(!sidecar(&dead, "-journal").exists(), "SQLite found it hot as well");
}

// ---- what is wrong ----

#[test]
fn a_zeroed_first_page_is_told_and_whether_the_log_has_another() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    edit(&dead, |bytes| bytes[..4096].fill(0));
    let seen = inspect(&dead);
    seen.assert_wrong("zeroed-page-one");
    assert_eq!(seen.one()["database"]["zero_bytes_at_start"], 4096);
    assert!(seen.one()["wal"]["page_one"]["damage"].as_array().is_some_and(Vec::is_empty), "{:#}", seen.json);
}

#[test]
fn a_short_file_and_a_damaged_header_are_wrong() {
    let folder = Folder::new("inspect");
    let path = folder.at("short.db");
    let connection = open(&path, 4096, "delete");
    insert(&connection, 100);
    drop(connection);
    let whole = fs::read(&path).expect("a file");
    fs::write(&path, &whole[..whole.len() - 1]).expect("a write");
    inspect(&path).assert_wrong("file-too-short");
    fs::write(&path, [&whole[..], &[7; 100]].concat()).expect("a write");
    inspect(&path).assert_sound("note", "file-longer-than-header");
    for (offset, name) in
        [(5, "not-a-database"), (17, "damaged-header"), (18, "damaged-header"), (22, "damaged-header")]
    {
        let mut damaged = whole.clone();
        damaged[offset] ^= 0x11;
        fs::write(&path, damaged).expect("a write");
        inspect(&path).assert_wrong(name);
    }
}

#[test]
fn a_foreign_log_is_told() {
    let folder = Folder::new("inspect");
    let other = Folder::new("inspect");
    let (one, two) = (crashed(&folder, 4096), crashed(&other, 512));
    copy_set(&two, &one, &["-wal", "-shm"]);
    inspect(&one).assert_wrong("foreign-log");
}

#[test]
fn a_log_beside_what_cannot_be_its_database_is_told() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    // Beside an empty one: SQLite deletes the log, as we say.
    let empty = folder.at("empty.db");
    copy_set(&dead, &empty, &["-wal"]);
    fs::write(&empty, []).expect("a write");
    inspect(&empty).assert_wrong("log-beside-empty-database");
    let connection = Connection::open(&empty).expect("SQLite opens it");
    let _ = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    assert!(!sidecar(&empty, "-wal").exists(), "SQLite deletes it");
    drop(connection);
    // Beside one that uses a rollback journal.
    let rollback = folder.at("rollback.db");
    drop(open(&rollback, 4096, "delete"));
    copy_set(&dead, &rollback, &["-wal"]);
    inspect(&rollback).assert_wrong("log-beside-rollback-database");
    // An old log beside the database that went on without it.
    let old = folder.at("old.db");
    copy_set(&dead, &old, &["", "-wal"]);
    for round in 0..3 {
        let connection = Connection::open(&old).expect("SQLite opens it");
        connection.execute_batch(&format!("CREATE TABLE more{round}(a)")).expect("it goes on");
    }
    copy_set(&dead, &old, &["-wal"]);
    inspect(&old).assert_wrong("log-older-than-database");
    // Beside none.
    let none = folder.at("none.db");
    copy_set(&dead, &none, &["-wal", "-shm"]);
    inspect(&sidecar(&none, "-wal")).assert_wrong("missing-database");
}

#[test]
fn a_lost_log_header_is_told_with_what_lies_behind() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    edit(&sidecar(&dead, "-wal"), |log| log[..32].fill(0));
    let seen = inspect(&dead);
    seen.assert_wrong("lost-log-header");
    // The first frame's checksum went on from the header, and it ends no transaction.
    assert_eq!(seen.one()["wal"]["frames"]["beyond"]["same_generation_commits"], 16, "{:#}", seen.json);
    // SQLite drops them, as we say.
    let copy = folder.at("copy.db");
    copy_set(&dead, &copy, &["", "-wal"]);
    assert_eq!(rows(&copy), 8);
    // With the page size lost on both sides as well.
    edit(&dead, |bytes| bytes[..4096].fill(0));
    assert_eq!(inspect(&dead).names("wrong"), ["zeroed-page-one", "lost-log-header"]);
}

#[test]
fn damage_inside_a_log_is_told() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    let log = sidecar(&dead, "-wal");
    edit(&log, |bytes| {
        let middle = frames(bytes)[12].clone();
        bytes[middle.start + 100] ^= 1;
    });
    let seen = inspect(&dead);
    assert_eq!((seen.code, seen.names("wrong")), (1, vec!["commits-behind-damage", "log-shorter-than-index"]));
    fs::remove_file(sidecar(&dead, "-shm")).expect("it is there");
    inspect(&dead).assert_wrong("commits-behind-damage");
    // A cut-off tail alone is what a crash leaves.
    edit(&log, |bytes| bytes.truncate(frames(bytes)[11].end + 50));
    inspect(&dead).assert_sound("note", "partial-frame");
}

#[test]
fn a_log_that_is_gone_is_remembered_by_the_index() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    fs::remove_file(sidecar(&dead, "-wal")).expect("it is there");
    inspect(&dead).assert_wrong("log-is-gone");
    // Another generation's log beside it.
    let other = Folder::new("inspect");
    copy_set(&crashed(&other, 4096), &dead, &["-wal"]);
    inspect(&dead).assert_wrong("index-of-another-log");
}

#[test]
fn pages_that_a_checkpoint_counted_and_did_not_copy_are_told() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    let mut all = 0;
    edit(&sidecar(&dead, "-shm"), |bytes| {
        all = u32::from_ne_bytes(bytes[16..20].try_into().expect("four bytes"));
        bytes[96..100].copy_from_slice(&all.to_ne_bytes());
    });
    inspect(&dead).assert_wrong("backfill-not-in-database");
    edit(&sidecar(&dead, "-shm"), |bytes| bytes[96..100].copy_from_slice(&(all + 5).to_ne_bytes()));
    inspect(&dead).assert_wrong("backfill-beyond-log");
}

/// Seen when SQLite was hammered: pages cut off when the checkpoint ran, and grown again after it.
#[test]
fn pages_that_were_cut_off_when_the_checkpoint_ran_are_no_loss() {
    let folder = Folder::new("inspect");
    let (live, dead) = (folder.at("live.db"), folder.at("dead.db"));
    let connection = open(&live, 1024, "wal");
    let grow = "INSERT INTO t(b) SELECT hex(randomblob(400)) FROM generate";
    connection.execute_batch("CREATE VIEW generate AS WITH RECURSIVE c(n) AS (VALUES(1) UNION ALL SELECT n+1 FROM c WHERE n<60) SELECT n FROM c").expect("a view");
    connection.execute_batch(grow).expect("it grows");
    connection.execute_batch("DELETE FROM t; VACUUM").expect("it shrinks");
    let reader = Connection::open(&live).expect("a reader");
    reader.execute_batch("BEGIN; SELECT * FROM sqlite_schema LIMIT 1").expect("a snapshot");
    connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").expect("a checkpoint");
    connection.execute_batch(grow).expect("it grows again");
    reader.execute_batch("COMMIT").expect("the end");
    copy_set(&live, &dead, &SIDECARS);
    let seen = inspect(&dead);
    seen.assert_sound("caution", "pending-commits");
    let (pending, index) = (&seen.one()["wal"]["pending"], &seen.one()["shm"]["header"]);
    assert_eq!(pending["commits"], 1, "{:#}", seen.json);
    assert!(pending["first_frame"].as_u64() > index["backfilled_frames"].as_u64(), "{:#}", seen.json);
}

/// Seen when SQLite was hammered: a checkpoint passes over pages that have a newer frame than it may copy.
#[test]
fn a_half_copied_log_is_no_damage_and_the_file_alone_a_mixture() {
    let folder = Folder::new("inspect");
    let (live, dead) = (folder.at("live.db"), folder.at("dead.db"));
    let connection = open(&live, 1024, "wal");
    connection.execute_batch("CREATE TABLE other(a)").expect("a table");
    insert(&connection, 3);
    let reader = Connection::open(&live).expect("a reader");
    reader.execute_batch("BEGIN; SELECT * FROM t LIMIT 1").expect("a snapshot");
    connection.execute_batch("UPDATE t SET b = 'newer'").expect("a newer frame");
    let copied: i64 =
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2)).expect("a checkpoint");
    copy_set(&live, &dead, &SIDECARS);
    drop(reader);
    let seen = inspect(&dead);
    seen.assert_sound("caution", "pending-commits");
    let pending = &seen.one()["wal"]["pending"];
    assert!(pending["first_frame"].as_i64() <= Some(copied) && pending["first_newest_frame"].as_i64() > Some(copied));
    assert!(run(&[&dead]).1.contains("a mixture of old and new pages"));
}

/// The last commit names pages that neither the file nor the log has.
#[test]
fn a_database_cut_off_beside_its_log_is_wrong() {
    let folder = Folder::new("inspect");
    let live = folder.at("live.db");
    let connection = open(&live, 4096, "wal");
    insert(&connection, 400);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    insert(&connection, 2);
    let dead = folder.at("dead.db");
    copy_set(&live, &dead, &["", "-wal"]);
    inspect(&dead).assert_sound("caution", "pending-commits");
    edit(&dead, |bytes| bytes.truncate(10 * 4096));
    let seen = inspect(&dead);
    seen.assert_wrong("file-too-short");
    let (nowhere, pages) = (&seen.one()["wal"]["nowhere"], &seen.one()["wal"]["frames"]["database_pages"]);
    assert_eq!(nowhere["ranges"][0][0], 11, "{:#}", seen.json);
    assert!(nowhere["pages"].as_u64() < pages.as_u64().map(|pages| pages - 10), "{:#}", seen.json);
}

/// Files of one database, of different times.
#[test]
fn a_log_beside_another_state_of_its_database_is_wrong() {
    let folder = Folder::new("inspect");
    let live = folder.at("live.db");
    let connection = open(&live, 4096, "wal");
    connection.execute_batch("CREATE INDEX i ON t(b)").expect("an index");
    insert(&connection, 500);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    copy_set(&live, &folder.at("backup.db"), &[""]);
    insert(&connection, 500);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    insert(&connection, 30);
    copy_set(&live, &folder.at("sound.db"), &["", "-wal"]);
    copy_set(&live, &folder.at("newer.db"), &["-wal"]);
    copy_set(&live, &folder.at("backup.db"), &["-wal"]);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    insert(&connection, 500);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    copy_set(&live, &folder.at("newer.db"), &[""]);
    inspect(&folder.at("sound.db")).assert_sound("caution", "pending-commits");
    inspect(&folder.at("backup.db")).assert_wrong("file-too-short");
}

/// A process with locking_mode=EXCLUSIVE may have recovered the log and left the -shm as it was; somebody may have deleted
/// the log after a crash. The bytes are the same, and the time of a mapped file is not when it was written last.
#[test]
fn a_log_that_is_gone_is_wrong_whatever_the_times_say() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    let shm = fs::File::options().write(true).open(sidecar(&dead, "-shm")).expect("it is there");
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    fs::remove_file(sidecar(&dead, "-wal")).expect("deleted");
    for (shm_written, says) in
        [(past, "unless a process with locking_mode=EXCLUSIVE"), (std::time::SystemTime::now(), "is missing")]
    {
        shm.set_modified(shm_written).expect("a time");
        let database = fs::File::options().write(true).open(&dead).expect("it is there");
        database.set_modified(past + std::time::Duration::from_secs(50)).expect("a time");
        inspect(&dead).assert_wrong("log-is-gone");
        assert!(run(&[&dead]).1.contains(says), "{}", run(&[&dead]).1);
    }
}

/// One bit of the first sixteen bytes, and bytes that are none of SQLite's: who names a directory is told of them.
#[test]
fn what_is_called_a_database_and_begins_as_none_is_not_passed_over_in_silence() {
    let folder = Folder::new("inspect");
    drop(open(&folder.at("good.db"), 4096, "delete"));
    let mut bytes = fs::read(folder.at("good.db")).expect("read");
    bytes[0] ^= 1;
    fs::write(folder.at("flipped.db"), &bytes).expect("written");
    fs::write(folder.at("notes.txt"), "text").expect("written");
    let (code, out, _) = run(&[folder.path()]);
    assert!(code == 0 && out.contains("not looked at: ") && out.contains("flipped.db` is called so"), "{out}");
    assert!(!out.contains("notes.txt"), "{out}");
    let seen = inspect(folder.path());
    assert_eq!(seen.json["passed_over"][0], folder.at("flipped.db").display().to_string());
    fs::remove_file(folder.at("good.db")).expect("removed");
    let (code, _, error) = run(&[folder.path()]);
    assert!(code == 2 && error.contains("flipped.db` is called so"), "{error}");
    let (code, _, error) = run(&[Path::new("pid:abc")]);
    assert!(code == 2 && error.contains("no number of a process"), "{error}");
}

/// Blocks of zeros in the middle of a file without a log, and of one whose log is empty; a file that is larger than what is
/// walked over unasked is walked over when its pages are asked for.
#[test]
fn a_file_alone_is_walked_over() {
    let folder = Folder::new("inspect");
    for journal in ["delete", "wal"] {
        let path = folder.at(&format!("{journal}.db"));
        let connection = open(&path, 4096, journal);
        connection.execute_batch("BEGIN").expect("one transaction");
        insert(&connection, 900);
        connection.execute_batch("COMMIT").expect("one transaction");
        drop(connection);
        let (code, out, _) = run(&[&path]);
        assert!(code == 0 && out.contains("hang together"), "{journal}: {out}");
        let mut bytes = fs::read(&path).expect("read");
        let middle = bytes.len() / 4096 / 2 * 4096;
        bytes[middle..middle + 3 * 4096].fill(0);
        fs::write(&path, &bytes).expect("written");
        inspect(&path).assert_wrong("damaged-structure");
        // Sparse: nothing is written, and it is larger than what is read unasked.
        fs::File::options().write(true).open(&path).and_then(|file| file.set_len(129 << 20)).expect("longer");
        let (code, out, _) = run(&[&path]);
        assert!(code == 0 && out.contains("were not checked"), "{out}");
        let (code, out, _) = run(&[&path, Path::new("--pages")]);
        assert!(code == 1 && out.contains("damaged-structure"), "{out}");
    }
}

/// Names in it would steer the terminal; a disk that is full is a failure.
#[test]
fn text_is_plain_and_a_full_disk_is_told() {
    let folder = Folder::new("inspect");
    let path = folder.at("a\u{1b}[31m\nwrong.db");
    drop(open(&path, 4096, "wal"));
    let (code, out, _) = run(&[&path]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("\\u{1b}[31m\\nwrong.db") && !out.contains('\u{1b}'), "{out}");
    for json in [false, true] {
        let full = fs::File::options().write(true).open("/dev/full").expect("it is there");
        let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
        command.arg("inspect").arg(&path).args(json.then_some("--json")).stdout(full);
        assert_eq!(command.output().expect("the binary runs").status.code(), Some(2));
    }
}

/// A terabyte of room behind the log.
#[test]
fn a_log_that_is_nothing_but_room_has_an_end() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 65536);
    let log = fs::File::options().write(true).open(sidecar(&dead, "-wal")).expect("it is there");
    log.set_len(1 << 40).expect("room");
    let seen = inspect(&dead);
    seen.assert_sound("caution", "log-not-read-to-its-end");
    seen.assert_sound("caution", "pending-commits");
}

/// This process holds it.
#[test]
fn a_deleted_log_that_a_process_holds_is_wrong() {
    let folder = Folder::new("inspect");
    let path = folder.at("held.db");
    let connection = open(&path, 4096, "wal");
    insert(&connection, 5);
    let me = format!("pid:{}", std::process::id());
    let ours = |ended: &Ended| -> Option<Value> {
        let name = path.file_name()?.to_str()?.to_owned();
        let folder = folder.path().file_name()?.to_str()?.to_owned();
        let all = ended.json["databases"].as_array()?;
        let is = |one: &&Value| one["path"].as_str().is_some_and(|path| path.ends_with(&format!("{folder}/{name}")));
        all.iter().find(is).cloned()
    };
    let says = |one: &Value| one["findings"].to_string().contains("deleted-log-held");
    let before = inspect(Path::new(&me));
    assert!(!says(&ours(&before).expect("it is open")), "{:#}", before.json);
    fs::remove_file(sidecar(&path, "-wal")).expect("it is there");
    let after = inspect(Path::new(&me));
    assert!(after.code != 0 && says(&ours(&after).expect("it is open")), "{:#}", after.json);
    drop(connection);
}

#[test]
fn a_list_of_no_commits_is_no_failure() {
    let folder = Folder::new("inspect");
    let path = folder.at("closed.db");
    let connection = open(&path, 4096, "wal");
    insert(&connection, 3);
    drop(connection);
    let (code, out, error) = run(&[&path, Path::new("--commits"), Path::new("--frames")]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.contains("no commits in a log") && out.contains("--salvage DIR` looks"), "{out}");
    fs::write(sidecar(&path, "-wal"), "").expect("a write");
    assert_eq!(run(&[&path, Path::new("--commits")]).0, 0);
    assert_eq!(run(&[&path, Path::new("--commit"), Path::new("1")]).0, 2);
}

// ---- manners ----

#[test]
fn misuse_and_what_cannot_be_read_exit_2() {
    let folder = Folder::new("inspect");
    let (code, _, error) = run(&[&folder.at("nothing.db")]);
    assert!(code == 2 && error.contains("because:") && error.contains("try:"), "{error}");
    assert_eq!(run(&[folder.path()]).0, 2);
    assert_eq!(run(&[]).0, 2);
    let pipe = folder.at("pipe.db");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    assert_eq!(run(&[&pipe]).0, 2);
}

#[test]
fn a_directory_is_its_databases_and_text_tells_what_to_do() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    fs::write(folder.at("notes-journal"), "no journal").expect("a write");
    let (code, out, error) = run(&[folder.path()]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("walproof inspect ")).count(), 2, "{out}");
    assert!(out.contains("next       do not delete or rename the -wal"), "{out}");
    assert!(out.contains("7 commits (from frame"), "{out}");
    // A symbolic link leads to the same files.
    let link = folder.at("link");
    std::os::unix::fs::symlink(&dead, &link).expect("a link");
    assert!(run(&[&link]).1.contains("7 commits (from frame"));
}

#[test]
fn nothing_is_written_and_nothing_is_made() {
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 4096);
    fs::remove_file(sidecar(&dead, "-shm")).expect("it is there");
    let state = || {
        let mut all: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path()).collect();
        all.sort();
        let stamp = |path: PathBuf| {
            (fs::read(&path).expect("a file"), fs::metadata(&path).expect("a file").modified().ok(), path)
        };
        all.into_iter().map(stamp).collect::<Vec<_>>()
    };
    let before = state();
    inspect(&dead);
    assert_eq!(before, state());
}

#[test]
fn a_live_database_is_never_called_wrong() {
    let folder = Folder::new("inspect");
    let path = folder.at("live.db");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let connection = open(&path, 1024, "wal");
                connection.execute_batch("PRAGMA wal_autocheckpoint=20; PRAGMA synchronous=OFF").expect("settings");
                insert(&connection, 300);
                connection.execute_batch("DELETE FROM t; VACUUM").expect("it shrinks");
            }
        });
        while !path.exists() {
            std::thread::yield_now();
        }
        let ended: Vec<Ended> = (0..60).map(|_| inspect(&path)).collect();
        stop.store(true, Ordering::Relaxed);
        for seen in ended {
            assert_eq!(seen.code, 0, "{:#}", seen.json);
        }
    });
}

#[test]
fn thousands_of_broken_files_are_read_without_panic() {
    const EACH: usize = 400;
    let folder = Folder::new("inspect");
    let dead = crashed(&folder, 512);
    let hot = folder.at("hot.db");
    let connection = open(&folder.at("rolling.db"), 512, "persist");
    insert(&connection, 50);
    connection.execute_batch("PRAGMA cache_size=2; BEGIN; UPDATE t SET b = hex(randomblob(90))").expect("it spills");
    copy_set(&folder.at("rolling.db"), &hot, &SIDECARS);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..8 {
        let made = Folder::new("inspect");
        let paths: Vec<PathBuf> = (0..EACH).map(|number| made.at(&number.to_string())).collect();
        for path in &paths {
            copy_set(if random(3) == 0 { &hot } else { &dead }, path, &SIDECARS);
            let files: Vec<PathBuf> =
                SIDECARS.map(|suffix| sidecar(path, suffix)).into_iter().filter(|path| path.exists()).collect();
            for _ in 0..=random(3) {
                edit(&files[random(files.len())], |bytes| mutate(bytes, &mut random));
            }
        }
        let mut arguments: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        arguments.push(Path::new("--json"));
        let (code, out, error) = run(&arguments);
        assert!(code == 1 && error.is_empty(), "{code}: {error}");
        let json: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(json["databases"].as_array().map(Vec::len), Some(EACH));
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut impl FnMut(usize) -> usize) {
    if bytes.is_empty() {
        return;
    }
    // Headers are where it matters.
    let reach = if random(2) == 0 { bytes.len().min(140) } else { bytes.len() };
    let at = random(reach);
    match random(5) {
        0 => bytes[at] = random(256) as u8,
        1 => bytes[at] ^= 1 << random(8),
        2 => bytes.truncate(at),
        3 => {
            let end = (at + random(600)).min(bytes.len());
            bytes[at..end].fill(if random(2) == 0 { 0 } else { 0xff });
        }
        _ => {
            let more = random(700);
            bytes.splice(at..at, std::iter::repeat_n(random(256) as u8, more));
        }
    }
}
