//! `walproof watch --serve` from outside: the real program, real databases, `/metrics` read strictly, the page in a real
//! browser, and what lies in `deploy/`.
//!
//! The browser is Chromium's headless shell, spoken to over its pipe. Where it is absent its test says `skipped: why`;
//! `WALPROOF_REQUIRE=browser` makes that a failure.
//! What it must not do: depend on how fast anything is; waits have generous bounds against hangs alone.
//! Where to look next: `src/watch/serve.rs`, docs/watch-serving.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use walproof_testbench::{Folder, skip};

const HANG: Duration = Duration::from_secs(90);
const HOLDS: &str = "WALPROOF_TEST_HOLDS";
/// What must stay text wherever it is shown.
const NAME: &str = "a<script>x<img src=x onerror=document.title='taken'>\"\\.db";

// ---- the bench ----

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("opens");
    connection.busy_timeout(HANG).expect("a timeout");
    let statements = "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES (1);";
    connection.execute_batch(statements).expect("commits");
    connection
}

/// Commits until it is dropped.
struct Writer(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Writer {
    fn of(path: PathBuf) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let connection = open(&path);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                connection.execute("INSERT INTO t VALUES (randomblob(3000))", []).expect("commits");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self(ended, Some(thread))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let _ = self.1.take().map(JoinHandle::join);
    }
}

/// No test: the process that holds WAL_WRITE_LOCK and is stopped, when it is asked to be one.
#[test]
fn hold() {
    let Some(path) = std::env::var_os(HOLDS) else { return };
    let connection = open(Path::new(&path));
    connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2);").expect("the write lock");
    println!("\nheld");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct Ours(Child);

impl Ours {
    fn stopped_holder(path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this one"))
            .args(["--exact", "hold", "--nocapture"])
            .env(HOLDS, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        assert!(out.lines().map_while(Result::ok).any(|line| line == "held"), "it holds the lock");
        let holder = Self(child);
        // SAFETY: a process of ours.
        unsafe { libc::kill(holder.0.id().cast_signed(), libc::SIGSTOP) };
        holder
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Watch {
    child: Ours,
    port: u16,
}

fn watch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    command.args(["watch", "--plain", "--every", "200ms"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl Watch {
    fn of(path: &Path) -> Self {
        let mut child = Ours(watch(&["--serve=:0", &path.display().to_string()]).spawn().expect("it starts"));
        let errors = BufReader::new(child.0.stderr.take().expect("a pipe"));
        let mut lines = errors.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("serving http://")).expect("it says where");
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        // Somebody has to read on, or it is held up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.unwrap_or_else(|| panic!("a port: {line}")) }
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n\r\n", self.port))
    }

    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (code, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
    }

    fn state(&self) -> Value {
        let state: Value = serde_json::from_str(&self.get("/state.json").1).expect("JSON");
        assert_eq!(state["walproof_watch_state"], 1);
        state
    }

    /// Waits until the state shows something.
    fn until(&self, what: &str, shows: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + HANG;
        loop {
            let state = self.state();
            if shows(&state["state"]) {
                return state;
            }
            assert!(Instant::now() < end, "{what} never came: {state}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn commits(state: &Value) -> u64 {
    state["databases"][0]["counters"]["commits"].as_u64().unwrap_or(0)
}

// ---- the exposition ----

#[derive(Debug, Default)]
struct Exposition {
    kinds: BTreeMap<String, String>,
    /// By name and labels as they were written.
    samples: BTreeMap<(String, String), f64>,
}

/// Text format 0.0.4, and no line that is not needed.
fn parse(text: &str) -> Exposition {
    let mut found = Exposition::default();
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("help: {line}"));
            assert!(help.ends_with('.') && !help.contains('\\') && helped.insert(name.to_owned()), "{line}");
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("type: {line}"));
            assert!(name == family && ["gauge", "counter"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(found.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
        } else {
            let at = line.find(['{', ' ']).unwrap_or_else(|| panic!("sample: {line}"));
            let (name, rest) = line.split_at(at);
            assert_eq!(name, family, "samples stand below their family: {line}");
            let (labels, value) = labels(rest);
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("value: {line}"));
            assert!(value.is_finite() && found.kinds.contains_key(name), "{line}");
            assert!(found.samples.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
        }
    }
    assert_eq!(helped.len(), found.kinds.len());
    found
}

/// `{a="b"} 1` as labels and value; every label well-formed and none twice.
fn labels(rest: &str) -> (String, &str) {
    let Some(inside) = rest.strip_prefix('{') else { return (String::new(), &rest[1..]) };
    let (mut left, mut names) = (inside, BTreeSet::new());
    loop {
        let (name, after) = left.split_once("=\"").expect("a label");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && names.insert(name), "{rest}");
        let mut escaped = false;
        let end = after.char_indices().find(|(_, letter)| {
            let ends = *letter == '"' && !escaped;
            assert!(!escaped || matches!(letter, '\\' | '"' | 'n'), "{rest}");
            escaped = *letter == '\\' && !escaped;
            ends
        });
        let after = &after[end.expect("a closing quote").0 + 1..];
        match after.strip_prefix(',') {
            Some(more) => left = more,
            None => {
                let value = after.strip_prefix("} ").expect("a closing brace");
                return (inside[..inside.len() - after.len()].to_owned(), value);
            }
        }
    }
}

#[test]
fn metrics_are_well_formed_and_counters_never_go_back() {
    let folder = Folder::new("page");
    let path = folder.at(NAME);
    let _writer = Writer::of(path.clone());
    let watch = Watch::of(&path);
    watch.until("commits", |state| commits(state) > 0);
    let mut before = parse(&watch.get("/metrics").1);
    for _ in 0..10 {
        let now = parse(&watch.get("/metrics").1);
        for (key, value) in before.samples.iter().filter(|(key, _)| before.kinds[&key.0] == "counter") {
            assert!(now.samples.get(key).is_some_and(|now| now >= value), "{key:?} goes back from {value}");
        }
        before = now;
        std::thread::sleep(Duration::from_millis(100));
    }
    let label = format!("database=\"{}\"", path.display().to_string().replace('\\', "\\\\").replace('"', "\\\""));
    for name in ["walproof_commits_total", "walproof_wal_bytes", "walproof_wal_frames", "walproof_database_bytes"] {
        let value = before.samples.get(&(name.to_owned(), label.clone()));
        assert!(value.is_some_and(|value| *value > 0.0), "{name} of {label}: {:#?}", before.samples);
    }
    assert!(before.samples.keys().all(|(_, labels)| !labels.contains("pid")), "no process numbers");
}

#[test]
fn nobody_else_gets_in_and_nothing_can_be_changed() {
    let folder = Folder::new("page");
    let watch = Watch::of(folder.path());
    let port = watch.port;
    assert_eq!(watch.ask("GET /state.json HTTP/1.1\r\nHost: rebound.example\r\n\r\n").0, 403);
    assert_eq!(watch.ask(&format!("POST / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")).0, 405);
    assert_eq!(watch.ask("nonsense\r\n\r\n").0, 400);
    assert_eq!(watch.ask(&format!("HEAD / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")), (200, String::new()));
    assert_eq!(watch.get("/healthz").0, 200);
    for (serve, words) in [
        (format!("--serve=:{port}"), "another port"),
        ("--serve=0.0.0.0:0".to_owned(), "--serve-anywhere"),
        ("--serve=example.com:1".to_owned(), "no address"),
    ] {
        let out = watch_once(&serve, folder.path());
        assert!(out.contains("because:") && out.contains("try:") && out.contains(words), "{serve}: {out}");
    }
}

fn watch_once(serve: &str, path: &Path) -> String {
    let out = watch(&[serve, "--time", "1s", &path.display().to_string()]).output().expect("it runs");
    assert_eq!(out.status.code(), Some(2));
    String::from_utf8(out.stderr).expect("UTF-8")
}

// ---- the page ----

/// Chromium over its pipe.
struct Browser {
    child: Ours,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    number: u64,
    folder: Folder,
}

const CHROMIUM: &str = "chromium-headless-shell";

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: an array of two for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: both are new and nobody else's.
    unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) }
}

impl Browser {
    fn start() -> Option<Self> {
        let folder = Folder::new("page");
        let ((their_in, to), (from, their_out)) = (pipe(), pipe());
        let (read, write) = (their_in.as_raw_fd(), their_out.as_raw_fd());
        let mut command = Command::new(CHROMIUM);
        command.args(["--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "about:blank"]);
        command.arg(format!("--user-data-dir={}", folder.path().display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let take_descriptors = move || {
            // Out of the way first: either may be 3 or 4 itself.
            // SAFETY: plain system calls on descriptors of this process.
            unsafe {
                let (read, write) = (libc::fcntl(read, libc::F_DUPFD, 10), libc::fcntl(write, libc::F_DUPFD, 10));
                libc::dup2(read, 3);
                libc::dup2(write, 4);
                libc::close(read);
                libc::close(write);
            }
            Ok(())
        };
        // SAFETY: only system calls between fork and exec.
        unsafe { command.pre_exec(take_descriptors) };
        let child = Ours(command.spawn().ok()?);
        let (to, from) = (File::from(to), BufReader::new(File::from(from)));
        let mut browser = Self { child, to, from, session: None, number: 0, folder };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("it listens");
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).expect("it answers");
            assert_eq!(bytes.pop(), Some(0), "the browser ended");
            let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn says(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    fn width(&mut self, width: u32) {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    fn until(&mut self, expression: &str) {
        let end = Instant::now() + HANG;
        while self.says(expression) != json!(true) {
            assert!(Instant::now() < end, "never: {expression}\n{}", self.says("document.body.innerText"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.child.0.wait();
        let _ = fs::remove_dir_all(self.folder.path());
    }
}

#[test]
fn the_page_is_live_on_any_width_and_says_when_it_is_not() {
    let Some(mut browser) = Browser::start() else {
        return skip("browser", "the page in a browser", "there is no chromium-headless-shell");
    };
    let folder = Folder::new("page");
    let path = folder.at(NAME);
    drop(open(&path));
    let watch = Watch::of(&path);
    let writer = Writer::of(path.clone());
    watch.until("commits", |state| commits(state) > 10);
    browser.call("Page.navigate", json!({"url": format!("http://127.0.0.1:{}/", watch.port)}));
    browser.until("document.querySelectorAll('.plot path.size').length > 0");
    // What the machine is made of is text.
    assert_eq!(browser.says("document.querySelector('.panel h2').textContent"), json!(path.display().to_string()));
    assert_eq!(browser.says("document.querySelectorAll('script, img').length"), json!(1));
    assert_eq!(browser.says("document.title.includes('taken')"), json!(false));
    assert_eq!(browser.says("document.body.classList.contains('stale')"), json!(false));
    let shown = "Number(document.querySelectorAll('.tiles small')[3].textContent.replace(/[^0-9]/g, ''))";
    let before = browser.says(shown).as_u64().expect("a number");
    browser.until(&format!("{shown} > {before}"));
    drop(writer);
    let holder = Ours::stopped_holder(&path);
    let alarm = "[...document.querySelectorAll('.alarm code')].some((one) => one.textContent === 'frozen-lock-holder')";
    browser.until(alarm);
    for words in ["WAL_WRITE_LOCK".to_owned(), holder.0.id().to_string(), "kill -CONT".to_owned()] {
        assert_eq!(
            browser.says(&format!("document.querySelector('main').textContent.includes({})", json!(words))),
            json!(true),
            "{words}"
        );
    }
    for width in [360, 768, 1440] {
        browser.width(width);
        browser.until(
            "document.querySelector('.plot').viewBox.baseVal.width === document.querySelector('.plot').clientWidth",
        );
        let root = "document.documentElement";
        let widths = [format!("{root}.scrollWidth"), format!("{root}.clientWidth")].map(|width| browser.says(&width));
        assert_eq!(widths[0], widths[1], "nothing overflows at {width}");
        assert!(widths[1].as_u64().is_some_and(|shown| (width - 20..=width).contains(&(shown as u32))), "{widths:?}");
    }
    drop(holder);
    browser.until(&format!("!{alarm}"));
    drop(watch.child);
    browser.until("document.body.classList.contains('stale') && !document.getElementById('lost').hidden");
    assert_eq!(browser.says("document.getElementById('lost').textContent.includes('Connection lost')"), json!(true));
    assert_eq!(browser.says("document.getElementById('status').textContent"), json!("not live"));
}

// ---- what is deployed, and what is written of it ----

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two below the root").to_owned()
}

/// Words of a text that look like metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit()));
    words
        .filter(|word| word.starts_with("walproof_") && !word.starts_with("walproof_watch_state"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_dashboard_and_docs_use_the_metrics_that_there_are() {
    let folder = Folder::new("page");
    let served = parse(&Watch::of(folder.path()).get("/metrics").1);
    let all: BTreeSet<String> = served.kinds.keys().cloned().collect();
    let read = |path: &str| fs::read_to_string(root().join(path)).expect(path);
    for path in ["deploy/prometheus-rules.yaml", "deploy/grafana-dashboard.json"] {
        let used = metrics_in(&read(path));
        assert!(used.len() > 5, "{path}");
        assert_eq!(used.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new(), "{path}");
    }
    assert_eq!(metrics_in(&read("docs/watch-serving.md")), all, "the table of docs/watch-serving.md");
    let _: Value = serde_json::from_str(&read("deploy/grafana-dashboard.json")).expect("JSON");
    for rule in read("deploy/prometheus-rules.yaml").split("- alert: ").skip(1) {
        assert!(["expr:", "summary:", "description:", "severity:"].iter().all(|part| rule.contains(part)), "{rule}");
    }
}

#[test]
fn check_finds_nothing_unsafe_or_risky_in_what_is_deployed() {
    let check = Command::new(env!("CARGO_BIN_EXE_walproof"))
        .args(["check", "--fail-on", "risky", "--database", "/data/app.db=wal", "--database", "/watched/app.db=wal"])
        .args(
            ["compose.yaml", "kubernetes-sidecar.yaml", "kubernetes-daemonset.yaml"]
                .map(|name| root().join("deploy").join(name)),
        )
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(said.contains("judged   3 files"), "{said}");
    assert_eq!(check.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&check.stderr));
}
