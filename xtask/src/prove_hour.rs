//! `cargo xtask prove hour`: an hour of stress in sound worlds, spread over file systems, workloads and nemeses that do
//! no harm: not one anomaly. What is proved is that the detector gives no false alarm.
//!
//! Every run has the usual nemeses and one more; which workload meets which nemesis shifts from run to run, so that in
//! the end each has met several.

use serde_json::{Value, json};
use walproof_judge::verdict::JournalMode;
use walproof_lab::nemeses::{Effect, NEMESES, Nemesis};
use walproof_lab::worlds::{Expectation, WORLDS, World};

use crate::flags::Flags;
use crate::ground::{FILE_SYSTEMS, Mounted, private_mounts};
use crate::prove::{Case, Outcome, groups, of_group, run_all};
use crate::result::{ResultFile, spread};

/// Proves it; true when every run passed.
pub fn run(mut flags: Flags) -> Result<bool, String> {
    let (total_words, total) = flags.time("total", "60m")?;
    let (words, time) = flags.time("time", "40s")?;
    let jobs = flags.number("jobs", 2)?;
    let chosen = flags.choice("only", &FILE_SYSTEMS)?;
    let folder = flags.result_folder();
    flags.finish()?;
    private_mounts()?;
    let mounted: Vec<(&str, Mounted)> =
        chosen.iter().map(|name| Ok((*name, Mounted::make(name)?))).collect::<Result<_, String>>()?;
    let asked = json!({"total": total_words, "time": words, "jobs": jobs, "file_systems": chosen});
    let mut result = ResultFile::begin(&folder, "prove-hour", asked)?;
    let runs = total.as_secs_f64() / time.as_secs_f64().max(0.1);
    let mix = Mix::new();
    let cases = (0..runs.ceil() as usize).map(|index| {
        let (name, ground) = &mounted[index % mounted.len()];
        let mut flags = mix.flags(index / mounted.len(), index);
        flags.extend(["--time".to_owned(), words.clone()]);
        let directory = ground.path().to_owned();
        Case { command: "bang", group: (*name).to_owned(), number: index as u32 + 1, directory, flags, time }
    });
    let passed = run_all(cases.collect(), jobs, &mut result, |_, outcome| failures(outcome), summary)?;
    print_table(result.runs());
    Ok(passed)
}

/// What there is to mix.
struct Mix {
    workloads: Vec<&'static str>,
    worlds: Vec<&'static str>,
}

impl Mix {
    fn new() -> Self {
        // A disk of 40 MiB is there to be filled; a log that nobody can reset for a while does it without a nemesis.
        let lasts = |world: &&&World| world.name != "small-disk";
        let sound = WORLDS.iter().filter(lasts);
        let sound = sound.filter(|world| MODES.iter().all(|mode| world.expectation(*mode) == Expectation::Safe));
        Self { workloads: walproof_agent::workload_names(), worlds: sound.map(|world| world.name).collect() }
    }

    /// The flags of a run: the round chooses workload and nemesis, the index the journal mode. Every third round is in
    /// another sound world.
    fn flags(&self, round: usize, index: usize) -> Vec<String> {
        let mode = MODES[index % MODES.len()];
        let harmless: Vec<&&Nemesis> =
            NEMESES.iter().filter(|nemesis| nemesis.effect(mode) == Effect::Harmless && !nemesis.usual).collect();
        let workload = self.workloads[(round + round / self.workloads.len()) % self.workloads.len()];
        let mut flags = vec!["--workload", workload, "--journal", mode.word(), "--nemesis", "usual"];
        let world = match (round % 3, harmless.get(index % harmless.len().max(1))) {
            (0, _) | (_, None) => self.worlds[round / 3 % self.worlds.len()],
            (_, Some(nemesis)) => {
                flags.extend(["--nemesis", nemesis.name]);
                nemesis.needs.world()
            }
        };
        flags.extend(["--world", world]);
        flags.into_iter().map(str::to_owned).collect()
    }
}

const MODES: [JournalMode; 3] = [JournalMode::Wal, JournalMode::Delete, JournalMode::Wal];

/// What a run lacks.
fn failures(outcome: &Outcome) -> Vec<String> {
    let anomalies = outcome.anomalies();
    let demands = [
        // A short run in which a floor is missed proves nothing of the boundary; here the checker is what is tested.
        (
            matches!(outcome.exit_code, Some(0 | 3)),
            format!("exit {:?}, verdict {}", outcome.exit_code, outcome.verdict()),
        ),
        (anomalies == 0 && !outcome.report.is_null(), format!("{anomalies} anomalies")),
    ];
    demands.into_iter().filter(|(met, _)| !met).map(|(_, lack)| lack).collect()
}

fn summary(runs: &[Value]) -> Value {
    let each = groups(runs).into_iter().map(|group| {
        let (of_group, passed) = of_group(runs, group);
        let sum = |field: &str| of_group.iter().filter_map(|run| run[field].as_f64()).sum::<f64>();
        let entry = json!({
            "runs": of_group.len(),
            "passed": passed,
            "unknown": of_group.iter().filter(|run| run["verdict"] == "unknown").count(),
            "minutes": (sum("stress_ms") / 600.0).round() / 100.0,
            "commits": sum("commits"),
            "kills": sum("kills"),
            "commits_of_a_run": spread(of_group.iter().filter_map(|run| run["commits"].as_f64())),
        });
        (group.to_owned(), entry)
    });
    let minutes = runs.iter().filter_map(|run| run["stress_ms"].as_f64()).sum::<f64>() / 60_000.0;
    let mut all = serde_json::Map::from_iter(each);
    all.insert("minutes_in_total".to_owned(), json!((minutes * 100.0).round() / 100.0));
    Value::Object(all)
}

fn print_table(runs: &[Value]) {
    let summary = summary(runs);
    println!("{:<8} {:>7} {:>8} {:>9} {:>12} {:>8}", "", "passed", "unknown", "minutes", "commits", "kills");
    for group in groups(runs) {
        let of = &summary[group];
        let passed = format!("{}/{}", of["passed"], of["runs"]);
        println!(
            "{group:<8} {passed:>7} {:>8} {:>9} {:>12} {:>8}",
            of["unknown"], of["minutes"], of["commits"], of["kills"]
        );
    }
    println!("{} minutes in total", summary["minutes_in_total"]);
}
