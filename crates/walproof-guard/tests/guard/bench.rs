//! A folder that goes away, threads with another view of the machine, and skips that are heard.
//!
//! What this file must not do: change the process. What it unshares or gives up is a thread's own.
//! Where to look next: the tests beside it.

use std::io;
use std::path::Path;
use std::time::Instant;

use walproof_guard::{Assessment, Options, Verdict, assess_with};
use walproof_testbench::Folder;

/// What a file holds when that does not matter.
pub const BYTES: [u8; 100] = [7; 100];

/// A folder in which nothing may stay that keeps it from being removed.
pub fn folder(name: &str) -> Folder {
    Folder::new(&format!("guard-{name}")).that_must_go()
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

/// Says that something was not tested. Fails where `guard` is required.
pub fn skip(what: &str, why: &str) {
    walproof_testbench::skip("guard", what, why);
}
