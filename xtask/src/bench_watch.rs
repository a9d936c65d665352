//! `cargo xtask bench watch`: what `walproof watch --every 100ms` costs the workload that it watches.
//!
//! Some processes run the ledger's SQL (`bare_loop.rs`) without end; slices of time alternate between watched and not, in
//! the order A B B A, so that a machine that grows slower or faster favours neither. Between its slices the watcher is
//! stopped by a signal: it costs nothing then, and need not be started each time. Commits are read off the wal-index,
//! whose change counter grows by one with each. The result is the median over the pairs of the ratio within a pair, and
//! the interval that holds the true median with 95 % by the binomial distribution.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use walproof_format::protocol::{Configuration, Duty, Quirks, Workload};
use walproof_format::sqlite::wal_index::{WAL_INDEX_HEADER_SIZE, WalIndex};
use walproof_lab::worlds;

use crate::bench_harness::Bare;
use crate::bench_run::Fresh;
use crate::flags::Flags;
use crate::ground::Folder;
use crate::prove::Binary;
use crate::result::{ResultFile, at, median};

/// What issue 7 asks for.
const RATIO_MIN: f64 = 0.98;
const PAIRS_MIN: u32 = 20;
/// After the watcher was stopped or let go on.
const SETTLE: Duration = Duration::from_millis(150);

/// Measures it; true when the median and its interval hold.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (pairs, agents) = (flags.number("pairs", 40)?.max(PAIRS_MIN), flags.number("agents", 2)?);
    let (slice_words, slice) = flags.time("slice", "1s")?;
    let (every, _) = flags.time("every", "100ms")?;
    let parent = PathBuf::from(flags.word("dir", &std::env::temp_dir().to_string_lossy()));
    let results = flags.result_folder();
    flags.finish()?;
    let binary = Binary::build()?;
    let scratch = Folder::make_in(&parent, "bench-watch")?;
    let folder = Fresh::make(scratch.path())?;
    let storage = walproof_lab::collect::storage::look(scratch.path());
    // Whoever closes last would make the wal-index anew, and begin to count again.
    let workload = Workload { reopen_every: 0, ..Workload::default() };
    let asked = json!({
        "pairs": pairs, "agents": agents, "slice": slice_words, "every": every, "workload": workload,
        "storage": storage.mount.map(|mount| mount.fstype),
    });
    let mut result = ResultFile::begin(&results, "bench-watch", asked)?;
    let database = folder.0.join(worlds::DATABASE);
    let mut loops = start(&database, &workload, u16::try_from(agents).map_err(|error| error.to_string())?)?;
    loops.iter_mut().try_for_each(Bare::next_line)?;
    let watcher = Watching::start(binary.path(), &database, &every)?;
    std::thread::sleep(Duration::from_secs(2));
    for pair in 0..pairs {
        let watched_first = pair % 2 == 1;
        let first = watcher.slice(watched_first, slice, &database)?;
        let second = watcher.slice(!watched_first, slice, &database)?;
        let (watched, alone) = if watched_first { (first, second) } else { (second, first) };
        let ratio = watched.commits_per_s / alone.commits_per_s;
        println!("pair {pair}  ratio {ratio:.4}  watcher {:.1} ms/s", watched.watcher_ms_per_s);
        let entry = json!({
            "watched_first": watched_first, "alone_commits_per_s": alone.commits_per_s.round(),
            "watched_commits_per_s": watched.commits_per_s.round(), "ratio": ratio,
            "watcher_cpu_ms_per_s": watched.watcher_ms_per_s,
        });
        result.add(entry, summary)?;
    }
    drop(watcher);
    Bare::stop_all(loops)?;
    let summary = summary(result.runs());
    println!("{summary:#}\nresult in {}", result.path().display());
    let holds = |pointer: &str| summary.pointer(pointer).and_then(Value::as_f64) >= Some(RATIO_MIN);
    Ok(holds("/ratio/median") && holds("/ratio/median_is_at_least"))
}

fn start(database: &Path, workload: &Workload, agents: u16) -> Result<Vec<Bare>, String> {
    let configuration = |agent| Configuration {
        agent,
        incarnation: 0,
        database: database.to_string_lossy().into_owned(),
        history: None,
        seed: 1 ^ u64::from(agent) << 32,
        workload: workload.clone(),
        duty: Duty::Work,
        quirks: Quirks::default(),
    };
    walproof_agent::create_ledger(&configuration(0))?;
    (0..agents).map(|agent| Bare::start(&configuration(agent))).collect()
}

/// What a slice gave.
struct Slice {
    commits_per_s: f64,
    /// Processor time of the watcher and its children.
    watcher_ms_per_s: f64,
}

/// A watcher, with its children a process group of its own; stopped but while it is wanted.
struct Watching(Child);

impl Watching {
    fn start(binary: &Path, database: &Path, every: &str) -> Result<Self, String> {
        let mut command = Command::new(binary);
        command.arg("watch").arg(database).args(["--every", every, "--json"]).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| at(binary, &error))?;
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        // Its words go nowhere, and cost what they cost.
        std::thread::spawn(move || lines.for_each(drop));
        let watching = Self(child);
        let sees = first.contains(worlds::DATABASE);
        sees.then_some(watching).ok_or_else(|| format!("the watcher sees no database: {first}"))
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to the process group of a child that was not waited for.
        unsafe { libc::kill(-i32::try_from(self.0.id()).unwrap_or(i32::MAX), signal) };
    }

    fn slice(&self, watched: bool, time: Duration, database: &Path) -> Result<Slice, String> {
        self.signal(if watched { libc::SIGCONT } else { libc::SIGSTOP });
        std::thread::sleep(SETTLE);
        let (begun, before, cpu) = (Instant::now(), change_counter(database)?, self.cpu_ms());
        std::thread::sleep(time);
        let (seconds, after) = (begun.elapsed().as_secs_f64(), change_counter(database)?);
        let commits = after.wrapping_sub(before);
        Ok(Slice { commits_per_s: f64::from(commits) / seconds, watcher_ms_per_s: (self.cpu_ms() - cpu) / seconds })
    }

    /// Processor time of its process group, from `/proc`, by ticks of 10 ms.
    fn cpu_ms(&self) -> f64 {
        let group = self.0.id().to_string();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let told = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        let ticks = told.filter_map(|told| {
            let words: Vec<&str> = told.rsplit_once(") ")?.1.split(' ').collect();
            (words.get(2) == Some(&group.as_str())).then_some(())?;
            Some(words.get(11)?.parse::<f64>().ok()? + words.get(12)?.parse::<f64>().ok()?)
        });
        ticks.sum::<f64>() * 10.0
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.signal(libc::SIGCONT);
        self.signal(libc::SIGKILL);
        let _ = self.0.wait();
    }
}

/// Grows by one with every commit.
fn change_counter(database: &Path) -> Result<u32, String> {
    let path = PathBuf::from(format!("{}-shm", database.display()));
    let file = File::open(&path).map_err(|error| at(&path, &error))?;
    let mut bytes = [0; WAL_INDEX_HEADER_SIZE];
    for _ in 0..10_000 {
        file.read_exact_at(&mut bytes, 0).map_err(|error| at(&path, &error))?;
        if let Some(header) = WalIndex::parse(&bytes).believed() {
            return Ok(header.change_counter);
        }
    }
    Err(format!("`{}`: its two copies never agree", path.display()))
}

fn summary(runs: &[Value]) -> Value {
    let sorted = |field: &str| {
        let mut numbers: Vec<f64> = runs.iter().filter_map(|run| run[field].as_f64()).collect();
        numbers.sort_by(f64::total_cmp);
        numbers
    };
    let ratios = sorted("ratio");
    let (low, high) = interval(ratios.len());
    json!({
        "ratio": {
            "median": median(&ratios), "median_is_at_least": ratios.get(low), "median_is_at_most": ratios.get(high),
            "min": ratios.first(), "max": ratios.last(), "pairs": ratios.len(),
        },
        "alone_commits_per_s": median(&sorted("alone_commits_per_s")),
        "watched_commits_per_s": median(&sorted("watched_commits_per_s")),
        "watcher_cpu_ms_per_s": median(&sorted("watcher_cpu_ms_per_s")),
    })
}

/// Which of so many sorted numbers bound the true median with 95 %: the normal approximation of the binomial.
fn interval(count: usize) -> (usize, usize) {
    let half = 1.96 * (count as f64).sqrt() / 2.0;
    let low = ((count as f64) / 2.0 - half).floor().max(0.0) as usize;
    (low, count.saturating_sub(1 + low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // Of 40 numbers the 14th and the 27th bound the median with 95 %.
        assert_eq!(interval(40), (13, 26));
        assert_eq!(interval(1), (0, 0));
    }
}
