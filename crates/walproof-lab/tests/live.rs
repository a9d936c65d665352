//! What is seen of databases that are in use: by real processes with real SQLite, in containers and out of them.
//!
//! What this file is: a test binary with its own main, because the child that looks, the container's helper and
//! whoever holds a database are this very binary.
//! What it must not do: touch a mount that this process serves.
//! Where to look next: `src/collect/live.rs`. `WALPROOF_REQUIRE=containers,clients,docker,podman` makes a skip a failure.

use std::ffi::CString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use walproof_judge::check::{self, Weighed};
use walproof_judge::rules::Severity;
use walproof_judge::sharing::live::{JournalFamilyWord, Live, LiveDatabase, LiveHeld, LiveOpener};
use walproof_judge::sharing::lower::{self, Builder};
use walproof_judge::sharing::{Applications, Host};
use walproof_lab::clients::{Client, ClientOptions, Pages, Server, why_not_here};
use walproof_lab::collect::live::{LOOK, LiveTarget, look, look_main};
use walproof_lab::run::leavings::{RunDirectory, RunId};
use walproof_lab::runtimes::engine::full_name;
use walproof_lab::runtimes::{Container, ContainerSpec, HELPER, Line, Mount, Runtime, choose, helper_main};
use walproof_testbench::{Folder, Outcome, Skip, Test, run};

const HOLD: &str = "hold-a-database";
/// Nothing here may take longer.
const HANG: Duration = Duration::from_secs(60);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(HELPER) => std::process::exit(helper_main(&arguments[2..])),
        Some(LOOK) => std::process::exit(look_main()),
        Some(HOLD) => hold(&arguments[2..]),
        word => run(TESTS, word.unwrap_or("")),
    }
}

// ---- whoever holds databases ----

/// Opens these databases in WAL mode, commits to each, and keeps them open until its input ends.
fn hold(paths: &[String]) {
    let opened: Vec<Connection> = paths.iter().map(|path| write_to(Path::new(path), 4096)).collect();
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(opened);
}

fn write_to(path: &Path, page_bytes: u32) -> Connection {
    let connection = Connection::open(path).expect("opens");
    let statements = format!(
        "PRAGMA page_size = {page_bytes}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; \
         CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES (randomblob(9000));"
    );
    connection.execute_batch(&statements).expect("commits");
    connection
}

struct Holder(Child);

impl Holder {
    fn of(paths: &[&Path]) -> Self {
        let mut command = Command::new("/proc/self/exe");
        command.arg(HOLD).args(paths);
        Self::started(command)
    }

    fn started(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("it speaks");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

// ---- the bench ----

fn seen(targets: &[LiveTarget]) -> Live {
    let began = Instant::now();
    let live = look(targets).expect("it can look");
    assert!(began.elapsed() < HANG, "it took {:?}", began.elapsed());
    live
}

fn path(path: &Path) -> LiveTarget {
    LiveTarget::Path(path.to_owned())
}

#[track_caller]
fn at<'a>(live: &'a Live, path: &Path) -> (usize, &'a LiveDatabase) {
    let found = live.databases.iter().enumerate().find(|(_, one)| Path::new(&one.path) == path && one.file.is_some());
    found.unwrap_or_else(|| panic!("`{}` is not in {live:#?}", path.display()))
}

#[track_caller]
fn opener(live: &Live, database: usize, pid: u32) -> &LiveOpener {
    let found = live.openers.iter().find(|one| one.database == database && one.pid == pid);
    found.unwrap_or_else(|| panic!("{pid} is not in {live:#?}"))
}

#[track_caller]
fn held<'a>(opener: &'a LiveOpener, which: &str) -> &'a LiveHeld {
    opener.held.iter().find(|one| one.which == which).unwrap_or_else(|| panic!("no {which} in {opener:#?}"))
}

/// Contents, times (of access too), owners and modes of all files in a folder.
fn everything(folder: &Path) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| {
            let found = fs::symlink_metadata(entry.path()).expect("there");
            let times = (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec(), found.atime_nsec());
            format!("{:?} {} {} {:o} {times:?}", entry.file_name(), found.ino(), found.len(), found.mode())
        })
        .collect();
    lines.sort();
    lines
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).expect("a folder").flatten().map(|one| one.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("readable")).collect()
}

// ---- the tests ----

const TESTS: &[Test] = &[
    ("a-database-in-use-is-seen-whole", a_database_in_use_is_seen_whole),
    ("nothing-of-a-database-is-changed", nothing_of_a_database_is_changed),
    ("a-process-and-the-host-lead-to-it", a_process_and_the_host_lead_to_it),
    ("deleted-sidecars-are-told", deleted_sidecars_are_told),
    ("a-replaced-database-is-two", a_replaced_database_is_two),
    ("names-of-one-file-are-one-database", names_of_one_file_are_one_database),
    ("a-log-of-another-database-does-not-fit", a_log_of_another_database_does_not_fit),
    ("two-copies-of-sqlite-are-both-told", two_copies_of_sqlite_are_both_told),
    ("a-program-that-only-knows-a-version-is-no-copy", a_program_that_only_knows_a_version_is_no_copy),
    ("what-is-no-database-is-left-alone", what_is_no_database_is_left_alone),
    ("what-went-away-is-no-error", what_went_away_is_no_error),
    ("a-directory-for-temporary-files-is-found", a_directory_for_temporary_files_is_found),
    ("a-container-has-a-mount-table-of-its-own", a_container_has_a_mount_table_of_its_own),
    ("a-lower-directory-of-an-overlay-is-told", a_lower_directory_of_an_overlay_is_told),
    ("storage-that-does-not-answer-holds-nobody", storage_that_does_not_answer_holds_nobody),
    ("a-container-of-docker-is-seen", || a_container_of_an_engine_is_seen("docker")),
    ("a-container-of-podman-is-seen", || a_container_of_an_engine_is_seen("podman")),
];

fn a_database_in_use_is_seen_whole() -> Outcome {
    let folder = Folder::new("live");
    let database = folder.at("app.db");
    let holder = Holder::of(&[&database]);
    let live = seen(&[path(folder.path())]);
    assert_eq!(live.databases.len(), 1, "{live:#?}");
    let (index, one) = at(&live, &database);
    assert_eq!((one.family, one.has_magic), (Some(JournalFamilyWord::Wal), Some(true)));
    assert_eq!(one.page_size_bytes, Some(4096));
    assert!(one.wal.is_some() && one.shm.is_some() && one.journal.is_none() && one.directory.is_some());
    assert_eq!(one.wal_fits, None, "nothing speaks against it");
    assert!(one.frames_waiting.is_some_and(|frames| frames > 2), "{:?}", one.frames_waiting);
    assert!(one.mount.as_ref().is_some_and(|mount| !mount.is_file && !mount.fstype.is_empty()));
    assert!(one.free_bytes.zip(one.total_bytes).is_some_and(|(free, total)| free < total));
    let opener = opener(&live, index, holder.pid());
    assert_eq!(Path::new(&opener.path), database);
    let file = one.file.as_ref().expect("there");
    assert_eq!((held(opener, "db").inode, held(opener, "db").device), (file.inode, file.device));
    assert_eq!(held(opener, "wal").inode, one.wal.as_ref().expect("there").inode);
    assert!(!held(opener, "shm").read_only && held(opener, "shm").link_count == 1);
    assert_eq!(opener.maps_shm, Some(true));
    if opener.mount.as_ref().is_some_and(|mount| ["ext4", "overlay", "tmpfs", "xfs"].contains(&&*mount.fstype)) {
        let locks = opener.locks.as_ref().expect("they are shown");
        assert!(
            locks.iter().any(|lock| lock.which == "db" && !lock.exclusive && lock.start == 0x4000_0002),
            "{locks:?}"
        );
        assert!(locks.iter().any(|lock| lock.which == "shm" && lock.start == 128 && !lock.exclusive), "{locks:?}");
    }
    let versions: Vec<Option<&str>> = opener.libraries.iter().map(|one| one.version.as_deref()).collect();
    assert_eq!(versions, [Some(rusqlite::version())], "{:?}", opener.libraries);
    assert!(opener.command.ends_with(HOLD) || opener.command.contains("exe hold"), "{}", opener.command);
    assert_eq!((opener.container, opener.user_namespace.clone()), (None, None));
    Ok(())
}

fn nothing_of_a_database_is_changed() -> Outcome {
    let folder = Folder::new("live");
    let database = folder.at("app.db");
    let holder = Holder::of(&[&database]);
    let (before, bytes) = (everything(folder.path()), contents(folder.path()));
    let before_again = everything(folder.path());
    for targets in
        [vec![path(&database)], vec![path(&folder.at("app.db-wal"))], vec![LiveTarget::Process(holder.pid())]]
    {
        assert_eq!(seen(&targets).databases.len(), 1);
    }
    seen(&[LiveTarget::Host]);
    let after = everything(folder.path());
    // Our own reading for this very comparison may have changed the times of access.
    assert!(after == before || after == before_again, "{before:#?}\n{after:#?}");
    assert_eq!(contents(folder.path()), bytes);
    Ok(())
}

fn a_process_and_the_host_lead_to_it() -> Outcome {
    let folder = Folder::new("live");
    let (one, two) = (folder.at("one.db"), folder.at("two.db"));
    let first = Holder::of(&[&one, &two]);
    let second = Holder::of(&[&two]);
    let live = seen(&[LiveTarget::Process(second.pid())]);
    assert_eq!(live.databases.len(), 1, "{live:#?}");
    assert_eq!(live.openers.len(), 2, "also who else has it open: {live:#?}");
    let live = seen(&[LiveTarget::Host, LiveTarget::Process(first.pid()), path(&one)]);
    let (index, _) = at(&live, &one);
    opener(&live, index, first.pid());
    let (index, _) = at(&live, &two);
    opener(&live, index, first.pid());
    opener(&live, index, second.pid());
    Ok(())
}

fn deleted_sidecars_are_told() -> Outcome {
    let folder = Folder::new("live");
    let database = folder.at("app.db");
    let holder = Holder::of(&[&database]);
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(folder.at(&format!("app.db{suffix}"))).expect("removed");
    }
    let live = seen(&[path(&database)]);
    let (index, one) = at(&live, &database);
    assert!(one.wal.is_none() && one.shm.is_none());
    let opener = opener(&live, index, holder.pid());
    assert_eq!((held(opener, "wal").link_count, held(opener, "shm").link_count), (0, 0));
    assert_eq!(opener.maps_shm, Some(true));
    Ok(())
}

fn a_replaced_database_is_two() -> Outcome {
    let folder = Folder::new("live");
    let (database, other) = (folder.at("app.db"), folder.at("other.db"));
    drop(Holder::of(&[&other]));
    let holder = Holder::of(&[&database]);
    fs::rename(&other, &database).expect("renamed");
    let live = seen(&[LiveTarget::Process(holder.pid()), path(&database)]);
    assert_eq!(live.databases.len(), 2, "{live:#?}");
    let gone = live.databases.iter().position(|one| one.file.is_none()).expect("one has no name any more");
    assert_eq!(Path::new(&live.databases[gone].path), database);
    let opener = opener(&live, gone, holder.pid());
    assert_eq!(held(opener, "db").link_count, 0);
    at(&live, &database);
    Ok(())
}

fn names_of_one_file_are_one_database() -> Outcome {
    let folder = Folder::new("live");
    let (database, linked) = (folder.at("app.db"), folder.at("linked.db"));
    drop(Holder::of(&[&database]));
    fs::hard_link(&database, &linked).expect("linked");
    symlink(&database, folder.at("symbolic.db")).expect("linked");
    let (one, two) = (Holder::of(&[&database]), Holder::of(&[&linked]));
    let live = seen(&[path(&folder.at("symbolic.db"))]);
    assert_eq!(live.databases.len(), 1, "{live:#?}");
    let (index, found) = at(&live, &database);
    assert_eq!(found.file.as_ref().map(|file| file.link_count), Some(2));
    assert_eq!(Path::new(&opener(&live, index, one.pid()).path), database);
    let other = opener(&live, index, two.pid());
    assert_eq!(Path::new(&other.path), linked);
    assert_ne!(held(other, "shm").inode, held(opener(&live, index, one.pid()), "shm").inode);
    Ok(())
}

fn a_log_of_another_database_does_not_fit() -> Outcome {
    let folder = Folder::new("live");
    fs::create_dir(folder.at("kept")).expect("a folder");
    let (large, small) = (folder.at("large.db"), folder.at("small.db"));
    let (one, two) = (write_to(&large, 4096), write_to(&small, 1024));
    fs::copy(folder.at("small.db-wal"), folder.at("kept/large.db-wal")).expect("copied");
    fs::copy(folder.at("large.db-wal"), folder.at("kept/old.db-wal")).expect("copied");
    drop((one, two));
    // Each opening counts once.
    drop(write_to(&large, 4096));
    fs::copy(&large, folder.at("kept/large.db")).expect("copied");
    fs::copy(&large, folder.at("kept/old.db")).expect("copied");
    fs::copy(&large, folder.at("kept/alone.db")).expect("copied");
    let live = seen(&[path(&folder.at("kept"))]);
    let fits = |name: &str| at(&live, &folder.at("kept").join(name)).1.wal_fits;
    assert_eq!(fits("large.db"), Some(false), "pages of another size");
    assert_eq!(fits("old.db"), Some(false), "an older log");
    assert_eq!(fits("alone.db"), None);
    assert!(live.openers.is_empty());
    Ok(())
}

fn two_copies_of_sqlite_are_both_told() -> Outcome {
    let folder = Folder::new("live");
    let script = "import sqlite3, ctypes, sys, shutil\n\
                  c = sqlite3.connect(sys.argv[1])\n\
                  c.execute('PRAGMA journal_mode = WAL')\n\
                  c.execute('CREATE TABLE t(x)'); c.commit()\n\
                  own = [l.split()[-1] for l in open('/proc/self/maps') if 'libsqlite3' in l]\n\
                  if not own: print('none'); sys.exit()\n\
                  shutil.copy(own[0], sys.argv[2])\n\
                  other = ctypes.CDLL(sys.argv[2])\n\
                  open(sys.argv[3], 'w').write(sqlite3.sqlite_version)\n\
                  print('ready', flush=True)\n\
                  sys.stdin.read()\n";
    let (database, copy, version) = (folder.at("app.db"), folder.at("vendored.so"), folder.at("version"));
    let mut command = Command::new("python3");
    command.args(["-c", script]).args([&database, &copy, &version]);
    let usable = Command::new("python3")
        .args(["-c", "import sqlite3; print('libsqlite3' in open('/proc/self/maps').read())"])
        .output();
    if !usable.is_ok_and(|said| said.stdout.starts_with(b"True")) {
        return Err(Skip("python3", "there is no python3 with a libsqlite3".to_owned()));
    }
    let holder = Holder::started(command);
    let live = seen(&[path(&database)]);
    let (index, _) = at(&live, &database);
    let opener = opener(&live, index, holder.pid());
    let told = fs::read_to_string(version).expect("written");
    let versions: Vec<&str> = opener.libraries.iter().filter_map(|one| one.version.as_deref()).collect();
    assert_eq!(versions, [told.as_str(), told.as_str()], "{:#?}", opener.libraries);
    assert!(opener.libraries.iter().any(|one| Path::new(&one.path) == copy));
    // An upgrade takes the file away, and the process still runs it.
    fs::remove_file(&copy).expect("removed");
    let live = seen(&[path(&database)]);
    let opener = live.openers.first().expect("as before");
    let unreadable = live.not_seen.iter().any(|what| what.contains("deleted"));
    assert_eq!(opener.libraries.len(), if unreadable { 1 } else { 2 }, "{:#?}", opener.libraries);
    // SAFETY: geteuid has no preconditions.
    assert!(!unreadable || unsafe { libc::geteuid() } != 0, "root sees it");
    assert!(opener.libraries.iter().all(|one| one.version.as_deref() == Some(&*told)), "{:#?}", opener.libraries);
    Ok(())
}

/// The shell bears the id of the sources it was made for, and its library bears the same.
fn a_program_that_only_knows_a_version_is_no_copy() -> Outcome {
    let folder = Folder::new("live");
    let mut command = Command::new("sqlite3");
    command.arg(folder.at("app.db")).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut shell = command.spawn().map_err(|error| Skip("sqlite3", format!("there is no `sqlite3`: {error}")))?;
    let script = b"PRAGMA journal_mode = WAL; CREATE TABLE t(x);\n";
    shell.stdin.as_mut().expect("a pipe").write_all(script).expect("it listens");
    let began = Instant::now();
    let live = loop {
        let live = seen(&[LiveTarget::Process(shell.id())]);
        if live.openers.iter().any(|one| one.maps_shm == Some(true)) || began.elapsed() > HANG {
            break live;
        }
    };
    drop(shell.stdin.take());
    shell.wait().expect("it ends");
    let opener = live.openers.first().expect("it has it open");
    assert_eq!(opener.libraries.len(), 1, "{:#?}", opener.libraries);
    assert!(opener.libraries[0].version.as_ref().is_some_and(|version| version.starts_with("3.")));
    Ok(())
}

fn what_is_no_database_is_left_alone() -> Outcome {
    let folder = Folder::new("live");
    let pipe = CString::new(folder.at("pipe.db").as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: a valid C string.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    fs::write(folder.at("bolt.db"), [7; 4096]).expect("written");
    fs::write(folder.at("odd-wal"), "no log").expect("written");
    let live = seen(&[
        path(folder.path()),
        path(&folder.at("pipe.db")),
        path(&folder.at("bolt.db")),
        path(&folder.at("none")),
    ]);
    assert_eq!(live.databases.len(), 1, "{live:#?}");
    assert_eq!(at(&live, &folder.at("bolt.db")).1.has_magic, Some(false));
    assert_eq!(live.not_seen.iter().filter(|what| what.starts_with('`')).count(), 3, "{:#?}", live.not_seen);
    // What somebody merely has open is no database.
    let reader = fs::File::open(folder.at("bolt.db")).expect("opens");
    let live = seen(&[LiveTarget::Process(std::process::id())]);
    assert!(live.databases.is_empty(), "{live:#?}");
    drop(reader);
    Ok(())
}

fn what_went_away_is_no_error() -> Outcome {
    let mut ended = Command::new("/bin/true").spawn().expect("it starts");
    let pid = ended.id();
    ended.wait().expect("it ends");
    let container = |engine: &str| LiveTarget::Container { engine: engine.into(), name: "walproof-no-such-one".into() };
    let pod = LiveTarget::Pod { namespace: "default".into(), name: "walproof-no-such-one".into() };
    let targets = [LiveTarget::Process(pid), container("docker"), container("podman"), container("embedded"), pod];
    let live = seen(&targets);
    assert!(live.databases.is_empty() && live.openers.is_empty() && live.containers.is_empty());
    let told = |words: &str| live.not_seen.iter().filter(|line| line.contains(words)).count();
    assert_eq!((told("no-such-one"), told(&format!("process {pid}"))), (4, 1), "{:#?}", live.not_seen);
    // While databases come and go nothing fails.
    let folder = Folder::new("live");
    for _ in 0..3 {
        let holder = Holder::of(&[&folder.at("app.db")]);
        let ending = std::thread::spawn(move || drop(holder));
        seen(&[LiveTarget::Host]);
        ending.join().expect("it ends");
    }
    Ok(())
}

fn a_directory_for_temporary_files_is_found() -> Outcome {
    let folder = Folder::new("live");
    let mut command = Command::new("/proc/self/exe");
    command.arg(HOLD).arg(folder.at("app.db")).env("SQLITE_TMPDIR", "/dev/shm").env("TMPDIR", "/no/such/place");
    let holder = Holder::started(command);
    let live = seen(&[path(&folder.at("app.db"))]);
    let opener = opener(&live, 0, holder.pid());
    assert!(opener.temporary_free_bytes.is_some_and(|bytes| bytes > 0), "{:?}", opener.temporary_free_bytes);
    Ok(())
}

struct Contained {
    container: Box<dyn Container>,
    _line: (fs::File, BufReader<fs::File>),
}

fn contained(runtime: &dyn Runtime, run: &RunDirectory, name: &str, mounts: Vec<Mount>, database: &str) -> Contained {
    let arguments = vec![HOLD.to_owned(), database.to_owned()];
    let spec = ContainerSpec {
        name: name.to_owned(),
        mounts,
        arguments,
        memory_bytes_max: 64 << 20,
        pids_max: 8,
        user: None,
        program: None,
        likeness: None,
    };
    let mut container = runtime.start(run, &spec).unwrap_or_else(|error| panic!("{error}: {}", error.because()));
    let Line { to_agent, from_agent } = container.take_line().expect("the line");
    let mut from_agent = BufReader::new(from_agent);
    let mut line = String::new();
    from_agent.read_line(&mut line).expect("it speaks");
    assert_eq!(line.trim(), "ready", "{}", container.stderr_tail());
    Contained { container, _line: (to_agent, from_agent) }
}

fn bind(source: &Path, destination: &str) -> Mount {
    Mount::Bind { source: source.into(), destination: destination.into(), read_only: false }
}

/// A runtime, and a run for its containers.
fn runtime(name: &'static str) -> Result<(Box<dyn Runtime>, RunDirectory), Skip> {
    let requirement = if name == "embedded" { "containers" } else { name };
    let runtime = choose(Some(name)).map_err(|error| Skip(requirement, error.because()))?;
    let run = RunDirectory::create(&RunId::random()).map_err(|error| Skip(requirement, error.because()))?;
    Ok((runtime, run))
}

fn a_container_has_a_mount_table_of_its_own() -> Outcome {
    let (runtime, run) = runtime("embedded")?;
    let folder = Folder::new("live");
    for name in ["files", "private"] {
        fs::create_dir(folder.at(name)).expect("a folder");
    }
    let database = folder.at("files/app.db");
    let outside = Holder::of(&[&database]);
    let mounts = vec![bind(&folder.at("private"), "/db"), bind(&database, "/db/app.db")];
    let inside = contained(runtime.as_ref(), &run, "web", mounts, "/db/app.db");
    let live = seen(&[path(&database)]);
    check_single_file(&live, &database, &outside, &inside);
    let live = seen(&[LiveTarget::Host]);
    check_single_file(&live, &database, &outside, &inside);
    let embedded = LiveTarget::Container { engine: "embedded".into(), name: format!("{}/web", run.id()) };
    let live = seen(&[embedded]);
    check_single_file(&live, &database, &outside, &inside);
    drop(inside);
    run.leave();
    Ok(())
}

#[track_caller]
fn check_single_file(live: &Live, database: &Path, outside: &Holder, inside: &Contained) {
    let (index, found) = at(live, database);
    assert!(!found.mount.as_ref().expect("it is told").is_file);
    let outside = opener(live, index, outside.pid());
    assert!(!outside.mount.as_ref().expect("it is told").is_file);
    let inside = opener(live, index, inside.container.pid().expect("here"));
    assert_eq!(inside.path, "/db/app.db");
    let mount = inside.mount.as_ref().expect("it is told");
    assert!(mount.is_file && mount.mount_point == "/db/app.db", "{mount:?}");
    assert_ne!(held(inside, "shm").inode, held(outside, "shm").inode);
    assert_eq!(held(inside, "db").inode, held(outside, "db").inode);
    assert_eq!(
        inside.libraries.first().and_then(|one| one.version.as_deref()),
        Some(rusqlite::version()),
        "{inside:#?}"
    );
    let container = &live.containers[inside.container.expect("it is in one")];
    assert_eq!((container.engine.as_str(), container.name.as_str()), ("embedded", "web"));
    assert!(container.mounts.iter().any(|mount| mount.mount_point == "/db"), "{container:#?}");
    assert!(container.mounts.iter().all(|mount| !mount.mount_point.starts_with("/proc")));
    let found = judged(live);
    let single = found.iter().find(|one| one.finding.rule == "single-file-mount").expect("the rule sees it");
    assert_eq!(single.severity, Severity::Unsafe);
    assert!(single.finding.seen_at.contains("web") && single.finding.seen_at.contains("/db/app.db"), "{single:#?}");
}

/// What the rules say of a record.
fn judged(live: &Live) -> Vec<Weighed> {
    let applications = Applications::built_in();
    let mut builder = Builder::new(Host::Linux, &applications, &[]);
    lower::live::add(&mut builder, live);
    check::judge(&builder.finish(), None)
}

fn a_lower_directory_of_an_overlay_is_told() -> Outcome {
    let (runtime, run) = runtime("embedded")?;
    if !runtime.abilities().overlay_mounts {
        return Err(Skip("containers", "no overlay mounts here".to_owned()));
    }
    // An overlay needs an upper directory on something that is none.
    let folder = Folder::below(Path::new("/dev/shm"), "live");
    for name in ["lower: 1", "upper", "work"] {
        fs::create_dir_all(folder.at(name)).expect("a folder");
    }
    let database = folder.at("lower: 1/app.db");
    drop(Holder::of(&[&database]));
    assert_eq!(at(&seen(&[path(&database)]), &database).1.overlay_lower, None);
    let overlay = Mount::Overlay {
        lower: folder.at("lower: 1"),
        upper: folder.at("upper"),
        work: folder.at("work"),
        destination: "/db".into(),
    };
    let inside = contained(runtime.as_ref(), &run, "web", vec![overlay], "/db/app.db");
    let embedded = LiveTarget::Container { engine: "embedded".into(), name: "web".into() };
    let live = seen(&[path(&database), embedded]);
    let (_, found) = at(&live, &database);
    assert_eq!(found.overlay_lower.as_deref().map(Path::new), Some(&*folder.at("lower: 1")), "{live:#?}");
    let inside_pid = inside.container.pid().expect("here");
    let opener = live.openers.iter().find(|one| one.pid == inside_pid).expect("it has the upper one open");
    assert_eq!(opener.mount.as_ref().map(|mount| mount.fstype.as_str()), Some("overlay"));
    assert_eq!(live.databases.len(), 2, "{live:#?}");
    drop(inside);
    run.leave();
    Ok(())
}

fn storage_that_does_not_answer_holds_nobody() -> Outcome {
    if let Some(why) = why_not_here() {
        return Err(Skip("clients", why));
    }
    let folder = Folder::new("live");
    for name in ["server", "mount"] {
        fs::create_dir(folder.at(name)).expect("a folder");
    }
    let server = Arc::new(Server::new(&folder.at("server"), false));
    let options = ClientOptions::believing(Pages::Cached, 0);
    let client = Client::mount(server, &folder.at("mount"), options, 1).expect("mounted");
    let database = folder.at("mount/app.db");
    let on_client = Holder::of(&[&database]);
    let elsewhere = Holder::of(&[&folder.at("local.db")]);
    let live = seen(&[LiveTarget::Host]);
    let (index, found) = at(&live, &database);
    let answering = opener(&live, index, on_client.pid());
    assert!(found.mount.as_ref().is_some_and(|mount| mount.fstype.starts_with("fuse")));
    assert_eq!(answering.locks, None, "its server keeps the locks");
    client.knobs().stall(HANG);
    for targets in [vec![LiveTarget::Host], vec![path(&database), path(&folder.at("local.db"))]] {
        let began = Instant::now();
        let live = seen(&targets);
        let (local, _) = at(&live, &folder.at("local.db"));
        opener(&live, local, elsewhere.pid());
        assert!(live.databases.iter().all(|one| Path::new(&one.path) != database), "{live:#?}");
        let told = live.not_seen.iter().any(|what| what.contains("mount/app.db") && what.contains("did not answer"));
        assert!(told, "{:#?}", live.not_seen);
        println!("          {targets:?} in {:.1?}", began.elapsed());
    }
    client.knobs().release();
    drop((on_client, elsewhere));
    Ok(())
}

fn a_container_of_an_engine_is_seen(engine: &'static str) -> Outcome {
    let (runtime, run) = runtime(engine)?;
    let folder = Folder::new("live");
    let database = folder.at("app.db");
    let outside = Holder::of(&[&database]);
    let inside = contained(runtime.as_ref(), &run, "web", vec![bind(folder.path(), "/db")], "/db/app.db");
    let name = full_name(run.id().as_str(), "web");
    for target in [LiveTarget::Container { engine: engine.into(), name: name.clone() }, path(&database)] {
        let live = seen(std::slice::from_ref(&target));
        let (index, _) = at(&live, &database);
        opener(&live, index, outside.pid());
        let found = judged(&live);
        assert!(found.iter().all(|one| one.severity != Severity::Unsafe), "one directory, one kernel: {found:#?}");
        let inside = opener(&live, index, inside.container.pid().expect("here"));
        assert_eq!(inside.path, "/db/app.db");
        // SAFETY: geteuid has no preconditions.
        assert_eq!(inside.user_namespace.is_some(), unsafe { libc::geteuid() } != 0, "rootless has one of its own");
        assert_eq!(inside.mount.as_ref().map(|mount| mount.mount_point.as_str()), Some("/db"));
        let Some(container) = inside.container.map(|at| &live.containers[at]) else {
            assert!(matches!(target, LiveTarget::Path(_)), "without a cgroup of its own it is known by its name alone");
            continue;
        };
        assert_eq!((container.name.as_str(), container.engine.as_str()), (name.as_str(), engine), "{live:#?}");
        assert!(container.image.contains("walproof") && !container.runtime.is_empty(), "{container:#?}");
        assert!(container.mounts.iter().any(|mount| mount.mount_point == "/db"), "{container:#?}");
    }
    drop(inside);
    run.leave();
    let gone = LiveTarget::Container { engine: engine.into(), name };
    assert!(seen(&[gone]).not_seen.iter().any(|what| what.contains("web")));
    Ok(())
}
