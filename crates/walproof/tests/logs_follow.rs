//! `walproof logs` on what grows and on what engines keep: the real binary, a real writer, and programs that answer as
//! `docker`, `kubectl` and `journalctl` do.
//!
//! The programs are shell scripts of this test: recorded sessions, not the real ones. What it must not do: assert times.
//! What is waited for is waited for a minute at most.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use walproof_testbench::Folder;

const MINUTE: Duration = Duration::from_secs(60);

/// A folder of logs and of programs that commands find before all others.
struct Bench(Folder);

impl Bench {
    fn new() -> Self {
        Self(Folder::new("follow"))
    }

    fn path(&self, name: &str) -> String {
        self.0.at(name).display().to_string()
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.0.at(name)).expect("a log");
        file.write_all(text.as_bytes()).expect("written");
    }

    /// A program of this name, first in PATH.
    fn program(&self, name: &str, script: &str) {
        let path = self.0.write(name, format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(arguments).env("PATH", format!("{}:{path}", self.0.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("it runs")
    }

    fn follow(&self, arguments: &[&str]) -> Following {
        let words: Vec<&str> = ["logs", "--follow", "--json"].iter().chain(arguments).copied().collect();
        let mut child = self.command(&words).spawn().expect("it runs");
        let (sender, lines) = channel();
        let (out, error) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let second = sender.clone();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        thread::spawn(move || {
            BufReader::new(error).lines().map_while(Result::ok).try_for_each(|line| second.send(line))
        });
        let input = child.stdin.take();
        Following { child, lines, input }
    }
}

struct Following {
    child: Child,
    lines: Receiver<String>,
    input: Option<ChildStdin>,
}

impl Following {
    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(MINUTE).expect("a line within a minute")
    }

    /// The next alarm's cause, with the line that speaks for it.
    #[track_caller]
    fn alarm(&self) -> (String, Value) {
        let line = self.line();
        let json: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!((&json["walproof_logs_follow"], &json["event"]), (&1.into(), &"alarm".into()), "{line}");
        (json["cause"].as_str().expect("a name").to_owned(), json)
    }

    /// Ctrl-C, and the summary.
    #[track_caller]
    fn end(&mut self) -> Value {
        // SAFETY: a plain system call on a child of this test that was not waited for.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
        self.summary()
    }

    /// Ctrl-C, whatever is said.
    fn end_and_wait(&mut self) {
        // SAFETY: a plain system call on a child of this test that was not waited for.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
        self.child.wait().expect("it ends");
    }

    /// What is said at the end, without any alarm before it.
    #[track_caller]
    fn summary(&mut self) -> Value {
        let line = self.line();
        let json: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(json["event"], "summary", "{line}");
        self.child.wait().expect("it ends");
        json["document"].clone()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn seen(document: &Value, signature: &str) -> u64 {
    let kinds = document["seen"].as_array().expect("a list");
    kinds
        .iter()
        .filter(|kind| kind["signature"] == signature)
        .map(|kind| kind["count"].as_u64().expect("a count"))
        .sum()
}

const BUSY: &str = "2024-01-02T03:04:05Z sqlite3.OperationalError: database is locked\n";
const FULL: &str = "2024-01-02T03:05:05Z SqliteError: database or disk is full\n";
const MOVED: &str = "2024-01-02T03:06:05Z attempt to write a readonly database (1032)\n";

#[test]
fn rotation_truncation_and_a_file_that_appears_later_are_followed() {
    let folder = Bench::new();
    let mut following = folder.follow(&[&folder.path("app.log")]);
    assert!(following.line().contains("waited for"));
    folder.append("app.log", BUSY);
    let (cause, alarm) = following.alarm();
    assert_eq!((cause.as_str(), &alarm["why"]), ("busy-made-by-application", &"first".into()));
    // Renamed, written to once more, and replaced: nothing of it is lost, nothing is told twice.
    fs::rename(folder.path("app.log"), folder.path("app.log.1")).expect("renamed");
    folder.append("app.log.1", BUSY);
    folder.append("app.log", BUSY);
    folder.append("app.log", FULL);
    assert_eq!(following.alarm().0, "disk-full");
    // Cut, as `copytruncate` does.
    fs::write(folder.path("app.log"), "").expect("cut");
    thread::sleep(Duration::from_millis(500));
    folder.append("app.log", MOVED);
    assert_eq!(following.alarm().0, "files-replaced-while-open");
    let document = following.end();
    assert_eq!((seen(&document, "busy"), seen(&document, "disk-full")), (3, 1), "{document:#}");
    let last = document["seen"].as_array().expect("a list").iter().find(|kind| kind["signature"] == "database-moved");
    assert_eq!(last.expect("seen")["last"]["line"], 1, "numbers begin again with the file");
}

/// Whoever rotates may leave anything under the name for a moment.
#[test]
fn what_is_no_file_for_a_moment_is_waited_out() {
    let folder = Bench::new();
    let name = folder.path("app.log");
    folder.append("app.log", BUSY);
    let mut following = folder.follow(&[&name]);
    assert_eq!(following.alarm().0, "busy-made-by-application");
    fs::remove_file(&name).expect("removed");
    let fifo = std::ffi::CString::new(name.clone()).expect("no zero");
    // SAFETY: a plain system call with a string that ends in zero.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    assert!(following.line().ends_with("is no file at the moment: it is waited for"));
    fs::remove_file(&name).expect("removed");
    folder.append("app.log", FULL);
    assert_eq!(following.alarm().0, "disk-full");
    fs::remove_file(&name).expect("removed");
    fs::create_dir(&name).expect("a folder");
    thread::sleep(Duration::from_millis(1_000));
    fs::remove_dir(&name).expect("removed");
    folder.append("app.log", MOVED);
    assert_eq!(following.alarm().0, "files-replaced-while-open");
    following.end();
}

#[test]
fn a_pipe_that_was_named_is_read_to_its_end() {
    let folder = Bench::new();
    let name = folder.path("pipe");
    let fifo = std::ffi::CString::new(name.clone()).expect("no zero");
    // SAFETY: a plain system call with a string that ends in zero.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let mut following = folder.follow(&[&name]);
    let mut pipe = OpenOptions::new().write(true).open(&name).expect("its reader opens it");
    pipe.write_all(FULL.as_bytes()).expect("written");
    assert_eq!(following.alarm().0, "disk-full");
    drop(pipe);
    assert_eq!(seen(&following.summary(), "disk-full"), 1);
}

#[test]
fn damage_behind_the_first_suspect_is_told_once() {
    let folder = Bench::new();
    let told = folder.path("told");
    let mut following = folder.follow(&["-", "--exec", &format!("cat >> {told}")]);
    let mut input = following.input.take().expect("a pipe");
    input.write_all(b"2024-01-02T03:04:05Z disk I/O error\n").expect("written");
    let (first, alarm) = following.alarm();
    assert_eq!((&alarm["why"], &alarm["points_at_damage"]), (&"first".into(), &false.into()));
    for _ in 0..3 {
        input.write_all(b"2024-01-02T03:04:06Z database disk image is malformed\n").expect("written");
        thread::sleep(Duration::from_millis(100));
    }
    let (cause, alarm) = following.alarm();
    assert_eq!((&cause, &alarm["why"], &alarm["signature"]), (&first, &"points-at-damage".into(), &"corrupt".into()));
    assert_eq!(alarm["points_at_damage"], true);
    drop(input);
    assert_eq!(seen(&following.summary(), "corrupt"), 3);
    let told = fs::read_to_string(told).expect("told");
    assert_eq!(told.lines().count(), 2, "{told}");
}

#[test]
fn a_line_is_judged_when_it_is_whole_or_silent_and_counts_once() {
    let folder = Bench::new();
    folder.append("app.log", "fine\n2024-01-02T03:04:05Z database is lo");
    let mut following = folder.follow(&[&folder.path("app.log"), &folder.path("other.log"), "-"]);
    assert!(following.line().contains("other.log"));
    thread::sleep(Duration::from_millis(1_500));
    folder.append("app.log", "cked");
    let (cause, alarm) = following.alarm();
    assert_eq!((cause.as_str(), &alarm["line"]), ("busy-made-by-application", &2.into()));
    folder.append("app.log", " (5)\nfine\n");
    let input = following.input.as_mut().expect("a pipe");
    input.write_all(FULL.as_bytes()).expect("written");
    let (cause, alarm) = following.alarm();
    assert_eq!((cause.as_str(), &alarm["source"]), ("disk-full", &"standard input".into()));
    folder.append("app.log", MOVED);
    assert_eq!(following.alarm().0, "files-replaced-while-open");
    let document = following.end();
    assert_eq!((seen(&document, "busy"), &document["read"]["lines"]), (1, &5.into()), "{document:#}");
}

#[test]
fn an_alarm_comes_once_and_a_command_is_told() {
    let folder = Bench::new();
    let told = folder.path("told");
    let mut following = folder.follow(&["-", "--exec", &format!("cat > {told}.$WALPROOF_CAUSE")]);
    let mut input = following.input.take().expect("a pipe");
    for _ in 0..10_000 {
        input.write_all(BUSY.as_bytes()).expect("written");
    }
    drop(input);
    assert_eq!(following.alarm().0, "busy-made-by-application");
    let document = following.summary();
    assert_eq!(seen(&document, "busy"), 10_000);
    let json: Value = serde_json::from_slice(&fs::read(format!("{told}.busy-made-by-application")).expect("told"))
        .expect("the alarm as JSON");
    assert_eq!(json["signature"], "busy");
}

/// Recorded from Docker 27: standard output and standard error, both with times.
const DOCKER: &str = r#"echo "$@" >> "$(dirname "$0")/asked"
case "$1 $2" in
"container inspect") [ "$5" = app ] && echo '{"Id":"0123","Name":"/app"}' && exit 0
  echo "Error response from daemon: No such container: $5" >&2; exit 1 ;;
"logs --timestamps")
  echo '2024-01-02T03:04:05.123456789Z listening on 8080'
  echo '2024-01-02T03:04:06.123456789Z SqliteError: database or disk is full' >&2
  case "$*" in *--follow*) exec sleep 300 ;; esac ;;
*) exit 64 ;;
esac"#;

#[test]
fn containers_are_read_by_their_engine() {
    let folder = Bench::new();
    folder.program("docker", DOCKER);
    let out = folder.run(&["logs", "docker://app", "--since", "10m", "--tail", "100", "--json"]);
    let document: Value = serde_json::from_slice(&out.stdout).expect("a document");
    assert_eq!((&document["read"]["lines"], seen(&document, "disk-full")), (&2.into(), 1), "{document:#}");
    assert_eq!(document["read"]["sources"][0], "docker://app");
    let asked = fs::read_to_string(folder.path("asked")).expect("asked");
    assert!(asked.contains("logs --timestamps --since 10m --tail 100 app\n"), "{asked}");
    // A bare name that is no file.
    let bare = folder.run(&["logs", "app", "--json"]);
    let document: Value = serde_json::from_slice(&bare.stdout).expect("a document");
    assert_eq!(document["read"]["sources"][0], "docker://app");
    let absent = folder.run(&["logs", "docker://other"]);
    let error = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert!(absent.status.code() == Some(2) && error.contains("No such container"), "{error}");
    let nobody = folder.run(&["logs", "nobody-has-this-name"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("cannot read `nobody-has-this-name`"));
    let since = folder.run(&["logs", &folder.path("docker"), "--since", "10m"]);
    assert!(String::from_utf8_lossy(&since.stderr).contains("no index of times"));
}

#[test]
fn a_followed_container_is_ended_with_us() {
    let folder = Bench::new();
    folder.program("docker", &DOCKER.replace("exec sleep", "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep"));
    let mut following = folder.follow(&["docker://app"]);
    assert_eq!(following.alarm().0, "disk-full");
    let document = following.end();
    assert_eq!(seen(&document, "disk-full"), 1);
    let pid: i32 = fs::read_to_string(folder.path("pid")).expect("it ran").trim().parse().expect("a number");
    let end = Instant::now() + MINUTE;
    while is_there(pid) {
        assert!(Instant::now() < end, "`docker logs --follow` still runs");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs; one that has ended and whose status nobody asked for does not.
fn is_there(pid: i32) -> bool {
    let is_zombie = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    // SAFETY: signal 0 only asks.
    !is_zombie && unsafe { libc::kill(pid, 0) } == 0
}

#[test]
fn pods_units_and_the_kernel_are_read_by_their_commands() {
    let folder = Bench::new();
    let note = r#"echo "$0 $@" >> "$(dirname "$0")/asked""#;
    let pod = r#"[ "$1" = get ] && echo '{}' && exit 0
echo '2024-01-02T03:04:06Z database disk image is malformed'"#;
    folder.program("kubectl", &format!("{note}\n{pod}"));
    let journal = r#"echo '{"__REALTIME_TIMESTAMP":"1704164645123000","MESSAGE":"disk I/O error (5386)"}'"#;
    folder.program("journalctl", &format!("{note}\n{journal}"));
    let out = folder.run(&["logs", "k8s://shop/db-0/app", "unit:app", "kernel:", "--since", "1h", "--json"]);
    let document: Value = serde_json::from_slice(&out.stdout).expect("a document");
    let sources = serde_json::json!(["k8s://shop/db-0/app", "unit:app", "kernel:"]);
    assert_eq!(document["read"]["sources"], sources, "{document:#}");
    assert_eq!(seen(&document, "corrupt") + seen(&document, "shared-memory-refused"), 3, "{document:#}");
    let asked = fs::read_to_string(folder.path("asked")).expect("asked");
    assert!(asked.contains("--namespace shop --container app --since=1h -- db-0\n"), "{asked}");
    assert!(asked.contains("--unit app --output json") && asked.contains("--dmesg --output json"), "{asked}");
    assert!(asked.contains("--since=-1h"), "{asked}");
}

/// A misspelt unit is as silent as one that is well.
#[test]
fn a_unit_that_the_journal_does_not_know_is_no_quiet_one() {
    let folder = Bench::new();
    let entry = r#"{"__REALTIME_TIMESTAMP":"1704164645123000","MESSAGE":"up"}"#;
    // Knows one unit, which said nothing in the last hour.
    let script = r#"case "$*" in *app*--since*|*app*--follow*) ;; *app*) echo 'ENTRY' ;; esac
case "$*" in *--follow*) exec sleep 300 ;; esac"#;
    folder.program("journalctl", &script.replace("ENTRY", entry));
    let known = folder.run(&["logs", "unit:app", "--since", "1h"]);
    assert_eq!(known.status.code(), Some(0), "{}", String::from_utf8_lossy(&known.stderr));
    for name in ["unit:ap", "kernel:"] {
        let unknown = folder.run(&["logs", name]);
        let error = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert!(unknown.status.code() == Some(2) && error.contains("the journal shows no entry of it"), "{error}");
    }
    let mut following = folder.follow(&["unit:ap"]);
    assert_eq!(following.line(), "walproof: nothing yet of `unit:ap`");
    following.end_and_wait();
}

/// The user's command gets some seconds to end, not its whole time.
#[test]
fn an_interrupt_does_not_wait_for_the_users_command() {
    let folder = Bench::new();
    let pid = folder.path("pid");
    let mut following =
        folder.follow(&["-", "--exec", &format!("echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 25")]);
    following.input.as_mut().expect("a pipe").write_all(BUSY.as_bytes()).expect("written");
    assert_eq!(following.alarm().0, "busy-made-by-application");
    let began = Instant::now();
    while !Path::new(&pid).exists() {
        assert!(began.elapsed() < MINUTE, "the command never began");
        thread::sleep(Duration::from_millis(10));
    }
    let began = Instant::now();
    following.end_and_wait();
    assert!(began.elapsed() < Duration::from_secs(20), "it waited {:?}", began.elapsed());
    let pid: i32 = fs::read_to_string(&pid).expect("its number").trim().parse().expect("a number");
    assert!(!is_there(pid), "the user's command still runs");
}

#[test]
fn the_last_lines_of_a_file_are_taken() {
    let folder = Bench::new();
    folder.append("app.log", &format!("{FULL}fine\n{BUSY}{BUSY}"));
    for (tail, busy, full) in [("2", 2, 0), ("1", 1, 0), ("0", 0, 0), ("4", 2, 1), ("99", 2, 1)] {
        let out = folder.run(&["logs", &folder.path("app.log"), "--tail", tail, "--json"]);
        let document: Value = serde_json::from_slice(&out.stdout).expect("a document");
        assert_eq!((seen(&document, "busy"), seen(&document, "disk-full")), (busy, full), "--tail {tail}");
    }
}

#[test]
fn facts_of_a_manifest_are_taken_with_their_place() {
    let folder = Bench::new();
    let compose = "services:\n  app:\n    image: vaultwarden/server\n    volumes:\n      - data:/data\nvolumes:\n  data:\n    \
                   driver_opts:\n      type: nfs\n      o: addr=10.0.0.1,rw,nolock\n      device: \":/export\"\n";
    folder.append("compose.yaml", compose);
    folder.append("app.log", "database is locked\n");
    let arguments = ["logs", &folder.path("app.log"), "--with", &folder.path("compose.yaml")];
    let out = folder.run(&arguments);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(text.contains("taken from ") && text.contains("compose.yaml:"), "{text}");
    assert!(text.contains("network filesystem") && text.contains("nolock-mount"), "{text}");
    let json = folder.run(&[&arguments[..], &["--json"]].concat());
    let document: Value = serde_json::from_slice(&json.stdout).expect("a document");
    let first = document["suspects"][0]["cause"].as_str().expect("a suspect");
    assert!(["wal-on-network-filesystem", "locks-not-sent"].contains(&first), "{document:#}");
    // What depends on the host is no fact.
    folder
        .append("host.yaml", "services:\n  app:\n    image: vaultwarden/server\n    volumes:\n      - ./data:/data\n");
    let out = folder.run(&["logs", &folder.path("app.log"), "--with", &folder.path("host.yaml")]);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(text.contains("cannot be told") && !text.contains("virtual machine share"), "{text}");
    let absent = folder.run(&["logs", &folder.path("app.log"), "--with", "no-such-manifest.yaml"]);
    assert_eq!(absent.status.code(), Some(2));
}

#[test]
fn what_came_first_is_told() {
    let folder = Bench::new();
    folder
        .append("kern.log", "2024-01-02T04:04:02+01:00 kernel: Out of memory: Killed process 12 (app) total-vm:1kB\n");
    folder.append("app.log", BUSY);
    let out = folder.run(&["logs", &folder.path("app.log"), &folder.path("kern.log")]);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(text.contains("out-of-memory-kill, 3.0 s before the first busy"), "{text}");
}
