//! `cargo xtask bench inspect`: how fast `walproof inspect` verifies a log, and how much memory that takes.
//!
//! A made-up log of a gibibyte lies in memory (`/dev/shm`) or in the page cache, and is read in turns by: a plain serial
//! loop that verifies each frame; a plain loop that reads and adds words up; walproof with one thread; walproof as it
//! runs. What counts are ratios within a round. Processor seconds stand beside, since threads win where others wait
//! for a processor as well. The checksums alone, of bytes that are in the cache already, are measured too.
//! The result goes to `benchsuite/runs/`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use walproof_format::sqlite::checksum::{self, Checksum};
use walproof_format::sqlite::wal::{FRAME_HEADER_SIZE, WalScan};
use walproof_format::sqlite::wal_header::{WAL_HEADER_SIZE, WAL_MAGIC, WAL_VERSION, WalHeader};
use walproof_lab::collect::log_file::LogFile;

use crate::flags::Flags;
use crate::result::{ResultFile, at, spread};

/// What issue 7 asks for.
const OF_SERIAL_MIN: f64 = 3.0;
const OF_SUM_MIN: f64 = 0.8;
const MEMORY_KIB_MAX: u64 = 64 << 10;
/// What the plain loops read at a time.
const READ_BYTES: usize = 256 << 10;

/// The log that is measured, removed on drop.
struct MadeUp {
    path: PathBuf,
    file: File,
    bytes: u64,
    page_size: usize,
}

impl Drop for MadeUp {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// `--rounds N`, `--mebibytes N`, `--page-size N`, `--dir DIR`, `--result FOLDER`; true when all three bars are met.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (rounds, mebibytes) = (flags.number("rounds", 7)?, flags.number("mebibytes", 1024)?);
    let page_size = flags.number("page-size", 4096)?;
    let folder = flags.word("dir", "/dev/shm");
    let result = flags.result_folder();
    flags.finish()?;
    if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
        return Err(format!("`--page-size {page_size}` is none\ntry: a power of two from 512 to 65536"));
    }
    let asked = json!({"rounds": rounds, "mebibytes": mebibytes, "page_size": page_size, "dir": folder});
    let log = made_up(Path::new(&folder), u64::from(mebibytes) << 20, page_size as usize)?;
    let mut file = ResultFile::begin(&result, "bench-inspect", asked)?;
    for _ in 0..rounds {
        let round = round(&log)?;
        println!("{}", shown(&round));
        file.add(round, summary)?;
    }
    println!("result in {}", file.path().display());
    let summary = summary(file.runs());
    let at_least = |name: &str, least: f64| summary[name]["median"].as_f64().is_some_and(|ratio| ratio >= least);
    let small = memory_peak_kib().is_some_and(|peak| peak <= MEMORY_KIB_MAX);
    Ok(at_least("of_serial", OF_SERIAL_MIN) && at_least("of_read_and_sum", OF_SUM_MIN) && small)
}

fn summary(runs: &[Value]) -> Value {
    let of = |name: &str| spread(runs.iter().filter_map(|run| run[name].as_f64()));
    json!({
        "of_serial": of("of_serial"), "of_read_and_sum": of("of_read_and_sum"),
        "one_thread_of_serial": of("one_thread_of_serial"),
        "one_thread_of_read_and_sum": of("one_thread_of_read_and_sum"),
        "cpu_of_serial": of("cpu_of_serial"), "cpu_of_read_and_sum": of("cpu_of_read_and_sum"),
        "checksum_alone_of_serial": of("checksum_alone_of_serial"),
        "portable_alone_of_serial": of("portable_alone_of_serial"),
        "vectors": checksum::vectors(), "memory_peak_kib": memory_peak_kib(),
        "asked_for": {"of_serial": OF_SERIAL_MIN, "of_read_and_sum": OF_SUM_MIN, "memory_kib": MEMORY_KIB_MAX},
    })
}

fn shown(round: &Value) -> String {
    let number = |name: &str| round[name].as_f64().unwrap_or(f64::NAN);
    format!(
        "{:.1} GB/s: {:.2} of a serial loop, {:.2} of read and sum; one thread {:.2} and {:.2}; checksums alone {:.1}",
        number("walproof_gb_per_s"),
        number("of_serial"),
        number("of_read_and_sum"),
        number("one_thread_of_serial"),
        number("one_thread_of_read_and_sum"),
        number("checksum_alone_of_serial"),
    )
}

/// Wall and processor seconds.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    cpu: f64,
}

fn timed<T>(work: impl FnOnce() -> Result<T, String>) -> Result<(T, Took), String> {
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let done = work()?;
    Ok((done, Took { wall: begun.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu }))
}

/// Each kind of reading once, in turn.
fn round(log: &MadeUp) -> Result<Value, String> {
    let (serial_valid, serial) = timed(|| plain_serial(log))?;
    let (sum, summed) = timed(|| plain_sum(log))?;
    let (one_valid, one) = timed(|| verified(log, 1))?;
    let (valid, all) = timed(|| verified(log, threads(log)?))?;
    let frames = (log.bytes - WAL_HEADER_SIZE as u64) / (log.page_size + FRAME_HEADER_SIZE) as u64;
    if [serial_valid, one_valid, valid] != [frames; 3] {
        return Err(format!("{serial_valid}, {one_valid} and {valid} of {frames} frames valid: a defect"));
    }
    let (alone, portable) = checksum_alone(log.page_size);
    let gb_per_s = |took: Took| log.bytes as f64 / took.wall / 1e9;
    Ok(json!({
        "frames": frames, "sum": sum, "threads": threads(log)?,
        "serial_gb_per_s": gb_per_s(serial), "read_and_sum_gb_per_s": gb_per_s(summed),
        "one_thread_gb_per_s": gb_per_s(one), "walproof_gb_per_s": gb_per_s(all),
        "of_serial": serial.wall / all.wall, "of_read_and_sum": summed.wall / all.wall,
        "one_thread_of_serial": serial.wall / one.wall, "one_thread_of_read_and_sum": summed.wall / one.wall,
        "cpu_of_serial": serial.cpu / one.cpu, "cpu_of_read_and_sum": summed.cpu / one.cpu,
        "checksum_alone_of_serial": alone, "portable_alone_of_serial": portable,
    }))
}

fn scan(log: &MadeUp) -> Result<WalScan, String> {
    let mut header = [0; WAL_HEADER_SIZE];
    log.file.read_exact_at(&mut header, 0).map_err(|error| at(&log.path, &error))?;
    WalScan::new(&WalHeader::parse(&header)).ok_or_else(|| "the made-up header is damaged: a defect".to_owned())
}

fn log_file<'a>(log: &'a MadeUp, scan: &WalScan) -> LogFile<'a> {
    LogFile { file: &log.file, bytes: log.bytes, check: scan.check(), before: scan.before() }
}

fn threads(log: &MadeUp) -> Result<usize, String> {
    Ok(log_file(log, &scan(log)?).threads())
}

/// As `walproof inspect` does; the valid frames.
fn verified(log: &MadeUp, threads: usize) -> Result<u64, String> {
    let mut scan = scan(log)?;
    let reading = log_file(log, &scan);
    let rest = reading.each(threads, |checked| {
        scan.push_checked(checked);
        true
    });
    Ok(scan.finish(rest.map_err(|error| at(&log.path, &error))?).frames_valid)
}

/// Frame after frame, pair after pair.
fn plain_serial(log: &MadeUp) -> Result<u64, String> {
    let frame_size = FRAME_HEADER_SIZE + log.page_size;
    let mut before = scan(log)?.before().expect("a header");
    let mut buffer = vec![0; (READ_BYTES / frame_size).max(1) * frame_size];
    let (mut offset, mut valid) = (WAL_HEADER_SIZE as u64, 0);
    while offset < log.bytes {
        let length = buffer.len().min((log.bytes - offset) as usize);
        log.file.read_exact_at(&mut buffer[..length], offset).map_err(|error| at(&log.path, &error))?;
        for frame in buffer[..length].chunks_exact(frame_size) {
            before = checksum::serial(&frame[..8], false, before);
            before = checksum::serial(&frame[FRAME_HEADER_SIZE..], false, before);
            let stored = [before.0.to_be_bytes(), before.1.to_be_bytes()].concat();
            valid += u64::from(frame[16..24] == stored[..]);
        }
        offset += length as u64;
    }
    Ok(valid)
}

/// Every byte is read and used, no more.
fn plain_sum(log: &MadeUp) -> Result<u64, String> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut offset, mut sum) = (0, 0u64);
    while offset < log.bytes {
        let length = buffer.len().min((log.bytes - offset) as usize);
        log.file.read_exact_at(&mut buffer[..length], offset).map_err(|error| at(&log.path, &error))?;
        let (words, _) = buffer[..length].as_chunks::<8>();
        sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
        offset += length as u64;
    }
    Ok(sum)
}

/// How many times the serial form, on bytes in the cache: vectors, and none.
fn checksum_alone(page_size: usize) -> (f64, f64) {
    type Form = fn(&[u8], bool, Checksum) -> Checksum;
    let bytes: Vec<u8> = (0..READ_BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let seconds = |form: Form| {
        // The least of some: a slice of time in which nobody took the processor away.
        let once = || {
            let begun = Instant::now();
            for _ in 0..64 {
                let pages = std::hint::black_box(&bytes).chunks(page_size);
                std::hint::black_box(pages.fold((1, 2), |seed, page| form(page, false, seed)));
            }
            begun.elapsed().as_secs_f64()
        };
        (0..9).map(|_| once()).fold(f64::INFINITY, f64::min)
    };
    let serial = seconds(checksum::serial);
    (serial / seconds(checksum::block), serial / seconds(checksum::block_portable))
}

/// A sound log of so many bytes at most.
fn made_up(folder: &Path, bytes_max: u64, page_size: usize) -> Result<MadeUp, String> {
    let path = folder.join(format!("walproof-bench-{}.db-wal", std::process::id()));
    let made = File::options().create_new(true).read(true).write(true).open(&path);
    let mut log = MadeUp { file: made.map_err(|error| at(&path, &error))?, path, bytes: 0, page_size };
    log.bytes = write_log(&log, bytes_max).map_err(|error| at(&log.path, &error))?;
    Ok(log)
}

fn write_log(log: &MadeUp, bytes_max: u64) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(READ_BYTES, &log.file);
    let header = [WAL_MAGIC, WAL_VERSION, log.page_size as u32, 0, 7, 8].map(u32::to_be_bytes).concat();
    let mut sum = checksum::block(&header, false, (0, 0));
    out.write_all(&header)?;
    out.write_all(&[sum.0, sum.1].map(u32::to_be_bytes).concat())?;
    let frames = (bytes_max - WAL_HEADER_SIZE as u64) / (FRAME_HEADER_SIZE + log.page_size) as u64;
    let mut page = vec![0u8; log.page_size];
    let mut word = 88_172_645_463_325_252u64;
    for number in 0..frames as u32 {
        for eight in page.chunks_exact_mut(8) {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            eight.copy_from_slice(&word.to_le_bytes());
        }
        let commit = if number % 4 == 3 { 60_000 } else { 0 };
        let eight = [1 + number % 60_000, commit].map(u32::to_be_bytes).concat();
        sum = checksum::block(&page, false, checksum::serial(&eight, false, sum));
        out.write_all(&eight)?;
        out.write_all(&[7, 8, sum.0, sum.1].map(u32::to_be_bytes).concat())?;
        out.write_all(&page)?;
    }
    out.flush()?;
    drop(out);
    Ok(log.file.metadata()?.len())
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours and of the type that is asked for.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Peak memory of this process; it holds none of the log.
fn memory_peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
