//! What a verdict needs, and that a run can be had again: floors, seeds, replays, the report's fields.

use std::fs;

use serde_json::Value;

use crate::support::{Bench, Ended, stress_alone};

/// Fields of the report that other programs may rely on; fields are only ever added.
const FIELDS: &[&str] = &[
    "walproof_report",
    "walproof",
    "sqlite",
    "directory",
    "run",
    "ended_unix_ms",
    "replay",
    "verdicts",
    "exit_code",
    "expected",
    "machine",
    "runtime",
    "storage",
    "databases",
    "probe",
    "control",
    "planted",
    "timing",
    "exposures",
    "strikes",
    "anomaly_counts",
    "anomalies",
    "plan",
];

#[test]
fn one_agent_is_no_boundary() {
    let (_, report) = unknown(&["--time", "100ms", "--agents", "1"]);
    assert_reason(&report, "agents 1 of 2");
}

#[test]
fn a_moment_is_no_test() {
    let (ended, report) = unknown(&["--time", "50ms", "--agents", "3"]);
    for floor in ["last closes 0 of 1", "kills inside a transaction 0 of 1", "recoveries 0 of 1"] {
        assert_reason(&report, floor);
        assert!(ended.out.contains(floor), "a person reads `{floor}` too\n{ended}");
    }
}

#[test]
fn without_reads_nothing_torn_can_be_seen() {
    let (_, report) = unknown(&["--time", "2s", "--reads", "0"]);
    assert_reason(&report, "overlapping reads 0 of 10");
}

#[test]
fn agents_that_hardly_overlap_prove_nothing() {
    let (_, report) = unknown(&["--time", "2s", "--think", "1000000"]);
    assert_reason(&report, "hand-overs between agents");
}

/// A run that must not be able to say anything.
fn unknown(arguments: &[&str]) -> (Ended, Value) {
    let _alone = stress_alone();
    let bench = Bench::new();
    let ended = bench.verify(arguments);
    ended.assert_code(3);
    assert!(ended.out.contains("UNKNOWN"), "{ended}");
    let report = bench.report();
    assert_eq!(report["verdicts"][0]["kind"], "unknown");
    bench.assert_nothing_left();
    (ended, report)
}

fn assert_reason(report: &Value, words: &str) {
    let reasons = report["verdicts"][0]["reasons"].as_array().expect("reasons");
    let named = reasons
        .iter()
        .filter_map(Value::as_str)
        .any(|reason| reason.starts_with("floor not reached") && reason.contains(words));
    assert!(named, "no missing floor `{words}` among {reasons:#?}");
}

#[test]
fn a_seed_gives_its_plan_byte_for_byte() {
    let plan = |seed: &str, agents: &str| {
        let ended = Bench::new().run(&["verify", "--print-plan", "--seed", seed, "--agents", agents, "--time", "20s"]);
        ended.assert_code(0);
        ended.out
    };
    let first = plan("7f3a91c2", "3");
    assert_eq!(first, plan("7f3a91c2", "3"));
    assert_eq!(first, plan("000000007F3A91C2", "3"), "leading zeros and case mean nothing");
    assert_ne!(first, plan("7f3a91c3", "3"));
    assert_ne!(first, plan("7f3a91c2", "4"));
    let plan: Value = serde_json::from_str(&first).expect("a plan is JSON");
    assert_eq!(plan["replay"]["seed"], "000000007f3a91c2");
    assert!(plan["replay"]["strikes"].as_array().is_some_and(|strikes| strikes.len() >= 10));
    let bench = Bench::new();
    let printed = bench.beside("plan.json");
    fs::write(&printed, &first).expect("written");
    let tested = bench.tested().display().to_string();
    let again = bench.run(&["verify", "--print-plan", "--replay", &printed.display().to_string(), &tested]);
    again.assert_code(0);
    let again: Value = serde_json::from_str(&again.out).expect("a plan is JSON");
    assert_eq!(again["replay"]["strikes"], plan["replay"]["strikes"], "a printed plan can be run");
}

#[test]
fn a_plan_is_printed_without_touching_anything() {
    let bench = Bench::new();
    bench.verify(&["--print-plan"]).assert_code(0);
    assert!(!bench.beside("report.json").exists());
    assert_eq!(fs::read_dir(bench.tested()).expect("our own folder").count(), 0);
    bench.assert_nothing_left();
}

#[test]
fn a_report_replays_the_same_run() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let workload = ["--page-size", "1024", "--reads", "50", "--row-changes", "7", "--journal", "delete"];
    let asked = ["--time", "1500ms", "--seed", "abc", "--agents", "2", "--world", "symlinked-directory"];
    bench.verify(&[&asked[..], &workload[..]].concat());
    let first = bench.report();
    let (report, again) = (bench.beside("report.json"), bench.beside("again.json"));
    let arguments =
        ["verify".as_ref(), "--replay".as_ref(), report.as_os_str(), "--report".as_ref(), again.as_os_str()];
    let replayed = bench.run(&arguments);
    let second: Value = serde_json::from_str(&fs::read_to_string(again).expect("a second report")).expect("JSON");
    assert_eq!(first["replay"], second["replay"], "{replayed}");
    assert_eq!(first["plan"], second["plan"]);
    assert_eq!(first["directory"], second["directory"]);
    assert_eq!(first["replay"]["seed"], "0000000000000abc");
    assert_eq!(first["replay"]["workload"]["page_size_bytes"], 1024);
    assert_ne!(first["run"], second["run"], "another run with another name");
    bench.assert_nothing_left();
}

#[test]
fn a_report_has_its_documented_fields() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let ended = bench.verify(&["--time", "300ms"]);
    let report = bench.report();
    assert_eq!(report["walproof_report"], 1);
    assert_eq!(report["exit_code"], ended.code);
    assert_eq!(report["directory"], bench.tested().display().to_string());
    let report = report.as_object().expect("an object");
    let missing: Vec<&&str> = FIELDS.iter().filter(|field| !report.contains_key(**field)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/report.md");
    let page = fs::read_to_string(page).expect("docs/report.md explains the report");
    let undocumented: Vec<&String> = report.keys().filter(|field| !page.contains(&format!("`{field}`"))).collect();
    assert!(undocumented.is_empty(), "docs/report.md does not name {undocumented:?}");
}
