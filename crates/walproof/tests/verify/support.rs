//! What the themes share: a bench with the tested directory in it, the binary at work, what may not stay behind, and
//! what this machine can do.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use walproof_testbench::Folder;
pub use walproof_testbench::skip;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_walproof");
/// A stress that reaches every floor, also on two busy cores (measured: 5 s reach them on two free ones;
/// at a load of 14, one run of 45 missed one in 5 s, none of 12 in 6 to 8 s).
pub const SOUND_TIME: &str = "8s";
/// Nothing here may take longer: an upper bound against hangs, no measure.
const HANG: Duration = Duration::from_secs(180);
/// How long what is on its way out may still be seen.
const GOING: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);

/// Held while the machine is stressed: two cores bear one stress at a time.
pub fn stress_alone() -> MutexGuard<'static, ()> {
    static STRESS: Mutex<()> = Mutex::new(());
    // Another test's failure is no reason to fail.
    STRESS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder with the tested directory, a temporary directory of its own, and what the binary wrote. Goes away on drop.
pub struct Bench {
    root: Folder,
    started: RefCell<Vec<u32>>,
}

impl Bench {
    pub fn new() -> Self {
        let root = Folder::below(&storage(), "test");
        for folder in ["tested", "temporary"] {
            root.folder(folder);
        }
        // Some themes come here as another user.
        for (folder, mode) in [("", 0o755), ("tested", 0o777), ("temporary", 0o777)] {
            fs::set_permissions(root.at(folder), fs::Permissions::from_mode(mode)).expect("our own folder");
        }
        Self { root, started: RefCell::default() }
    }

    /// The directory that walproof tests.
    pub fn tested(&self) -> PathBuf {
        self.root.at("tested")
    }

    /// Where histories go.
    pub fn temporary(&self) -> PathBuf {
        self.root.at("temporary")
    }

    /// A file or folder beside the tested directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.at(name)
    }

    /// The report of [`Self::verify`].
    pub fn report(&self) -> Value {
        let path = self.beside("report.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("no report at {}: {error}", path.display()));
        serde_json::from_str(&text).expect("the report is JSON")
    }

    /// The arguments of `verify` on the tested directory, report included.
    pub fn verify_arguments(&self, more: &[&str]) -> Vec<String> {
        let own = ["verify".to_owned(), "--report".to_owned(), self.beside("report.json").display().to_string()];
        let more = more.iter().map(|&word| word.to_owned());
        own.into_iter().chain(more).chain([self.tested().display().to_string()]).collect()
    }

    /// `walproof verify` on the tested directory, to its end.
    pub fn verify(&self, more: &[&str]) -> Ended {
        self.run(&self.verify_arguments(more))
    }

    /// `walproof verify` on the tested directory, to be ended by the test.
    pub fn start_verify(&self, more: &[&str]) -> Running {
        let mut command = Command::new(BINARY);
        command.args(self.verify_arguments(more));
        self.start(command)
    }

    /// walproof with these arguments, to its end.
    pub fn run(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Ended {
        self.start_walproof(arguments).ended()
    }

    /// walproof with these arguments, to be ended by the test.
    pub fn start_walproof(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Running {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        self.start(command)
    }

    /// Starts a command whose words go to files: nothing waits for a reader.
    pub fn start(&self, mut command: Command) -> Running {
        let number = self.started.borrow().len();
        let (out, error) = (self.beside(&format!("out-{number}")), self.beside(&format!("error-{number}")));
        let file = |path: &Path| File::create(path).expect("a file of the test");
        command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&error));
        command.env("TMPDIR", self.temporary()).env_remove("XDG_RUNTIME_DIR").current_dir(self.root.path());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        self.started.borrow_mut().push(child.id());
        Running { child, out, error }
    }

    /// No process, cgroup, mount, scratch, history or state of what was started here. Waits for what is going.
    pub fn assert_nothing_left(&self) {
        let left = eventually_empty(|| self.leavings());
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    /// What was started here and is still there, a line each.
    pub fn leavings(&self) -> Vec<String> {
        let mut left = Vec::new();
        let scratch = names_in(&self.tested()).into_iter().filter(|name| name.starts_with(".walproof"));
        left.extend(scratch.map(|name| format!("scratch {name}")));
        left.extend(names_in(&self.temporary()).into_iter().map(|name| format!("temporary {name}")));
        left.extend(
            state_folders().into_iter().filter(|folder| self.supervised(folder)).map(|f| format!("state {f:?}")),
        );
        left.extend(orphans());
        let root = self.root.path().display().to_string();
        left.extend(mountinfo().lines().filter(|line| line.contains(&root)).map(|line| format!("mount {line}")));
        left
    }

    fn supervised(&self, state_folder: &Path) -> bool {
        let text = fs::read_to_string(state_folder.join("run.json")).unwrap_or_default();
        let record: Value = serde_json::from_str(&text).unwrap_or_default();
        let supervisor = record["supervisor"]["pid"].as_u64();
        self.started.borrow().iter().any(|&pid| supervisor == Some(pid.into()))
    }
}

/// A started binary.
pub struct Running {
    child: Child,
    out: PathBuf,
    error: PathBuf,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until standard output holds this; panics when the process ends first.
    pub fn says(&mut self, words: &str) {
        let began = Instant::now();
        while !read(&self.out).contains(words) {
            let ended = self.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "ended before it said `{words}`: {}{}", read(&self.out), read(&self.error));
            assert!(began.elapsed() < HANG, "does not say `{words}`: {}{}", read(&self.out), read(&self.error));
            std::thread::sleep(TICK);
        }
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill has no preconditions; the child is not yet reaped, so the number is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as libc::pid_t, signal) }, 0);
    }

    /// Waits for the end.
    pub fn ended(self) -> Ended {
        self.ended_within(HANG)
    }

    /// Waits for the end; longer than this is a hang.
    pub fn ended_within(mut self, hang: Duration) -> Ended {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
                return Ended { code, out: read(&self.out), error: read(&self.error) };
            }
            assert!(began.elapsed() < hang, "hangs: {}{}", read(&self.out), read(&self.error));
            std::thread::sleep(TICK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a test that fails comes here with a living child.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an ended binary left in words.
#[derive(Debug)]
pub struct Ended {
    /// The exit code, or the negative signal.
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Ended {
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, code, "exit code\n{self}");
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}\n{}", self.code, self.out, self.error)
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

pub fn mountinfo() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("procfs")
}

/// Asks until nothing is there any more, or for so long that it will stay.
pub fn eventually_empty(ask: impl Fn() -> Vec<String>) -> Vec<String> {
    let began = Instant::now();
    loop {
        let left = ask();
        if left.is_empty() || began.elapsed() > GOING {
            return left;
        }
        std::thread::sleep(TICK);
    }
}

/// The state folders of all runs that this user can see: of root, and of others below `/tmp`.
fn state_folders() -> Vec<PathBuf> {
    let of_users = names_in(Path::new("/tmp")).into_iter().filter(|name| name.starts_with("walproof-"));
    let bases = of_users.map(|name| Path::new("/tmp").join(name)).chain([PathBuf::from("/run/walproof")]);
    bases.flat_map(|base| names_in(&base).into_iter().map(move |name| base.join(name))).collect()
}

/// Processes and cgroups that bear the name of a run whose state folder is gone: nobody will ever remove them.
/// Runs of others have their folder from before they make anything until after it is gone.
fn orphans() -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pid in names_in(Path::new("/proc")).into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let labels =
            environment.split(|&byte| byte == 0).filter_map(|variable| variable.strip_prefix(b"WALPROOF_RUN="));
        found.extend(labels.map(|run| (String::from_utf8_lossy(run).into_owned(), format!("process {pid}"))));
    }
    for hierarchy in names_in(Path::new("/sys/fs/cgroup")).iter().map(String::as_str).chain([""]) {
        let folder = Path::new("/sys/fs/cgroup").join(hierarchy);
        // The state folders of other users cannot be seen, and so their runs not be told from orphans.
        let ours = names_in(&folder).into_iter().filter(|name| is_ours(&folder.join(name)));
        let ours = ours.filter_map(|name| name.strip_prefix("walproof-").map(str::to_owned));
        found.extend(ours.map(|run| (run.clone(), format!("cgroup walproof-{run} in {}", folder.display()))));
    }
    let runs = noted_runs();
    found.into_iter().filter(|(run, _)| !runs.contains(run)).map(|(_, what)| what).collect()
}

/// The runs that have a state folder.
pub fn noted_runs() -> BTreeSet<String> {
    let folders = state_folders();
    let names = folders.iter().filter_map(|folder| folder.file_name());
    names.map(|name| name.to_string_lossy().trim_start_matches('.').to_owned()).collect()
}

fn is_ours(path: &Path) -> bool {
    // SAFETY: geteuid has no preconditions.
    fs::metadata(path).is_ok_and(|found| found.uid() == unsafe { libc::geteuid() })
}

/// Where benches stand: in the target folder, except on an overlay, over which no other overlay can be mounted.
fn storage() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let shared_memory = Path::new("/dev/shm");
    if file_system_of(&target) == OVERLAY && shared_memory.is_dir() { shared_memory.to_owned() } else { target }
}

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAY: i64 = 0x794c_7630;

fn file_system_of(path: &Path) -> i64 {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL in a path");
    // SAFETY: statfs is plain data, all zero is a valid value.
    let mut answer: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a valid string and a valid place for the answer.
    let code = unsafe { libc::statfs(path.as_ptr(), &mut answer) };
    if code == 0 { answer.f_type as i64 } else { 0 }
}

/// Whether this is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Whether containers can be made here; else why not. Found out by making them.
pub fn containers() -> Result<(), String> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let tried = Bench::new().verify(&["--time", "10ms", "--agents", "1", "--runtime", "embedded"]);
        let because = tried.error.lines().find(|line| line.starts_with("because:")).unwrap_or("it does not say why");
        if tried.error.contains("cannot serve here") { Err(because.to_owned()) } else { Ok(()) }
    });
    found.clone()
}

/// Whether containers on networked storage of our own can be made here.
pub fn clients() -> Result<(), String> {
    containers()?;
    walproof_lab::clients::why_not_here().map_or(Ok(()), Err)
}
