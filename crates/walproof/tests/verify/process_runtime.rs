//! Without containers: plain processes give a verdict too, and nobody is told that there were containers.

use crate::support::{Bench, SOUND_TIME, stress_alone};

#[test]
fn plain_processes_give_a_verdict_that_says_so() {
    let _alone = stress_alone();
    let bench = Bench::new();
    let ended = bench.verify(&["--runtime", "process", "--time", SOUND_TIME]);
    ended.assert_code(0);
    let report = bench.report();
    assert_eq!(report["runtime"]["name"], "process");
    assert_eq!(report["runtime"]["containers"], false);
    let not_seen = report["verdicts"][0]["coverage"]["not_seen"].to_string();
    assert!(not_seen.contains("containers: agents were plain processes"), "{not_seen}");
    assert!(ended.out.contains("agents were plain processes"), "a person reads it too\n{ended}");
    bench.assert_nothing_left();
}

#[test]
fn a_world_with_mounts_is_refused_not_made_up() {
    for world in ["single-file", "two-overlays"] {
        let bench = Bench::new();
        let ended = bench.verify(&["--runtime", "process", "--world", world]);
        ended.assert_code(2);
        for words in [format!("`{world}`"), "because:".into(), "try:".into()] {
            assert!(ended.error.contains(&words), "no {words}\n{ended}");
        }
        assert!(!bench.beside("report.json").exists(), "no report of what was not done");
        bench.assert_nothing_left();
    }
}
