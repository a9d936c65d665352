//! `verify` on a world of each expectation: its verdict and exit code, probe and control included.
//!
//! `selftest.rs` examines all worlds. Broken ones end by themselves soon after the first anomaly; sound ones take
//! [`SOUND_TIME`] each.

use walproof_lab::worlds::{Expectation, Needs, WORLDS, World};

use crate::support::{Bench, Ended, SOUND_TIME, containers, skip, stress_alone};

/// A broken world has so long to show itself; most take a hundredth of it.
const BROKEN_TIME: &str = "10s";

/// One of each kind.
const CHOSEN: [&str; 5] =
    ["shared-directory", "single-file", "deny-shared-memory", "two-overlays", "unlinked-sidecars"];

#[test]
fn worlds_are_as_expected_in_wal_mode() {
    chosen_worlds("wal", |world| world.wal);
}

#[test]
fn worlds_are_as_expected_in_delete_mode() {
    chosen_worlds("delete", |world| world.rollback);
}

fn chosen_worlds(journal: &str, expectation: fn(&World) -> Expectation) {
    let _alone = stress_alone();
    let failures: Vec<String> = WORLDS
        .iter()
        .filter(|world| CHOSEN.contains(&world.name))
        .filter_map(|world| one_world(world, journal, expectation(world)).err())
        .collect();
    assert!(failures.is_empty(), "{} worlds failed in {journal} mode:\n{}", failures.len(), failures.join("\n"));
}

fn one_world(world: &World, journal: &str, expectation: Expectation) -> Result<(), String> {
    if let Some(why) = world.needs.lacking() {
        skip("clients", &format!("world {} in {journal} mode", world.name), &why);
        return Ok(());
    }
    let runtime = match containers() {
        Ok(()) => "embedded",
        Err(_) if world.needs == Needs::Nothing => "process",
        Err(why) => {
            skip("containers", &format!("world {} in {journal} mode", world.name), &why);
            return Ok(());
        }
    };
    let time = if expectation == Expectation::Safe { SOUND_TIME } else { BROKEN_TIME };
    let bench = Bench::new();
    let arguments = ["--world", world.name, "--journal", journal, "--time", time, "--runtime", runtime];
    let ended = bench.verify(&arguments);
    judge(world, expectation, &bench, &ended).map_err(|why| format!("world {}: {why}\n{ended}", world.name))?;
    bench.assert_nothing_left();
    Ok(())
}

fn judge(world: &World, expectation: Expectation, bench: &Bench, ended: &Ended) -> Result<(), String> {
    let code = if expectation == Expectation::Safe { 0 } else { 1 };
    if ended.code != code {
        return Err(format!("exit code {}, not {code}", ended.code));
    }
    let report = bench.report();
    let expected = &report["expected"];
    if expected["world"] != world.name || expected["outcome"] != expectation.word() || expected["met"] != true {
        return Err(format!("the report says {expected}"));
    }
    if report["exit_code"] != code {
        return Err(format!("the report says exit code {}", report["exit_code"]));
    }
    Ok(())
}
