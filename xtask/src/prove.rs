//! What all proofs share: one run of the release binary, what came of it, and a queue of runs.
//!
//! A run that fails is never done again. Its report and what it printed are kept under `target/prove/`; the proof
//! goes on and fails in the end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::flags::repository;
use crate::result::{ResultFile, at};

/// How much longer than its stress a run may take.
const OVERTIME: Duration = Duration::from_secs(120);

/// A copy of the release binary as the tree builds it now: what is proved does not change while the proof runs.
#[derive(Debug)]
pub struct Binary(PathBuf);

impl Binary {
    /// Builds and copies it.
    pub fn build() -> Result<Self, String> {
        // In the profile that this program was built in: they lie in one folder.
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        // Where nothing is measured, with the features of the whole workspace: tests have compiled all of that already.
        let which: &[&str] = if cfg!(debug_assertions) { &["--workspace", "--bin"] } else { &["--package"] };
        let mut build = Command::new("cargo");
        build.args(["build", "--profile", profile, "--quiet"]).args(which).arg("walproof").current_dir(repository());
        let status = build.status();
        if !status.map_err(|error| format!("`cargo`: {error}"))?.success() {
            return Err("cannot build walproof\ntry: what cargo said above".to_owned());
        }
        // Cargo puts both into one folder.
        let own = std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
        let built = own.with_file_name("walproof");
        let folder = repository().join("target/prove");
        fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
        let copy = folder.join(format!("walproof-{}", std::process::id()));
        fs::copy(&built, &copy).map_err(|error| at(&built, &error))?;
        Ok(Self(copy))
    }
}

impl Binary {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// One run of walproof.
#[derive(Clone, Debug)]
pub struct Case {
    /// `verify` or `bang`.
    pub command: &'static str,
    /// Of what this is one: a file system; a world and its journal mode.
    pub group: String,
    /// Which one of its group, from 1.
    pub number: u32,
    /// The directory under test.
    pub directory: PathBuf,
    /// Its flags beside `--report`.
    pub flags: Vec<String>,
    /// Length of the stress.
    pub time: Duration,
}

impl Case {
    /// Where its report goes, and what it prints beside it.
    fn report(&self) -> PathBuf {
        let name = format!("{}-{}-{}.json", self.group.replace(' ', "-"), self.number, std::process::id());
        repository().join("target/prove").join(name)
    }

    /// Starts it; returns the child and where its report will be.
    pub fn start(&self, binary: &Binary) -> Result<(Child, PathBuf), String> {
        let report = self.report();
        let folder = report.parent().expect("it lies in a folder");
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        let printed = report.with_extension("txt");
        let out = File::create(&printed).map_err(|error| at(&printed, &error))?;
        let err = out.try_clone().map_err(|error| at(&printed, &error))?;
        let mut command = Command::new(&binary.0);
        command.arg(self.command).args(&self.flags).arg("--report").arg(&report).arg(&self.directory);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        Ok((child.map_err(|error| at(&binary.0, &error))?, report))
    }

    /// Runs it to its end.
    pub fn run(&self, binary: &Binary) -> Result<Outcome, String> {
        let (child, report) = self.start(binary)?;
        let exit_code = wait(child, self.time + OVERTIME)?;
        Ok(Outcome::read(exit_code, report))
    }
}

/// The exit code; `None`: ended by a signal, also ours when it took too long.
pub fn wait(mut child: Child, time: Duration) -> Result<Option<i32>, String> {
    let began = Instant::now();
    loop {
        match child.try_wait().map_err(|error| format!("waiting for walproof: {error}"))? {
            Some(status) => return Ok(status.code()),
            None if began.elapsed() > time => {
                let _ = child.kill();
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// `None`: ended by a signal.
    pub exit_code: Option<i32>,
    /// The report; null when there is none.
    pub report: Value,
    path: PathBuf,
}

impl Outcome {
    /// Reads the report, when there is one.
    pub fn read(exit_code: Option<i32>, path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_default();
        Self { exit_code, report: serde_json::from_str(&text).unwrap_or(Value::Null), path }
    }

    /// The word of the main verdict.
    pub fn verdict(&self) -> &str {
        self.report["verdicts"][0]["kind"].as_str().unwrap_or("no report")
    }

    /// A number in the report; 0 when it is not there.
    pub fn number(&self, pointer: &str) -> f64 {
        self.report.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// All anomalies found.
    pub fn anomalies(&self) -> u64 {
        let counts = self.report["anomaly_counts"].as_array();
        counts.into_iter().flatten().filter_map(|count| count["count"].as_u64()).sum()
    }

    /// Planted anomalies that were named, and all of them.
    pub fn planted(&self) -> (usize, usize) {
        let planted = self.report["planted"].as_array().map_or(&[][..], Vec::as_slice);
        (planted.iter().filter(|plant| plant["named"] == true).count(), planted.len())
    }

    /// Floors that were not reached, as the verdict's reasons tell.
    pub fn floors_missed(&self) -> Vec<&str> {
        let reasons = self.report["verdicts"][0]["reasons"].as_array();
        let words = reasons.into_iter().flatten().filter_map(Value::as_str);
        words.filter(|reason| reason.starts_with("floor not reached")).collect()
    }

    /// The run as it stands in a result file.
    pub fn entry(&self, case: &Case, failures: &[String]) -> Value {
        json!({
            "group": case.group,
            "flags": case.flags.join(" "),
            "stress_ms": self.report["timing"]["stress"],
            "number": case.number,
            "passed": failures.is_empty(),
            "failures": failures,
            "exit_code": self.exit_code,
            "verdict": self.verdict(),
            "reasons": self.report["verdicts"][0]["reasons"],
            "seed": self.report["replay"]["seed"],
            "commits": self.report["exposures"]["commits"],
            "kills": self.report["strikes"]["kills"],
            "anomalies": self.report["anomaly_counts"],
            "first_commit_ms": self.report["timing"]["first_commit_after_start"],
            "anomaly_caught_ms": self.report["timing"]["anomaly_caught_after_first_commit"],
            "control_caught_ms": self.report["control"]["caught_after_ms"],
            "planted": format!("{} of {}", self.planted().0, self.planted().1),
            "expected": self.report["expected"],
            "usage": self.report["usage"],
        })
    }

    /// Removes what a passed run left under `target/prove/`; a failed one keeps it and this says where.
    pub fn put_away(&self, passed: bool) -> String {
        if passed {
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(self.path.with_extension("txt"));
            return String::new();
        }
        format!("   kept: {}", self.path.display())
    }
}

/// Runs all cases, `jobs` at a time, in their order; `failures` says what one lacks. True when nothing lacks.
pub fn run_all(
    cases: Vec<Case>,
    jobs: u32,
    result: &mut ResultFile,
    failures: impl Fn(&Case, &Outcome) -> Vec<String> + Sync,
    summary: impl Fn(&[Value]) -> Value + Sync,
) -> Result<bool, String> {
    let binary = Binary::build()?;
    let total = cases.len();
    let queue = Mutex::new(cases.into_iter());
    let noted = Mutex::new(result);
    let work = || -> Result<(), String> {
        loop {
            let Some(case) = queue.lock().expect("no worker panics").next() else { return Ok(()) };
            let outcome = case.run(&binary)?;
            let lacks = failures(&case, &outcome);
            let mut result = noted.lock().expect("no worker panics");
            result.add(outcome.entry(&case, &lacks), &summary)?;
            print_run(result.runs().len(), total, &case, &outcome, &lacks);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked".to_owned())?)
    })?;
    let result = noted.into_inner().expect("no worker panics");
    println!("result in {}", result.path().display());
    Ok(result.runs().iter().all(|run| run["passed"] == true))
}

fn print_run(index: usize, total: usize, case: &Case, outcome: &Outcome, failures: &[String]) {
    let kept = outcome.put_away(failures.is_empty());
    println!(
        "{index:>4}/{total} {:<32} {:>2}  {:<8} {:>7} commits {:>3} kills  {}{kept}",
        case.group,
        case.number,
        outcome.verdict(),
        outcome.number("/exposures/commits"),
        outcome.number("/strikes/kills"),
        if failures.is_empty() { "passed".to_owned() } else { format!("FAILED: {}", failures.join("; ")) },
    );
}

/// The groups of some runs, in their order.
pub fn groups(runs: &[Value]) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for name in runs.iter().filter_map(|run| run["group"].as_str()) {
        if !groups.contains(&name) {
            groups.push(name);
        }
    }
    groups
}

/// Runs of a group, and how many of them passed.
pub fn of_group<'a>(runs: &'a [Value], group: &str) -> (Vec<&'a Value>, usize) {
    let of_group: Vec<&Value> = runs.iter().filter(|run| run["group"] == group).collect();
    let passed = of_group.iter().filter(|run| run["passed"] == true).count();
    (of_group, passed)
}
