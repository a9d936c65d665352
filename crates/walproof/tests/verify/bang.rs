//! `bang` and `shrink` from outside: nemeses and journal modes as chosen, plans that are printed, changed and run,
//! a failing run made smaller.

use std::fs;

use serde_json::Value;

use crate::support::{Bench, Ended, SOUND_TIME, stress_alone};

fn bang(bench: &Bench, more: &[&str]) -> Ended {
    let report = bench.beside("report.json").display().to_string();
    let tested = bench.tested().display().to_string();
    let all: Vec<&str> = ["bang", "--report", &report].iter().chain(more).copied().chain([tested.as_str()]).collect();
    bench.run(&all)
}

#[test]
fn one_call_gives_a_verdict_for_each_journal_mode() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let ended = bang(&bench, &["--time", SOUND_TIME, "--journal", "wal,persist,wal-exclusive"]);
    ended.assert_code(0);
    let report = bench.report();
    let runs = report["runs"].as_array().expect("runs");
    let modes: Vec<&str> = runs.iter().filter_map(|run| run["verdicts"][0]["mode"].as_str()).collect();
    assert_eq!(modes, ["wal", "persist", "wal-exclusive"], "{ended}");
    for run in runs {
        assert_eq!(run["verdicts"][0]["kind"], "safe", "{ended}");
        assert!(run["probe"].is_null(), "bang does not probe");
        assert_eq!(run["replay"]["seed"], runs[0]["replay"]["seed"]);
    }
    assert_eq!(ended.out.matches("matrix").count(), 3, "{ended}");
    bench.assert_nothing_left();
}

#[test]
fn the_worst_mode_gives_the_exit_code() {
    let _alone = stress_alone();
    let bench = Bench::new();
    // Too short for `safe` in DELETE mode, broken in WAL mode.
    let ended =
        bang(&bench, &["--time", "2s", "--world", "fake-locks", "--nemesis", "none", "--journal", "wal,delete"]);
    ended.assert_code(1);
    assert!(ended.out.contains("UNSAFE"), "{ended}");
    bench.assert_nothing_left();
}

#[test]
fn chosen_nemeses_strike_and_no_others() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let arguments = ["--time", "2s", "--nemesis", "kill-agent:100ms:200ms", "--nemesis", "pause-agent:1s:1s:50ms"];
    bang(&bench, &arguments).assert_code(3);
    let report = bench.report();
    let strikes = report["plan"]["strikes"].as_array().expect("strikes");
    let mut names: Vec<&str> = strikes.iter().filter_map(|strike| strike["nemesis"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["kill-agent", "pause-agent"]);
    assert!(report["strikes"]["kills"].as_u64().is_some_and(|kills| kills >= 3), "{}", report["strikes"]);
    bench.assert_nothing_left();
}

#[test]
fn a_printed_plan_can_be_changed_and_run() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let printed = bang(&bench, &["--print-plan", "--seed", "7", "--time", "1s"]);
    printed.assert_code(0);
    let mut plan: Value = serde_json::from_str(&printed.out).expect("a plan is JSON");
    plan["replay"]["strikes"] =
        serde_json::json!([{ "at_ms": 200, "nemesis": "pause-agent", "agent": 1, "for_ms": 60 }]);
    let path = bench.beside("plan.json");
    fs::write(&path, plan.to_string()).expect("our own file");
    bang(&bench, &["--plan", &path.display().to_string()]).assert_code(3);
    let report = bench.report();
    assert_eq!(report["plan"]["strikes"], plan["replay"]["strikes"]);
    assert_eq!(report["strikes"]["pauses"], 1);
    plan["replay"]["strikes"][0]["nemesis"] = "no-such".into();
    fs::write(&path, plan.to_string()).expect("our own file");
    let refused = bang(&bench, &["--plan", &path.display().to_string()]);
    refused.assert_code(2);
    assert!(refused.error.contains("`no-such`") && refused.error.contains("\ntry: "), "{refused}");
    bench.assert_nothing_left();
}

#[test]
fn a_failing_run_is_made_smaller_and_the_command_fails_too() {
    let _alone = stress_alone();
    let bench = Bench::new();
    bang(&bench, &["--time", "5s", "--world", "fake-locks"]).assert_code(1);
    let ended = bench.run(&["shrink", &bench.beside("report.json").display().to_string()]);
    ended.assert_code(0);
    let command = ended.out.lines().last().expect("a command").to_owned();
    assert!(command.contains("--agents 2") && command.contains("--nemesis none"), "{ended}");
    let report = bench.beside("again.json").display().to_string();
    let words: Vec<&str> = command.split(' ').skip(1).chain(["--report", &report]).collect();
    bench.run(&words).assert_code(1);
    bench.assert_nothing_left();
}

#[test]
fn names_that_do_not_exist() {
    for (flag, name) in [("--nemesis", "hope"), ("--workload", "no-such"), ("--agent", "no-such-program")] {
        let bench = Bench::new();
        let ended = bang(&bench, &["--time", "100ms", flag, name]);
        ended.assert_code(2);
        for part in ["walproof: ", name, "\nbecause: ", "\ntry: "] {
            assert!(ended.error.contains(part), "no `{part}`\n{ended}");
        }
        bench.assert_nothing_left();
    }
}
