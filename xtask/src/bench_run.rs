//! One run for a benchmark: agents with their history, supervised and checked online as in a real run, without strikes.
//!
//! Where to look next: `bench_harness.rs`, `bench_back_off.rs` and `bench_mix.rs` measure with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use walproof_format::protocol::Workload;
use walproof_lab::error::LabError;
use walproof_lab::run::fleet::{Fleet, FleetPlan};
use walproof_lab::run::leavings::{RunDirectory, RunId};
use walproof_lab::run::plan;
use walproof_lab::run::stress::{StressEnd, StressOptions, prepare, stress};
use walproof_lab::{runtimes, worlds};

use crate::result::at;

/// What is run.
pub struct BenchRun<'a> {
    /// A runtime by name.
    pub runtime: &'a str,
    /// What agents do.
    pub workload: &'a Workload,
    /// For how long.
    pub time: Duration,
    /// Where all chance comes from.
    pub seed: u64,
}

/// What came of it.
pub struct BenchDone {
    /// What the stress gave.
    pub end: StressEnd,
    /// Processor time of agents, supervisor and checker, in microseconds.
    pub cpu_us: f64,
    /// Of these, the agents' alone.
    pub agents_cpu_us: f64,
}

impl BenchRun<'_> {
    /// Carries it out in `folder`.
    pub fn carry_out(&self, folder: &Path, agents: u16) -> Result<BenchDone, LabError> {
        let world = worlds::find("shared-directory").expect("it is a world");
        let ground = (world.prepare)(folder, agents);
        let ground = ground.map_err(|error| LabError::path("cannot use", folder, error, "`--dir`"))?;
        let history = Fresh::make(&std::env::temp_dir()).map_err(|why| LabError::new("no history", why, "TMPDIR"))?;
        let runtime = runtimes::choose(Some(self.runtime))?;
        let run = RunDirectory::create(&RunId::random())?;
        run.note_runtime(runtime.name())?;
        let fleet = Fleet::new(FleetPlan {
            runtime: runtime.as_ref(),
            run: &run,
            ground,
            workload: self.workload.clone(),
            seed: self.seed,
            history: Some(history.0.clone()),
            program: None,
            prefix: "bench",
            targets: Vec::new(),
        });
        let plan = plan::draw(self.seed, self.time.as_millis() as u64, agents, &[]);
        let options = StressOptions {
            plan: &plan,
            history: &history.0,
            scratch: folder,
            keep_history: false,
            keep_going: true,
            grace: Duration::ZERO,
            commits_min: 0,
            loud_is_enough_after: None,
            shared_clock: true,
            account: false,
            storage_fails: false,
            interrupted: &AtomicBool::new(false),
        };
        if let Some(refusal) = prepare(&fleet)? {
            return Err(LabError::new("SQLite refuses", format!("{refusal:?}"), "another `--dir`"));
        }
        let (cpu_before, children_before) = (cpu_us(), cpu_us_of(libc::RUSAGE_CHILDREN));
        let end = stress(&fleet, &options, |_| ())?;
        drop(fleet);
        let done = BenchDone {
            end,
            cpu_us: cpu_us() - cpu_before,
            agents_cpu_us: cpu_us_of(libc::RUSAGE_CHILDREN) - children_before,
        };
        run.leave();
        Ok(done)
    }
}

impl BenchDone {
    /// Whether there is something to measure.
    pub fn sound(&self) -> Result<(), String> {
        match self.end.anomalies.is_empty() && self.end.exposures.commits > 0 {
            true => Ok(()),
            false => Err(format!("the bench is not sound: {:?}", self.end.anomalies)),
        }
    }

    /// Seconds from the first commit to the last record.
    pub fn seconds(&self) -> f64 {
        let exposures = &self.end.exposures;
        exposures.last_record_ns.saturating_sub(exposures.first_commit_ns.unwrap_or(0)) as f64 / 1e9
    }

    /// Commits a second.
    pub fn commits_per_s(&self) -> f64 {
        self.end.exposures.commits as f64 / self.seconds()
    }
}

/// Processor time of this process and of all children that have ended, in microseconds.
pub fn cpu_us() -> f64 {
    cpu_us_of(libc::RUSAGE_SELF) + cpu_us_of(libc::RUSAGE_CHILDREN)
}

fn cpu_us_of(who: i32) -> f64 {
    // SAFETY: rusage is plain data, all zero is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a valid out-pointer.
    unsafe { libc::getrusage(who, &mut usage) };
    [usage.ru_utime, usage.ru_stime].map(|time| time.tv_sec as f64 * 1e6 + time.tv_usec as f64).iter().sum::<f64>()
}

/// A new empty folder, removed with all that is in it.
pub struct Fresh(pub PathBuf);

impl Fresh {
    /// Makes it.
    pub fn make(parent: &Path) -> Result<Self, String> {
        let path = parent.join(format!("walproof-bench-{}", RunId::random()));
        fs::create_dir(&path).map_err(|error| at(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
