//! `cargo xtask prove scale`: 75 containers on this machine, somebody is killed every second, one workload after the
//! other: safe, and nothing is left behind.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::flags::Flags;
use crate::ground::Folder;
use crate::prove::{Case, Outcome, groups, run_all};
use crate::result::ResultFile;

/// Proves it; true when every run was safe and nothing is left.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (words, time) = flags.time("time", "3m")?;
    let agents = flags.number("agents", 75)?;
    let workloads = flags.choice_or("workload", &walproof_agent::workload_names(), &["bank", "ledger", "mix"])?;
    let folder = flags.result_folder();
    flags.finish()?;
    let ground = Folder::make("prove-scale")?;
    let asked = json!({"time": words, "agents": agents, "workloads": workloads});
    let mut result = ResultFile::begin(&folder, "prove-scale", asked)?;
    let cases = workloads.iter().map(|workload| {
        let agents = agents.to_string();
        let flags = ["--time", &words, "--agents", &agents, "--workload", workload];
        let strikes = ["--nemesis", "usual", "--nemesis", "kill-agent:1s:1s"];
        Case {
            command: "bang",
            group: (*workload).to_owned(),
            number: 1,
            directory: ground.path().to_owned(),
            flags: flags.iter().chain(&strikes).map(|&word| word.to_owned()).collect(),
            time,
        }
    });
    let before = left();
    let failures = |_: &Case, outcome: &Outcome| failures(outcome, time.as_secs_f64(), &before, ground.path());
    let passed = run_all(cases.collect(), 1, &mut result, failures, summary)?;
    print_table(result.runs());
    Ok(passed)
}

/// What a run lacks.
fn failures(outcome: &Outcome, seconds: f64, before: &[String], directory: &Path) -> Vec<String> {
    let (anomalies, kills) = (outcome.anomalies(), outcome.number("/strikes/kills"));
    let new: Vec<String> = left().into_iter().filter(|line| !before.contains(line)).collect();
    let files = fs::read_dir(directory).map_or(0, Iterator::count);
    let demands = [
        (outcome.exit_code == Some(0), format!("exit {:?}, verdict {}", outcome.exit_code, outcome.verdict())),
        (anomalies == 0 && !outcome.report.is_null(), format!("{anomalies} anomalies")),
        (kills >= seconds * 0.9, format!("{kills} kills in {seconds} s")),
        (new.is_empty() && files == 0, format!("left behind: {files} files, {}", new.join(", "))),
    ];
    demands.into_iter().filter(|(met, _)| !met).map(|(_, lack)| lack).collect()
}

/// Mounts, cgroups and processes that carry walproof's name.
fn left() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut left: Vec<String> =
        mounts.lines().filter(|line| line.contains("walproof")).map(|line| format!("mount {line}")).collect();
    cgroups(Path::new("/sys/fs/cgroup"), 0, &mut left);
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
        if first == b"walproof" {
            left.push(format!("process {}", entry.file_name().display()));
        }
    }
    left
}

/// Down to the depth at which containers have theirs.
fn cgroups(folder: &Path, depth: u32, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().as_encoded_bytes().starts_with(b"walproof") {
            found.push(format!("cgroup {}", entry.path().display()));
        } else if depth < 4 {
            cgroups(&entry.path(), depth + 1, found);
        }
    }
}

fn summary(runs: &[Value]) -> Value {
    let max = |field: &str| runs.iter().filter_map(|run| run["usage"][field].as_f64()).fold(0.0, f64::max);
    let sum = |field: &str| runs.iter().filter_map(|run| run[field].as_f64()).sum::<f64>();
    json!({
        "runs": runs.len(),
        "passed": runs.iter().filter(|run| run["passed"] == true).count(),
        "commits": sum("commits"),
        "kills": sum("kills"),
        "lab_memory_bytes_max": max("lab_memory_bytes_max"),
        "agents_memory_bytes_max": max("agents_memory_bytes_max"),
        "scratch_disk_bytes_max": max("scratch_disk_bytes_max"),
        "history_disk_bytes_max": max("history_disk_bytes_max"),
    })
}

fn print_table(runs: &[Value]) {
    println!("{:<16} {:>9} {:>6}  lab MiB  agents MiB  scratch MiB  history MiB", "", "commits", "kills");
    for group in groups(runs) {
        for run in runs.iter().filter(|run| run["group"] == group) {
            let mib = |field: &str| run["usage"][field].as_f64().unwrap_or(f64::NAN) / f64::from(1 << 20);
            println!(
                "{group:<16} {:>9} {:>6} {:>8.1} {:>11.1} {:>12.1} {:>12.1}",
                run["commits"],
                run["kills"],
                mib("lab_memory_bytes_max"),
                mib("agents_memory_bytes_max"),
                mib("scratch_disk_bytes_max"),
                mib("history_disk_bytes_max")
            );
        }
    }
}
