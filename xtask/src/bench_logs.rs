//! `cargo xtask bench logs`: how fast `walproof logs` reads, and how much memory it takes.
//!
//! A gigabyte of made-up log text is fed as it comes from a file, in chunks: with one line in a hundred that is
//! recognised, with every line recognised (an application that does nothing but fail), and with every line recognised and
//! none like another, so that nothing can be remembered of them; the second also read anew each time, to show what
//! remembering saves. What is measured is the scanner, not the disk: the text is made once and fed again and again. Beside
//! each stands what it takes to count the newlines of the same bytes in the same run. Memory is this process's peak
//! (VmHWM), the text of some ten megabytes included. The result goes to `benchsuite/runs/`.

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

/// `--megabytes N`, `--result FOLDER`; true when a gigabyte of usual text, and of one that only fails, takes
/// less than 10 s of processor.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let megabytes = flags.number("megabytes", 1000)?;
    let folder = flags.result_folder();
    flags.finish()?;
    let mut file = ResultFile::begin(&folder, "bench-logs", json!({ "megabytes": megabytes }))?;
    for (name, every, is_alike, remembers) in [
        ("one line in a hundred recognised", 100, true, true),
        ("every line recognised", 1, true, true),
        ("every line recognised, none like another", 1, false, true),
        ("every line recognised, each read anew", 1, true, false),
    ] {
        let run = bench(name, &text(every, is_alike), remembers, megabytes.into());
        file.add(run, |runs| json!({ "cpu_seconds_per_gigabyte_max": slowest(runs) }))?;
    }
    println!("result in {}", file.path().display());
    let seconds = |run: &Value| run["cpu_seconds_per_gigabyte"].as_f64().unwrap_or(f64::MAX);
    // What never repeats takes longer, and the last one is not what people get.
    Ok(file.runs()[..2].iter().all(|run| seconds(run) < SECONDS_PER_GIGABYTE_MAX))
}

fn slowest(runs: &[Value]) -> f64 {
    runs.iter().filter_map(|run| run["cpu_seconds_per_gigabyte"].as_f64()).fold(0.0, f64::max)
}

/// Peak memory of this process.
fn memory_peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn bench(name: &str, text: &[u8], remembers: bool, megabytes: u64) -> Value {
    let mut scanner = if remembers { Scanner::new() } else { Scanner::without_memory() };
    let (begun, cpu_begun, mut fed) = (Instant::now(), cpu_seconds(), 0_u64);
    while fed < megabytes * 1_000_000 {
        text.chunks(CHUNK_BYTES).for_each(|chunk| scanner.feed(chunk));
        fed += text.len() as u64;
    }
    let scan = scanner.finish();
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu_begun);
    let count_begun = cpu_seconds();
    count_newlines(text, fed);
    let count_cpu = cpu_seconds() - count_begun;
    let per_gigabyte = cpu / fed as f64 * 1e9;
    let ratio = cpu / count_cpu;
    println!(
        "{name}: {per_gigabyte:.1} s of processor a gigabyte, {ratio:.0} times counting newlines, {} of {} lines",
        scan.recognised, scan.lines
    );
    json!({
        "name": name,
        "bytes": fed,
        "lines": scan.lines,
        "lines_recognised": scan.recognised,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "cpu_seconds_to_count_newlines": count_cpu,
        "times_counting_newlines": ratio,
        "memory_peak_kib": memory_peak_kib(),
        "cpu_seconds_per_gigabyte": per_gigabyte,
    })
}

/// Counts the newlines of as many bytes.
fn count_newlines(text: &[u8], bytes: u64) {
    let (mut counted, mut newlines) = (0, 0);
    while counted < bytes {
        newlines += std::hint::black_box(text).chunks(CHUNK_BYTES).map(newlines_of).sum::<usize>();
        counted += text.len() as u64;
    }
    std::hint::black_box(newlines);
}

/// What this thread has taken of a processor: on a machine that others use, seconds of the clock say nothing.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid out-pointer.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn newlines_of(chunk: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', chunk).count()
}

/// Lines of four wrappings; one in `every` is recognised. `is_alike`: they differ in times and long numbers alone.
fn text(every: u32, is_alike: bool) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..LINES {
        let (second, id) = (number % 60, number.wrapping_mul(2_654_435_761));
        let says = match (number % every, number % 3) {
            (0, 0) => "sqlite3.OperationalError: database is locked",
            (0, 1) => "SqliteError: disk I/O error { code: 'SQLITE_IOERR_SHMMAP' }",
            (0, _) => "error returned from database: (code: 5) database is locked",
            _ => "GET /api/items 200 connection refused by peer",
        };
        let says = if is_alike { says.to_owned() } else { format!("user{id:x} {says}") };
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
