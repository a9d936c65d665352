//! One agent in a scratch directory of the tested storage, asked slice by slice; gone in the end, whatever happens.
//!
//! Storage may stop answering at any call, also at the lab's own: those run in threads of their own that are not
//! waited for beyond their deadline ([`within`]). What could not be removed then stays noted, for `walproof clean`.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use walproof_format::measure::{Measure, Measured};
use walproof_format::protocol::{Command, Reply, Workload};

use super::Asked;
use crate::collect::storage::{self, Storage};
use crate::error::LabError;
use crate::run::fleet::{Fleet, FleetPlan, describe};
use crate::run::leavings::{CleanReport, RunDirectory, RunId};
use crate::runtimes::{self, Runtime};
use crate::worlds::{DATABASE, Ground, View};

/// How long the lab's own look at the storage, and the making of the scratch directory, may take.
const TOUCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the removal of everything may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two looks at whether Ctrl-C came.
const TICK: Duration = Duration::from_millis(50);
/// The one agent.
pub const AGENT: u16 = 0;

/// A running agent and where it is.
pub struct Session<'a> {
    /// The agent's line.
    pub fleet: &'a Fleet<'a>,
    /// The directory, absolute.
    pub directory: &'a Path,
    /// Its storage.
    pub storage: &'a Storage,
    /// Where the agent runs, in words.
    pub isolation: String,
    /// Whether Ctrl-C came.
    pub interrupted: &'a AtomicBool,
}

impl Session<'_> {
    /// Asks for a slice. The inner error is the storage's or SQLite's word, for this slice alone.
    pub fn ask(&self, measure: Measure, timeout: Duration) -> Result<Result<Measured, Refusal>, LabError> {
        match self.fleet.ask(AGENT, &Command::Measure(Box::new(measure)), timeout) {
            Ok(Reply::Measured(measured)) => Ok(Ok(*measured)),
            Ok(reply) => Ok(Err(Refusal::of(&reply))),
            Err(error) if error.blind => {
                // Its call hangs: nothing more will come from it.
                let _ = self.fleet.kill(AGENT);
                Err(silent(self.directory, timeout))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether Ctrl-C came.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// Why a slice gave nothing.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The call or the SQL.
    pub place: String,
    /// All of it, for people.
    pub words: String,
}

impl Refusal {
    fn of(reply: &Reply) -> Self {
        let place = if let Reply::Failed { place, .. } = reply { place.clone() } else { String::new() };
        Self { place, words: describe(reply) }
    }
}

/// The storage did not answer.
pub fn silent(directory: &Path, timeout: Duration) -> LabError {
    let because = format!("a call in `{}` had not returned after {} s", directory.display(), timeout.as_secs());
    LabError::new("unknown: the storage did not answer", because, "look at its server and at the kernel's log").blind()
}

/// Lets something touch the storage that may never return.
pub fn within<T: Send + 'static>(timeout: Duration, touch: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, answer) = channel();
    std::thread::spawn(move || {
        let _ = sender.send(touch());
    });
    answer.recv_timeout(timeout).ok()
}

/// Runs `work` with an agent. Everything that was made is gone when it returns, or named in the error.
pub fn with_session<T>(
    asked: &Asked,
    bytes_needed: u64,
    interrupted: &AtomicBool,
    work: impl FnOnce(&Session<'_>) -> Result<T, LabError>,
) -> Result<T, LabError> {
    let asked_directory = asked.directory.clone();
    let looked = within(TOUCH_TIMEOUT, move || look(&asked_directory, bytes_needed));
    let (directory, storage) = looked.ok_or_else(|| silent(&asked.directory, TOUCH_TIMEOUT))??;
    let runtime = runtimes::choose(asked.runtime.as_deref())?;
    let run = RunDirectory::create(&RunId::random())?;
    let outcome = in_scratch(runtime.as_ref(), &run, (&directory, &storage), interrupted, work);
    let left_behind = match within(LEAVE_TIMEOUT, move || run.leave()) {
        Some(CleanReport { failed, kept, .. }) => failed.into_iter().chain(kept).collect(),
        None => vec![format!("the scratch directory in `{}`, which does not answer", directory.display())],
    };
    match outcome {
        Err(error) => Err(error.leaving(&left_behind)),
        Ok(_) if !left_behind.is_empty() => {
            let what = "not everything that was made could be removed";
            Err(LabError::new(what, left_behind.join("; "), "`walproof clean`"))
        }
        Ok(done) => Ok(done),
    }
}

fn in_scratch<T>(
    runtime: &dyn Runtime,
    run: &RunDirectory,
    (directory, storage): (&Path, &Storage),
    interrupted: &AtomicBool,
    work: impl FnOnce(&Session<'_>) -> Result<T, LabError>,
) -> Result<T, LabError> {
    run.note_runtime(runtime.name())?;
    let scratch = run.note_scratch(&directory.join(run.scratch_name()))?;
    let path = scratch.clone();
    let made = within(TOUCH_TIMEOUT, move || fs::create_dir(path)).ok_or_else(|| silent(directory, TOUCH_TIMEOUT))?;
    made.map_err(|error| {
        let what = "cannot make the scratch directory";
        LabError::path(what, &scratch, error, "measure a directory that this user may write to")
    })?;
    let ground = Ground {
        creators: Vec::new(),
        views: vec![View::of_folder(&scratch, "/measured")],
        database: scratch.join(DATABASE),
        host_mounts: Vec::new(),
    };
    let fleet = Fleet::new(FleetPlan {
        runtime,
        run,
        ground,
        workload: Workload::default(),
        seed: 0,
        history: None,
        program: None,
        prefix: "measure",
        targets: Vec::new(),
    });
    let ended = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        // An answer that is waited for is not waited for any longer when Ctrl-C comes.
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if interrupted.load(Ordering::Relaxed) {
                    fleet.set_stopping(true);
                }
                std::thread::sleep(TICK);
            }
        });
        let isolation = runtime.abilities().isolation.clone();
        let session = Session { fleet: &fleet, directory, storage, isolation, interrupted };
        let outcome = fleet.start(AGENT).and_then(|()| work(&session));
        ended.store(true, Ordering::Relaxed);
        outcome
    });
    fleet.disband();
    outcome
}

/// The directory, absolute, and what it lies on; a place that cannot be measured is refused before anything is made.
fn look(directory: &Path, bytes_needed: u64) -> Result<(PathBuf, Storage), LabError> {
    let absolute = fs::canonicalize(directory)
        .map_err(|error| LabError::path("cannot measure", directory, error, "name a directory that exists"))?;
    if !absolute.is_dir() {
        let because = "it is not a directory";
        return Err(LabError::path("cannot measure", directory, because, "name the directory of the database"));
    }
    let path = std::ffi::CString::new(absolute.as_os_str().as_bytes()).unwrap_or_default();
    // SAFETY: a string that outlives the call.
    if unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) } != 0 {
        let error = std::io::Error::last_os_error();
        let remedy = "measure a directory that you may write to, on a file system that is mounted read-write";
        return Err(LabError::path("cannot make scratch files in", directory, error, remedy));
    }
    let storage = storage::look(&absolute);
    match storage.free_bytes {
        Some(free) if free < bytes_needed => Err(LabError::path(
            "cannot measure",
            directory,
            format!("only {} KiB are free there, and {} MiB must be", free >> 10, bytes_needed >> 20),
            "free space there, or measure another directory of the same storage",
        )),
        _ => Ok((absolute, storage)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_return_is_not_waited_for() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        let (sender, never) = channel::<()>();
        assert_eq!(within(Duration::from_millis(20), move || never.recv().is_ok()), None);
        drop(sender);
    }

    #[test]
    fn a_place_that_cannot_be_measured_is_refused() {
        let refused = |path: &str, bytes| look(Path::new(path), bytes).expect_err("refused");
        assert!(refused("/no/such/place", 0).because.contains("No such file"));
        assert_eq!(refused("/proc/self/exe", 0).because, "it is not a directory");
        assert!(refused("/tmp", u64::MAX).because.starts_with("only "));
    }
}
