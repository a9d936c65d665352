//! `cargo xtask bench back-off`: what the way to wait for the write lock does to eight writers.
//!
//! In one run, interleaved: the same writers with SQLite's `busy_timeout` and with the fair back-off, nothing but
//! writes at synchronous=NORMAL, no strikes. Reported are commits a second, slowest by fastest agent, and how long
//! BEGIN IMMEDIATE waited. The back-off is good enough when its slowest agent has at least half of the fastest one's
//! commits and all together keep 0.8 of what `busy_timeout` commits, in the median of the rounds.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use walproof_format::protocol::{Busy, Workload};

use crate::bench_run::{BenchRun, Fresh};
use crate::flags::Flags;
use crate::ground::Folder;
use crate::result::{ResultFile, median};

/// The least share of the fastest agent's commits for the slowest.
const FAIRNESS_MIN: f64 = 0.5;
/// The least share of busy_timeout's commits.
const COMMITS_MIN: f64 = 0.8;

/// Measures it; true when the back-off is good enough.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (seconds, rounds) = (flags.number("seconds", 30)?, flags.number("rounds", 3)?);
    let agents = flags.number("agents", 8)? as u16;
    let runtime = flags.word("runtime", "process");
    let synchronous = flags.word("synchronous", "normal");
    let parent = PathBuf::from(flags.word("dir", &std::env::temp_dir().to_string_lossy()));
    let results = flags.result_folder();
    flags.finish()?;
    let scratch = Folder::make_in(&parent, "bench-back-off")?;
    let workload = Workload {
        read_percent: 0,
        synchronous,
        // As applications have it: SQLite's own threshold, one connection for ever.
        autocheckpoint_frames: 1000,
        checkpoint_every: 0,
        reopen_every: 0,
        ..Workload::default()
    };
    let storage = walproof_lab::collect::storage::look(scratch.path());
    let asked = json!({
        "seconds": seconds, "rounds": rounds, "agents": agents, "runtime": runtime, "workload": workload,
        "storage": storage.mount.map(|mount| mount.fstype), "debug_build": cfg!(debug_assertions),
    });
    let mut result = ResultFile::begin(&results, "bench-back-off", asked)?;
    for round in 0..rounds {
        let mut ways = [Busy::BusyTimeout, Busy::FairBackOff];
        ways.rotate_left(round as usize % 2);
        for busy in ways {
            let workload = Workload { busy, ..workload.clone() };
            let time = Duration::from_secs(seconds.into());
            let run = BenchRun { runtime: &runtime, workload: &workload, time, seed: u64::from(round) };
            let folder = Fresh::make(scratch.path())?;
            let done = run.carry_out(&folder.0, agents).map_err(|error| error.to_string())?;
            done.sound()?;
            let (fairness, commits_per_s) = (&done.end.fairness, done.commits_per_s().round());
            let entry = json!({"busy": busy, "commits_per_s": commits_per_s, "fairness": fairness,
                "hand_overs": done.end.exposures.hand_overs, "cpu_us_per_commit": done.cpu_us / done.end.exposures.commits as f64});
            println!("round {round}  {entry}");
            result.add(entry, summary)?;
        }
    }
    let summary = summary(result.runs());
    println!("{summary:#}\nresult in {}", result.path().display());
    let fair = summary["fair-back-off"]["slowest_over_fastest"].as_f64() >= Some(FAIRNESS_MIN);
    Ok(fair && summary["commits_ratio"].as_f64() >= Some(COMMITS_MIN))
}

fn summary(runs: &[Value]) -> Value {
    let of = |busy: &str, pick: &dyn Fn(&Value) -> Option<f64>| {
        let mut numbers: Vec<f64> = runs.iter().filter(|run| run["busy"] == busy).filter_map(pick).collect();
        numbers.sort_by(f64::total_cmp);
        median(&numbers)
    };
    let rate = |run: &Value| run["commits_per_s"].as_f64();
    let one = |busy: &str| {
        let of_fairness = |field: &str| of(busy, &|run: &Value| run["fairness"][field].as_f64());
        let wait = |field: &str| of(busy, &|run: &Value| run["fairness"]["wait_us"][field].as_f64());
        json!({
            "commits_per_s": of(busy, &rate),
            "slowest_over_fastest": of_fairness("slowest_over_fastest"),
            "wait_us_p50": wait("p50"), "wait_us_p99": wait("p99"), "wait_us_max": wait("max"),
            "timed_out": of_fairness("timed_out"),
        })
    };
    let ratio = of("fair-back-off", &rate) / of("busy-timeout", &rate);
    json!({"commits_ratio": ratio, "fair-back-off": one("fair-back-off"), "busy-timeout": one("busy-timeout")})
}
