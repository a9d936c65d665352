//! `cargo xtask bench harness`: what walproof costs the workload it observes.
//!
//! In one run, interleaved: commits a second of 1, 2, 4, 8 agents with their history, supervised and checked online
//! as in a real run but without strikes, against `bare_loop.rs`, the same SQL in as many plain processes. Which of
//! the two goes first alternates from round to round. The result is the median over the rounds of the ratio within a
//! pair; absolute figures depend on the machine and on its mood. Beside it stands the ratio of processor time a
//! commit, of all processes together (agents or loops, supervisor, checker): it hardly minds what else runs here.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use walproof_format::protocol::{Configuration, Duty, Quirks, Workload};
use walproof_lab::error::LabError;
use walproof_lab::worlds;

use crate::bare_loop;
use crate::bench_run::{BenchRun, Fresh, cpu_us};
use crate::flags::Flags;
use crate::ground::Folder;
use crate::result::{ResultFile, median};

/// The least ratio that is good enough.
const RATIO_MIN: f64 = 0.8;

struct Bench {
    folder: PathBuf,
    runtime: String,
    workload: Workload,
    time: Duration,
    seed: u64,
}

/// Measures it; true when every ratio is good enough.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (seconds, rounds) = (flags.number("seconds", 3)?, flags.number("rounds", 5)?);
    let counts = flags.choice("agents", &["1", "2", "4", "8"])?;
    let runtime = flags.word("runtime", "process");
    let parent = PathBuf::from(flags.word("dir", &std::env::temp_dir().to_string_lossy()));
    let results = flags.result_folder();
    flags.finish()?;
    let scratch = Folder::make_in(&parent, "bench-harness")?;
    let workload = Workload::default();
    let storage = walproof_lab::collect::storage::look(scratch.path());
    let asked = json!({
        "seconds": seconds, "rounds": rounds, "agents": counts, "runtime": runtime, "workload": workload,
        "storage": storage.mount.map(|mount| mount.fstype),
    });
    let mut result = ResultFile::begin(&results, "bench-harness", asked)?;
    let time = Duration::from_secs(seconds.into());
    let mut bench = Bench { folder: scratch.path().to_owned(), runtime, workload, time, seed: 0 };
    for round in 0..rounds {
        for count in &counts {
            let agents: u16 = count.parse().expect("one of those above");
            bench.seed += 1;
            let pair = bench.pair(agents, round % 2 == 0)?;
            println!("round {round}  {agents} agents  {pair}");
            result.add(pair, summary)?;
        }
    }
    let summary = summary(result.runs());
    println!("{}\nresult in {}", words(&summary), result.path().display());
    let ratios = summary.as_object().into_iter().flatten();
    Ok(ratios.map(|(_, of)| of["ratio"].as_f64()).all(|ratio| ratio >= Some(RATIO_MIN)))
}

impl Bench {
    /// Both ways, one right after the other.
    fn pair(&self, agents: u16, bare_first: bool) -> Result<Value, String> {
        let (bare, observed) = if bare_first {
            let bare = self.bare(agents)?;
            (bare, self.observed(agents)?)
        } else {
            let observed = self.observed(agents)?;
            (self.bare(agents)?, observed)
        };
        Ok(json!({
            "agents": agents,
            "bare_first": bare_first,
            "bare_commits_per_s": bare.rate.round(),
            "observed_commits_per_s": observed.rate.round(),
            "ratio": observed.rate / bare.rate,
            "bare_cpu_us_per_commit": bare.cpu_us,
            "observed_cpu_us_per_commit": observed.cpu_us,
            "cpu_ratio": bare.cpu_us / observed.cpu_us,
        }))
    }

    /// Agents with history, supervisor and checker.
    fn observed(&self, agents: u16) -> Result<Speed, String> {
        let folder = Fresh::make(&self.folder)?;
        self.stressed(&folder.0, agents).map_err(|error| error.to_string())?
    }

    fn stressed(&self, folder: &Path, agents: u16) -> Result<Result<Speed, String>, LabError> {
        let run = BenchRun { runtime: &self.runtime, workload: &self.workload, time: self.time, seed: self.seed };
        let done = run.carry_out(folder, agents)?;
        let exposures = &done.end.exposures;
        let commits = exposures.commits as f64;
        Ok(done.sound().map(|()| Speed { rate: done.commits_per_s(), cpu_us: done.cpu_us / commits }))
    }

    /// Plain processes.
    fn bare(&self, agents: u16) -> Result<Speed, String> {
        let folder = Fresh::make(&self.folder)?;
        let configuration = |agent| Configuration {
            agent,
            incarnation: 0,
            database: folder.0.join(worlds::DATABASE).to_string_lossy().into_owned(),
            history: None,
            seed: self.seed ^ u64::from(agent) << 32,
            workload: self.workload.clone(),
            duty: Duty::Work,
            quirks: Quirks::default(),
        };
        walproof_agent::create_ledger(&configuration(0))?;
        let mut loops: Vec<Bare> =
            (0..agents).map(|agent| Bare::start(&configuration(agent))).collect::<Result<_, _>>()?;
        let cpu_before = cpu_us();
        loops.iter_mut().try_for_each(Bare::next_line)?;
        std::thread::sleep(self.time);
        let told: Vec<Value> = Bare::stop_all(loops)?;
        let sum: f64 = told.iter().filter_map(|one| one["commits"].as_f64()).sum();
        let began = told.iter().filter_map(|one| one["began_ns"].as_u64()).min().unwrap_or(0);
        let ended = told.iter().filter_map(|one| one["ended_ns"].as_u64()).max().unwrap_or(0);
        Ok(Speed { rate: sum / ((ended - began) as f64 / 1e9), cpu_us: (cpu_us() - cpu_before) / sum })
    }
}

/// How fast one way was.
struct Speed {
    /// Commits a second.
    rate: f64,
    /// Processor time a commit, in microseconds.
    cpu_us: f64,
}

/// A plain process that runs the bare loop.
pub struct Bare {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Bare {
    /// Starts it and waits until it is ready.
    pub fn start(configuration: &Configuration) -> Result<Self, String> {
        let text = serde_json::to_string(configuration).map_err(|error| error.to_string())?;
        let mut command = Command::new("/proc/self/exe");
        command.arg(bare_loop::NAME).arg(text).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("starting a bare loop: {error}"))?;
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut bare = Self { child, answers };
        bare.answer().map(|_| bare)
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|error| format!("listening to a bare loop: {error}"))?;
        Ok(line)
    }

    /// A line: begin, or end.
    pub fn next_line(&mut self) -> Result<(), String> {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(b"\n").map_err(|error| format!("talking to a bare loop: {error}"))
    }

    /// What each of them did.
    pub fn stop_all(mut loops: Vec<Self>) -> Result<Vec<Value>, String> {
        loops.iter_mut().try_for_each(Self::next_line)?;
        loops.iter_mut().map(|bare| serde_json::from_str(&bare.answer()?).map_err(|error| error.to_string())).collect()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For each number of agents: the medians, and the least and greatest ratio.
fn summary(runs: &[Value]) -> Value {
    let mut counts: Vec<u64> = runs.iter().filter_map(|run| run["agents"].as_u64()).collect();
    counts.sort_unstable();
    counts.dedup();
    let each = counts.into_iter().map(|agents| {
        let of = |field: &str| {
            let mut numbers: Vec<f64> =
                runs.iter().filter(|run| run["agents"] == agents).filter_map(|run| run[field].as_f64()).collect();
            numbers.sort_by(f64::total_cmp);
            numbers
        };
        let ratios = of("ratio");
        let entry = json!({
            "rounds": ratios.len(),
            "ratio": median(&ratios),
            "ratio_min": ratios.first(),
            "ratio_max": ratios.last(),
            "cpu_ratio": median(&of("cpu_ratio")),
            "bare_cpu_us_per_commit": median(&of("bare_cpu_us_per_commit")),
            "observed_cpu_us_per_commit": median(&of("observed_cpu_us_per_commit")),
            "bare_commits_per_s": median(&of("bare_commits_per_s")),
            "observed_commits_per_s": median(&of("observed_commits_per_s")),
        });
        (agents.to_string(), entry)
    });
    Value::Object(each.collect())
}

fn words(summary: &Value) -> String {
    let lines = summary.as_object().into_iter().flatten().map(|(agents, of)| {
        let number = |field: &str| of[field].as_f64().unwrap_or(f64::NAN);
        format!(
            "{agents} agents: ratio {:.3} ({:.3} to {:.3}), bare {:.0}/s, observed {:.0}/s, by processor time {:.3}",
            number("ratio"),
            number("ratio_min"),
            number("ratio_max"),
            number("bare_commits_per_s"),
            number("observed_commits_per_s"),
            number("cpu_ratio")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
