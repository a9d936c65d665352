//! What walproof leaves: nothing, however it ends; and what it never touches: the user's own files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Bench, Running, SOUND_TIME, stress_alone};

/// Long enough to be ended by somebody else.
const LONG: &str = "120s";

#[test]
fn an_interrupt_ends_the_run_and_is_said() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let _alone = stress_alone();
        let bench = Bench::new();
        let running = in_the_middle(&bench);
        running.signal(signal);
        let ended = running.ended();
        ended.assert_code(3);
        let report = bench.report();
        assert_eq!(report["verdicts"][0]["kind"], "unknown");
        assert!(report["verdicts"][0]["reasons"].to_string().contains("interrupted"), "{ended}");
        bench.assert_nothing_left();
    }
}

#[test]
fn an_interrupt_before_the_stress_leaves_nothing() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let mut running = bench.start_verify(&["--time", LONG]);
    running.says("boundary");
    running.signal(libc::SIGINT);
    let ended = running.ended();
    assert!([2, 3].contains(&ended.code), "{ended}");
    bench.assert_nothing_left();
}

/// The agents are stopped shortly before the stress ends: nobody answers when the account is asked for.
#[test]
fn an_interrupt_waits_for_nobody() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let report = bench.beside("report.json").display().to_string();
    let tested = bench.tested().display().to_string();
    let own = ["bang", "--runtime", "process", "--nemesis", "none", "--time", "2s", "--report", &report, &tested];
    let mut running = bench.start_walproof(&own);
    running.says("control");
    std::thread::sleep(Duration::from_secs(1));
    let agents = children(running.pid());
    assert!(agents.len() >= 3, "{agents:?}");
    for agent in agents {
        // SAFETY: kill has no preconditions; who was a child of our child a moment ago is stopped.
        unsafe { libc::kill(agent, libc::SIGSTOP) };
    }
    std::thread::sleep(Duration::from_secs(3));
    assert!(!Path::new(&report).exists(), "nobody is waited for");
    running.signal(libc::SIGINT);
    let ended = running.ended_within(Duration::from_secs(15));
    ended.assert_code(3);
    assert!(ended.out.contains("interrupted"), "{ended}");
    bench.assert_nothing_left();
}

/// Children of all threads of a process.
fn children(pid: u32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it lives").flatten();
    let text: String = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn clean_removes_what_a_killed_run_left() {
    for runtime in ["best", "process"] {
        let _alone = stress_alone();
        let bench = Bench::new();
        let users = UsersFiles::lay_out(&bench.tested());
        let more: &[&str] = if runtime == "best" { &[] } else { &["--runtime", runtime] };
        let mut running = bench.start_verify(&[&["--time", LONG], more].concat());
        running.says("control");
        running.signal(libc::SIGKILL);
        running.ended().assert_code(-libc::SIGKILL);
        let run = scratch_run(&bench.tested());
        let left = bench.leavings();
        for kind in ["scratch", "temporary", "state"] {
            assert!(left.iter().any(|line| line.starts_with(kind)), "no {kind} left? {left:#?}");
        }
        let cleaned = bench.run(&["clean", &run]);
        cleaned.assert_code(0);
        assert!(cleaned.out.contains(&format!("removed  scratch folder `{}", bench.tested().display())), "{cleaned}");
        bench.assert_nothing_left();
        users.assert_untouched();
    }
}

/// The other tests believe what [`Bench::leavings`] says: it must see a process that nobody will ever remove.
#[test]
fn a_process_without_its_run_is_seen() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let mut orphan = std::process::Command::new("sleep");
    let mut orphan = orphan.arg("60").env("WALPROOF_RUN", "00000000deadbeef").spawn().expect("sleep");
    let expected = format!("process {}", orphan.id());
    // A process shows no environment yet in the first moments after exec.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut left = bench.leavings();
    while !left.contains(&expected) && std::time::Instant::now() < deadline {
        left = bench.leavings();
    }
    orphan.kill().and_then(|()| orphan.wait()).expect("our own child");
    assert!(left.contains(&expected), "{left:?}");
    bench.assert_nothing_left();
}

#[test]
fn clean_lets_living_runs_live() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let running = in_the_middle(&bench);
    let run = scratch_run(&bench.tested());
    let cleaned = bench.run(&["clean"]);
    assert!(cleaned.out.contains(&format!("kept     run {run}: process {}", running.pid())), "{cleaned}");
    running.signal(libc::SIGINT);
    running.ended().assert_code(3);
    assert_eq!(bench.report()["anomalies"], Value::Array(Vec::new()), "it was not disturbed");
    bench.assert_nothing_left();
    bench.run(&["clean", &run]).assert_code(0);
}

#[test]
fn two_runs_in_one_directory_do_not_disturb_each_other() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let other_report = bench.beside("other.json").display().to_string();
    let tested = bench.tested().display().to_string();
    let one = bench.start_verify(&["--time", SOUND_TIME]);
    let other = {
        let mut command = std::process::Command::new(crate::support::BINARY);
        command.args(["verify", "--time", SOUND_TIME, "--report", &other_report, &tested]);
        bench.start(command)
    };
    for ended in [one.ended(), other.ended()] {
        ended.assert_code(0);
    }
    let other: Value = serde_json::from_str(&fs::read_to_string(other_report).expect("a report")).expect("JSON");
    for report in [bench.report(), other] {
        assert_eq!(report["verdicts"][0]["kind"], "safe");
        assert_eq!(report["anomalies"], Value::Array(Vec::new()));
    }
    bench.assert_nothing_left();
}

#[test]
fn the_users_own_files_are_not_touched() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let users = UsersFiles::lay_out(&bench.tested());
    for world in ["shared-directory", "unlinked-sidecars", "cancelled-locks"] {
        bench.verify(&["--time", "2s", "--world", world]);
        users.assert_untouched();
    }
    let found = bench.report()["databases"].clone();
    let found = found.as_array().expect("databases");
    assert_eq!(found.len(), 1, "it is seen all the same: {found:?}");
    assert_eq!(found[0]["journal"], "wal");
    bench.assert_nothing_left();
}

#[test]
fn histories_stay_only_when_they_are_kept() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let kept = bench.beside("kept");
    fs::create_dir(&kept).expect("our own folder");
    let history = kept.display().to_string();
    bench.verify(&["--time", "300ms", "--history", &history]);
    assert_eq!(fs::read_dir(&kept).expect("ours").count(), 0);
    bench.verify(&["--time", "300ms", "--history", &history, "--keep-history"]);
    let segments = tree(&kept).into_keys().filter(|path| path.extension().is_some_and(|end| end == "history"));
    assert!(segments.count() >= 3, "a history of every agent: {:?}", tree(&kept).into_keys());
    bench.assert_nothing_left();
}

/// A run whose agents are at work.
fn in_the_middle(bench: &Bench) -> Running {
    let mut running = bench.start_verify(&["--time", LONG]);
    running.says("control");
    running
}

/// The run whose scratch lies in a directory.
fn scratch_run(tested: &Path) -> String {
    let names = fs::read_dir(tested).expect("our own folder").flatten().map(|entry| entry.file_name());
    let runs: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.strip_prefix(".walproof-")?.to_owned())).collect();
    assert_eq!(runs.len(), 1, "one scratch: {runs:?}");
    runs[0].clone()
}

/// What a user may have in the directory: a WAL database with sidecars, and things that are none of our business.
struct UsersFiles {
    folder: PathBuf,
    before: BTreeMap<PathBuf, (Vec<u8>, [i64; 6])>,
}

impl UsersFiles {
    fn lay_out(folder: &Path) -> Self {
        let mut database = vec![0_u8; 8192];
        database[..16].copy_from_slice(b"SQLite format 3\0");
        (database[16], database[18], database[19]) = (16, 2, 2);
        let files: [(&str, &[u8]); 7] = [
            ("app.db", &database),
            ("app.db-wal", b"\x37\x7f\x06\x82 and no frame that anybody should check point"),
            ("app.db-shm", &[7; 32768]),
            ("app.db-journal", b"hot or not, it is not ours"),
            ("walproof.db", b"the name that worlds use, and not theirs"),
            ("below/notes.txt", b"deeper"),
            ("read-only.txt", b"nobody writes here"),
        ];
        fs::create_dir(folder.join("below")).expect("our own folder");
        for (name, content) in files {
            fs::write(folder.join(name), content).expect("our own file");
        }
        let read_only = fs::Permissions::from_mode(0o400);
        fs::set_permissions(folder.join("read-only.txt"), read_only).expect("our own file");
        fs::hard_link(folder.join("app.db"), folder.join("below/second-name.db")).expect("a second name");
        std::os::unix::fs::symlink("app.db", folder.join("link.db")).expect("a link");
        Self { folder: folder.to_owned(), before: tree(folder) }
    }

    /// Every byte, inode, size, mode, owner and time of change as before; nothing more, nothing less.
    fn assert_untouched(&self) {
        let after = tree(&self.folder);
        let names = |tree: &BTreeMap<PathBuf, _>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&self.before), names(&after));
        for (path, before) in &self.before {
            assert!(after[path] == *before, "{} was changed: {:?} {:?}", path.display(), before.1, after[path].1);
        }
    }
}

/// Content and identity of everything below a folder. The change time stands for the rest: nobody can set it back.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, [i64; 6])> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("our own folder").flatten() {
        let (path, found) = (entry.path(), fs::symlink_metadata(entry.path()).expect("it is there"));
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        let identity = [found.ino() as i64, i64::from(found.mode()), times[0], times[1], times[2], times[3]];
        let content = if found.is_file() { fs::read(&path).expect("our own file") } else { Vec::new() };
        if found.is_dir() {
            all.extend(tree(&path));
        }
        all.insert(path, (content, identity));
    }
    all
}
