//! `cargo xtask bench logs`: how fast `walproof logs` reads, and how much memory it takes.
//!
//! A gigabyte of made-up log text is fed as it comes from a file, in chunks: once with one line in a hundred that is
//! recognised, once with every line recognised (an application that does nothing but fail). What is measured is the
//! scanner, not the disk: the text is made once and fed again and again. Memory is this process's peak (VmHWM), the text
//! of some ten megabytes included. The result goes to `benchsuite/runs/`.

use std::time::Instant;

use serde_json::{Value, json};
use walproof_judge::logs::Scanner;

use crate::flags::Flags;
use crate::result::ResultFile;

/// What issue 7 asks for.
const SECONDS_PER_GIGABYTE_MAX: f64 = 10.0;
/// Lines of the text that is fed again and again.
const LINES: u32 = 100_000;
/// What a real reader reads at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// `--megabytes N`, `--result FOLDER`; true when a gigabyte of usual text takes less than 10 s.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let megabytes = flags.number("megabytes", 1000)?;
    let folder = flags.result_folder();
    flags.finish()?;
    let mut file = ResultFile::begin(&folder, "bench-logs", json!({ "megabytes": megabytes }))?;
    for (name, every) in [("one line in a hundred recognised", 100), ("every line recognised", 1)] {
        let run = bench(name, every, megabytes.into());
        file.add(run, |runs| json!({ "seconds_per_gigabyte_max": slowest(runs) }))?;
    }
    println!("result in {}", file.path().display());
    let usual = file.runs()[0]["seconds_per_gigabyte"].as_f64();
    Ok(usual.is_some_and(|seconds| seconds < SECONDS_PER_GIGABYTE_MAX))
}

fn slowest(runs: &[Value]) -> f64 {
    runs.iter().filter_map(|run| run["seconds_per_gigabyte"].as_f64()).fold(0.0, f64::max)
}

/// Peak memory of this process.
fn memory_peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn bench(name: &str, every: u32, megabytes: u64) -> Value {
    let text = text(every);
    let mut scanner = Scanner::new();
    let (begun, mut fed) = (Instant::now(), 0_u64);
    while fed < megabytes * 1_000_000 {
        text.chunks(CHUNK_BYTES).for_each(|chunk| scanner.feed(chunk));
        fed += text.len() as u64;
    }
    let scan = scanner.finish();
    let seconds = begun.elapsed().as_secs_f64();
    let per_gigabyte = seconds / fed as f64 * 1e9;
    println!("{name}: {per_gigabyte:.1} s a gigabyte, {} of {} lines", scan.recognised, scan.lines);
    json!({
        "name": name,
        "bytes": fed,
        "lines": scan.lines,
        "lines_recognised": scan.recognised,
        "seconds": seconds,
        "memory_peak_kib": memory_peak_kib(),
        "seconds_per_gigabyte": per_gigabyte,
    })
}

/// Lines of five wrappings; one in `every` is recognised.
fn text(every: u32) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..LINES {
        let (second, id) = (number % 60, number.wrapping_mul(2_654_435_761));
        let says = match (number % every, number % 3) {
            (0, 0) => "sqlite3.OperationalError: database is locked",
            (0, 1) => "SqliteError: disk I/O error { code: 'SQLITE_IOERR_SHMMAP' }",
            (0, _) => "error returned from database: (code: 5) database is locked",
            _ => "GET /api/items 200 connection refused by peer",
        };
        let line = match number / every % 4 {
            0 => format!("2024-01-02T03:04:{second:02}Z ERROR id={id} {says}\n"),
            1 => format!("2024-01-02T03:04:{second:02}.123456789+00:00 stderr F {id} {says}\n"),
            2 => format!(
                "{{\"log\":\"{says} {id}\\n\",\"stream\":\"stderr\",\"time\":\"2024-01-02T03:04:{second:02}.123456789Z\"}}\n"
            ),
            _ => format!("Jan  2 03:04:{second:02} host app[{id}]: {says}\n"),
        };
        text.push_str(&line);
    }
    text.into_bytes()
}
