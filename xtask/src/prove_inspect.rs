//! `cargo xtask prove inspect`: what walproof reads of a database's files is what SQLite says, on thousands of made-up
//! histories.
//!
//! The long form of `crates/walproof-format/tests/inspect_against_sqlite/`, optimised, each of its tests by itself. A
//! failure prints the seed and the fewest steps that show it, and is kept under `target/prove/`.

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::flags::{Flags, repository};
use crate::result::{ResultFile, at};

/// Each test, and what share of the histories it plays: broken bytes take longest.
const TESTS: &[(&str, u32)] = &[
    ("logs_and_indexes_say_what_sqlite_says", 1),
    ("journals_restore_what_sqlite_restores", 1),
    ("broken_bytes_are_read_without_panic", 4),
];

/// `--histories N`, `--seed S`, `--result FOLDER`; true when nothing differs.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (histories, seed) = (flags.number("histories", 2000)?, flags.number("seed", 1)?);
    let folder = flags.result_folder();
    flags.finish()?;
    let mut result = ResultFile::begin(&folder, "prove-inspect", json!({"histories": histories, "seed": seed}))?;
    for (name, share) in TESTS {
        let entry = one(name, (histories / share).max(1), seed)?;
        println!("{name}: {}", entry["says"].as_str().unwrap_or("nothing"));
        result.add(entry, summary)?;
    }
    println!("result in {}", result.path().display());
    Ok(result.runs().iter().all(|run| run["passed"] == true))
}

fn summary(runs: &[Value]) -> Value {
    json!({"tests": runs.len(), "passed": runs.iter().filter(|run| run["passed"] == true).count()})
}

fn one(name: &str, histories: u32, seed: u32) -> Result<Value, String> {
    let begun = Instant::now();
    let output = Command::new("cargo")
        .args(["test", "--release", "--quiet", "--package", "walproof-format", "--test", "inspect_against_sqlite"])
        .args(["--", "--exact", name, "--nocapture"])
        .env("WALPROOF_INSPECT_HISTORIES", histories.to_string())
        .env("WALPROOF_INSPECT_SEED", seed.to_string())
        .current_dir(repository())
        .output()
        .map_err(|error| format!("`cargo`: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let kept = repository().join("target/prove").join(format!("inspect-{name}.txt"));
    fs::create_dir_all(kept.parent().expect("a folder")).map_err(|error| at(&kept, &error))?;
    fs::write(&kept, &text).map_err(|error| at(&kept, &error))?;
    let says = text.lines().find(|line| line.contains(" histories") || line.contains("fails after"));
    // A test of another name would play nothing and pass.
    let played = says.is_some_and(|line| line.starts_with(&format!("{histories} histories")));
    Ok(json!({
        "test": name, "histories": histories, "passed": output.status.success() && played,
        "says": says, "seconds": begun.elapsed().as_secs(),
    }))
}
