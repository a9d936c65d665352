//! The file system of a client as programs see it: one client does what a directory does, two share what they must.
//!
//! What it must not do: touch a mount from the process that serves it (`clients/mod.rs` says why). Each test mounts,
//! and lets this binary run [`touch`] in a process of its own.
//! Where to look next: `src/clients/`. `WALPROOF_REQUIRE=clients` makes every skip a failure.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use walproof_lab::clients::{Client, ClientOptions, Failing, Pages, Server, why_not_here};
use walproof_testbench::{Folder, skip};

const WHAT: &str = "WALPROOF_TOUCH";
const WHERE: &str = "WALPROOF_TOUCH_FOLDER";

/// A server with two clients, `one` and `two`.
struct Bench {
    // First, so that nothing is mounted in the folder when it goes.
    clients: Vec<Client>,
    server: Arc<Server>,
    folder: Folder,
}

impl Bench {
    fn new(options: ClientOptions) -> Option<Self> {
        if let Some(why) = why_not_here() {
            skip("clients", "the file system of clients", &why);
            return None;
        }
        let folder = Folder::new("clients");
        let server = Arc::new(Server::new(&folder.folder("server"), options.remembers_unsynced));
        let mount = |part| Client::mount(Arc::clone(&server), &folder.folder(part), options, 1).expect("mounted");
        let clients = vec![mount("one"), mount("two")];
        Some(Self { clients, server, folder })
    }

    /// Runs one of [`touch`]'s parts in another process.
    fn touch(&self, what: &str) {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "touch", "--nocapture"]).env(WHAT, what).env(WHERE, self.folder.path());
        let ended = command.output().expect("it starts");
        assert!(ended.status.success(), "{what}: {}", String::from_utf8_lossy(&ended.stderr));
    }

    fn on_server(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.at("server").join(name)).ok()
    }
}

#[test]
fn a_client_does_what_a_directory_does() {
    for pages in [Pages::Cached, Pages::CachedAlways, Pages::WriteBack, Pages::DirectIo, Pages::Passthrough] {
        let Some(bench) = Bench::new(ClientOptions::believing(pages, 0)) else { return };
        bench.touch("files");
        bench.touch("names");
        if pages != Pages::DirectIo {
            bench.touch("mapping");
        }
    }
}

#[test]
fn locks_are_shared_or_not() {
    let Some(bench) = Bench::new(ClientOptions::believing(Pages::Cached, 0)) else { return };
    bench.touch("shared locks");
    let local = Bench::new(ClientOptions::believing(Pages::Cached, 0).with_local_locks()).expect("as before");
    local.touch("local locks");
}

#[test]
fn a_power_cut_takes_what_was_not_synced() {
    let options = ClientOptions::believing(Pages::WriteBack, 0).with_unsynced_writes_remembered();
    let Some(bench) = Bench::new(options) else { return };
    bench.touch("unsynced");
    bench.clients.iter().for_each(|client| client.unmount().expect("unmounted"));
    bench.server.drop_unsynced_writes().expect("the power is cut");
    bench.clients.iter().for_each(|client| client.mount_again().expect("mounted"));
    assert_eq!(bench.on_server("synced").as_deref(), Some("durable"));
    assert_eq!(bench.on_server("unsynced"), None);
    bench.touch("after the cut");
}

/// Why one FUSE mount shared by several processes is not always one cache (`docs/decisions/0013`).
#[test]
fn an_open_may_bring_back_what_was_overwritten() {
    for (pages, brings_back) in
        [(Pages::CachedUntilOpen, true), (Pages::CachedAlways, false), (Pages::WriteBack, false)]
    {
        let Some(bench) = Bench::new(ClientOptions::believing(pages, 1000)) else { return };
        bench.touch("overwriting");
        let came_back = bench.on_server("came-back").expect("written by the process");
        assert_eq!(came_back == "yes", brings_back, "{pages:?}");
    }
}

#[test]
fn what_is_to_fail_fails() {
    let Some(bench) = Bench::new(ClientOptions::believing(Pages::Cached, 0)) else { return };
    bench.clients[0].knobs().fail(Failing { syncs_every: 1, ..Failing::default() });
    bench.touch("a failing fsync");
}

/// Carries out one part when it is asked to, in a process that serves nothing.
#[test]
fn touch() {
    let (Ok(what), Some(folder)) = (std::env::var(WHAT), std::env::var_os(WHERE)) else { return };
    let folder = PathBuf::from(folder);
    let (one, two) = (folder.join("one"), folder.join("two"));
    match what.as_str() {
        "files" => files(&one),
        "names" => names(&one),
        "mapping" => mapping(&one),
        "shared locks" => locks(&one, &two, false),
        "local locks" => locks(&one, &two, true),
        "unsynced" => unsynced(&one),
        "after the cut" => assert_eq!(fs::read_to_string(two.join("synced")).expect("there"), "durable"),
        "overwriting" => {
            let came_back = if old_content_comes_back(&one) { "yes" } else { "no" };
            fs::write(two.join("came-back"), came_back).expect("writes");
        }
        "a failing fsync" => {
            let file = File::create(one.join("file")).expect("made");
            assert_eq!(file.sync_all().expect_err("EIO").raw_os_error(), Some(libc::EIO));
        }
        other => panic!("`{other}` is no part"),
    }
}

/// Overwrites a file and reads its last page, while others open it and read that page too; until the old content comes
/// back, and not for ever.
fn old_content_comes_back(folder: &Path) -> bool {
    const SIZE: usize = 128 << 10;
    const LAST: u64 = SIZE as u64 - 4096;
    let path = folder.join("file");
    open(&path).write_all_at(&[0; SIZE], 0).expect("writes");
    let stopped = AtomicBool::new(false);
    let last = |file: &File| {
        let mut page = [0; 4096];
        file.read_exact_at(&mut page, LAST).expect("reads");
        page[0]
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                drop(open(&path));
            }
        });
        scope.spawn(|| {
            let file = open(&path);
            while !stopped.load(Ordering::Relaxed) {
                last(&file);
            }
        });
        let file = open(&path);
        let came_back = (0..20_000_u32).any(|turn| {
            file.write_all_at(&[turn as u8; SIZE], 0).expect("writes");
            last(&file) != turn as u8
        });
        stopped.store(true, Ordering::Relaxed);
        came_back
    })
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).expect("opens")
}

fn files(folder: &Path) {
    let path = folder.join("file");
    let file = open(&path);
    file.write_all_at(b"hello, world", 0).expect("writes");
    file.sync_all().expect("syncs");
    let mut appended = OpenOptions::new().append(true).open(&path).expect("opens");
    appended.write_all(b"!").expect("appends");
    assert_eq!(fs::read_to_string(&path).expect("reads"), "hello, world!");
    file.set_len(5).expect("shortens");
    assert_eq!(fs::metadata(&path).expect("there").len(), 5);
    file.set_len(7).expect("lengthens");
    assert_eq!(fs::read(&path).expect("reads"), b"hello\0\0");
    // SAFETY: plain integers and an open descriptor.
    assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, 8192) }, 0);
    assert_eq!(file.metadata().expect("open").len(), 8192);
    fs::remove_file(&path).expect("unlinks");
    let mut start = [0; 5];
    file.read_exact_at(&mut start, 0).expect("without a name it is still there");
    assert_eq!((&start, file.metadata().expect("open").nlink()), (b"hello", 0));
    let again = open(&path);
    assert_ne!(again.metadata().expect("open").ino(), file.metadata().expect("open").ino(), "another inode");
    assert_eq!(again.metadata().expect("open").len(), 0);
    File::create(&path).expect("truncates");
    fs::remove_file(&path).expect("unlinks");
}

fn names(folder: &Path) {
    fs::create_dir(folder.join("below")).expect("makes");
    fs::write(folder.join("below/a"), "a").expect("writes");
    fs::write(folder.join("b"), "b").expect("writes");
    fs::rename(folder.join("b"), folder.join("below/a")).expect("renames over it");
    assert_eq!(fs::read_to_string(folder.join("below/a")).expect("reads"), "b");
    fs::hard_link(folder.join("below/a"), folder.join("c")).expect("links");
    assert_eq!(fs::metadata(folder.join("c")).expect("there").nlink(), 2);
    symlink("below/a", folder.join("d")).expect("links");
    assert_eq!(fs::read_link(folder.join("d")).expect("a link"), Path::new("below/a"));
    assert_eq!(fs::read_to_string(folder.join("d")).expect("follows"), "b");
    let list = |folder: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(folder).expect("reads").map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(list(folder), [OsStr::new("below"), OsStr::new("c"), OsStr::new("d")]);
    assert!(fs::remove_dir(folder.join("below")).is_err(), "it is not empty");
    fs::remove_dir_all(folder.join("below")).expect("removes");
    File::open(folder).and_then(|folder| folder.sync_all()).expect("syncs the directory");
    assert_eq!(fs::read_to_string(folder.join("c")).expect("its other name"), "b");
    fs::remove_file(folder.join("c")).and_then(|()| fs::remove_file(folder.join("d"))).expect("removes");
    assert!(list(folder).is_empty());
}

fn mapping(folder: &Path) {
    let file = open(&folder.join("mapped"));
    file.set_len(32 * 1024).expect("lengthens");
    // SAFETY: a new mapping of an open file, as long as the file.
    let map = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            32 * 1024,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(map, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
    let map = map.cast::<u8>();
    file.write_all_at(b"written", 4096).expect("writes");
    // SAFETY: inside the mapping.
    unsafe {
        assert_eq!(map.add(4096).read_volatile(), b'w', "the mapping shows what was written");
        map.write_volatile(b'm');
    }
    let mut start = [0];
    let mut other = File::open(folder.join("mapped")).expect("opens");
    other.read_exact(&mut start).expect("reads");
    assert_eq!(start, *b"m", "and a read what was stored");
    // SAFETY: the mapping made above.
    unsafe { libc::munmap(map.cast(), 32 * 1024) };
    fs::remove_file(folder.join("mapped")).expect("removes");
}

/// F_SETLK on one byte; the error number when it is refused.
fn lock(file: &File, kind: i32, byte: i64) -> Option<i32> {
    // SAFETY: flock is plain data, all zero is a valid value.
    let mut wanted: libc::flock = unsafe { std::mem::zeroed() };
    (wanted.l_type, wanted.l_start, wanted.l_len) = (kind as libc::c_short, byte, 1);
    // SAFETY: an open descriptor and a valid lock.
    let code = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &wanted) };
    (code != 0).then(|| std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Two clients of one process are two owners to the server.
fn locks(one: &Path, two: &Path, local: bool) {
    let (ours, theirs) = (open(&one.join("locked")), open(&two.join("locked")));
    assert_eq!(lock(&ours, libc::F_WRLCK, 120), None);
    let refused = lock(&theirs, libc::F_RDLCK, 120);
    assert_eq!(refused, if local { None } else { Some(libc::EAGAIN) });
    assert_eq!(lock(&theirs, libc::F_WRLCK, 121), None, "another byte");
    if local {
        return;
    }
    drop(open(&one.join("locked")));
    assert_eq!(lock(&theirs, libc::F_RDLCK, 120), None, "closing any descriptor gave it back, as POSIX says");
    assert_eq!(lock(&ours, libc::F_RDLCK, 120), None, "two readers");
    assert_eq!(lock(&ours, libc::F_WRLCK, 120), Some(libc::EAGAIN));
    assert_eq!(lock(&theirs, libc::F_UNLCK, 120), None);
    assert_eq!(lock(&ours, libc::F_WRLCK, 120), None);
}

fn unsynced(folder: &Path) {
    let file = open(&folder.join("synced"));
    file.write_all_at(b"durable", 0).expect("writes");
    file.sync_all().expect("syncs");
    File::open(folder).and_then(|folder| folder.sync_all()).expect("syncs the directory");
    file.write_all_at(b"lost!!! and longer", 0).expect("writes");
    fs::write(folder.join("unsynced"), "lost").expect("writes");
}
