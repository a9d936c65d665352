//! `walproof inspect --extract-commit` and `--salvage` from outside: the real binary on histories that SQLite wrote,
//! what comes out read by SQLite, and the originals as they were.
//!
//! What it must not do: look into walproof. The process that holds a deleted log is this test binary itself, started
//! again for the one test that holds it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use walproof_testbench::Folder;

const SIDECARS: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// Names the database that this binary is to hold.
const HOLD: &str = "WALPROOF_TEST_HOLD";

/// A folder with `data`, which is the user's, and room beside it.
fn folder_with_data() -> Folder {
    let folder = Folder::new("rescue");
    folder.folder("data");
    folder
}

/// Names, content, times and inodes of the user's folder; the wal-index is shared memory and left out.
fn state(folder: &Folder) -> Vec<(PathBuf, Vec<u8>, i64, i64, u64)> {
    let folder = folder.at("data");
    let mut all: Vec<PathBuf> = fs::read_dir(&folder).expect("a folder").flatten().map(|one| one.path()).collect();
    all.sort();
    let stamp = |path: PathBuf| {
        let metadata = fs::metadata(&path).expect("there");
        let shared = path.to_string_lossy().ends_with("-shm");
        let content = if shared || path == folder { Vec::new() } else { fs::read(&path).expect("a file") };
        (path, content, metadata.mtime(), metadata.mtime_nsec(), metadata.ino())
    };
    all.into_iter().map(stamp).chain([(folder.clone(), Vec::new(), 0, 0, 0)]).collect()
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    let out = command.arg("inspect").args(arguments).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (out.status.code().expect("no signal"), text(out.stdout), text(out.stderr))
}

fn json(arguments: &[&str]) -> Value {
    let (code, out, error) = run(&[arguments, &["--json"]].concat());
    assert!(code < 2, "{error}");
    serde_json::from_str(&out).unwrap_or_else(|cause| panic!("{cause}: {out}{error}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn sidecar(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn copy_set(from: &Path, to: &Path) {
    for suffix in SIDECARS.iter().filter(|suffix| sidecar(from, suffix).exists()) {
        fs::copy(sidecar(from, suffix), sidecar(to, suffix)).expect("a copy");
    }
}

fn open(path: &Path, page_size: u32) -> Connection {
    let connection = Connection::open(path).expect("SQLite opens it");
    let sql = format!(
        "PRAGMA page_size={page_size}; PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0;
         CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX IF NOT EXISTS i ON t(b)"
    );
    connection.execute_batch(&sql).expect("settings");
    connection
}

/// Everything that SQL can see.
fn dump(connection: &Connection) -> Vec<String> {
    let mut all = Vec::new();
    for sql in ["SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY name", "SELECT a || b FROM t ORDER BY a"]
    {
        let mut statement = connection.prepare(sql).expect("SQL");
        all.extend(
            statement.query_map([], |row| row.get::<_, String>(0)).expect("rows").map(|row| row.expect("a row")),
        );
    }
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a count");
    all.push(pages.to_string());
    all
}

#[track_caller]
fn assert_holds(path: &Path, expected: &[String]) {
    let connection = Connection::open(path).expect("SQLite opens it");
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a word");
    assert_eq!(sound, "ok");
    assert_eq!(dump(&connection), expected);
}

/// One transaction of many kinds.
fn change(connection: &Connection, step: u32) {
    let sql = match step % 6 {
        0 | 1 => "INSERT INTO t(b) VALUES (hex(randomblob(300)))".to_owned(),
        2 => "UPDATE t SET b = hex(randomblob(90)) WHERE a % 2 = 0".to_owned(),
        3 => "INSERT INTO t(b) VALUES (hex(randomblob(9000)))".to_owned(),
        4 => "DELETE FROM t WHERE a % 4 = 1".to_owned(),
        _ => format!("CREATE TABLE more{step}(x); INSERT INTO more{step} VALUES (zeroblob(5000))"),
    };
    connection.execute_batch(&format!("BEGIN; {sql}; COMMIT")).expect("a commit");
}

// ---- --extract-commit ----

#[test]
fn every_commit_comes_out_as_sqlite_saw_it() {
    for page_size in [512, 4096, 65536] {
        let folder = folder_with_data();
        let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
        let connection = open(&live, page_size);
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("an empty log");
        let mut dumps = Vec::new();
        for step in 0..18 {
            change(&connection, step);
            dumps.push(dump(&connection));
        }
        connection.execute_batch("VACUUM").expect("it shrinks");
        dumps.push(dump(&connection));
        copy_set(&live, &dead);
        let before = state(&folder);
        let listed = json(&[text(&dead), "--commits"]);
        let commits = &listed["databases"][0]["commits"];
        assert_eq!(commits["all"], dumps.len(), "{commits:#}");
        for (number, expected) in (1..).zip(&dumps) {
            let out = folder.at(&format!("commit-{number}.db"));
            let (code, said, error) =
                run(&[text(&dead), "--extract-commit", &number.to_string(), "--output", text(&out)]);
            assert_eq!(code, 0, "{said}{error}");
            assert_holds(&out, expected);
        }
        assert_eq!(before, state(&folder));
    }
}

#[test]
fn what_a_checkpoint_went_over_is_refused_and_named() {
    let folder = folder_with_data();
    let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
    let connection = open(&live, 4096);
    for step in 0..6 {
        change(&connection, step);
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("an empty log");
    let mut dumps = Vec::new();
    for step in 6..18 {
        change(&connection, step);
        dumps.push(dump(&connection));
    }
    connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").expect("a checkpoint");
    copy_set(&live, &dead);
    let (mut refused, mut whole) = (0, 0);
    for (number, expected) in (1..).zip(&dumps) {
        let number = number.to_string();
        let out = folder.at(&format!("commit-{number}.db"));
        match run(&[text(&dead), "--extract-commit", &number, "--output", text(&out)]) {
            (0, _, _) => {
                assert_holds(&out, expected);
                whole += 1;
            }
            (2, _, error) => {
                assert!(
                    error.contains("because: a checkpoint has put later content") && error.contains("try: `--partial`"),
                    "{error}"
                );
                assert!(!out.exists());
                refused += 1;
            }
            (code, said, error) => panic!("{code}: {said}{error}"),
        }
    }
    assert!(refused > 0 && whole > 0, "{refused} refused, {whole} whole");
    let out = folder.at("partial.db");
    let partial = json(&[text(&dead), "--extract-commit", "1", "--output", text(&out), "--partial"]);
    let lost = partial["extracted"]["lost"]["overwritten"].as_array().expect("a list");
    assert!(!lost.is_empty() && out.exists(), "{partial:#}");
    assert_eq!(
        fs::read_dir(folder.path())
            .expect("a folder")
            .flatten()
            .filter(|one| one.file_name().to_string_lossy().starts_with('.'))
            .count(),
        0
    );
}

#[test]
fn nothing_is_written_beside_the_originals_or_over_anything() {
    let folder = folder_with_data();
    let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
    let connection = open(&live, 4096);
    change(&connection, 0);
    copy_set(&live, &dead);
    std::os::unix::fs::symlink(folder.at("data"), folder.at("link")).expect("a link");
    fs::write(folder.at("there.db"), "mine").expect("a file");
    let before = state(&folder);
    for place in ["data/out.db", "link/out.db", "there.db", "none/out.db", "data"] {
        let out = folder.at(place);
        for arguments in [vec!["--extract-commit", "1", "--output", text(&out)], vec!["--salvage", text(&out)]] {
            let (code, _, error) = run(&[&[text(&dead)], &arguments[..]].concat());
            assert!(code == 2 && error.contains("because:") && error.contains("try:"), "{place}: {error}");
        }
    }
    assert_eq!(fs::read(folder.at("there.db")).expect("a file"), b"mine");
    for arguments in [&["--extract-commit", "99"][..], &["--commit", "99"], &["--extract-commit", "0"]] {
        let out = folder.at("new.db");
        let more: &[&str] = if arguments[0] == "--extract-commit" { &["--output", text(&out)] } else { &[] };
        let (code, _, error) = run(&[&[text(&dead)], arguments, more].concat());
        assert!(code == 2 && error.contains("the log holds commits 1 to 3"), "{error}");
    }
    assert_eq!(run(&[text(&dead), "--extract-commit", "1"]).0, 2);
    let (code, _, error) = run(&["no-engine://web"]);
    assert!(code == 2 && error.contains("no engine that is known"), "{error}");
    assert_eq!(before, state(&folder));
}

// ---- --salvage ----

/// No test unless it is told to hold a database: commits to one whose log was deleted, until its input ends.
#[test]
fn hold() {
    let Some(path) = std::env::var_os(HOLD).map(PathBuf::from) else { return };
    let connection = open(&path, 4096);
    for step in 0..8 {
        change(&connection, step);
    }
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(sidecar(&path, suffix)).expect("it is there");
    }
    for step in 8..16 {
        change(&connection, step);
    }
    fs::write(sidecar(&path, ".dump"), dump(&connection).join("\n")).expect("a write");
    println!("\nready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct Holder(Child);

impl Holder {
    fn of(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "hold", "--nocapture"]).env(HOLD, path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "ready"), "it holds the database");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_deleted_log_that_a_process_holds_gives_back_every_commit() {
    let folder = folder_with_data();
    let path = folder.at("data/app.db");
    let holder = Holder::of(&path);
    let expected = fs::read_to_string(sidecar(&path, ".dump")).expect("its dump");
    let expected: Vec<String> = expected.split('\n').map(str::to_owned).collect();
    assert!(!sidecar(&path, "-wal").exists());
    let before = state(&folder);
    let saved = folder.at("saved");
    let done = json(&[text(&path), "--salvage", text(&saved)]);
    let salvaged = &done["salvaged"];
    let stranded = salvaged["recovered"].as_array().expect("a list");
    let stranded = stranded.iter().find(|one| one["set"] != "originals").unwrap_or_else(|| panic!("{done:#}"));
    assert_holds(Path::new(stranded["path"].as_str().expect("a path")), &expected);
    assert_eq!(salvaged["holders"]["stranded"][0]["pids"][0], holder.0.id());
    assert!(salvaged["next"].to_string().contains("do not stop or restart process"), "{salvaged:#}");
    assert!(saved.join("salvage.txt").exists() && saved.join("originals/app.db").exists());
    assert_eq!(before, state(&folder));
}

#[test]
fn what_lies_there_is_saved_whatever_it_is() {
    let folder = folder_with_data();
    let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
    let connection = open(&live, 4096);
    for step in 0..8 {
        change(&connection, step);
    }
    copy_set(&live, &dead);
    let expected = dump(&connection);
    // Page 1 is zero, and the log has another.
    let mut bytes = fs::read(&dead).expect("a file");
    bytes.iter_mut().take(4096).for_each(|byte| *byte = 0);
    fs::write(&dead, bytes).expect("a write");
    let before = state(&folder);
    let done = json(&[text(&dead), "--salvage", text(&folder.at("saved"))]);
    let made = &done["salvaged"]["recovered"][0];
    assert_holds(Path::new(made["path"].as_str().expect("a path")), &expected);
    assert_eq!(before, state(&folder));
    // Rubbish of all lengths is copied, and said to be none.
    for (number, rubbish) in [&b""[..], b"x", &[0; 4096], &[0xff; 100_000]].into_iter().enumerate() {
        let path = folder.at(&format!("data/rubbish-{number}.db"));
        for suffix in SIDECARS {
            fs::write(sidecar(&path, suffix), rubbish).expect("a write");
        }
        let (code, said, error) = run(&[text(&path), "--salvage", text(&folder.at(&format!("rubbish-{number}")))]);
        assert!(code <= 1, "{said}{error}");
        let copy = folder.at(&format!("rubbish-{number}/originals/rubbish-{number}.db-wal"));
        assert_eq!(fs::read(copy).expect("a copy"), rubbish);
    }
}

#[test]
fn an_interrupted_transaction_is_rolled_back_in_the_copy() {
    let folder = folder_with_data();
    let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
    let connection = open(&live, 1024);
    connection.execute_batch("PRAGMA journal_mode=delete").expect("a rollback journal");
    for step in 0..30 {
        change(&connection, step);
    }
    let expected = dump(&connection);
    connection
        .execute_batch(
            "PRAGMA cache_size=5; BEGIN; UPDATE t SET b = hex(randomblob(700)); INSERT INTO t(b) SELECT b FROM t",
        )
        .expect("it spills");
    copy_set(&live, &dead);
    connection.execute_batch("ROLLBACK").expect("the end");
    let before = state(&folder);
    let said = run(&[text(&dead)]).1;
    assert!(said.contains("rolling back would restore"), "{said}");
    let done = json(&[text(&dead), "--salvage", text(&folder.at("saved"))]);
    let made = &done["salvaged"]["recovered"][0];
    assert_holds(Path::new(made["path"].as_str().expect("a path")), &expected);
    assert_eq!(before, state(&folder));
}

/// A copy of a database with a log that does not hold page 1, or does not any more once `damage` is done.
fn damaged(folder: &Folder, damage: impl FnOnce(&Path)) -> PathBuf {
    let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
    let connection = open(&live, 4096);
    for step in 0..3 {
        change(&connection, step);
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("an empty log");
    connection.execute_batch("UPDATE t SET b = 'x' WHERE a = 1; UPDATE t SET b = 'y' WHERE a = 2").expect("commits");
    copy_set(&live, &dead);
    damage(&dead);
    dead
}

fn overwrite(path: &Path, range: std::ops::Range<usize>) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[range].fill(0);
    fs::write(path, bytes).expect("a write");
}

/// Salvage says these words, exits 1, and advises nobody to put anything back.
#[track_caller]
fn assert_not_whole(folder: &Folder, dead: &Path, words: &[&str]) {
    let before = fs::read(dead).expect("a file");
    let (code, said, error) = run(&[text(dead), "--salvage", text(&folder.at("saved"))]);
    assert_eq!(code, 1, "{said}{error}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains("to put one back"), "{said}");
    assert_eq!(before, fs::read(dead).expect("a file"));
}

#[test]
fn a_zeroed_header_is_no_database() {
    let folder = folder_with_data();
    let dead = damaged(&folder, |dead| overwrite(dead, 0..4096));
    let out = folder.at("out.db");
    let (code, said, error) = run(&[text(&dead), "--extract-commit", "1", "--output", text(&out)]);
    assert!(code == 2 && error.contains("page 1 is not a database's") && !out.exists(), "{said}{error}");
    assert_not_whole(&folder, &dead, &["is no database"]);
}

/// A header that is zero, or in which one bit differs, hides a log from SQLite; its frames still hang together.
#[test]
fn what_lies_behind_a_damaged_header_is_put_together_too() {
    let rows = |path: &Path| {
        let connection = Connection::open(path).expect("SQLite opens it");
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
        let text = "SELECT group_concat(b, '|') FROM (SELECT b FROM t ORDER BY a)";
        (check, connection.query_row(text, [], |row| row.get::<_, String>(0)).expect("rows"))
    };
    // Which bytes are zeroed, and what is said then.
    let cases = [
        ("frame 1 could not be checked", 0..32),
        ("SQLite would read nothing of it", 0..4),
        ("frame 1 is lost; frame 2 could not be checked", 0..4096),
        ("its header is sound", 0..0),
    ];
    for (words, zeroed) in cases {
        let folder = folder_with_data();
        let mut truth = None;
        let dead = damaged(&folder, |dead| {
            for suffix in ["", "-wal"] {
                fs::copy(sidecar(dead, suffix), sidecar(&folder.at("truth.db"), suffix)).expect("copied");
            }
            truth = Some(rows(&folder.at("truth.db")));
            let mut log = fs::read(sidecar(dead, "-wal")).expect("a log");
            log[zeroed].fill(0);
            fs::write(sidecar(dead, "-wal"), &log).expect("written");
        });
        let (code, said, error) = run(&[text(&dead), "--salvage", text(&folder.at("saved"))]);
        let behind = folder.at("saved/recovered-originals-behind-header.db");
        if words.contains("sound") {
            assert!(code == 0 && !behind.exists(), "{said}{error}");
            continue;
        }
        assert!(code == 1 && said.contains(words) && said.contains("that lie behind it"), "{words}: {said}{error}");
        assert!(said.contains("differ in"), "{said}");
        if !words.contains("lost") {
            assert_eq!(Some(rows(&behind)), truth, "{words}");
        }
    }
}

#[test]
fn a_log_that_is_left_out_is_named() {
    let at = |dead: &Path| sidecar(dead, "-wal");
    let folder = folder_with_data();
    let dead = damaged(&folder, |dead| overwrite(&at(dead), 0..32));
    assert_not_whole(&folder, &dead, &["the header of its log is damaged", "is not in"]);
    let folder = folder_with_data();
    // The checksum of the first frame.
    let dead = damaged(&folder, |dead| overwrite(&at(dead), 48..56));
    assert_not_whole(&folder, &dead, &["its log is damaged: ", "is not in"]);
    let folder = folder_with_data();
    let dead = damaged(&folder, |dead| {
        fs::rename(at(dead), folder.at("log")).expect("a move");
        std::os::unix::fs::symlink(folder.at("log"), at(dead)).expect("a link");
    });
    assert_not_whole(&folder, &dead, &["is a symbolic link", "commits in it are not in"]);
    fs::remove_file(at(&dead)).expect("a link");
    fs::remove_dir_all(folder.at("saved")).expect("a folder");
    assert!(Command::new("mkfifo").arg(at(&dead)).status().expect("mkfifo runs").success());
    assert_not_whole(&folder, &dead, &["is no regular file", "commits in it are not in"]);
}

// ---- lists ----

#[test]
fn lists_tell_whose_the_pages_are_and_what_changed() {
    let folder = folder_with_data();
    let (live, dead) = (folder.at("live.db"), folder.at("data/app.db"));
    let connection = open(&live, 4096);
    for step in 0..3 {
        change(&connection, step);
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("an empty log");
    connection.execute_batch("INSERT INTO t(b) VALUES ('here')").expect("a commit");
    copy_set(&live, &dead);
    let seen = json(&[text(&dead), "--commits", "--commit", "1", "--frames", "--pages"]);
    let seen = &seen["databases"][0];
    let touches = seen["commits"]["rows"][0]["touches"].to_string();
    assert!(touches.contains("table t") && touches.contains("index i"), "{touches}");
    let changes = seen["commit"]["rows"].as_array().expect("a list");
    assert!(changes.iter().any(|one| one["owner"] == "table t" && one["before"] == "database file"), "{changes:#?}");
    assert!(
        changes.iter().all(|one| one["bytes_changed"].as_u64().is_some_and(|bytes| bytes > 0 && bytes < 4096)),
        "{changes:#?}"
    );
    assert_eq!(seen["frames"]["rows"].as_array().map(Vec::len), seen["frames"]["all"].as_u64().map(|all| all as usize));
    assert!(seen["pages"]["objects"].to_string().contains("index i"));
    let said = run(&[text(&dead)]).1;
    assert!(said.contains("without its -wal it would lose 1 commit, which touch"), "{said}");
    let short = json(&[text(&dead), "--pages", "--limit", "1"]);
    assert_eq!(short["databases"][0]["pages"]["rows"].as_array().map(Vec::len), Some(1));
}
