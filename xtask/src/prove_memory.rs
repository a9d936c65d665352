//! `cargo xtask prove memory`: a long run whose supervisor stays small. What is sampled is the `walproof verify`
//! process itself, not its agents and helpers.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::flags::Flags;
use crate::ground::Folder;
use crate::prove::{Binary, Case, Outcome, wait};
use crate::result::{ResultFile, spread};

/// Resident memory must stay below this.
const RESIDENT_KIB_BELOW: f64 = 64.0 * 1024.0;
/// How often it is sampled.
const INTERVAL: Duration = Duration::from_secs(1);

/// Proves it; true when the memory stayed below the limit and the run was `safe`.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (words, time) = flags.time("time", "5m")?;
    let folder = flags.result_folder();
    flags.finish()?;
    let ground = Folder::make("prove-memory")?;
    let mut result = ResultFile::begin(&folder, "prove-memory", json!({"time": words}))?;
    let case = Case {
        command: "verify",
        group: "memory".to_owned(),
        number: 1,
        directory: ground.path().to_owned(),
        flags: vec!["--time".to_owned(), words],
        time,
    };
    let binary = Binary::build()?;
    let (mut child, report) = case.start(&binary)?;
    let (began, mut samples, mut peak) = (Instant::now(), Vec::new(), 0.0f64);
    while child.try_wait().map_err(|error| format!("waiting for walproof: {error}"))?.is_none() {
        if let Some((resident, high)) = resident_kib(child.id()) {
            peak = peak.max(high).max(resident);
            samples.push(json!({"at_s": began.elapsed().as_secs_f64().round(), "rss_kib": resident, "hwm_kib": high}));
        }
        if began.elapsed() > time + Duration::from_secs(120) {
            break;
        }
        std::thread::sleep(INTERVAL);
    }
    let outcome = Outcome::read(wait(child, Duration::ZERO)?, report);
    let mut lacks = Vec::new();
    if outcome.exit_code != Some(0) || outcome.verdict() != "safe" {
        lacks.push(format!("exit {:?}, verdict {}", outcome.exit_code, outcome.verdict()));
    }
    if samples.is_empty() || peak >= RESIDENT_KIB_BELOW {
        lacks.push(format!("{peak} KiB resident at most, in {} samples", samples.len()));
    }
    let resident = spread(samples.iter().filter_map(|sample| sample["rss_kib"].as_f64()));
    let mut entry = outcome.entry(&case, &lacks);
    entry["samples"] = Value::Array(samples);
    let summary = json!({"peak_kib": peak, "limit_kib": RESIDENT_KIB_BELOW, "resident_kib": resident});
    let kept = outcome.put_away(lacks.is_empty());
    println!("peak {peak} KiB of {RESIDENT_KIB_BELOW}, resident {resident}; {}{kept}", outcome.verdict());
    lacks.iter().for_each(|lack| println!("FAILED: {lack}"));
    result.add(entry, |_| summary)?;
    println!("result in {}", result.path().display());
    Ok(lacks.is_empty())
}

/// VmRSS and VmHWM of a process, in KiB; `None` when it is gone.
fn resident_kib(pid: u32) -> Option<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}
