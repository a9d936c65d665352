//! `cargo xtask prove fuzz`: whatever text comes in, nothing that reads it panics, hangs or takes memory out of proportion.
//!
//! `fuzz/` holds the targets: libFuzzer with coverage on stable Rust, by the compiler's own sanitizer-coverage pass. Its
//! seeds are the fixtures. It wants a C++ compiler and says so. An input that breaks a target is kept under
//! `target/prove/`, and the command that shows it again is printed; it becomes a test of its room.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::flags::{Flags, repository};
use crate::result::{ResultFile, at};

/// Every target of `fuzz/src/main.rs`, with the folders of `fixtures/` that its seeds come from.
const TARGETS: &[(&str, &[&str])] = &[
    ("applications", &["../crates/walproof-judge/src/sharing"]),
    ("btree", &["sqlite/pages"]),
    ("check", &["manifests"]),
    ("compose", &["manifests"]),
    ("configuration", &["../docs"]),
    ("docker-run", &["manifests/docker_run"]),
    ("dockerfile", &["manifests/dockerfile"]),
    ("journal", &["sqlite/journals"]),
    ("kubernetes", &["manifests"]),
    ("live", &["manifests"]),
    ("logs", &["logs"]),
    ("markdown", &["../docs", "../crates/walproof-judge/src/rules"]),
    ("mountinfo", &[]),
    ("owners", &["sqlite/databases"]),
    ("quadlet", &["manifests/quadlet"]),
    ("wal", &["sqlite/logs"]),
    ("wal-index", &["sqlite/indexes"]),
];
/// Coverage of every edge, and of comparisons, so that keys of YAML are found.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1";
/// An input that takes longer is a hang, one that takes more memory a bomb.
const INPUT_TIME_MAX_S: u32 = 10;
const MEMORY_MAX_MIB: u32 = 1024;
/// Longer inputs find little and are slow; a database of sixteen pages fits.
const INPUT_BYTES_MAX: u32 = 8192;

/// Proves it; true when no target broke.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let (words, time) = flags.time("time", "10m")?;
    let chosen = flags.choice("only", &names)?;
    let jobs = flags.number("jobs", 2)?;
    let folder = flags.result_folder();
    flags.finish()?;
    let binary = build()?;
    let mut result = ResultFile::begin(&folder, "prove-fuzz", json!({"time": words, "only": chosen, "jobs": jobs}))?;
    let queue = Mutex::new(chosen.into_iter().rev().collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                // The lock is let go before the target runs.
                while let Some(name) = { queue.lock().expect("nobody panics").pop() } {
                    let entry = one(&binary, name, time);
                    if let Ok(entry) = &entry {
                        println!("{}", shown(entry));
                    }
                    done.lock().expect("nobody panics").push(entry);
                }
            });
        }
    });
    for entry in done.into_inner().expect("nobody panicked") {
        result.add(entry?, summary)?;
    }
    println!("result in {}", result.path().display());
    Ok(result.runs().iter().all(|run| run["broken_by"].is_null()))
}

/// Builds the fuzzers apart from everything else.
fn build() -> Result<PathBuf, String> {
    let compiler = Command::new("c++").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !compiler.is_ok_and(|status| status.success()) {
        return Err("there is no C++ compiler\nbecause: libFuzzer is C++\ntry: `apt-get install g++`".to_owned());
    }
    let target = repository().join("target/fuzz");
    let status = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", FLAGS)
        .current_dir(repository().join("fuzz"))
        .status();
    if !status.map_err(|error| format!("`cargo`: {error}"))?.success() {
        return Err("cannot build the fuzzers\ntry: what cargo said above".to_owned());
    }
    // Cargo's configuration names the target, so that there is a folder between.
    let folders = fs::read_dir(&target).map_err(|error| at(&target, &error))?.flatten().map(|entry| entry.path());
    let mut built = folders.map(|folder| folder.join("release/walproof-fuzz"));
    built.find(|path| path.is_file()).ok_or_else(|| format!("no fuzzer below {}", target.display()))
}

/// Runs one target for its time.
fn one(binary: &Path, name: &str, time: Duration) -> Result<Value, String> {
    let corpus = repository().join("target/fuzz/corpus").join(name);
    let broken = repository().join("target/prove/fuzz").join(name);
    for folder in [&corpus, &broken] {
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    }
    let (_, sources) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let seed_count = seed(&corpus, sources)?;
    let before: Vec<PathBuf> = files(&broken);
    let output = Command::new(binary)
        .arg(&corpus)
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-timeout={INPUT_TIME_MAX_S}"))
        .arg(format!("-rss_limit_mb={MEMORY_MAX_MIB}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-artifact_prefix={}/", broken.display()))
        .args(["-print_final_stats=1", "-use_value_profile=1"])
        .env("WALPROOF_FUZZ_TARGET", name)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| at(binary, &error))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let log = broken.with_extension("txt");
    fs::write(&log, &text).map_err(|error| at(&log, &error))?;
    let found = files(&broken).into_iter().find(|file| !before.contains(file));
    let broken_by = match (output.status.success(), found) {
        (true, _) => Value::Null,
        (false, Some(input)) => json!(input.display().to_string()),
        (false, None) => json!(format!("no input was kept; {}", log.display())),
    };
    Ok(json!({
        "target": name, "seeds": seed_count, "inputs": stat(&text, "number_of_executed_units"),
        "inputs_per_s": stat(&text, "average_exec_per_sec"), "peak_mib": stat(&text, "peak_rss_mb"),
        "slowest_input_s": stat(&text, "slowest_unit_time_sec"), "kept": stat(&text, "new_units_added"),
        "edges": edges(&text), "broken_by": broken_by,
    }))
}

/// Copies the texts below some folders of `fixtures/`; those that were found before stay.
fn seed(corpus: &Path, sources: &[&str]) -> Result<usize, String> {
    let mut count = 0;
    let mut open: Vec<PathBuf> = sources.iter().map(|source| repository().join("fixtures").join(source)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| at(&folder, &error))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                count += 1;
                let copy = corpus.join(format!("seed-{count}"));
                fs::copy(&path, &copy).map_err(|error| at(&path, &error))?;
            }
        }
    }
    Ok(count)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// A number of libFuzzer's last lines: `stat::NAME: 123`.
fn stat(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name))?;
    line.trim_start_matches(':').trim().parse().ok()
}

/// Edges of the code that were reached: the last `cov: 123`.
fn edges(text: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.split_once(" cov: "))?.1;
    line.split_whitespace().next()?.parse().ok()
}

fn shown(entry: &Value) -> String {
    let name = entry["target"].as_str().unwrap_or("");
    let numbers = format!("{} inputs, {} edges, {} MiB at most", entry["inputs"], entry["edges"], entry["peak_mib"]);
    match entry["broken_by"].as_str() {
        None => format!("{name:<13} {numbers}"),
        Some(input) => format!(
            "{name:<13} FAILED: {numbers}\n  again: WALPROOF_FUZZ_TARGET={name} target/fuzz/*/release/walproof-fuzz {input}"
        ),
    }
}

fn summary(runs: &[Value]) -> Value {
    let total: u64 = runs.iter().filter_map(|run| run["inputs"].as_u64()).sum();
    let broken: Vec<&Value> = runs.iter().filter(|run| !run["broken_by"].is_null()).map(|run| &run["target"]).collect();
    json!({"targets": runs.len(), "inputs": total, "broken": broken})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_the_fuzzer() {
        let text = fs::read_to_string(repository().join("fuzz/src/main.rs")).expect("the fuzzer");
        let list = text.split_once("const TARGETS").expect("its list").1.split_once("];").expect("its end").0;
        let there: Vec<&str> =
            list.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next()).collect();
        assert_eq!(there, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn what_libfuzzer_prints_is_read() {
        let text = "#12\tNEW    cov: 345 ft: 900\nstat::number_of_executed_units: 77\nstat::peak_rss_mb:     36\n";
        assert_eq!(
            (edges(text), stat(text, "number_of_executed_units"), stat(text, "peak_rss_mb")),
            (Some(345), Some(77), Some(36))
        );
    }
}
