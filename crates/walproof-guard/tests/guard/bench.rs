//! A folder that goes away, threads with another view of the machine, and skips that are heard.
//!
//! What this file must not do: change the process. What it unshares or gives up is a thread's own.
//! Where to look next: the tests beside it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use walproof_guard::{Assessment, Options, Verdict, assess_with};

/// A temporary folder, removed in the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("walproof-guard-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path.canonicalize().expect("it is there"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a file with some bytes.
    pub fn file(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.join(name).parent().expect("inside")).expect("a folder");
        fs::write(self.join(name), [7; 100]).expect("a file");
        self.join(name)
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.join(name)).expect("a folder");
        self.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let removed = fs::remove_dir_all(&self.0);
        assert!(removed.is_ok() || std::thread::panicking(), "{}: {removed:?}", self.0.display());
    }
}

/// Assesses, and says how long it took. The bound is for hangs alone: machines are slow at times.
#[track_caller]
pub fn timed(path: &Path, options: Options) -> Assessment {
    let begun = Instant::now();
    let assessment = assess_with(path, options);
    println!("{:8.2} ms  {assessment}", begun.elapsed().as_secs_f64() * 1000.0);
    assert!(begun.elapsed().as_secs() < 20, "{}", path.display());
    assessment
}

/// The verdict, and the reason that made it.
#[track_caller]
pub fn comes_to(verdict: Verdict, name: &str, path: &Path) {
    let assessment = timed(path, Options::default());
    let reason = assessment.reasons.iter().find(|reason| reason.name == name);
    assert_eq!(assessment.verdict, verdict, "{}: {assessment:#?}", path.display());
    assert!(reason.is_some_and(|reason| reason.verdict == verdict), "{}: no `{name}`: {assessment:#?}", path.display());
}

/// Runs it in a thread, so that what it gives up or unshares ends with it.
pub fn apart<T: Send + 'static>(story: impl FnOnce() -> T + Send + 'static) -> T {
    let ended = std::thread::spawn(story).join();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// This thread gets working directory and root of its own.
pub fn own_working_directory(directory: &Path) {
    // SAFETY: takes a number; only this thread is changed.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_FS) }, 0, "{}", io::Error::last_os_error());
    std::env::set_current_dir(directory).expect("it is there");
}

/// This thread loses root's rights, if it has them; the others keep theirs.
pub fn become_nobody() {
    const NOBODY: u32 = 65_534;
    if is_root() {
        // SAFETY: takes numbers; the raw call changes this thread alone.
        let answer = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
        assert_eq!(answer, 0, "{}", io::Error::last_os_error());
    }
}

pub fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Says that something was not tested, past the harness, and in `WALPROOF_SKIP_LOG`. Fails where `guard` is required.
pub fn skip(what: &str, why: &str) {
    let line = format!("skipped: {why}: {what}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(log) = std::env::var_os("WALPROOF_SKIP_LOG") {
        let file = fs::OpenOptions::new().append(true).create(true).open(log);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the log of skips can be written");
    }
    let required = std::env::var("WALPROOF_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == "guard"), "required: guard; {line}");
}
