//! `cargo xtask bench detection`: for each broken world, how fast it is worked in and how soon it is caught.
//!
//! Harvey the WAL-Banger, which this succeeds, asks `integrity_check` alone: the column `integrity` says in how many of
//! the runs that check would have noticed anything in the end.

use serde_json::{Value, json};
use walproof_judge::verdict::JournalMode;
use walproof_lab::worlds::{Expectation, WORLDS};

use crate::flags::Flags;
use crate::ground::Folder;
use crate::prove::{Case, Outcome, groups, of_group, run_all};
use crate::result::{ResultFile, spread};

const MODES: [JournalMode; 2] = [JournalMode::Wal, JournalMode::Delete];

/// Measures it; true when every broken world was caught.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (runs, jobs) = (flags.number("runs", 5)?, flags.number("jobs", 1)?);
    let (words, time) = flags.time("time", "45s")?;
    let folder = flags.result_folder();
    flags.finish()?;
    let ground = Folder::make("bench-detection")?;
    let asked = json!({"runs": runs, "time": words, "jobs": jobs});
    let mut result = ResultFile::begin(&folder, "bench-detection", asked)?;
    let mut cases = Vec::new();
    for number in 1..=runs {
        for (world, mode) in WORLDS.iter().flat_map(|world| MODES.map(|mode| (world, mode))) {
            if matches!(world.expectation(mode), Expectation::Unsafe | Expectation::UnsafeAfterCrash) {
                let flags = ["--time", &words, "--world", world.name, "--journal", mode.word()];
                cases.push(Case {
                    command: "bang",
                    group: format!("{} {}", world.name, mode.word()),
                    number,
                    directory: ground.path().to_owned(),
                    flags: flags.map(str::to_owned).to_vec(),
                    time,
                });
            }
        }
    }
    let caught = run_all(cases, jobs, &mut result, |_, outcome| failures(outcome), summary)?;
    print_table(result.runs());
    Ok(caught)
}

fn failures(outcome: &Outcome) -> Vec<String> {
    let met = outcome.report["expected"]["met"] == true;
    if met { Vec::new() } else { vec![format!("verdict {}", outcome.verdict())] }
}

fn summary(runs: &[Value]) -> Value {
    let each = groups(runs).into_iter().map(|group| {
        let (of_group, passed) = of_group(runs, group);
        let rate = |run: &&Value| Some(run["commits"].as_f64()? / (run["stress_ms"].as_f64()? / 1e3));
        let noticed = |run: &&&Value| kinds(run).contains(&"structural-damage");
        let entry = json!({
            "runs": of_group.len(),
            "caught": passed,
            "commits_a_second": spread(of_group.iter().filter_map(rate)),
            "caught_ms": spread(of_group.iter().filter_map(|run| run["anomaly_caught_ms"].as_f64())),
            "integrity_check_would_have_noticed": of_group.iter().filter(noticed).count(),
        });
        (group.to_owned(), entry)
    });
    Value::Object(each.collect())
}

fn kinds(run: &Value) -> Vec<&str> {
    run["anomalies"].as_array().into_iter().flatten().filter_map(|count| count["kind"].as_str()).collect()
}

fn print_table(runs: &[Value]) {
    let summary = summary(runs);
    println!("{:<44} {:>7} {:>10} {:>24} {:>10}", "", "caught", "commits/s", "caught ms median/max", "integrity");
    for group in groups(runs) {
        let of = &summary[group];
        let number = |pointer: &str| of.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let caught = format!("{}/{}", of["caught"], of["runs"]);
        let ms = format!("{:.1}/{:.1}", number("/caught_ms/median"), number("/caught_ms/max"));
        let rate = number("/commits_a_second/median");
        println!("{group:<44} {caught:>7} {rate:>10.0} {ms:>24} {:>10}", of["integrity_check_would_have_noticed"]);
    }
}
