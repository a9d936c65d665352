//! `cargo xtask prove sound`: on ext4, tmpfs, xfs and btrfs, run after run, `walproof verify` says `safe`, works
//! hard and finds nothing. What is proved is that the detector gives no false alarm.

use serde_json::{Value, json};

use crate::flags::Flags;
use crate::ground::{FILE_SYSTEMS, Mounted, private_mounts};
use crate::prove::{Case, Outcome, groups, of_group, run_all};
use crate::result::{ResultFile, spread};

/// More commits than this are needed.
const COMMITS_ABOVE: f64 = 20_000.0;
/// At least so many kills are needed.
const KILLS_MIN: f64 = 10.0;

/// Proves it; true when every run passed.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (runs, jobs) = (flags.number("runs", 20)?, flags.number("jobs", 1)?);
    let (words, time) = flags.time("time", "20s")?;
    let chosen = flags.choice("only", &FILE_SYSTEMS)?;
    let folder = flags.result_folder();
    flags.finish()?;
    private_mounts()?;
    let mounted: Vec<(&str, Mounted)> =
        chosen.iter().map(|name| Ok((*name, Mounted::make(name)?))).collect::<Result<_, String>>()?;
    let asked = json!({"runs": runs, "time": words, "jobs": jobs, "file_systems": chosen});
    let mut result = ResultFile::begin(&folder, "prove-sound", asked)?;
    let case = |number: u32, (name, ground): &(&str, Mounted)| Case {
        command: "verify",
        group: (*name).to_owned(),
        number,
        directory: ground.path().to_owned(),
        flags: vec!["--time".to_owned(), words.clone()],
        time,
    };
    // Round by round, so that a proof that is interrupted has seen all of them.
    let cases = (1..=runs).flat_map(|number| mounted.iter().map(move |ground| (number, ground)));
    let cases = cases.map(|(number, ground)| case(number, ground)).collect();
    let passed = run_all(cases, jobs, &mut result, |_, outcome| failures(outcome), summary)?;
    print_table(result.runs());
    Ok(passed)
}

/// What a run lacks.
fn failures(outcome: &Outcome) -> Vec<String> {
    let (commits, kills) = (outcome.number("/exposures/commits"), outcome.number("/strikes/kills"));
    let (named, planted) = outcome.planted();
    let floors = outcome.floors_missed();
    let demands = [
        (outcome.exit_code == Some(0), format!("exit {:?}", outcome.exit_code)),
        (outcome.verdict() == "safe", format!("verdict {}", outcome.verdict())),
        (commits > COMMITS_ABOVE, format!("{commits} commits")),
        (kills >= KILLS_MIN, format!("{kills} kills")),
        (outcome.anomalies() == 0, format!("{} anomalies", outcome.anomalies())),
        (floors.is_empty(), floors.join(", ")),
        (outcome.report["control"]["caught_after_ms"].is_number(), "control not caught".to_owned()),
        (planted > 0 && named == planted, format!("{named} of {planted} planted anomalies named")),
    ];
    demands.into_iter().filter(|(met, _)| !met).map(|(_, lack)| lack).collect()
}

fn summary(runs: &[Value]) -> Value {
    let each = groups(runs).into_iter().map(|group| {
        let (of_group, passed) = of_group(runs, group);
        let spread_of = |field: &str| spread(of_group.iter().filter_map(|run| run[field].as_f64()));
        let entry = json!({
            "runs": of_group.len(),
            "passed": passed,
            "commits": spread_of("commits"),
            "kills": spread_of("kills"),
            "first_commit_ms": spread_of("first_commit_ms"),
            "control_caught_ms": spread_of("control_caught_ms"),
        });
        (group.to_owned(), entry)
    });
    Value::Object(each.collect())
}

fn print_table(runs: &[Value]) {
    let summary = summary(runs);
    println!("{:<8} {:>7}  {:>27}  {:>18}", "", "passed", "commits min/median/max", "first commit max");
    for group in groups(runs) {
        let of = &summary[group];
        let commits = |field: &str| of["commits"][field].as_f64().unwrap_or(f64::NAN);
        let spread = format!("{:.0}/{:.0}/{:.0}", commits("min"), commits("median"), commits("max"));
        let passed = format!("{}/{}", of["passed"], of["runs"]);
        let first = of["first_commit_ms"]["max"].as_f64().unwrap_or(f64::NAN);
        println!("{group:<8} {passed:>7}  {spread:>27}  {first:>15.0} ms");
    }
}
