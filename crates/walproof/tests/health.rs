//! `walproof health` on databases that SQLite wrote, on files that were taken away, and on storage that hangs.
//!
//! Where to look next: `harmless/` for a database at work. `WALPROOF_REQUIRE=clients` makes the skip of what needs FUSE a
//! failure.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;
use walproof_lab::clients::{Client, ClientOptions, Pages, Server, why_not_here};
use walproof_testbench::{Folder, skip, skips};

/// A database in WAL mode with commits in its log; it is live while the connection is.
fn live(folder: &Folder) -> Connection {
    let connection = Connection::open(folder.at("app.db")).expect("opens");
    let statements = "PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(20000));";
    connection.execute_batch(statements).expect("commits");
    connection
}

fn health(words: &[&str], path: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    // A machine that does other work is no storage that hangs.
    let patience: &[&str] = if words.contains(&"--timeout") { &[] } else { &["--timeout", "60s"] };
    let output =
        command.arg("health").args(patience).args(words).arg(path).stdin(Stdio::null()).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.stderr.is_empty() || output.status.code() == Some(2), "{}", text(&output.stderr));
    (output.status.code().expect("no signal"), text(&output.stdout))
}

#[track_caller]
fn says(words: &[&str], path: &Path, code: i32, part: &str) {
    let (ended, out) = health(words, path);
    assert!(ended == code && out.contains(part), "{ended}: {out}");
    assert_eq!(out.lines().count(), 1, "one line: {out}");
}

/// Not ready, and nothing that a restart mends.
#[track_caller]
fn not_ready(words: &[&str], path: &Path, name: &str) {
    says(words, path, 1, &format!("unhealthy: {}: {name}: ", path.display()));
    says(&[words, &["--live"]].concat(), path, 0, "healthy: ");
}

#[test]
fn a_live_database_is_healthy_and_so_is_one_at_rest() {
    let folder = Folder::new("health");
    let connection = live(&folder);
    says(&[], &folder.at("app.db"), 0, " frames waiting, log ");
    says(&["--live", "--locks"], folder.path(), 0, "healthy: ");
    not_ready(&["--wal-max", "1kB"], &folder.at("app.db"), "log-too-large");
    not_ready(&["--frames-max", "0"], &folder.at("app.db"), "checkpoint-behind");
    not_ready(&["--free-min", "900000000GB"], &folder.at("app.db"), "disk-full");
    drop(connection);
    says(&["--ready"], &folder.at("app.db"), 0, "healthy: ");
    assert_eq!(health(&["--ready", "--live"], &folder.at("x")).0, 2);
}

#[test]
fn a_database_that_is_not_there() {
    let folder = Folder::new("health");
    not_ready(&[], &folder.at("app.db"), "missing");
    not_ready(&[], folder.path(), "missing");
    says(&["--may-be-missing"], &folder.at("app.db"), 0, "healthy: ");
    says(&[], Path::new("/dev/null"), 3, "unknown: /dev/null: no-regular-file: ");
    says(&["--live"], Path::new("/dev/null"), 0, "");
}

#[test]
fn files_that_were_taken_away_from_who_has_them_open() {
    let folder = Folder::new("health");
    let connection = live(&folder);
    fs::remove_file(folder.at("app.db-wal")).expect("it is there");
    not_ready(&[], &folder.at("app.db"), "log-is-gone");
    not_ready(&["--locks"], &folder.at("app.db"), "deleted-file-held");
    let (_, out) = health(&["--json", "--locks"], &folder.at("app.db"));
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&json["walproof_health"], &json["answer"]), (&Value::from(1), &Value::from("unhealthy")));
    let names: Vec<&str> = json["databases"][0]["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names[..2], ["deleted-file-held", "log-is-gone"]);
    drop(connection);
}

#[test]
fn a_database_of_a_shared_folder_whose_first_page_is_gone() {
    let folder = Folder::new("health");
    drop(live(&folder));
    let bytes = fs::metadata(folder.at("app.db")).expect("there").len();
    let zeroed = File::create(folder.at("app.db")).expect("opens");
    zeroed.set_len(bytes).expect("grows");
    let hour = std::time::SystemTime::now() - Duration::from_secs(3600);
    zeroed.set_modified(hour).expect("our own");
    not_ready(&[], &folder.at("app.db"), "zeroed-page-one");
}

/// A writer that is stopped in the middle of a transaction: what `--locks` and liveness are for.
#[test]
fn a_writer_that_is_stopped_fails_liveness() {
    let folder = Folder::new("health");
    drop(live(&folder));
    let path = folder.at("app.db");
    let script = "import sqlite3,sys,time\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\n\
                  c.execute('BEGIN IMMEDIATE')\nprint('ready',flush=True)\ntime.sleep(600)";
    let started = Command::new("python3").args(["-c", script]).arg(&path).stdout(Stdio::piped()).spawn();
    let Ok(mut writer) = started else {
        return skips::tell("a writer that is stopped", "no python3");
    };
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(writer.stdout.take().expect("a pipe")), &mut line)
        .expect("speaks");
    says(&["--live", "--locks"], &path, 0, "healthy: ");
    let pid = i32::try_from(writer.id()).expect("a pid");
    // SAFETY: a signal to a child of ours.
    unsafe { libc::kill(pid, libc::SIGSTOP) };
    let end = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|told| told.contains(") T "))
        && Instant::now() < end
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    let answers = (health(&["--live", "--locks"], &path), health(&["--live"], &path).0);
    writer.kill().and_then(|()| writer.wait()).expect("our own");
    assert_eq!(answers.0.0, 1, "{}", answers.0.1);
    assert!(answers.0.1.contains(&format!("stopped-writer: pid {pid} ")), "{}", answers.0.1);
    assert_eq!(answers.1, 0, "without --locks nobody looks at processes");
}

#[test]
fn storage_that_hangs_is_unknown_and_holds_nobody() {
    if let Some(why) = why_not_here() {
        return skip("clients", "health of storage that hangs", &why);
    }
    let folder = Folder::new("health");
    let (served, mounted) = (folder.folder("served"), folder.folder("mounted"));
    drop(Connection::open(served.join("app.db")).expect("opens").execute_batch("CREATE TABLE t(x)"));
    let server = Arc::new(Server::new(&served, false));
    let client = Client::mount(server, &mounted, ClientOptions::believing(Pages::Cached, 0), 1).expect("mounted");
    says(&[], &mounted.join("app.db"), 0, "healthy: ");
    client.knobs().stall(Duration::from_secs(100));
    let began = Instant::now();
    for _ in 0..3 {
        says(
            &["--timeout", "300ms"],
            &mounted.join("app.db"),
            3,
            "storage-silent: the storage did not answer within 300 ms",
        );
        says(&["--timeout", "300ms", "--live"], &mounted.join("app.db"), 0, "unknown: ");
    }
    let took = began.elapsed();
    client.knobs().release();
    assert!(took < Duration::from_secs(60), "it took {took:?}");
    says(&["--timeout", "60s"], &mounted.join("app.db"), 0, "healthy: ");
    drop(client);
}
