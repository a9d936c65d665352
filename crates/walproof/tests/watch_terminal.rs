//! `walproof watch` as people use it: in a real terminal (tmux), in a pipe, with a command and a webhook that are told.
//!
//! A child of these tests holds a real database's WAL_WRITE_LOCK and is stopped by a signal. Nothing here asserts a time;
//! what is waited for has a bound against hangs. `WALPROOF_REQUIRE=terminal` makes the absence of tmux a failure.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use walproof_testbench::{Folder, skip};

const BINARY: &str = env!("CARGO_BIN_EXE_walproof");
/// Nothing here may take longer.
const HANG: Duration = Duration::from_secs(60);
/// Names the database to whoever holds it.
const HOLD: &str = "WALPROOF_TEST_HOLDS";

// ---- whoever holds a database ----

/// No test: what the child of [`Holder`] runs. Without the variable it does nothing.
#[test]
fn hold_a_database() {
    let Some(path) = std::env::var_os(HOLD) else { return };
    let connection = rusqlite::Connection::open(path).expect("opens");
    let statements = "PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1); BEGIN IMMEDIATE;";
    connection.execute_batch(statements).expect("it takes the lock");
    println!("holding");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Holds WAL_WRITE_LOCK in a write transaction, and is stopped.
struct Holder(Child);

impl Holder {
    fn of(database: &Path) -> Self {
        let own = std::env::current_exe().expect("this test");
        let mut command = Command::new(own);
        command.args(["--exact", "hold_a_database", "--nocapture"]).env(HOLD, database);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.ends_with("holding")), "it holds the lock");
        Self(child)
    }

    fn signal(&self, signal: libc::c_int) {
        kill(self.0.id(), signal);
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn kill(pid: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: kill takes plain numbers; the process is one that this test started.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

// ---- the bench ----

fn folder() -> Folder {
    Folder::below(Path::new(env!("CARGO_TARGET_TMPDIR")), "watch")
}

#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + HANG;
    loop {
        match found() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "{what}: not within {HANG:?}; last seen:\n{seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A terminal of our own: tmux with its own socket, a shell in it.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn start(what: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip("terminal", what, "there is no `tmux` in PATH");
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tmux = Self { socket: format!("walproof-test-{}-{number}", std::process::id()) };
        let size = ["-x", "120", "-y", "40"];
        let begun =
            tmux.ask(&[&["-f", "/dev/null", "new-session", "-d"], &size[..], &["env PS1='ready$ ' sh"]].concat());
        assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
        tmux.waits_for(&["ready$"]);
        Some(tmux)
    }

    fn ask(&self, words: &[&str]) -> Output {
        // Whatever language whoever runs the tests has.
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-L", &self.socket]).args(words).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        tmux.output().expect("tmux")
    }

    fn says(&self, format: &str) -> String {
        String::from_utf8_lossy(&self.ask(&["display-message", "-p", format]).stdout).trim().to_owned()
    }

    fn types(&self, text: &str) {
        self.ask(&["send-keys", "-l", text]);
        self.ask(&["send-keys", "Enter"]);
    }

    fn presses(&self, key: &str) {
        self.ask(&["send-keys", key]);
    }

    /// Presses a key until it is answered: on a busy machine one in some fifty does not arrive (docs/watch.md, the view).
    #[track_caller]
    fn presses_until(&self, key: &str, answered: impl Fn(&str) -> bool) {
        for _ in 0..3 {
            self.presses(key);
            let end = Instant::now() + Duration::from_secs(8);
            while Instant::now() < end {
                if answered(&self.screen()) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        panic!("`{key}` was pressed three times:\n{}", self.screen());
    }

    /// Presses a key that gives the terminal back.
    #[track_caller]
    fn leaves_by(&self, key: &str) {
        self.presses_until(key, |_| self.says("#{alternate_on}") == "0");
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.ask(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until all these words are on the screen, which is returned.
    #[track_caller]
    fn waits_for(&self, words: &[&str]) -> String {
        until(&format!("{words:?} on the screen"), || {
            let screen = self.screen();
            if words.iter().all(|word| screen.contains(word)) { Ok(screen) } else { Err(screen) }
        })
    }

    /// The program that runs in the shell.
    fn child(&self) -> u32 {
        let shell = self.says("#{pane_pid}");
        until("a child of the shell", || {
            let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap_or_default();
            children.split_whitespace().next().and_then(|pid| pid.parse().ok()).ok_or(children)
        })
    }

    /// The terminal is as a shell wants it: its own screen, a cursor, lines and echo.
    #[track_caller]
    fn is_given_back(&self, mark: &str) {
        self.waits_for(&[mark]);
        assert_eq!(self.says("#{alternate_on} #{cursor_flag}"), "0 1");
        self.types("stty -a | tr ' ' '\\n' | grep -cx -e icanon -e echo -e isig");
        until("echo, icanon and isig", || {
            let screen = self.screen();
            if screen.lines().any(|line| line.trim() == "3") { Ok(()) } else { Err(screen) }
        });
        self.types("clear");
        until("an empty screen", || {
            let screen = self.screen();
            if screen.contains(mark) { Err(screen) } else { Ok(()) }
        });
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.ask(&["kill-server"]);
    }
}

fn walproof(words: &[&str], database: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("watch").arg(database).args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Loopback is not asked of a proxy.
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

/// Waits for the end; the exit code.
#[track_caller]
fn ends(child: &mut Child) -> Option<i32> {
    let status = until("its end", || match child.try_wait().expect("a child") {
        Some(status) => Ok(status),
        None => Err("it goes on".to_owned()),
    });
    status.code()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

// ---- the view ----

#[test]
fn a_terminal_shows_who_holds_the_lock_and_is_given_back() {
    let Some(tmux) = Tmux::start("the view of watch") else { return };
    let folder = folder();
    let (database, told) = (folder.at("app.db"), folder.at("told"));
    let holder = Holder::of(&database);
    holder.signal(libc::SIGSTOP);
    let exec = format!("echo \"$WALPROOF_STATE $WALPROOF_ALARM $WALPROOF_PID\" >> {}", told.display());
    tmux.types(&format!("{BINARY} watch {} --every 200ms --exec '{exec}'; echo ended $?", database.display()));

    let pid = format!("pid {}", holder.0.id());
    let seen = ["frozen-lock-holder", "WAL_WRITE_LOCK", "stopped", "app.db", "WAL mode", "mxFrame", "kill -CONT"];
    let screen = tmux.waits_for(&seen);
    assert!(screen.contains(&holder.0.id().to_string()), "{screen}");
    assert_eq!(tmux.says("#{alternate_on}"), "1");
    let raised = format!("raised frozen-lock-holder {}", holder.0.id());
    until("an alert by --exec", || if read(&told).contains(&raised) { Ok(()) } else { Err(read(&told)) });

    // Narrow, and large again.
    tmux.ask(&["resize-window", "-x", "60", "-y", "24"]);
    tmux.waits_for(&["frozen-lock-holder", "WAL_WRITE_LOCK", &pid, "q quit"]);
    tmux.ask(&["resize-window", "-x", "100", "-y", "50"]);
    tmux.waits_for(&["frozen-lock-holder", "-wal over", "events"]);
    tmux.presses_until("?", |screen| screen.contains("Shift-Tab"));
    // A key right after Escape would be read as that key with Alt.
    tmux.presses_until("Escape", |screen| screen.contains("openers (1)"));
    tmux.presses_until("p", |screen| screen.contains("PAUSED") && screen.contains("openers (1)"));
    tmux.presses_until("p", |screen| !screen.contains("PAUSED") && screen.contains("openers (1)"));

    // Away for a while.
    tmux.leaves_by("C-z");
    tmux.types("fg");
    tmux.waits_for(&["frozen-lock-holder", "WAL_WRITE_LOCK"]);
    assert_eq!(tmux.says("#{alternate_on}"), "1");

    holder.signal(libc::SIGCONT);
    let screen = tmux.waits_for(&["cleared warning frozen-lock-holder"]);
    assert!(!screen.contains(" WARNING "), "{screen}");
    tmux.leaves_by("q");
    // The line that began it went on when it was stopped.
    tmux.types("echo over $?");
    tmux.is_given_back("over 0");
    assert!(read(&told).contains("cleared frozen-lock-holder"), "{}", read(&told));
}

#[test]
fn signals_and_control_c_give_the_terminal_back() {
    let Some(tmux) = Tmux::start("signals to the view of watch") else { return };
    let folder = folder();
    let database = folder.at("app.db");
    let _holder = Holder::of(&database);
    for signal in [Some(libc::SIGTERM), Some(libc::SIGHUP), None] {
        tmux.types(&format!("{BINARY} watch {}; echo ended $?", database.display()));
        tmux.waits_for(&["WAL_WRITE_LOCK", "app.db"]);
        match signal {
            Some(signal) => kill(tmux.child(), signal),
            None => tmux.leaves_by("C-c"),
        }
        tmux.is_given_back("ended 0");
    }
}

// ---- without a terminal ----

/// Takes one request after the other and hands their bodies on.
fn webhook() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let (to, bodies) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
            let mut length = 0;
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                let lower = line.to_ascii_lowercase();
                length =
                    lower.strip_prefix("content-length:").map_or(length, |it| it.trim().parse().expect("a number"));
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the body");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = to.send(String::from_utf8(body).expect("text"));
        }
    });
    (address, bodies)
}

#[test]
fn lines_a_command_and_a_webhook_tell_of_an_alarm() {
    let folder = folder();
    let (database, told) = (folder.at("app.db"), folder.at("told"));
    let holder = Holder::of(&database);
    let (address, bodies) = webhook();
    let exec = format!("cat >> {}", told.display());
    let words = ["--every", "200ms", "--exec", &exec, "--webhook", &address, "--webhook-format", "slack"];
    let mut watch = walproof(&words, &database).spawn().expect("it starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let first = lines.find(|line| line.contains("app.db")).expect("it says what is watched");
    assert!(first.contains("Z watching ") && first.contains("WAL mode"), "{first}");
    holder.signal(libc::SIGSTOP);
    let raised = lines.find(|line| line.contains("RAISED")).expect("an alarm");
    assert!(raised.contains("warning frozen-lock-holder") && raised.contains("WAL_WRITE_LOCK"), "{raised}");
    let body = bodies.recv_timeout(HANG).expect("a post");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let text = body["text"].as_str().expect("Slack's text");
    assert!(text.contains("WARNING frozen-lock-holder raised") && text.contains("app.db"), "{text}");
    holder.signal(libc::SIGCONT);
    assert!(lines.any(|line| line.contains("cleared  warning frozen-lock-holder")), "it is cleared");
    let body = bodies.recv_timeout(HANG).expect("another post");
    assert!(body.contains("cleared"), "{body}");
    until("both on the command's input", || if read(&told).lines().count() >= 2 { Ok(()) } else { Err(read(&told)) });
    let first: serde_json::Value = serde_json::from_str(read(&told).lines().next().expect("one")).expect("JSON");
    assert_eq!((&first["walproof_alert"], &first["alarm"]["pid"]), (&1.into(), &holder.0.id().into()), "{first}");
    kill(watch.id(), libc::SIGINT);
    assert_eq!(ends(&mut watch), Some(0));
}

#[test]
fn one_report_has_an_exit_code() {
    let folder = folder();
    let database = folder.at("app.db");
    let once = |words: &[&str], database: &Path| {
        let output = walproof(&[&["--once"], words].concat(), database).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (code, said) = once(&[], &folder.at("absent.db"));
    assert_eq!(code, Some(3), "{said}");
    for (text, why) in
        [("", "it is empty, and nobody has it open"), ("something else", "no database, or an encrypted one")]
    {
        fs::write(folder.at("other.db"), text).expect("a file");
        let (code, said) = once(&[], &folder.at("other.db"));
        assert!(code == Some(3) && said.contains(why), "{code:?} {said}");
    }
    let holder = Holder::of(&database);
    let (code, said) = once(&["--fail-on", "warning"], &database);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("WAL_WRITE_LOCK") && !said.contains("frozen-lock-holder"), "{said}");
    holder.signal(libc::SIGSTOP);
    let (code, said) = once(&["--fail-on", "warning"], &database);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("warning frozen-lock-holder") && said.contains("stopped") && said.contains("mxFrame"),
        "{said}"
    );
    let (code, said) = once(&["--json"], &database);
    assert_eq!(code, Some(0), "only critical ones count: {said}");
    let read: serde_json::Value = serde_json::from_str(&said).expect("one JSON document");
    assert_eq!(read["walproof_watch"], 1);
    let alarms = read["alarms"].as_array().expect("alarms");
    assert!(alarms.iter().any(|alarm| alarm["alarm"] == "frozen-lock-holder"), "{said}");
    assert_eq!(read["moment"]["databases"][0]["openers"][0]["pid"], holder.0.id());
}

#[test]
fn a_reader_that_leaves_ends_it_and_a_full_disk_is_an_error() {
    let folder = folder();
    let database = folder.at("app.db");
    let _holder = Holder::of(&database);
    for words in [["--json", "--every", "50ms"], ["--plain", "--every", "50ms"]] {
        let mut watch = walproof(&words, &database).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(watch.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert!(line.contains("app.db") || line.contains("walproof_watch") || line.contains("not seen"), "{line}");
        if words[0] == "--json" {
            assert_eq!(ends(&mut watch), Some(0));
        } else {
            // It has nothing to say until something happens.
            kill(watch.id(), libc::SIGTERM);
            assert_eq!(ends(&mut watch), Some(0));
        }
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has one");
        let mut watch = walproof(&words, &database).stdout(full).spawn().expect("it starts");
        assert_eq!(ends(&mut watch), Some(2), "{words:?}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = folder();
    let refused = |words: &[&str], database: &Path| {
        let output = walproof(words, database).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused(&["--once"], Path::new("dokcer://web"));
    assert!(said.contains("because:") && said.contains("docker://NAME"), "{said}");
    let database = folder.at("app.db");
    refused(&["--wal-max", "much"], &database);
    refused(&["--webhook", "example.org"], &database);
    refused(&["--json", "--plain"], &database);
    refused(&["--fail-on", "bad"], &database);
}
