//! `cargo xtask prove worlds`: every world comes out as its expectation says, in each journal mode, run after run;
//! a broken one in WAL mode is caught within two seconds of its first commit. What is proved is that the detector
//! detects, and that it does not cry wolf in the sound worlds.

use serde_json::{Value, json};
use walproof_lab::worlds::WORLDS;

use crate::flags::Flags;
use crate::ground::Folder;
use crate::prove::{Case, Outcome, groups, of_group, run_all};
use crate::result::{ResultFile, spread};

/// How soon after the first commit a broken world must be caught in WAL mode, in milliseconds.
const CAUGHT_MS_MAX: f64 = 2000.0;
/// Broken by a race that comes when it comes: caught within the run is what can be asked (docs/decisions/0013).
const RACES: [&str; 1] = ["one-client-reopening"];

/// Proves it; true when every run passed.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (runs, jobs) = (flags.number("runs", 20)?, flags.number("jobs", 1)?);
    let (words, time) = flags.time("time", "10s")?;
    let names: Vec<&str> = WORLDS.iter().map(|world| world.name).collect();
    let worlds = flags.choice("only", &names)?;
    let modes = flags.choice_or("journal", &["wal", "delete", "truncate", "persist"], &["wal", "delete"])?;
    let folder = flags.result_folder();
    flags.finish()?;
    let ground = Folder::make("prove-worlds")?;
    let asked = json!({"runs": runs, "time": words, "jobs": jobs, "worlds": worlds, "journal": modes});
    let mut result = ResultFile::begin(&folder, "prove-worlds", asked)?;
    let case = |number: u32, world: &str, mode: &str| Case {
        command: "verify",
        group: format!("{world} {mode}"),
        number,
        directory: ground.path().to_owned(),
        flags: ["--time", &words, "--world", world, "--journal", mode].map(str::to_owned).to_vec(),
        time,
    };
    let mut cases = Vec::new();
    for number in 1..=runs {
        for world in &worlds {
            cases.extend(modes.iter().map(|mode| case(number, world, mode)));
        }
    }
    let passed = run_all(cases, jobs, &mut result, failures, summary)?;
    print_table(result.runs());
    Ok(passed)
}

/// What a run lacks.
fn failures(case: &Case, outcome: &Outcome) -> Vec<String> {
    let expected = outcome.report["expected"]["outcome"].as_str().unwrap_or("no report");
    let exit_code = if expected == "safe" { 0 } else { 1 };
    let caught_ms = outcome.report["timing"]["anomaly_caught_after_first_commit"].as_f64();
    let soon = caught_ms.is_some_and(|ms| ms <= CAUGHT_MS_MAX);
    let is_race = RACES.iter().any(|world| case.group.starts_with(world));
    let must_be_soon = expected == "unsafe" && case.group.ends_with(" wal") && !is_race;
    let demands = [
        (outcome.report["expected"]["met"] == true, format!("{} instead of {expected}", outcome.verdict())),
        (outcome.exit_code == Some(exit_code), format!("exit {:?}", outcome.exit_code)),
        (expected != "safe" || outcome.verdict() == "safe", format!("verdict {}", outcome.verdict())),
        (expected != "safe" || outcome.anomalies() == 0, format!("{} anomalies", outcome.anomalies())),
        (!must_be_soon || soon, format!("caught after {caught_ms:?} ms")),
    ];
    demands.into_iter().filter(|(met, _)| !met).map(|(_, lack)| lack).collect()
}

fn summary(runs: &[Value]) -> Value {
    let each = groups(runs).into_iter().map(|group| {
        let (of_group, passed) = of_group(runs, group);
        let spread_of = |field: &str| spread(of_group.iter().filter_map(|run| run[field].as_f64()));
        let entry = json!({
            "expected": of_group.first().map(|run| run["expected"]["outcome"].clone()),
            "runs": of_group.len(),
            "passed": passed,
            "commits": spread_of("commits"),
            "anomaly_caught_ms": spread_of("anomaly_caught_ms"),
        });
        (group.to_owned(), entry)
    });
    Value::Object(each.collect())
}

fn print_table(runs: &[Value]) {
    let summary = summary(runs);
    println!("{:<32} {:<19} {:>7}  {:>24}", "world and journal mode", "expected", "passed", "caught ms median/max");
    for group in groups(runs) {
        let of = &summary[group];
        let caught = &of["anomaly_caught_ms"];
        let caught = match (caught["median"].as_f64(), caught["max"].as_f64()) {
            (Some(median), Some(max)) => format!("{median:.1}/{max:.1}"),
            _ => String::new(),
        };
        let passed = format!("{}/{}", of["passed"], of["runs"]);
        println!("{group:<32} {:<19} {passed:>7}  {caught:>24}", of["expected"].as_str().unwrap_or("?"));
    }
}
