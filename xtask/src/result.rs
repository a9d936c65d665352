//! A result file in `benchsuite/runs/`: what was measured, when, on which machine and of which commit.
//!
//! It is written again after every run, so that a proof that was interrupted is not lost, and it never replaces the
//! result of an earlier one of the same day.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::flags::repository;

/// Version of the files.
const VERSION: u32 = 1;

/// One result file.
#[derive(Debug)]
pub struct ResultFile {
    path: PathBuf,
    head: Value,
    runs: Vec<Value>,
}

impl ResultFile {
    /// `DATE-NAME.json` in `folder`, or `DATE-NAME-2.json` when that exists. `asked` is what was asked of the chore.
    pub fn begin(folder: &Path, name: &str, asked: Value) -> Result<Self, String> {
        let date = answer_of("date", &["-u", "+%F"]);
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        let names = (1..).map(|number| match number {
            1 => folder.join(format!("{date}-{name}.json")),
            _ => folder.join(format!("{date}-{name}-{number}.json")),
        });
        let path = names.into_iter().find(|path| !path.exists()).expect("some number is free");
        let head = json!({
            "name": name,
            "version": VERSION,
            "began": answer_of("date", &["-u", "+%FT%TZ"]),
            "commit": commit(),
            "machine": machine(),
            "asked": asked,
        });
        let file = Self { path, head, runs: Vec::new() };
        file.write(Value::Null)?;
        Ok(file)
    }

    /// Adds a run and writes the file; `summary` is what all runs so far come to.
    pub fn add(&mut self, run: Value, summary: impl FnOnce(&[Value]) -> Value) -> Result<(), String> {
        self.runs.push(run);
        self.write(summary(&self.runs))
    }

    /// What was added.
    pub fn runs(&self) -> &[Value] {
        &self.runs
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Beside itself first, so that there is a whole file at every moment.
    fn write(&self, summary: Value) -> Result<(), String> {
        let mut whole = self.head.clone();
        whole["summary"] = summary;
        whole["runs"] = Value::Array(self.runs.clone());
        let text = serde_json::to_string_pretty(&whole).map_err(|error| error.to_string())? + "\n";
        let beside = self.path.with_extension("json.partial");
        fs::write(&beside, text).map_err(|error| at(&beside, &error))?;
        fs::rename(&beside, &self.path).map_err(|error| at(&self.path, &error))
    }
}

/// The commit, with `+dirty` when the tree has changes of tracked files.
fn commit() -> String {
    let repository = repository().to_string_lossy().into_owned();
    let hash = answer_of("git", &["-C", &repository, "rev-parse", "--short", "HEAD"]);
    let changes = answer_of("git", &["-C", &repository, "status", "--porcelain", "--untracked-files=no"]);
    if changes.is_empty() { hash } else { format!("{hash}+dirty") }
}

/// Kernel, processors, memory.
fn machine() -> Value {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (text("/proc/cpuinfo"), text("/proc/meminfo"));
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total_kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_kib": total_kib,
        "kernel": answer_of("uname", &["-sr"]),
        "load_when_begun": text("/proc/loadavg").split_whitespace().next(),
    })
}

/// Least, middle and greatest of some numbers; null when there is none.
pub fn spread(numbers: impl Iterator<Item = f64>) -> Value {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    match (numbers.first(), numbers.last()) {
        (Some(min), Some(max)) => json!({"min": min, "median": median(&numbers), "max": max}),
        _ => Value::Null,
    }
}

/// The middle of sorted numbers.
pub fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// An error with the path it belongs to.
pub fn at(path: &Path, error: &std::io::Error) -> String {
    format!("`{}`: {error}", path.display())
}

fn answer_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_middle() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert_eq!(spread([3.0, 1.0].into_iter())["median"], 2.0);
    }
}
