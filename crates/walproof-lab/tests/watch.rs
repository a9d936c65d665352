//! What a watch sees of databases that are in use, by real processes with real SQLite, in containers and out of them.
//!
//! What this file is: a test binary with its own main, because the children that look, the container's helper and
//! whoever has a database open are this very binary.
//! What it must not do: touch a mount that this process serves; open a watched database in this process.
//! Where to look next: `src/watch/mod.rs`. `WALPROOF_REQUIRE=containers,clients,tracefs` makes a skip a failure.

use std::ffi::CString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::Value;
use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::sharing::live::JournalFamilyWord;
use walproof_judge::watch::alarms::Level;
use walproof_judge::watch::moment::{Event, IndexSeen, Moment, Runs, Watched, WatchedOpener};
use walproof_judge::watch::{Thresholds, Watching};
use walproof_lab::clients::{Client, ClientOptions, Pages, Server, why_not_here};
use walproof_lab::collect::live::{LOOK, LiveTarget, look_main};
use walproof_lab::run::leavings::{RunDirectory, RunId};
use walproof_lab::runtimes::{Container, ContainerSpec, HELPER, Line, Mount, choose, helper_main};
use walproof_lab::watch::{WatchSettings, Watcher, clean_traces};
use walproof_testbench::{Folder, Outcome, Skip, Test, run};

const SERVE: &str = "serve-sql";
/// Close, and open again.
const REOPEN: &str = "REOPEN";
/// Nothing here may take longer.
const HANG: Duration = Duration::from_secs(60);
/// A look may wait so long for openers and storage; the rest is for busy machines.
const LOOK_MAX: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(HELPER) => std::process::exit(helper_main(&arguments[2..])),
        Some(LOOK) => std::process::exit(look_main()),
        Some(SERVE) => serve(&arguments[2]),
        word => run(TESTS, word.unwrap_or("")),
    }
}

// ---- whoever has a database open ----

/// Opens a database and runs what it is told, a line each; answers with the first row.
fn serve(path: &str) {
    let mut connection = Connection::open(path).expect("opens");
    for (turn, line) in std::io::stdin().lock().lines().map_while(Result::ok).enumerate() {
        if line == REOPEN {
            connection.close().expect("closes");
            // Or the next files get the numbers of those that went.
            fs::write(format!("{path}.{turn}"), "").expect("another file");
            connection = Connection::open(path).expect("opens");
            println!("{}", answer(&connection, "SELECT count(*) FROM t"));
            continue;
        }
        println!("{}", answer(&connection, &line));
    }
    // Whoever ends without closing leaves its files behind.
    std::process::exit(0);
}

fn answer(connection: &Connection, sql: &str) -> String {
    let row = connection.prepare(sql).and_then(|mut statement| {
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        if let Some(row) = rows.next()? {
            for column in 0..columns {
                all.push(match row.get::<_, Value>(column)? {
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => text,
                    other => format!("{other:?}"),
                });
            }
        }
        Ok(all.join(" "))
    });
    row.unwrap_or_else(|error| format!("error {error}"))
}

struct Party {
    child: Option<Child>,
    to: Box<dyn Write>,
    from: Box<dyn BufRead>,
}

impl Party {
    fn of(path: &Path) -> Self {
        let mut command = Command::new("/proc/self/exe");
        command.arg(SERVE).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child: Some(child), to: Box::new(to), from: Box::new(BufReader::new(from)) }
    }

    fn in_wal(path: &Path) -> Self {
        let mut party = Self::of(path);
        party.says("PRAGMA journal_mode = WAL", "wal");
        party.sql("PRAGMA wal_autocheckpoint = 0");
        party.sql("CREATE TABLE IF NOT EXISTS t(x)");
        party
    }

    fn sql(&mut self, sql: &str) -> String {
        writeln!(self.to, "{sql}").and_then(|()| self.to.flush()).expect("it listens");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("it speaks");
        assert!(!line.starts_with("error"), "{sql}: {line}");
        line.trim().to_owned()
    }

    #[track_caller]
    fn says(&mut self, sql: &str, expected: &str) {
        assert_eq!(self.sql(sql), expected, "{sql}");
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("here").id()
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a child of ours that was not waited for.
        assert_eq!(unsafe { libc::kill(self.pid() as libc::pid_t, signal) }, 0);
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.to = Box::new(std::io::sink());
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

// ---- the bench ----

fn watch(path: &Path) -> Watcher {
    let targets = vec![LiveTarget::Path(path.to_owned())];
    started(WatchSettings { targets, every: Duration::from_millis(50), trace: false, tracefs: None })
}

fn started(settings: WatchSettings) -> Watcher {
    Watcher::start(settings).expect("it can look")
}

fn next(watcher: &mut Watcher) -> Moment {
    let began = Instant::now();
    let moment = watcher.next_moment();
    assert!(began.elapsed() < LOOK_MAX, "it took {:?}", began.elapsed());
    moment
}

/// Looks until something is seen; what happened meanwhile is put together.
#[track_caller]
fn until(watcher: &mut Watcher, what: impl Fn(&Moment) -> bool) -> (Moment, Vec<Event>) {
    let (began, mut events) = (Instant::now(), Vec::new());
    loop {
        let mut moment = next(watcher);
        events.append(&mut moment.events);
        if what(&moment) {
            return (moment, events);
        }
        assert!(began.elapsed() < HANG, "{moment:#?}");
    }
}

fn at<'a>(moment: &'a Moment, path: &Path) -> Option<&'a Watched> {
    moment.database(path.to_str().expect("UTF-8"))
}

fn opener<'a>(moment: &'a Moment, path: &Path, pid: u32) -> Option<&'a WatchedOpener> {
    at(moment, path)?.openers.iter().find(|one| one.pid == pid)
}

fn index(moment: &Moment, path: &Path) -> IndexSeen {
    at(moment, path).and_then(|one| one.index.clone()).unwrap_or_else(|| panic!("{moment:#?}"))
}

// ---- the tests ----

const TESTS: &[Test] = &[
    ("what-is-seen-is-what-sqlite-reports", what_is_seen_is_what_sqlite_reports),
    ("a-stopped-writer-is-seen-with-its-lock", a_stopped_writer_is_seen_with_its_lock),
    ("a-container-out-of-memory-is-told", a_container_out_of_memory_is_told),
    ("a-frozen-container-is-seen-by-its-name", a_frozen_container_is_seen_by_its_name),
    ("deleted-sidecars-are-another-generation", deleted_sidecars_are_another_generation),
    ("a-replaced-database-is-one-with-two-files", a_replaced_database_is_one_with_two_files),
    ("who-opens-for-each-request-has-what-lies-there", who_opens_for_each_request_has_what_lies_there),
    ("a-database-that-was-removed-is-still-watched", a_database_that_was_removed_is_still_watched),
    ("a-database-that-was-renamed-is-told", a_database_that_was_renamed_is_told),
    ("a-log-that-was-renamed-is-still-one", a_log_that_was_renamed_is_still_one),
    ("an-inode-that-came-again-is-another-file", an_inode_that_came_again_is_another_file),
    ("openers-come-and-go", openers_come_and_go),
    ("what-was-deleted-from-a-directory-is-forgotten", what_was_deleted_from_a_directory_is_forgotten),
    ("storage-that-does-not-answer-holds-nobody", storage_that_does_not_answer_holds_nobody),
    ("nothing-of-a-database-is-changed", nothing_of_a_database_is_changed),
    ("the-trace-tells-holds-and-refusals", the_trace_tells_holds_and_refusals),
];

/// What was named is waited for; what lay in a directory that was named is not.
fn what_was_deleted_from_a_directory_is_forgotten() -> Outcome {
    let folder = Folder::new("watch");
    let [gone, stays, named] = ["gone.db", "stays.db", "named.db"].map(|name| folder.at(name));
    for path in [&gone, &stays, &named] {
        drop(Party::in_wal(path));
    }
    let outside = Folder::new("watch");
    let waited_for = outside.at("named.db");
    fs::rename(&named, &waited_for).expect("renamed");
    let targets = [folder.path(), &waited_for].map(|path| LiveTarget::Path(path.to_owned())).to_vec();
    let settings = WatchSettings { targets, every: Duration::from_millis(100), trace: false, tracefs: None };
    let mut watcher = started(settings);
    until(&mut watcher, |moment| [&gone, &stays, &waited_for].iter().all(|path| at(moment, path).is_some()));
    for path in [&gone, &waited_for] {
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
    let (moment, _) = until(&mut watcher, |moment| at(moment, &gone).is_none());
    assert!(at(&moment, &stays).is_some_and(|one| one.file.is_some()), "{:?}", moment.databases);
    assert!(at(&moment, &waited_for).is_some_and(|one| one.file.is_none()), "{:?}", moment.databases);
    Ok(())
}

fn what_is_seen_is_what_sqlite_reports() -> Outcome {
    for page_bytes in [512, 4096, 65536] {
        let folder = Folder::new("watch");
        let path = folder.at("app.db");
        let mut writer = Party::of(&path);
        writer.sql(&format!("PRAGMA page_size = {page_bytes}"));
        writer.says("PRAGMA journal_mode = WAL", "wal");
        writer.sql("PRAGMA wal_autocheckpoint = 0");
        writer.sql("CREATE TABLE t(x)");
        let mut watcher = watch(folder.path());
        until(&mut watcher, |moment| opener(moment, &path, writer.pid()).is_some());
        let mut before = index(&next(&mut watcher), &path);
        for turn in 0..4 {
            writer.sql("INSERT INTO t VALUES (randomblob(3000))");
            let seen = index(&next(&mut watcher), &path);
            assert_eq!(seen.change_counter, before.change_counter + 1, "one more commit");
            let pages: u32 = writer.sql("PRAGMA page_count").parse().expect("a number");
            assert_eq!((seen.page_size_bytes, seen.database_pages, seen.tries), (page_bytes, pages, 1));
            if turn == 2 {
                // `PRAGMA wal_checkpoint` answers busy, frames in the log, frames that are in the database.
                let said = writer.sql("PRAGMA wal_checkpoint(PASSIVE)");
                let after = index(&next(&mut watcher), &path);
                assert_eq!(said, format!("0 {} {}", after.max_frame, after.backfilled_frames));
                assert!(after.max_frame > 0 && after.max_frame == after.backfilled_frames);
                assert_eq!(after.salts, seen.salts);
            } else {
                assert!(seen.max_frame > seen.backfilled_frames, "{seen:?}");
            }
            before = seen;
        }
        let moment = next(&mut watcher);
        let one = at(&moment, &path).expect("there");
        let header = one.header.as_ref().expect("read");
        assert_eq!((header.has_magic, header.family), (true, Some(JournalFamilyWord::Wal)));
        assert_eq!(header.page_size_bytes, Some(page_bytes));
        for (file, suffix) in [(&one.file, ""), (&one.wal, "-wal"), (&one.shm, "-shm")] {
            let found = fs::metadata(folder.at(&format!("app.db{suffix}"))).expect("there");
            let file = file.as_ref().expect("seen");
            assert_eq!((file.inode, file.size_bytes), (found.ino(), found.len()), "{suffix}");
        }
        let own = opener(&moment, &path, writer.pid()).expect("there");
        assert_eq!((own.maps_shm, &own.runs, own.held.len()), (Some(true), &Runs::Freely, 3), "{own:#?}");
        assert_eq!(own.libraries[0].version.as_deref(), Some(rusqlite::version()));
        a_reader_pins_its_mark(&mut writer, &path, &mut watcher);
    }
    Ok(())
}

/// A reader holds the lock of a mark that is where the log ended when it began.
fn a_reader_pins_its_mark(writer: &mut Party, path: &Path, watcher: &mut Watcher) {
    writer.sql("INSERT INTO t VALUES (1)");
    let mut reader = Party::of(path);
    reader.sql("BEGIN");
    reader.sql("SELECT count(*) FROM t");
    let (moment, _) = until(watcher, |moment| {
        opener(moment, path, reader.pid()).is_some_and(|one| one.locks.iter().flatten().count() > 2)
    });
    let seen = index(&moment, path);
    let held = opener(&moment, path, reader.pid()).expect("there").locks.as_ref().expect("shown here").clone();
    let mark = held.iter().find_map(|held| held.lock.read_mark()).expect("a reader has one");
    assert_eq!(seen.read_marks[mark], Some(seen.max_frame), "{held:?} {seen:?}");
    let pinned = seen.max_frame;
    writer.sql("INSERT INTO t VALUES (2)");
    let said = writer.sql("PRAGMA wal_checkpoint(PASSIVE)");
    let after = index(&next(watcher), path);
    assert_eq!(said, format!("0 {} {}", after.max_frame, after.backfilled_frames));
    assert_eq!((after.backfilled_frames, after.max_frame > pinned), (pinned, true), "no further than the reader");
}

fn a_stopped_writer_is_seen_with_its_lock() -> Outcome {
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let mut writer = Party::in_wal(&path);
    let mut watcher = watch(&path);
    until(&mut watcher, |moment| opener(moment, &path, writer.pid()).is_some_and(|one| one.runs == Runs::Freely));
    writer.sql("BEGIN IMMEDIATE");
    writer.signal(libc::SIGSTOP);
    let (moment, _) = until(&mut watcher, |moment| {
        opener(moment, &path, writer.pid()).is_some_and(|one| one.runs == Runs::Stopped && one.holds(Lock::Write))
    });
    let one = opener(&moment, &path, writer.pid()).expect("there");
    assert!(one.locks.iter().flatten().any(|held| held.lock == Lock::Write && held.exclusive), "{one:#?}");
    assert!(one.holds(Lock::Dms) && one.holds(Lock::Shared) && !one.holds(Lock::Checkpoint));
    writer.signal(libc::SIGCONT);
    writer.sql("COMMIT");
    until(&mut watcher, |moment| {
        opener(moment, &path, writer.pid()).is_some_and(|one| one.runs == Runs::Freely && !one.holds(Lock::Write))
    });

    Ok(())
}

/// A container `web` of the embedded runtime whose only process has `/db/app.db` of a folder.
fn web(run: &RunDirectory, folder: &Folder) -> Result<(Box<dyn Container>, Party), Skip> {
    let runtime = choose(Some("embedded")).map_err(|error| Skip("containers", error.because()))?;
    let spec = ContainerSpec {
        name: "web".to_owned(),
        mounts: vec![Mount::Bind { source: folder.path().to_owned(), destination: "/db".into(), read_only: false }],
        arguments: vec![SERVE.to_owned(), "/db/app.db".to_owned()],
        memory_bytes_max: 64 << 20,
        pids_max: 8,
        user: None,
        program: None,
        likeness: None,
    };
    let mut container = runtime.start(run, &spec).unwrap_or_else(|error| panic!("{error}: {}", error.because()));
    let Line { to_agent, from_agent } = container.take_line().expect("the line");
    Ok((container, Party { child: None, to: Box::new(to_agent), from: Box::new(BufReader::new(from_agent)) }))
}

/// Whoever is killed because memory ran out is told by its container, whether or not its cgroup is still there.
fn a_container_out_of_memory_is_told() -> Outcome {
    let run = RunDirectory::create(&RunId::random()).map_err(|error| Skip("containers", error.because()))?;
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let (container, mut inside) = web(&run, &folder)?;
    inside.says("PRAGMA journal_mode = WAL", "wal");
    let mut watcher = watch(&path);
    let mut watching = Watching::new(Thresholds::default());
    let pid = container.pid().expect("here");
    until(&mut watcher, |moment| opener(moment, &path, pid).is_some());
    // Far more than it may have; nobody waits for the answer.
    writeln!(inside.to, "SELECT length(hex(zeroblob(200000000)))")
        .and_then(|()| inside.to.flush())
        .expect("it listens");
    let began = Instant::now();
    let told = loop {
        assert!(began.elapsed() < HANG, "{:#?}", watching.latest());
        let raised = watching.observe(next(&mut watcher)).raised;
        if let Some(told) = raised.into_iter().find(|one| one.alarm == "out-of-memory-kill") {
            break told;
        }
    };
    assert_eq!(told.container.as_deref(), Some("web"), "{told:#?}");
    drop((inside, container));
    run.leave();
    Ok(())
}

fn a_frozen_container_is_seen_by_its_name() -> Outcome {
    let run = RunDirectory::create(&RunId::random()).map_err(|error| Skip("containers", error.because()))?;
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let mut watcher = watch(&path);
    assert!(next(&mut watcher).not_seen.iter().any(|what| what.contains("app.db")), "it is waited for");
    let (mut container, mut inside) = web(&run, &folder)?;
    inside.says("PRAGMA journal_mode = WAL", "wal");
    inside.sql("CREATE TABLE t(x)");
    inside.sql("BEGIN IMMEDIATE");
    let pid = container.pid().expect("here");
    let (moment, events) = until(&mut watcher, |moment| opener(moment, &path, pid).is_some());
    let one = opener(&moment, &path, pid).expect("there");
    let named = moment.container_of(one).expect("it is in one");
    assert_eq!((named.container.name.as_str(), named.container.engine.as_str()), ("web", "embedded"));
    assert_eq!((one.path.as_str(), one.pid_inside), ("/db/app.db", Some(1)));
    let came = |event: &Event| matches!(event, Event::Opened { container: Some(name), .. } if name == "web");
    assert!(events.iter().any(came), "{events:#?}");
    match container.freeze() {
        Ok(()) => {
            let frozen = |one: &WatchedOpener| one.runs == Runs::Frozen && one.holds(Lock::Write);
            until(&mut watcher, |moment| opener(moment, &path, pid).is_some_and(frozen));
            container.thaw().expect("it goes on");
            until(&mut watcher, |moment| opener(moment, &path, pid).is_some_and(|one| one.runs == Runs::Freely));
        }
        Err(error) => return Err(Skip("containers", error.because())),
    }
    container.kill().expect("killed");
    let (_, events) = until(&mut watcher, |moment| opener(moment, &path, pid).is_none());
    let went =
        |event: &Event| matches!(event, Event::Closed { container: Some(name), ended: true, .. } if name == "web");
    assert!(events.iter().any(went), "{events:#?}");
    drop((inside, container));
    run.leave();
    Ok(())
}

fn deleted_sidecars_are_another_generation() -> Outcome {
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let mut first = Party::in_wal(&path);
    first.sql("INSERT INTO t VALUES (1)");
    let mut watcher = watch(&path);
    until(&mut watcher, |moment| opener(moment, &path, first.pid()).is_some());
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(folder.at(&format!("app.db{suffix}"))).expect("removed");
    }
    let mut second = Party::in_wal(&path);
    second.sql("INSERT INTO t VALUES (2)");
    let inode = |moment: &Moment, pid, which: &str| {
        let held = &opener(moment, &path, pid)?.held;
        held.iter().find(|held| held.which == which).map(|held| (held.inode, held.link_count))
    };
    let (moment, _) = until(&mut watcher, |moment| {
        let links = |pid| inode(moment, pid, "shm").map(|(_, links)| links);
        links(first.pid()) == Some(0) && links(second.pid()) == Some(1)
    });
    for which in ["wal", "shm"] {
        let [old, new] = [&first, &second].map(|party| inode(&moment, party.pid(), which).expect("held"));
        assert!(old.0 != new.0 && old.1 == 0 && new.1 == 1, "{which}: {old:?} {new:?}");
    }
    let now = fs::metadata(folder.at("app.db-shm")).expect("there").ino();
    assert_eq!(at(&moment, &path).and_then(|one| one.shm.as_ref()).map(|shm| shm.inode), Some(now));
    // Each one's locks are its own, on whichever file it has.
    for party in [&first, &second] {
        assert!(opener(&moment, &path, party.pid()).is_some_and(|one| one.holds(Lock::Dms)), "{moment:#?}");
    }
    Ok(())
}

fn a_replaced_database_is_one_with_two_files() -> Outcome {
    let folder = Folder::new("watch");
    let (path, other) = (folder.at("app.db"), folder.at("other.db"));
    drop(Party::in_wal(&other));
    let first = {
        let mut first = Party::in_wal(&path);
        first.sql("INSERT INTO t VALUES (1)");
        first
    };
    let (begun_before, replaced) = (watch(&path), fs::metadata(&path).expect("there").ino());
    let mut begun_before = begun_before;
    until(&mut begun_before, |moment| opener(moment, &path, first.pid()).is_some());
    fs::rename(&other, &path).expect("replaced");
    for mut watcher in [begun_before, watch(&path)] {
        let (moment, _) = until(&mut watcher, |moment| {
            let held = |one: &WatchedOpener| one.held.iter().any(|held| held.which == "db" && held.link_count == 0);
            opener(moment, &path, first.pid()).is_some_and(held)
        });
        assert_eq!(moment.databases.len(), 1, "{moment:#?}");
        let now = at(&moment, &path).and_then(|one| one.file.as_ref()).expect("there").inode;
        assert_ne!(now, replaced);
    }
    Ok(())
}

/// Openers are looked for less often than files: what one held then is not what it holds now.
fn who_opens_for_each_request_has_what_lies_there() -> Outcome {
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let mut party = Party::in_wal(&path);
    let mut watcher = watch(&path);
    until(&mut watcher, |moment| opener(moment, &path, party.pid()).is_some());
    for _ in 0..30 {
        party.sql(REOPEN);
        let moment = next(&mut watcher);
        let there = at(&moment, &path).expect("it is watched");
        for held in there.openers.iter().flat_map(|one| &one.held).filter(|held| held.which != "db") {
            let lies = if held.which == "wal" { &there.wal } else { &there.shm };
            assert_eq!(lies.as_ref().map(|file| file.inode), Some(held.inode), "{moment:#?}");
        }
    }
    Ok(())
}

fn held_of(moment: &Moment, path: &Path, pid: u32, which: &str) -> Option<(u64, u64)> {
    let held = &opener(moment, path, pid)?.held;
    held.iter().find(|held| held.which == which).map(|held| (held.inode, held.link_count))
}

fn a_database_that_was_removed_is_still_watched() -> Outcome {
    for of_folder in [false, true] {
        let folder = Folder::new("watch");
        let path = folder.at("app.db");
        let holder = Party::in_wal(&path);
        let mut watcher = watch(if of_folder { folder.path() } else { &path });
        until(&mut watcher, |moment| opener(moment, &path, holder.pid()).is_some());
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(folder.at(&format!("app.db{suffix}"))).expect("removed");
        }
        let looked = next(&mut watcher).openers_looked_ms;
        // Two looks for openers later it is still there.
        let (moment, events) = until(&mut watcher, |moment| moment.openers_looked_ms > looked + 2000);
        for which in ["db", "wal", "shm"] {
            let held = held_of(&moment, &path, holder.pid(), which);
            assert_eq!(held.map(|held| held.1), Some(0), "{which}: {moment:#?}");
        }
        assert!(events.iter().all(|event| !matches!(event, Event::Closed { .. })), "{events:#?}");
    }
    Ok(())
}

/// Whether it is renamed before the watch begins or while it goes on, by a path or by its folder, and whether another
/// file takes its place: the alarm is raised.
fn a_database_that_was_renamed_is_told() -> Outcome {
    for (of_folder, before, replaced) in
        [(true, true, false), (true, false, false), (true, false, true), (false, false, false), (false, false, true)]
    {
        let folder = Folder::new("watch");
        let (path, old) = (folder.at("app.db"), folder.at("app.db.old"));
        let mut holder = Party::in_wal(&path);
        holder.sql("INSERT INTO t VALUES (1)");
        let rename = || {
            fs::copy(&path, folder.at("copy")).expect("copied");
            fs::rename(&path, &old).expect("renamed");
            if replaced {
                fs::rename(folder.at("copy"), &path).expect("put there");
            }
        };
        if before {
            rename();
        }
        let mut watcher = watch(if of_folder { folder.path() } else { &path });
        let mut watching = Watching::new(Thresholds::default());
        let began = Instant::now();
        while !watching.latest().databases.iter().any(|one| !one.openers.is_empty()) {
            assert!(began.elapsed() < HANG, "{:#?}", watching.latest());
            watching.observe(next(&mut watcher));
        }
        if !before {
            rename();
        }
        let told = loop {
            assert!(began.elapsed() < HANG, "{of_folder} {before} {replaced} {:#?}", watching.latest());
            let raised = watching.observe(next(&mut watcher)).raised;
            if let Some(told) = raised.into_iter().find(|one| one.alarm == "database-replaced") {
                break told;
            }
        };
        assert_eq!((told.pid, told.level), (Some(holder.pid()), Level::Critical), "{told:#?}");
        fs::rename(&old, &path).expect("put back");
    }
    Ok(())
}

fn a_log_that_was_renamed_is_still_one() -> Outcome {
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let holder = Party::in_wal(&path);
    let mut watcher = watch(&path);
    let (moment, _) = until(&mut watcher, |moment| held_of(moment, &path, holder.pid(), "wal").is_some());
    let before = held_of(&moment, &path, holder.pid(), "wal");
    fs::rename(folder.at("app.db-wal"), folder.at("app.db-wal.bak")).expect("renamed");
    let looked = next(&mut watcher).openers_looked_ms;
    let (moment, _) = until(&mut watcher, |moment| moment.openers_looked_ms > looked + 2000);
    assert_eq!(held_of(&moment, &path, holder.pid(), "wal"), before);
    Ok(())
}

fn an_inode_that_came_again_is_another_file() -> Outcome {
    let folder = Folder::new("watch");
    let (path, other) = (folder.at("app.db"), folder.at("other.db"));
    drop(Party::in_wal(&path));
    let mut watcher = watch(&path);
    until(&mut watcher, |moment| at(moment, &path).is_some_and(|one| one.file.is_some()));
    // The same file under another name is what a number that came again looks like.
    fs::rename(&path, &other).expect("renamed");
    fs::copy(&other, &path).expect("replaced");
    let mut unrelated = Party::of(&other);
    unrelated.sql("CREATE TABLE u(x)");
    let looked = next(&mut watcher).openers_looked_ms;
    until(&mut watcher, |moment| {
        assert!(opener(moment, &path, unrelated.pid()).is_none(), "{moment:#?}");
        moment.openers_looked_ms > looked + 2000
    });
    Ok(())
}

fn openers_come_and_go() -> Outcome {
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let stays = Party::in_wal(&path);
    let mut watcher = watch(&path);
    let (_, events) = until(&mut watcher, |moment| opener(moment, &path, stays.pid()).is_some());
    assert!(events.is_empty(), "it was there before: {events:#?}");
    let mut comes = Party::of(&path);
    comes.sql("SELECT count(*) FROM t");
    let pid = comes.pid();
    let (_, events) = until(&mut watcher, |moment| opener(moment, &path, pid).is_some());
    let opened: Vec<u32> = events
        .iter()
        .filter_map(|event| if let Event::Opened { pid, .. } = event { Some(*pid) } else { None })
        .collect();
    assert_eq!(opened, [pid], "{events:#?}");
    drop(comes);
    let (moment, events) = until(&mut watcher, |moment| opener(moment, &path, pid).is_none());
    let gone = |event: &Event| matches!(event, Event::Closed { pid: of, ended: true, .. } if *of == pid);
    assert!(events.iter().any(gone), "{events:#?}");
    assert!(opener(&moment, &path, stays.pid()).is_some());
    // None of ours is an opener, however long it looks.
    let own: Vec<&str> = at(&moment, &path).expect("there").openers.iter().map(|one| one.command.as_str()).collect();
    assert_eq!(own.len(), 1, "{own:?}");
    Ok(())
}

fn storage_that_does_not_answer_holds_nobody() -> Outcome {
    if let Some(why) = why_not_here() {
        return Err(Skip("clients", why));
    }
    let folder = Folder::new("watch");
    for name in ["server", "mount"] {
        fs::create_dir(folder.at(name)).expect("a folder");
    }
    let server = Arc::new(Server::new(&folder.at("server"), false));
    let options = ClientOptions::believing(Pages::Cached, 0);
    let client = Client::mount(server, &folder.at("mount"), options, 1).expect("mounted");
    let (on_client, local) = (folder.at("mount/app.db"), folder.at("local.db"));
    let (far, mut near) = (Party::in_wal(&on_client), Party::in_wal(&local));
    let targets = [&on_client, &local].map(|path| LiveTarget::Path(path.clone())).to_vec();
    let every = Duration::from_millis(50);
    let mut watcher = started(WatchSettings { targets, every, trace: false, tracefs: None });
    until(&mut watcher, |moment| {
        opener(moment, &on_client, far.pid()).is_some() && opener(moment, &local, near.pid()).is_some()
    });
    let seen = at(&next(&mut watcher), &on_client).expect("there").file.clone();
    client.knobs().stall(HANG);
    let silent = |moment: &Moment| at(moment, &on_client).and_then(|one| one.silent_ms);
    let (moment, _) = until(&mut watcher, |moment| silent(moment).is_some_and(|ms| ms > 1500));
    let one = at(&moment, &on_client).expect("it is still told");
    assert_eq!((&one.file, one.openers.len()), (&seen, 1), "the last that is known: {one:#?}");
    // What lies elsewhere is looked at as before.
    assert_eq!(at(&moment, &local).and_then(|one| one.silent_ms), None);
    let before = index(&moment, &local).change_counter;
    near.sql("INSERT INTO t VALUES (1)");
    until(&mut watcher, |moment| index(moment, &local).change_counter == before + 1);
    client.knobs().release();
    until(&mut watcher, |moment| silent(moment).is_none() && opener(moment, &on_client, far.pid()).is_some());
    drop((far, near, watcher));
    Ok(())
}

/// Contents and times of all files in a folder, of access too; this look does not change them.
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

fn nothing_of_a_database_is_changed() -> Outcome {
    let folder = Folder::new("watch");
    let path = folder.at("app.db");
    let mut writer = Party::in_wal(&path);
    writer.sql("INSERT INTO t VALUES (1)");
    let contents = |suffix: &str| fs::read(folder.at(&format!("app.db{suffix}"))).expect("readable");
    let bytes = ["", "-wal", "-shm"].map(contents);
    let before = everything(folder.path());
    let targets = vec![LiveTarget::Path(folder.path().to_owned()), LiveTarget::Host];
    let every = Duration::from_millis(10);
    let mut watcher = started(WatchSettings { targets, every, trace: false, tracefs: None });
    until(&mut watcher, |moment| moment.elapsed_ms > 2500 && opener(moment, &path, writer.pid()).is_some());
    assert_eq!(everything(folder.path()), before);
    assert_eq!(["", "-wal", "-shm"].map(contents), bytes);
    drop(watcher);
    // The last closer is still the last: nobody else held anything.
    drop(writer);
    Ok(())
}

/// A tracefs of this test's own place; the kernel's is one.
struct Tracefs(PathBuf);

impl Tracefs {
    fn mounted(at: PathBuf) -> Result<Self, Skip> {
        fs::create_dir(&at).expect("a folder");
        let text = |text: &str| CString::new(text).expect("no NUL");
        let (kind, path) = (text("tracefs"), text(at.to_str().expect("UTF-8")));
        // SAFETY: valid C strings, and no data.
        let code = unsafe { libc::mount(kind.as_ptr(), path.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
        let why = || std::io::Error::last_os_error().to_string();
        if code == 0 { Ok(Self(at)) } else { Err(Skip("tracefs", why())) }
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        let path = CString::new(self.0.to_str().expect("UTF-8")).expect("no NUL");
        // SAFETY: a valid C string.
        let _ = unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

fn the_trace_tells_holds_and_refusals() -> Outcome {
    let folder = Folder::new("watch");
    let tracefs = Tracefs::mounted(folder.at("tracefs"))?;
    let instances = || fs::read_dir(tracefs.0.join("instances")).expect("there").flatten().count();
    let own = format!("walproof-watch-{}-", std::process::id());
    let ours = || {
        let all = fs::read_dir(tracefs.0.join("instances")).expect("there").flatten();
        all.filter(|one| one.file_name().to_string_lossy().starts_with(&own)).count()
    };
    let path = folder.at("app.db");
    let (mut holder, mut other) = (Party::in_wal(&path), Party::of(&path));
    let targets = vec![LiveTarget::Path(path.clone())];
    let (every, at) = (Duration::from_millis(50), Some(tracefs.0.clone()));
    let mut watcher = started(WatchSettings { targets, every, trace: true, tracefs: at });
    let (moment, _) = until(&mut watcher, |moment| opener(moment, &path, other.pid()).is_some());
    // tracefs could be mounted: whatever fails from here on is our own fault, or the kernel has no such event.
    if let Some(Err(why)) = moment.trace {
        assert!(why.contains("os error 2"), "{why}");
        return Err(Skip("tracefs", why));
    }
    assert_eq!(ours(), 1);
    assert_eq!(next(&mut watcher).trace, Some(Ok(())));
    holder.sql("BEGIN IMMEDIATE");
    std::thread::sleep(Duration::from_millis(30));
    writeln!(other.to, "BEGIN IMMEDIATE").and_then(|()| other.to.flush()).expect("it listens");
    let refused = |event: &Event, pid: u32| matches!(event, Event::LockRefused { lock: Lock::Write, pid: of, times: 1.., .. } if *of == pid);
    let (began, mut seen) = (Instant::now(), Vec::new());
    while !seen.iter().any(|event| refused(event, other.pid())) {
        seen.extend(next(&mut watcher).events);
        assert!(began.elapsed() < HANG, "{seen:#?}");
    }
    holder.sql("COMMIT");
    let held = |event: &Event| match event {
        Event::LockHeld { lock: Lock::Write, exclusive: true, pid, held_us, .. } if *pid == holder.pid() => {
            Some(*held_us)
        }
        _ => None,
    };
    while !seen.iter().any(|event| held(event).is_some_and(|us| us >= 30_000)) {
        seen.extend(next(&mut watcher).events);
        assert!(began.elapsed() < HANG, "{seen:#?}");
    }
    drop(watcher);
    assert_eq!(ours(), 0, "it is removed at the end");
    // One that a killed watch left behind is removed by `clean`.
    let stale = tracefs.0.join("instances/walproof-watch-4194303-1-0");
    fs::create_dir(&stale).expect("made");
    let before = instances();
    clean_traces();
    assert!(!stale.exists() && instances() < before);
    Ok(())
}
