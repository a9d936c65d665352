//! `walproof probe --storage` and `--watch` on this machine's disk, and on storage of ours that is slowed, frozen,
//! failing or full.
//!
//! Nothing here asserts a time but the ratio of predicted to measured commits, both medians of interleaved slices of
//! the same run. `WALPROOF_REQUIRE=clients` makes the skips of what needs FUSE failures,
//! `filesystems` that of the loop mount.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use walproof_lab::clients::{Client, ClientOptions, Failing, Latency, Pages, Server, why_not_here};
use walproof_testbench::{Folder, skip};

const BINARY: &str = env!("CARGO_BIN_EXE_walproof");
/// How far a prediction may be off, either way.
const OFF_MAX: f64 = 1.30;

/// Held while commits are predicted: what else these tests do mostly waits.
fn measure_alone() -> MutexGuard<'static, ()> {
    static MEASURING: Mutex<()> = Mutex::new(());
    MEASURING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder with a client of networked storage in it, or with nothing; goes away on drop.
struct Bench {
    // First, so that nothing is mounted in the folder when it goes.
    client: Option<Client>,
    root: Folder,
}

impl Bench {
    /// On the disk.
    fn new() -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    fn below(parent: &Path) -> Self {
        let root = Folder::below(parent, "storage");
        root.folder("tested");
        root.folder("server");
        Self { client: None, root }
    }

    /// `None`: no client can be mounted here, which is said. In memory where there is some, and each request takes its
    /// time: whatever a test does to it is no load for those beside it.
    fn with_client(what: &str, fixed_us: u32) -> Option<Self> {
        let latency = Latency { fixed_us, jitter_us: fixed_us / 3, ..Latency::NONE };
        if let Some(why) = why_not_here() {
            skip("clients", what, &why);
            return None;
        }
        let memory = Path::new("/dev/shm");
        let mut bench = if memory.is_dir() { Self::below(memory) } else { Self::new() };
        let options = ClientOptions::believing(Pages::CachedAlways, 1000).with_latency(latency);
        let server = Arc::new(Server::new(&bench.root.at("server"), false));
        bench.client = Some(Client::mount(server, &bench.tested(), options, 1).expect("mounted"));
        Some(bench)
    }

    fn tested(&self) -> PathBuf {
        self.root.at("tested")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("probe").args(words).arg(self.tested()).stdin(Stdio::null());
        command
    }

    fn probe(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it starts")
    }

    fn start(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// Looked at past the client: this process serves it, and must not touch it.
    fn assert_nothing_left(&self) {
        let folder = if self.client.is_some() { self.root.at("server") } else { self.tested() };
        let left: Vec<PathBuf> = fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    fn stall(&self, time_max: Duration) {
        self.client.as_ref().expect("a client").knobs().stall(time_max);
    }
}

fn json(output: &Output) -> Value {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{error}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[track_caller]
fn refuses(output: &Output, code: i32, words: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(code) && error.contains(words), "{:?} {error}", output.status);
    assert!(error.contains("because: ") && error.contains("try: "), "{error}");
}

/// Every journal mode at every level is within the bound. A ratio measured beside others' work is an interval: it must
/// not lie outside of the bound as a whole. On a quiet machine it is a few percent wide.
#[track_caller]
fn predicts(report: &Value) {
    let modes = report["modes"].as_array().expect("modes");
    assert_eq!(modes.len(), 13, "{:#}", report["not_measured"]);
    let mut off = Vec::new();
    for mode in modes {
        let ratio = mode["ratio"].as_f64().expect("a ratio");
        let line = format!(
            "{} {}: ratio {ratio:.2} in {}, {} rounds, {}",
            mode["journal_mode"], mode["synchronous"], mode["ratio_interval"], mode["rounds"], mode["explanation"]
        );
        let end = |index: usize| mode["ratio_interval"][index].as_f64().expect("an interval");
        let (low, high) = (end(0), end(1));
        let _ = writeln!(std::io::stderr(), "{line}");
        if low > OFF_MAX || high < 1.0 / OFF_MAX {
            off.push(line);
        }
    }
    let inside = |mode: &&Value| mode["ratio"].as_f64().is_some_and(|ratio| (1.0 / OFF_MAX..=OFF_MAX).contains(&ratio));
    let inside = modes.iter().filter(inside).count();
    assert!(inside > modes.len() / 2, "{inside} of {} ratios within the bound", modes.len());
    assert!(off.is_empty(), "predictions more than 30 % off: {off:#?}\n{:#}", report["conditions"]);
}

/// Nothing on the front may corrupt, and something is on it.
#[track_caller]
fn front_is_sound(report: &Value) {
    let settings = report["settings"].as_array().expect("settings");
    let front: Vec<&Value> = settings.iter().filter(|one| one["on_front"] == true).collect();
    assert!(!front.is_empty());
    assert!(front.iter().all(|one| one["promise"] == "keeps-commits" || one["promise"] == "may-lose-last"));
}

#[test]
fn commits_are_predicted_on_this_machine_s_disk() {
    let _alone = measure_alone();
    let bench = Bench::new();
    let report = json(&bench.probe(&["--storage", "--json", "--time", "5s"]));
    assert_eq!(report["walproof_storage"], 1);
    predicts(&report);
    front_is_sound(&report);
    assert!(report["calls"].as_array().is_some_and(|calls| calls.len() >= 14));
    bench.assert_nothing_left();
}

/// An ext4 that nobody else writes to: a loop mount in a mount namespace that dies with the run.
#[test]
fn commits_are_predicted_on_an_ext4_of_our_own() {
    let _alone = measure_alone();
    let memory = Path::new("/dev/shm");
    let bench = if memory.is_dir() { Bench::below(memory) } else { Bench::new() };
    let image = bench.root.at("image");
    fs::File::create(&image).and_then(|file| file.set_len(256 << 20)).expect("a sparse file");
    let script = "PATH=$PATH:/usr/sbin:/sbin; mkfs.ext4 -q -F \"$1\" && mount -t ext4 -o loop \"$1\" \"$2\" || exit 90; \
                  exec \"$3\" probe --storage --json --time 5s \"$2\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    let output = command.arg(&image).arg(bench.tested()).arg(BINARY).output().expect("unshare starts");
    if output.status.code() != Some(0) && output.stdout.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return skip("filesystems", "commits predicted on an ext4 of our own", &why);
    }
    let report = json(&output);
    assert!(report["conditions"][0].as_str().is_some_and(|line| line.contains("ext4")), "{}", report["conditions"]);
    predicts(&report);
    front_is_sound(&report);
}

#[test]
fn commits_are_predicted_on_slow_storage() {
    let _alone = measure_alone();
    let Some(bench) = Bench::with_client("commits predicted on slow storage", 150) else { return };
    let report = json(&bench.probe(&["--storage", "--json", "--time", "7s"]));
    predicts(&report);
    front_is_sound(&report);
    bench.assert_nothing_left();
}

#[test]
fn frozen_storage_is_unknown_and_ends_in_time() {
    let Some(bench) = Bench::with_client("frozen storage", 1000) else { return };
    let child = bench.start(&["--storage", "--time", "120s"]);
    std::thread::sleep(Duration::from_secs(2));
    bench.stall(Duration::from_secs(14));
    let late = bench.start(&["--storage"]);
    refuses(&late.wait_with_output().expect("it ends"), 3, "unknown: the storage did not answer");
    refuses(&child.wait_with_output().expect("it ends"), 3, "unknown: the storage did not answer");
    bench.assert_nothing_left();
}

#[test]
fn ctrl_c_ends_it_with_what_there_is() {
    let Some(bench) = Bench::with_client("Ctrl-C", 1000) else { return };
    let child = bench.start(&["--storage", "--json", "--time", "120s"]);
    std::thread::sleep(Duration::from_secs(4));
    // SAFETY: kill has no preconditions; the child is not yet reaped, so the number is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) }, 0);
    let report = json(&child.wait_with_output().expect("it ends"));
    assert!(report["conditions"].as_array().expect("conditions").iter().any(|line| line == "ended early by a signal"));
    bench.assert_nothing_left();
}

#[test]
fn a_stall_is_told_while_it_lasts_and_failing_calls_are_interruptions() {
    let Some(bench) = Bench::with_client("a watched stall", 1000) else { return };
    let mut child = bench.start(&["--watch", "--json", "--time", "8s"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut next = |word: &str| -> Value {
        let parsed = |line: String| serde_json::from_str::<Value>(&line).expect("a line is a document");
        lines.by_ref().map(parsed).find(|line| line["line"] == word).unwrap_or_else(|| panic!("no line `{word}`"))
    };
    assert_eq!(next("began")["walproof_watch"], 1);
    next("second");
    bench.stall(Duration::from_secs(60));
    // This comes while the storage is still frozen: nobody has released it.
    assert_eq!(next("stalled")["call"], "no answer");
    let knobs = bench.client.as_ref().expect("a client").knobs();
    knobs.release();
    knobs.fail(Failing { syncs_every: 1, ..Failing::NONE });
    let mut seen = (false, false);
    while seen != (true, true) {
        let second = next("second");
        seen.0 |= second["stalls"].as_array().is_some_and(|stalls| !stalls.is_empty());
        seen.1 |= second["interruptions"].as_array().is_some_and(|failed| failed.iter().any(|one| one["errno"] == 5));
    }
    let summary = next("summary");
    assert!(summary["stalls"].as_u64() >= Some(1) && summary["failed_calls"].as_u64() >= Some(1), "{summary}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    bench.assert_nothing_left();
}

#[test]
fn storage_that_is_frozen_when_watching_ends_is_unknown() {
    let Some(bench) = Bench::with_client("frozen while watched", 1000) else { return };
    let child = bench.start(&["--watch", "--time", "5s"]);
    std::thread::sleep(Duration::from_secs(2));
    bench.stall(Duration::from_secs(5));
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(out.contains("STALL: nothing has come back for") && out.contains("had not answered for"), "{out}");
    bench.assert_nothing_left();
}

#[test]
fn what_cannot_be_measured_is_refused_with_one_message() {
    let bench = Bench::new();
    let at = |path: &Path| Command::new(BINARY).args(["probe", "--storage"]).arg(path).output().expect("it starts");
    refuses(&at(Path::new("/no/such/place")), 2, "cannot measure `/no/such/place`");
    let file = bench.root.at("file");
    fs::write(&file, "").expect("writes");
    refuses(&at(&file), 2, "it is not a directory");
    refuses(&at(Path::new("/proc/self")), 2, "cannot");
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        let output = Command::new(BINARY)
            .args(["probe", "--storage", "--json", "--time", "1s"])
            .arg(memory)
            .output()
            .expect("it starts");
        let report = json(&output);
        assert_eq!(report["mount_options"][0]["option"], "memory", "a promise about power means nothing there");
    }
    bench.assert_nothing_left();
}
