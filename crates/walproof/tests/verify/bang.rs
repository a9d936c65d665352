//! `bang` and `shrink` from outside: nemeses and journal modes as chosen, plans that are printed, changed and run,
//! a failing run made smaller.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{BINARY, Bench, Ended, SOUND_TIME, stress_alone};

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
fn what_the_world_has_nothing_for() {
    let asked = [
        ["--nemesis", "fill-disk", "small-disk"],
        ["--nemesis", "stall-storage", "one-client-shared"],
        ["--latency", "1ms", "one-client-shared"],
        ["--io-errors", "9", "one-client-shared"],
    ];
    for [flag, value, world] in asked {
        let bench = Bench::new();
        let ended = bang(&bench, &["--time", "2s", flag, value]);
        ended.assert_code(2);
        assert!(ended.error.contains(world) && ended.error.contains("\ntry: "), "{ended}");
        bench.assert_nothing_left();
    }
}

/// A workload of one writing transaction, and an invariant of one row.
fn workload(bench: &Bench, setup: &str, change: &str, invariant: &str) -> String {
    let text = format!(
        "setup = \"{setup}\"\n[[transaction]]\nname = \"change\"\nwrites = true\nsql = [\"{change}\"]\n\
         [[invariant]]\nname = \"one-row\"\nsql = \"{invariant}\"\nreturns = \"1\"\n"
    );
    let path = bench.beside("own.toml");
    fs::write(&path, text).expect("our own file");
    path.display().to_string()
}

const SETUP: &str = "CREATE TABLE t(v); INSERT INTO t VALUES(0)";
const CHANGE: &str = "UPDATE t SET v = v + 1";
const ONE_ROW: &str = "SELECT count(*) FROM t";

#[test]
fn a_workload_that_breaks_itself_is_no_verdict() {
    let wrong = [
        ("CREATE TABLE ledger(x); CREATE TABLE t(v)", CHANGE, ONE_ROW, "already exists"),
        ("CREATE TABLE t(v)", CHANGE, ONE_ROW, "does not hold after `setup`: it returns `0`, not `1`"),
        (SETUP, "INSERT INTO t VALUES(1)", ONE_ROW, "does not hold after transaction `change`"),
        (SETUP, CHANGE, "DELETE FROM t RETURNING 1", "it writes; it must only read"),
        (SETUP, "PRAGMA journal_mode = DELETE", ONE_ROW, "`PRAGMA` in transaction `change`"),
        (SETUP, "ATTACH 'x' AS x", ONE_ROW, "`ATTACH` in transaction `change`"),
    ];
    for (setup, change, invariant, words) in wrong {
        let bench = Bench::new();
        let own = workload(&bench, setup, change, invariant);
        let ended = bang(&bench, &["--time", "2s", "--workload", &own]);
        ended.assert_code(2);
        assert!(ended.error.contains(words), "no `{words}`\n{ended}");
        bench.assert_nothing_left();
    }
}

#[test]
fn a_workload_that_only_writes_is_read_all_the_same() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let own = workload(&bench, SETUP, CHANGE, ONE_ROW);
    let ended = bang(&bench, &["--time", SOUND_TIME, "--workload", &own]);
    ended.assert_code(0);
    assert!(bench.report()["exposures"]["reads"].as_u64().is_some_and(|reads| reads > 100), "{ended}");
    bench.assert_nothing_left();
}

#[test]
fn half_a_history_is_not_judged() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let folder = bench.beside("histories");
    fs::create_dir(&folder).expect("our own folder");
    let arguments = ["--time", "1s", "--nemesis", "none", "--keep-history", "--history", &folder.display().to_string()];
    bang(&bench, &arguments).assert_code(3);
    let kept = fs::read_dir(&folder).expect("our own folder").next().expect("a history").expect("readable").path();
    let judge = || bench.run(&["judge", &kept.display().to_string()]);
    judge().assert_code(0);
    let export = ["judge", "--export", "json-lines", &kept.display().to_string()].map(str::to_owned);
    assert_eq!(code_when_nobody_listens(&export), Some(0));
    let segment = kept.join("bang/agent-1.life-0.segment-00000.history");
    let whole = fs::read(&segment).expect("agent 1 worked");
    fs::write(&segment, &whole[..4096]).expect("our own file");
    let cut = judge();
    cut.assert_code(2);
    assert!(cut.error.contains("it was cut"), "{cut}");
    for entry in fs::read_dir(kept.join("bang")).expect("a folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("agent-1.") {
            fs::remove_file(entry.path()).expect("our own file");
        }
    }
    let lacking = judge();
    lacking.assert_code(2);
    assert!(lacking.error.contains("no segment of agent 1"), "{lacking}");
    fs::remove_dir_all(&folder).expect("our own folder");
    bench.assert_nothing_left();
}

/// The exit code of walproof when the reader of its output, errors included, has gone at once.
fn code_when_nobody_listens(arguments: &[String]) -> Option<i32> {
    let mut command = Command::new(BINARY);
    let mut child =
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("our own binary");
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().expect("our own child").code()
}

#[test]
fn verify_does_not_pick_one_run_of_several() {
    let bench = Bench::new();
    let plan = bang(&bench, &["--print-plan", "--journal", "wal,delete"]);
    plan.assert_code(0);
    let path = bench.beside("plan.json");
    fs::write(&path, &plan.out).expect("our own file");
    let ended = bench.verify(&["--replay", &path.display().to_string()]);
    ended.assert_code(2);
    assert!(ended.error.contains("it holds 2 runs"), "{ended}");
    bench.assert_nothing_left();
}

#[test]
fn an_interrupted_search_tells_no_result() {
    let _alone = stress_alone();
    let bench = Bench::new();
    bang(&bench, &["--time", "5s", "--world", "fake-locks"]).assert_code(1);
    let report = bench.beside("report.json").display().to_string();
    let mut running = bench.start_walproof(&["shrink", &report]);
    running.says("as it was");
    running.signal(libc::SIGINT);
    let ended = running.ended();
    ended.assert_code(0);
    assert!(ended.out.contains("interrupted after"), "{ended}");
    assert!(!ended.out.contains("does not fail"), "{ended}");
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
