//! `watch`, `health` and `inspect` harm nothing: seen from outside, by strace, and by what becomes of databases.
//!
//! What is tested: no call that could change or lock a file of a database (`trace.rs`, shown able to fail by a program that
//! does each); a database at rest is the same afterwards; one at work keeps every commit and is never called unhealthy.
//! The long forms are `cargo xtask prove watch-harmless` and `cargo xtask bench watch`.
//!
//! Whoever holds a database open with SQLite here is a process of its own: this binary, in another role.
//! `WALPROOF_REQUIRE=strace` makes its absence a failure.

mod deeds;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use walproof_judge::health::{Answer, Question};
use walproof_lab::collect::live::{LOOK, LiveTarget, look_main};
use walproof_lab::health::ask;
use walproof_lab::watch::{WatchSettings, Watcher};
use walproof_testbench::{Folder, Outcome, Test, run};

const BINARY: &str = env!("CARGO_BIN_EXE_walproof");
const WRITE: &str = "write-to-a-database";
const POLL: &str = "poll-a-database";
const HARM: &str = "do-harm";
/// Polls of each kind; the long form has 100,000.
const POLLS: u32 = 1_000;
/// Nothing here may take longer.
const HANG: Duration = Duration::from_secs(120);

/// Inode, links, mode, times and bytes of a file.
type Print = (u64, u64, u32, i64, i64, i64, i64, Vec<u8>);

const TESTS: &[Test] = &[
    ("each-deed-is-caught", each_deed_is_caught),
    ("no-call-touches-a-database", no_call_touches_a_database),
    ("a-database-at-rest-is-the-same-afterwards", a_database_at_rest_is_the_same_afterwards),
    ("a-database-at-work-keeps-every-commit", a_database_at_work_keeps_every_commit),
];

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    match word(1) {
        LOOK => std::process::exit(look_main()),
        WRITE => write(word(2), word(3)),
        POLL => poll(word(2), word(3).parse().expect("a number")),
        HARM => deeds::all(Path::new(word(2))),
        word => run(TESTS, word),
    }
}

// ---- the roles ----

/// A counter that must have no gap: each transaction writes the next number. Says at its end how many were acknowledged.
fn write(path: &str, mode: &str) {
    let open = || {
        let connection = Connection::open(path).expect("opens");
        connection.busy_timeout(Duration::from_secs(60)).expect("plain");
        connection.pragma_update(None, "journal_mode", mode).expect("switches");
        connection
            .execute_batch("PRAGMA synchronous = OFF; CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, x)")
            .expect("makes");
        connection
    };
    let mut connection = open();
    println!("ready");
    let (stop, stopped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = stop.send(());
    });
    let mut written = 0_u64;
    while stopped.try_recv().is_err() {
        let next = "INSERT INTO t SELECT coalesce(max(n), 0) + 1, randomblob(300) FROM t";
        connection.execute(next, []).expect("commits");
        written += 1;
        // Whoever opens again makes the files beside the database come and go.
        if written.is_multiple_of(50) {
            drop(connection);
            connection = open();
        }
    }
    println!("{written}");
}

/// Polls of both kinds, as fast as they go. Says how many of each, and whatever answer was not healthy.
fn poll(path: &str, polls: u32) {
    let paths = [PathBuf::from(path)];
    let question = Question { settle_ms_max: 450, ..Question::default() };
    let mut unhealthy = 0;
    for _ in 0..polls {
        for health in ask(&paths, &question, false, Duration::from_secs(30)).expect("a child looks") {
            if health.answer != Answer::Healthy {
                unhealthy += 1;
                println!("unhealthy: {health:?}");
            }
        }
    }
    println!("polls {polls} unhealthy {unhealthy}");
    let targets = vec![LiveTarget::Path(paths[0].clone())];
    let settings = WatchSettings { targets, every: Duration::ZERO, trace: false, tracefs: None };
    let mut watcher = Watcher::start(settings).expect("it starts");
    let seen = (0..polls).filter(|_| !watcher.next_moment().databases.is_empty()).count();
    println!("moments {seen}");
}

/// This binary in another role, which ends when it is told to.
struct Role(Child, BufReader<std::process::ChildStdout>);

impl Role {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new("/proc/self/exe");
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        Self(child, from)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("it speaks");
        line.trim().to_owned()
    }

    /// Two processes that write.
    fn writers(path: &Path, mode: &str) -> Vec<Self> {
        let start = || {
            let mut writer = Self::start(&[WRITE, &path.display().to_string(), mode]);
            assert_eq!(writer.line(), "ready");
            writer
        };
        vec![start(), start()]
    }

    /// Everything that it still says.
    fn end(mut self) -> String {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.1.read_to_string(&mut text).expect("it speaks");
        assert!(self.0.wait().expect("it ends").success(), "{text}");
        text.trim().to_owned()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

// ---- the bench ----

/// Every command that looks at a live database.
fn commands(folder: &Folder) -> Vec<Vec<String>> {
    let (path, whole) = (folder.at("app.db").display().to_string(), folder.path().display().to_string());
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    vec![
        words(&["health", &path]),
        words(&["health", "--locks", "--json", &whole]),
        words(&["health", "--live", "--locks", &path]),
        words(&["inspect", &path]),
        words(&["inspect", "--json", &whole]),
        words(&["watch", &path, "--every", "50ms", "--time", "1500ms", "--json"]),
        words(&["watch", &whole, "--every", "50ms", "--time", "1500ms"]),
    ]
}

// ---- what is tested ----

fn each_deed_is_caught() -> Outcome {
    trace::is_here("each-deed-is-caught")?;
    let folder = Folder::new("harmless");
    let program = std::env::current_exe().expect("this program");
    let words = [HARM.to_owned(), folder.path().display().to_string()];
    let (output, lines) = trace::run(&program, &words, &folder.at("../harm.trace"));
    assert!(output.status.success(), "{output:?}");
    let harms = trace::harms(&lines, folder.path());
    for deed in deeds::NAMES {
        assert!(harms.iter().any(|harm| harm.call == *deed), "{deed} was not caught: {harms:#?}");
    }
    assert_eq!(trace::harms(&lines, Path::new("/somewhere/else")), [], "and what is done elsewhere is no harm");
    Ok(())
}

fn no_call_touches_a_database() -> Outcome {
    trace::is_here("no-call-touches-a-database")?;
    for mode in ["wal", "delete"] {
        let folder = Folder::new("harmless");
        let writers = Role::writers(&folder.at("app.db"), mode);
        for (number, words) in commands(&folder).iter().enumerate() {
            let file = std::env::temp_dir().join(format!("walproof-harmless-{}-{number}.trace", std::process::id()));
            let (output, lines) = trace::run(Path::new(BINARY), words, &file);
            let said = String::from_utf8_lossy(&output.stdout);
            // inspect may call a log older than a database that moved on; what it says is not tested here.
            assert!(output.status.code().is_some_and(|code| code < 2), "{words:?}: {output:?}");
            // For people a watch tells alarms alone.
            let tells = words[0] != "watch" || words.contains(&"--json".to_owned());
            assert!(!tells || said.contains("app.db"), "{words:?}: {said}");
            let reads = lines
                .iter()
                .any(|line| line.starts_with("openat(") && line.contains("app.db\"") && line.contains("O_RDONLY"));
            assert!(reads, "{words:?}: it was looked at, and the trace shows it");
            let harms = trace::harms(&lines, folder.path());
            assert!(harms.is_empty(), "{words:?} in {mode}: {harms:#?}");
        }
        drop(writers);
    }
    Ok(())
}

/// Names, inodes, links, times and bytes of everything in a folder, and the folder's own.
fn print_of(folder: &Path) -> BTreeMap<String, Print> {
    let entries = fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path());
    let all = entries.chain([folder.to_owned()]);
    let print = |path: PathBuf| {
        let metadata = fs::metadata(&path).expect("there");
        let bytes = if metadata.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
        let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
        let is = (metadata.ino(), metadata.nlink(), metadata.mode());
        (path.display().to_string(), (is.0, is.1, is.2, times.0, times.1, times.2, times.3, bytes))
    };
    all.map(print).collect()
}

/// Its files as a crash leaves them, in WAL mode and in the middle of a transaction in DELETE mode.
fn leave_files(folder: &Folder) {
    let live = Folder::new("harmless");
    let copy = |suffixes: &[&str], name: &str| {
        for suffix in suffixes {
            fs::copy(live.at(&format!("{name}{suffix}")), folder.at(&format!("{name}{suffix}"))).expect("a copy");
        }
    };
    let connection = Connection::open(live.at("app.db")).expect("opens");
    let statements = "PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(99999));";
    connection.execute_batch(statements).expect("commits");
    copy(&["", "-wal", "-shm"], "app.db");
    let connection = Connection::open(live.at("old.db")).expect("opens");
    let statements = "PRAGMA cache_size = 2; CREATE TABLE t(x); BEGIN; INSERT INTO t VALUES (randomblob(99999));";
    connection.execute_batch(statements).expect("is in a transaction");
    copy(&["", "-journal"], "old.db");
}

fn a_database_at_rest_is_the_same_afterwards() -> Outcome {
    let folder = Folder::new("harmless");
    leave_files(&folder);
    let before = print_of(folder.path());
    assert!(before.len() == 6, "{:?}", before.keys());
    for words in commands(&folder) {
        let output = Command::new(BINARY).args(&words).output().expect("it starts");
        assert!(output.status.code().is_some_and(|code| code < 2), "{words:?}: {output:?}");
    }
    let said = Role::start(&[POLL, &folder.at("app.db").display().to_string(), "300"]).end();
    assert!(said.contains("polls 300 unhealthy 0"), "{said}");
    assert!(print_of(folder.path()) == before, "something of {} changed", folder.path().display());
    Ok(())
}

fn a_database_at_work_keeps_every_commit() -> Outcome {
    for mode in ["wal", "delete"] {
        let folder = Folder::new("harmless");
        let path = folder.at("app.db");
        let writers = Role::writers(&path, mode);
        let began = Instant::now();
        let said = Role::start(&[POLL, &path.display().to_string(), &POLLS.to_string()]).end();
        assert!(said.contains(&format!("polls {POLLS} unhealthy 0")), "in {mode}: {said}");
        // The first moments may come before the storage was heard.
        let moments = said.rsplit_once("moments ").and_then(|(_, number)| number.parse::<u32>().ok());
        assert!(moments >= Some(POLLS * 9 / 10), "in {mode}: {said}");
        assert!(began.elapsed() < HANG, "it took {:?}", began.elapsed());
        let written: i64 = writers.into_iter().map(|writer| writer.end().parse::<i64>().expect("a number")).sum();
        let connection = Connection::open(&path).expect("opens");
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a word");
        assert_eq!((sound.as_str(), number("SELECT count(*) FROM t")), ("ok", written));
        assert_eq!(number("SELECT max(n) FROM t"), written, "no number twice, none left out");
        assert!(written > 100, "somebody worked meanwhile: {written}");
    }
    Ok(())
}
