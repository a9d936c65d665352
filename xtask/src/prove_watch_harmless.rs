//! `cargo xtask prove watch-harmless`: 100,000 polls of `watch` and of `health` under load change nothing, and none of them
//! calls a live database unhealthy.
//!
//! Rounds: agents work on a fresh ledger as in a real run, with reopening and checkpoints, and are checked online, so that
//! every acknowledged commit is accounted for. Beside them one process polls by the library of `walproof health`, a forked
//! child each time, and one by that of `walproof watch`, both as fast as they go. Rounds go on until both have polled as
//! often as asked. A round in which an answer is unhealthy or unknown, or in which the checker finds an anomaly, fails.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use walproof_format::protocol::Workload;
use walproof_judge::health::{Answer, Question};
use walproof_lab::collect::live::LiveTarget;
use walproof_lab::health::ask;
use walproof_lab::watch::{WatchSettings, Watcher};
use walproof_lab::worlds;

use crate::bench_run::{BenchRun, Fresh};
use crate::flags::Flags;
use crate::ground::Folder;
use crate::result::ResultFile;

/// The first argument that makes xtask a poller.
pub const POLL: &str = "poll-a-database";
/// How long one answer may take on a machine that does other work: what is late is not unhealthy.
const PATIENCE: Duration = Duration::from_secs(60);

/// `--polls N`, `--round TIME`, `--agents N`, `--result FOLDER`.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (polls, agents) = (u64::from(flags.number("polls", 100_000)?), flags.number("agents", 2)?);
    let (words, time) = flags.time("round", "30s")?;
    let results = flags.result_folder();
    flags.finish()?;
    let asked = json!({"polls": polls, "agents": agents, "round": words});
    let mut result = ResultFile::begin(&results, "prove-watch-harmless", asked)?;
    let scratch = Folder::make("prove-watch-harmless")?;
    let agents = u16::try_from(agents).map_err(|error| error.to_string())?;
    let mut journals = ["wal", "wal", "wal", "delete"].into_iter().cycle();
    for seed in 1.. {
        let journal = journals.next().expect("a circle");
        let round = round(scratch.path(), agents, time, seed, journal)?;
        println!("round {seed}  {round}");
        result.add(round, summary)?;
        let summary = summary(result.runs());
        let enough = |kind: &str| summary[kind].as_u64() >= Some(polls);
        if enough("health_polls") && enough("watch_polls") {
            println!("{summary:#}\nresult in {}", result.path().display());
            return Ok(summary["failed_rounds"] == 0);
        }
    }
    unreachable!("rounds go on until there are enough polls")
}

/// Agents and both pollers on one fresh ledger.
fn round(scratch: &Path, agents: u16, time: Duration, seed: u64, journal: &str) -> Result<Value, String> {
    let folder = Fresh::make(scratch)?;
    // Where the world `shared-directory` has it.
    let database = folder.0.join("data").join(worlds::DATABASE);
    let workload = Workload { journal_mode: journal.to_owned(), ..Workload::default() };
    let run = BenchRun { runtime: "process", workload: &workload, time, seed };
    let pollers = [Poller::start("health", &database)?, Poller::start("watch", &database)?];
    let done = run.carry_out(&folder.0, agents).map_err(|error| error.to_string())?;
    // Before the folder goes.
    let [health, watch] = pollers.map(Poller::end);
    let (health, watch) = (health?, watch?);
    let anomalies = done.end.anomalies.len();
    let failed = anomalies > 0 || done.end.exposures.commits == 0 || health["bad"] != 0 || watch["bad"] != 0;
    Ok(json!({
        "journal": journal, "commits": done.end.exposures.commits, "anomalies": anomalies, "failed": failed,
        "health_polls": health["polls"], "health_bad": health["bad"], "health_first_bad": health["first_bad"],
        "health_looks_more_than_one": health["again"],
        "watch_polls": watch["polls"], "watch_bad": watch["bad"],
    }))
}

/// This binary as a poller, until its standard input ends.
struct Poller(Child);

impl Poller {
    fn start(kind: &str, database: &Path) -> Result<Self, String> {
        let mut command = Command::new("/proc/self/exe");
        command.args([POLL, kind]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().map(Self).map_err(|error| format!("starting a poller: {error}"))
    }

    /// What it did.
    fn end(mut self) -> Result<Value, String> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        let from = self.0.stdout.as_mut().expect("it is piped");
        from.read_to_string(&mut text).map_err(|error| format!("listening to a poller: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("a poller said `{text}`: {error}"))
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A poller's life.
pub fn poll_main(kind: &str, path: &str) -> Result<(), String> {
    let told = match kind {
        "health" => poll_health(path)?,
        _ => poll_watch(path)?,
    };
    println!("{told}");
    Ok(())
}

/// Nobody may have a thread before it forks: whether there is an end is asked between two polls.
fn poll_health(path: &str) -> Result<Value, String> {
    let paths = [PathBuf::from(path)];
    // It is made while this polls already.
    let question = Question { settle_ms_max: 450, may_be_missing: true, ..Question::default() };
    let (mut polls, mut bad, mut again, mut first_bad) = (0_u64, 0_u64, 0_u64, Value::Null);
    while !input_has_ended() {
        for health in ask(&paths, &question, polls % 10 == 0, PATIENCE).map_err(|error| error.to_string())? {
            // A poll of nothing proves nothing.
            polls += u64::from(health.findings.iter().all(|finding| finding.name != "missing"));
            again += u64::from(health.looks > 1);
            if health.answer != Answer::Healthy {
                bad += 1;
                first_bad = if first_bad.is_null() { json!(health) } else { first_bad };
            }
        }
    }
    Ok(json!({"polls": polls, "bad": bad, "again": again, "first_bad": first_bad}))
}

fn input_has_ended() -> bool {
    let mut poll = libc::pollfd { fd: 0, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd that lives on this stack frame.
    unsafe { libc::poll(&mut poll, 1, 0) > 0 }
}

/// What is bad of a moment: storage that is called silent.
fn poll_watch(path: &str) -> Result<Value, String> {
    let ended = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        tells.store(true, Ordering::Release);
    });
    let targets = vec![LiveTarget::Path(PathBuf::from(path))];
    let settings = WatchSettings { targets, every: Duration::ZERO, trace: false, tracefs: None };
    let mut watcher = Watcher::start(settings).map_err(|error| error.to_string())?;
    let (mut polls, mut bad) = (0_u64, 0_u64);
    while !ended.load(Ordering::Acquire) {
        let moment = watcher.next_moment();
        polls += u64::from(!moment.databases.is_empty());
        bad += u64::from(moment.databases.iter().any(|one| one.silent_ms.is_some_and(|ms| ms > 30_000)));
    }
    Ok(json!({"polls": polls, "bad": bad}))
}

fn summary(runs: &[Value]) -> Value {
    let sum = |field: &str| runs.iter().filter_map(|run| run[field].as_u64()).sum::<u64>();
    json!({
        "rounds": runs.len(),
        "failed_rounds": runs.iter().filter(|run| run["failed"] == true).count(),
        "commits": sum("commits"),
        "anomalies": sum("anomalies"),
        "health_polls": sum("health_polls"),
        "health_bad": sum("health_bad"),
        "health_looks_more_than_one": sum("health_looks_more_than_one"),
        "watch_polls": sum("watch_polls"),
    })
}
