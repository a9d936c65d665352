//! `cargo xtask bench mix`: the statements of Harvey the WAL-Banger, every operation checked, at a thousand and at a
//! million rows.
//!
//! In one run, interleaved: agents of the workload `mix` (900 SELECT, 10 INSERT, 10 UPDATE, 1 DELETE by key) on tables
//! of both sizes. Reported are checked operations a second and the agents' processor time for an operation; the ratio
//! of the latter must not be more than 1.3, because nothing here looks at a whole table while it works.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use walproof_format::protocol::Workload;

use crate::bench_run::{BenchRun, Fresh};
use crate::flags::Flags;
use crate::ground::Folder;
use crate::result::{ResultFile, median};

/// How much more processor time an operation may take on the large table.
const RATIO_MAX: f64 = 1.3;

/// Measures it; true when the large table costs little more.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (seconds, rounds) = (flags.number("seconds", 10)?, flags.number("rounds", 3)?);
    let (agents, large) = (flags.number("agents", 2)? as u16, flags.number("rows", 1_000_000)?);
    let runtime = flags.word("runtime", "process");
    let parent = PathBuf::from(flags.word("dir", &std::env::temp_dir().to_string_lossy()));
    let results = flags.result_folder();
    flags.finish()?;
    let scratch = Folder::make_in(&parent, "bench-mix")?;
    let workload = Workload {
        name: "mix".into(),
        autocheckpoint_frames: 1000,
        checkpoint_every: 0,
        reopen_every: 0,
        ..Workload::default()
    };
    let storage = walproof_lab::collect::storage::look(scratch.path());
    let asked = json!({
        "seconds": seconds, "rounds": rounds, "agents": agents, "rows": large, "runtime": runtime,
        "workload": workload, "storage": storage.mount.map(|mount| mount.fstype),
        "debug_build": cfg!(debug_assertions),
    });
    let mut result = ResultFile::begin(&results, "bench-mix", asked)?;
    for round in 0..rounds {
        let mut sizes = [1_000, large];
        sizes.rotate_left(round as usize % 2);
        for rows in sizes {
            let workload = Workload { rows, ..workload.clone() };
            let time = Duration::from_secs(seconds.into());
            let run = BenchRun { runtime: &runtime, workload: &workload, time, seed: u64::from(round) };
            let folder = Fresh::make(scratch.path())?;
            let done = run.carry_out(&folder.0, agents).map_err(|error| error.to_string())?;
            done.sound()?;
            let exposures = &done.end.exposures;
            let operations = (exposures.commits + exposures.reads) as f64;
            let entry = json!({
                "large": rows == large, "rows": rows, "operations_per_s": (operations / done.seconds()).round(),
                "commits": exposures.commits, "reads": exposures.reads,
                "cpu_us_per_operation": done.agents_cpu_us / operations,
                "cpu_us_per_operation_with_checker": done.cpu_us / operations,
            });
            println!("round {round}  {entry}");
            result.add(entry, summary)?;
        }
    }
    let summary = summary(result.runs());
    println!("{summary:#}\nresult in {}", result.path().display());
    Ok(summary["cpu_ratio"].as_f64().is_some_and(|ratio| ratio <= RATIO_MAX))
}

fn summary(runs: &[Value]) -> Value {
    let of = |large: bool, field: &str| {
        let of_size = runs.iter().filter(|run| run["large"] == large);
        let mut numbers: Vec<f64> = of_size.filter_map(|run| run[field].as_f64()).collect();
        numbers.sort_by(f64::total_cmp);
        median(&numbers)
    };
    let cpu = "cpu_us_per_operation";
    let one = |large| json!({"operations_per_s": of(large, "operations_per_s"), cpu: of(large, cpu)});
    json!({"cpu_ratio": of(true, cpu) / of(false, cpu), "small": one(false), "large": one(true)})
}
