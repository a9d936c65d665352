//! `cargo xtask bench checker`: how fast the ledger checker reads history files, and how much memory it takes.
//!
//! A sound history is made up and written as segment files, as agents write them. Then a child process, pinned to
//! one core, merges and checks it from those files; it is a process of its own so that its peak memory (VmHWM) is
//! that of the checking alone. The files have just been written, so they mostly come from the page cache: what is
//! measured is the checker, not the disk. The result goes to `benchsuite/runs/`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use walproof_format::history::{RECORD_SIZE, Record, SegmentHeader, segment_file_name};
use walproof_judge::checkers::sound_history::{Shape, SoundHistory};
use walproof_judge::checkers::{CheckerOptions, LedgerChecker, Merge, Next, Source, Step};

/// Records of one segment file: 64 MiB.
const SEGMENT_RECORDS: u32 = 1 << 20;
/// Bytes of one pread.
const READ_SIZE: usize = 1 << 20;
/// How often each size is checked.
const REPEATS: usize = 3;

/// `--records N`, `--agents K`; or, for the child, `--check DIR`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(folder) = value_of(arguments, "--check") {
        return check_here(Path::new(folder));
    }
    let agents = number(arguments, "--agents")?.unwrap_or(4) as u16;
    let sizes = match number(arguments, "--records")? {
        Some(records) => vec![records],
        None => vec![1_000_000, 100_000_000],
    };
    let mut runs = Vec::new();
    for records in sizes {
        runs.extend(bench(records, agents)?);
    }
    let path = write_result(agents, &runs)?;
    println!("result in {}", path.display());
    Ok(())
}

/// Write a history of this size, check it a few times, and remove it.
fn bench(records: u64, agents: u16) -> Result<Vec<Value>, String> {
    let folder = Folder::make()?;
    has_room(&folder.0, records)?;
    let begun = Instant::now();
    let tip = write_history(&folder.0, records, agents).map_err(|error| at(&folder.0, &error))?;
    println!("{records} records of {agents} agents written in {:.1} s", begun.elapsed().as_secs_f64());
    (0..REPEATS).map(|_| check_in_child(&folder.0, tip)).collect()
}

fn check_in_child(folder: &Path, tip: (u64, u64)) -> Result<Value, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program lies: {error}"))?;
    let output = Command::new(own).args(["bench", "checker", "--check"]).arg(folder).output();
    let output = output.map_err(|error| format!("starting the child: {error}"))?;
    if !output.status.success() {
        return Err(format!("the child failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let result: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("the child's answer: {error}"))?;
    if result["tip"] != json!([tip.0, tip.1]) || result["anomalies"] != 0 {
        return Err(format!("the checker is wrong about a sound history that ends at {tip:?}: {result}"));
    }
    let per_second = result["records_per_second"].as_f64().unwrap_or(0.0) / 1e6;
    println!("{} records: {per_second:.2} million records/s, VmHWM {} KiB", result["records"], result["vm_hwm_kib"]);
    Ok(result)
}

// The history.

fn write_history(folder: &Path, records: u64, agents: u16) -> std::io::Result<(u64, u64)> {
    let shape = Shape { seed: 1, agents, writes_per_mille: 400, trouble_per_million: 20 };
    let mut history = SoundHistory::new(shape);
    let mut writers: Vec<_> = (0..agents).map(|_| SegmentWriter::default()).collect();
    for _ in 0..records {
        let record = history.next_record();
        writers[usize::from(record.agent)].append(folder, &record)?;
    }
    for mut writer in writers {
        writer.finish()?;
    }
    let end = history.finish();
    Ok(end.first().map_or((0, 0), |state| (state.number, state.hash)))
}

/// Writes the segments of one agent, life after life.
#[derive(Default)]
struct SegmentWriter {
    file: Option<BufWriter<File>>,
    life: u16,
    segment: u32,
    record_count: u32,
}

impl SegmentWriter {
    fn append(&mut self, folder: &Path, record: &Record) -> std::io::Result<()> {
        let new_life = record.incarnation != self.life;
        if self.file.is_none() || new_life || self.record_count == SEGMENT_RECORDS {
            self.begin(folder, record, new_life)?;
        }
        self.record_count += 1;
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&record.encode()))
    }

    fn begin(&mut self, folder: &Path, record: &Record, new_life: bool) -> std::io::Result<()> {
        self.segment = if new_life || self.file.is_none() { 0 } else { self.segment + 1 };
        self.finish()?;
        self.life = record.incarnation;
        self.record_count = 0;
        let name = segment_file_name(record.agent, self.life, self.segment);
        let mut file = BufWriter::with_capacity(READ_SIZE, File::create(folder.join(name))?);
        let (agent, incarnation) = (u32::from(record.agent), u32::from(self.life));
        let header = SegmentHeader { agent, incarnation, segment: self.segment, capacity: SEGMENT_RECORDS };
        file.write_all(&header.encode())?;
        self.file = Some(file);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.file.take().map_or(Ok(()), |mut file| file.flush())
    }
}

// The child.

fn check_here(folder: &Path) -> Result<(), String> {
    pin_to_one_core()?;
    let sources = sources(folder)?;
    let begun = Instant::now();
    let mut checker = LedgerChecker::new(CheckerOptions::default());
    let mut merge = Merge::new(sources);
    while let Step::Record(record) = merge.step() {
        checker.feed(&record);
    }
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(error) = merge.sources_mut().iter().find_map(|source| source.error.clone()) {
        return Err(error);
    }
    let records = checker.exposures().records;
    println!(
        "{}",
        json!({
            "records": records,
            "seconds": seconds,
            "records_per_second": records as f64 / seconds,
            "vm_hwm_kib": vm_hwm_kib()?,
            "anomalies": checker.anomaly_count(),
            "tip": [checker.tip().0, checker.tip().1],
            "exposures": checker.exposures(),
        })
    );
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<SegmentReader>, String> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| at(folder, &error))? {
        let path = entry.map_err(|error| at(folder, &error))?.path();
        let mut bytes = [0; RECORD_SIZE];
        let file = File::open(&path).map_err(|error| at(&path, &error))?;
        file.read_exact_at(&mut bytes, 0).map_err(|error| at(&path, &error))?;
        let header = SegmentHeader::decode(&bytes).ok_or_else(|| format!("`{}` is no segment", path.display()))?;
        segments.push((header.agent, header.incarnation, header.segment, path));
    }
    segments.sort();
    let of_one_agent = segments.chunk_by(|one, other| one.0 == other.0);
    Ok(of_one_agent.map(|segments| SegmentReader::new(segments.iter().map(|segment| segment.3.clone()))).collect())
}

/// Reads the segments of one agent, one after another, a mebibyte at a time.
struct SegmentReader {
    paths: std::vec::IntoIter<PathBuf>,
    file: Option<File>,
    offset: u64,
    buffer: Vec<u8>,
    position: usize,
    error: Option<String>,
}

impl SegmentReader {
    fn new(paths: impl Iterator<Item = PathBuf>) -> Self {
        let paths = paths.collect::<Vec<_>>().into_iter();
        Self { paths, file: None, offset: 0, buffer: Vec::new(), position: 0, error: None }
    }

    /// Fill the buffer from this segment or the next; whether there was anything.
    fn fill(&mut self) -> Result<bool, String> {
        loop {
            if let Some(file) = &self.file {
                self.buffer.resize(READ_SIZE, 0);
                let length = file.read_at(&mut self.buffer, self.offset).map_err(|error| error.to_string())?;
                // A short read in the middle of a record is read again from the record's beginning.
                let length = length / RECORD_SIZE * RECORD_SIZE;
                self.buffer.truncate(length);
                self.position = 0;
                self.offset += length as u64;
                if length > 0 {
                    return Ok(true);
                }
            }
            let Some(path) = self.paths.next() else { return Ok(false) };
            self.file = Some(File::open(&path).map_err(|error| at(&path, &error))?);
            self.offset = RECORD_SIZE as u64;
        }
    }

    /// The record here, if the segment has not ended before its file.
    #[inline]
    fn take(&mut self) -> Option<Record> {
        let bytes = self.buffer.get(self.position..self.position + RECORD_SIZE)?;
        self.position += RECORD_SIZE;
        Record::decode(bytes.try_into().ok()?)
    }
}

impl Source for SegmentReader {
    #[inline]
    fn next(&mut self) -> Next {
        loop {
            if let Some(record) = self.take() {
                return Next::Record(record);
            }
            if self.position < self.buffer.len() {
                self.file = None; // an unused slot: the segment ends here
            }
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return Next::Ended,
                Err(error) => {
                    self.error = Some(error);
                    return Next::Ended;
                }
            }
        }
    }
}

fn pin_to_one_core() -> Result<(), String> {
    // SAFETY: the set is plain memory owned here; the call only reads it, and 0 is the calling thread.
    let answer = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if answer == 0 { Ok(()) } else { Err(format!("pinning to core 0: {}", std::io::Error::last_os_error())) }
}

fn vm_hwm_kib() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| format!("`/proc/self/status`: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|word| word.parse().ok()).ok_or_else(|| "no VmHWM in `/proc/self/status`".to_owned())
}

// The result, and the ground.

fn write_result(agents: u16, runs: &[Value]) -> Result<PathBuf, String> {
    let best = |pick: fn(&Value) -> f64, records: u64| {
        runs.iter().filter(|run| run["records"] == records).map(pick).fold(0.0, f64::max)
    };
    let sizes: Vec<u64> = runs.iter().filter_map(|run| run["records"].as_u64()).collect();
    let (small, large) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
    let memory = |records| best(|run| run["vm_hwm_kib"].as_f64().unwrap_or(0.0), records);
    let speed = |records| best(|run| run["records_per_second"].as_f64().unwrap_or(0.0), records);
    let (date, commit) = (answer_of("date", &["-u", "+%F"]), answer_of("git", &["rev-parse", "--short", "HEAD"]));
    let result = json!({
        "bench": "checker",
        "version": 1,
        "date": date,
        "commit": commit,
        "machine": machine(),
        "agents": agents,
        "record_size": RECORD_SIZE,
        "records_per_second": {"small": speed(small), "large": speed(large)},
        "memory_ratio": memory(large) / memory(small).max(1.0),
        "runs": runs,
    });
    println!("memory at {large} records is {:.3} of that at {small}", memory(large) / memory(small).max(1.0));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benchsuite/runs");
    fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
    let path = folder.join(format!("checker.{date}.{commit}.json"));
    let text = serde_json::to_string_pretty(&result).map_err(|error| error.to_string())? + "\n";
    fs::write(&path, text).map_err(|error| at(&path, &error))?;
    Ok(path)
}

fn machine() -> Value {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": answer_of("uname", &["-sr"]),
    })
}

fn answer_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A folder that goes away.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("walproof-bench-checker-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| at(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn has_room(folder: &Path, records: u64) -> Result<(), String> {
    let needed = (records + 1_000_000) * RECORD_SIZE as u64;
    let free = answer_of("df", &["--output=avail", "-B1", &folder.to_string_lossy()]);
    let free = free.lines().last().and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(u64::MAX);
    let short = || format!("`{}` has {free} bytes free, the history needs {needed}", folder.display());
    if free < needed {
        Err(short() + "\nbecause: the disk is short\ntry: set TMPDIR, or `--records N`")
    } else {
        Ok(())
    }
}

fn value_of<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let index = arguments.iter().position(|argument| argument == name)?;
    arguments.get(index + 1).map(String::as_str)
}

fn number(arguments: &[String], name: &str) -> Result<Option<u64>, String> {
    let parse = |text: &str| text.replace('_', "").parse().map_err(|error| format!("`{name} {text}`: {error}"));
    value_of(arguments, name).map(parse).transpose()
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("`{}`: {error}", path.display())
}
