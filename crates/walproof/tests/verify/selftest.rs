//! The detector examined by its own command: every broken world and nemesis caught, every sound one clean.
//!
//! Where to look next: `worlds.rs` asks for the verdicts and exit codes of some worlds through `verify`.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Bench, containers, skip, stress_alone};

/// Five minutes is what it may take on two idle cores; an upper bound against hangs, no measure.
const HANG: Duration = Duration::from_secs(900);

#[test]
fn everything_comes_out_as_it_must() {
    let _alone = stress_alone();
    if let Err(why) = containers() {
        return skip("containers", "the selftest", &why);
    }
    let bench = Bench::new();
    let report = bench.beside("selftest.json").display().to_string();
    let arguments = ["selftest", "--report", &report, &bench.tested().display().to_string()];
    let ended = bench.start_walproof(&arguments).ended_within(HANG);
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("no table: {error}\n{ended}"));
    let table: Value = serde_json::from_str(&text).expect("the table is JSON");
    let rows = table.as_array().expect("rows");
    let of = |standing: &str| rows.iter().filter(|row| row["standing"] == standing).collect::<Vec<_>>();
    for row in of("skipped") {
        skip("containers", &format!("{} in {}", row["name"], row["journal_mode"]), &row["because"].to_string());
    }
    assert!(of("failed").is_empty(), "{:#?}\n{ended}", of("failed"));
    assert!(of("met").len() > 60, "{} rows\n{ended}", rows.len());
    ended.assert_code(if of("skipped").is_empty() { 0 } else { 3 });
    bench.assert_nothing_left();
}

#[test]
fn a_name_that_no_case_has() {
    let bench = Bench::new();
    let ended = bench.run(&["selftest", "--only", "nobody"]);
    ended.assert_code(2);
    assert!(ended.error.contains("`nobody`") && ended.error.contains("\ntry: "), "{ended}");
}
