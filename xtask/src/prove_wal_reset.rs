//! `cargo xtask prove wal-reset`: a SQLite that is known to be bad is found to be bad, and a good one is not.
//!
//! The canary (`canaries/sqlite-3.51.1`) has the WAL-reset bug: a PASSIVE checkpoint that holds no write lock believes
//! a log copied that a writer has restarted meanwhile. Two writers and an agent that does nothing but PASSIVE
//! checkpoints, the shape of a replication sidecar, bring it out; nobody is hurt. The settings are those that a user
//! could give, see docs/decisions/0040-settings-that-bring-out-the-wal-reset-bug.md.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use walproof_format::protocol::{CheckpointMode, Duty, Workload};
use walproof_lab::run::verify::{Evidence, Options, verify};

use crate::flags::{Flags, repository};
use crate::ground::Folder;
use crate::result::{ResultFile, spread};

/// Runs in which the canary must be found, of so many.
const FOUND_MIN: (u32, u32) = (3, 5);
/// What it must be named, among others.
const NAMES: [&str; 2] = ["lost-commit", "structural-damage"];
/// Both builds of the agent, by the version of SQLite that stands in the result.
const BUILDS: [&str; 2] = ["canary", "bundled"];

/// Proves it; true when the canary was found often enough and the bundled SQLite stayed clean.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (words, time) = flags.time("time", "20s")?;
    let (bundled_words, bundled_time) = flags.time("bundled-time", "180s")?;
    let (runs, bundled_runs) = (flags.number("runs", FOUND_MIN.1)?, flags.number("bundled-runs", 1)?);
    let chosen = flags.choice("only", &BUILDS)?;
    // The short form of CI: the canary's runs end with the first in which anything is found.
    let until_found = flags.number("until-found", 0)? != 0;
    let workload = workload(&mut flags)?;
    let agents = flags.number("agents", 3)? as u16;
    let folder = flags.result_folder();
    flags.finish()?;
    let canary = build_canary()?;
    let asked = json!({"runs": runs, "time": words, "bundled_runs": bundled_runs, "bundled_time": bundled_words,
        "only": chosen, "agents": agents, "workload": workload});
    let mut result = ResultFile::begin(&folder, "prove-wal-reset", asked)?;
    let (canaries, bundled) = ((1..=runs).map(|n| ("canary", n)), (1..=bundled_runs).map(|n| ("bundled", n)));
    for (build, number) in canaries.chain(bundled).filter(|(build, _)| chosen.contains(build)) {
        let (time, program) = match build {
            "canary" => (time, Some(canary.clone())),
            _ => (bundled_time, None),
        };
        let entry = one_run(build, number, options(agents, time, number, &workload, program))?;
        print_run(&entry);
        let found = entry["found"] == true;
        result.add(entry, summary)?;
        if until_found && found {
            println!("found in run {number} of {runs} at most");
            return Ok(build == "canary");
        }
    }
    println!("result in {}", result.path().display());
    if until_found {
        return Ok(false);
    }
    Ok(shown(&summary(result.runs()), &chosen))
}

/// Small transactions of different sizes, no checkpoint by those who write, connections that stay.
fn workload(flags: &mut Flags) -> Result<Workload, String> {
    Ok(Workload {
        read_percent: flags.number("reads", 0)?,
        row_changes: flags.number("row-changes", 4)?,
        autocheckpoint_frames: flags.number("autocheckpoint", 0)?,
        reopen_every: flags.number("reopen-every", 0)?,
        checkpoint_every: flags.number("checkpoint-every", 0)?,
        think_us: flags.number("think", 300)?,
        synchronous: flags.word("synchronous", "off"),
        ..Workload::default()
    })
}

fn options(agents: u16, time: Duration, number: u32, workload: &Workload, program: Option<PathBuf>) -> Options {
    Options {
        time,
        agents,
        workload: workload.clone(),
        seed: number.into(),
        nemeses: Some(Vec::new()),
        last_duty: Some(Duty::Checkpoint { mode: Some(CheckpointMode::Passive) }),
        probe: false,
        control: false,
        // What is wrong at first may be a number given twice; the damage is there after some more commits.
        keep_going: true,
        program,
        ..Options::default()
    }
}

fn one_run(build: &str, number: u32, options: Options) -> Result<Value, String> {
    let ground = Folder::make("prove-wal-reset")?;
    let options = Options { directory: ground.path().to_owned(), ..options };
    let (never, began) = (AtomicBool::new(false), Instant::now());
    let evidence = verify(options, &never, &mut |_| ()).map_err(|error| error.to_string())?;
    Ok(entry(build, number, &evidence, began.elapsed()))
}

fn entry(build: &str, number: u32, evidence: &Evidence, took: Duration) -> Value {
    let stress = &evidence.stress;
    let named: Vec<&str> = stress.counts.iter().map(|(kind, _)| kind.name()).collect();
    json!({
        "build": build,
        "number": number,
        "sqlite": evidence.sqlite,
        "found": !stress.counts.is_empty(),
        "named": named,
        "counts": stress.counts.iter().map(|(kind, count)| json!({"kind": kind.name(), "count": count})).collect::<Vec<_>>(),
        "first": stress.anomalies.iter().min_by_key(|one| one.provable_ns).map(|one| &one.summary),
        "announced_s": stress.announced_after.map(|after| after.as_secs_f64()),
        "caught_s": stress.caught_after.map(|after| after.as_secs_f64()),
        "commits": stress.exposures.commits,
        "wal_resets": stress.exposures.wal_resets,
        "worked_s": stress.worked.as_secs_f64(),
        "took_s": took.as_secs_f64(),
        "not_seen": stress.not_seen,
        "left_behind": evidence.left_behind,
    })
}

/// With a lock file of its own and a target folder of its own: the program's build does not notice it.
fn build_canary() -> Result<PathBuf, String> {
    let package = repository().join("canaries/sqlite-3.51.1");
    let target = repository().join("target/canaries");
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--locked", "--target-dir"]).arg(&target).current_dir(&package);
    if !build.status().map_err(|error| format!("`cargo`: {error}"))?.success() {
        return Err("cannot build the canary\ntry: what cargo said above".to_owned());
    }
    let host = std::env::consts::ARCH;
    let built = target.join(format!("{host}-unknown-linux-gnu/debug/walproof-agent-3-51-1"));
    if Path::new(&built).exists() { Ok(built) } else { Err(format!("cargo built no `{}`", built.display())) }
}

fn summary(runs: &[Value]) -> Value {
    let each = BUILDS.iter().map(|build| {
        let of_build: Vec<&Value> = runs.iter().filter(|run| run["build"] == *build).collect();
        let found = of_build.iter().filter(|run| run["found"] == true);
        let named = of_build.iter().filter(|run| is_named(run)).count();
        let entry = json!({
            "runs": of_build.len(),
            "found": found.clone().count(),
            "named_lost_commit_or_structural_damage": named,
            "caught_s": spread(found.filter_map(|run| run["caught_s"].as_f64())),
            "commits": of_build.iter().filter_map(|run| run["commits"].as_u64()).sum::<u64>(),
            "worked_s": of_build.iter().filter_map(|run| run["worked_s"].as_f64()).sum::<f64>(),
            "wal_resets": of_build.iter().filter_map(|run| run["wal_resets"].as_u64()).sum::<u64>(),
        });
        ((*build).to_owned(), entry)
    });
    Value::Object(each.collect())
}

fn is_named(run: &Value) -> bool {
    let named = run["named"].as_array();
    named.into_iter().flatten().any(|name| NAMES.iter().any(|wanted| name == wanted))
}

/// Of the canary enough, of the bundled one nothing; of what was not chosen, nothing is asked.
fn shown(summary: &Value, chosen: &[&str]) -> bool {
    let count = |build: &str, field: &str| summary[build][field].as_u64().unwrap_or(0);
    let (named, runs) = (count("canary", "named_lost_commit_or_structural_damage"), count("canary", "runs"));
    let canary = named * u64::from(FOUND_MIN.1) >= runs * u64::from(FOUND_MIN.0) && runs > 0;
    let bundled = count("bundled", "found") == 0 && count("bundled", "runs") > 0;
    (canary || !chosen.contains(&"canary")) && (bundled || !chosen.contains(&"bundled"))
}

fn print_run(entry: &Value) {
    println!(
        "{:<8} {:>2}  SQLite {}  {:>8} commits {:>7} resets  {}",
        entry["build"].as_str().unwrap_or_default(),
        entry["number"],
        entry["sqlite"],
        entry["commits"],
        entry["wal_resets"],
        match entry["caught_s"].as_f64() {
            Some(after) => format!("found after {after:.2} s: {} ({})", entry["named"], entry["first"]),
            None => format!("clean for {:.0} s {}", entry["worked_s"].as_f64().unwrap_or(0.0), entry["not_seen"]),
        },
    );
}
