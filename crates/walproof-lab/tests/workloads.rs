//! Every workload on a sound boundary and on one that fakes its locks, with plain processes: the first must give
//! nothing and show that it worked, the second must be caught.
//!
//! What this file is: a test binary with its own main, because agents are this very binary.
//! Where to look next: `walproof-agent/src/workloads/`.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use walproof_agent::workloads::WORKLOADS;
use walproof_format::protocol::{CustomWorkload, Workload};
use walproof_judge::controls::planted_in;
use walproof_lab::run::fleet::{Fleet, FleetPlan};
use walproof_lab::run::leavings::{RunDirectory, RunId};
use walproof_lab::run::plan;
use walproof_lab::run::saved::{ExportFormat, export_saved, judge_saved};
use walproof_lab::run::stress::{StressEnd, StressOptions, prepare, stress};
use walproof_lab::{runtimes, worlds};
use walproof_testbench::Folder;

const AGENTS: u16 = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("agent") => std::process::exit(walproof_agent::agent_main()),
        Some(runtimes::HELPER) => std::process::exit(runtimes::helper_main(&arguments[2..])),
        Some("--list") => WORKLOADS.iter().for_each(|kind| println!("{}: test", kind.name)),
        filter => {
            let filter = filter.filter(|word| !word.starts_with('-')).unwrap_or("");
            let chosen = WORKLOADS.iter().filter(|kind| kind.name.contains(filter));
            let failed = chosen.filter(|kind| !passes(kind.name)).count();
            std::process::exit(i32::from(failed > 0));
        }
    }
}

fn passes(name: &str) -> bool {
    let tried = sound(name).and_then(|()| broken(name));
    println!("test {name} ... {}", tried.as_ref().map_or_else(|why| format!("FAILED\n{why}"), |()| "ok".into()));
    tried.is_ok()
}

fn workload(name: &str) -> Workload {
    let orders = include_str!("../../../fixtures/workloads/orders.toml");
    let custom = (name == "custom").then(|| CustomWorkload::from_toml(orders).expect("the example is right"));
    if let Some(custom) = &custom {
        walproof_agent::workloads::try_out(custom).expect("the example runs");
    }
    Workload { name: name.to_owned(), custom, keep_lists: true, ..Workload::default() }
}

/// The history that was kept, judged once more, says the same; and it can be exported.
fn judged_again(name: &str, end: &StressEnd, history: &Path) -> Result<(), String> {
    let saved = judge_saved(&[history.to_owned()]).map_err(|error| error.to_string())?;
    let (then, now) = (&end.exposures, &saved.exposures);
    if (saved.counts.as_slice(), now) != (end.counts.as_slice(), then) {
        return Err(format!("judged again: {:?} {now:?}\nat first: {:?} {then:?}", saved.counts, end.counts));
    }
    let mut lines = Vec::new();
    export_saved(history, ExportFormat::JsonLines, &mut lines).map_err(|error| error.to_string())?;
    let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
    if count != then.records {
        return Err(format!("{count} lines of {} records", then.records));
    }
    let mut edn = Vec::new();
    let exported = export_saved(history, ExportFormat::Elle, &mut edn);
    match (name == "append", exported) {
        (false, Err(_)) => Ok(()),
        (true, Ok(())) if edn.starts_with(b"{:index 0, :type :invoke") => Ok(()),
        (_, exported) => Err(format!("the export for Elle: {exported:?}, {} bytes", edn.len())),
    }
}

/// Kills and pauses on a sound boundary: work is done, nothing is wrong, and planted anomalies are named.
fn sound(name: &str) -> Result<(), String> {
    let end = run("shared-directory", &workload(name), Duration::from_secs(3))?;
    let (exposures, agents) = (&end.exposures, usize::from(AGENTS));
    if !end.anomalies.is_empty() || !end.not_seen.is_empty() {
        return Err(format!("a sound boundary gave {:#?} {:?}", end.anomalies, end.not_seen));
    }
    if end.finals.len() != agents || (0..AGENTS).any(|agent| exposures.commits_of(agent) == 0) || exposures.reads == 0 {
        return Err(format!("too little was done: {exposures:?}"));
    }
    let kept = end.kept.ok_or("nothing was kept")?;
    let outcomes = planted_in(&kept.before, &kept.tail, &end.finals);
    match outcomes.iter().find(|outcome| !outcome.named) {
        Some(missed) => Err(format!("not named: {missed:?}")),
        None => {
            println!("    {name}: {} commits, {} reads", exposures.commits, exposures.reads);
            Ok(())
        }
    }
}

/// Locks that are answered and not taken must be noticed whatever the workload.
fn broken(name: &str) -> Result<(), String> {
    let end = run("fake-locks", &workload(name), Duration::from_secs(20))?;
    let caught = end.anomalies.first().ok_or("fake locks were not noticed")?;
    let after_ms = end.caught_after.map_or(0.0, |after| after.as_secs_f64() * 1e3);
    println!("    {name}: fake locks caught after {after_ms:.1} ms: {}", caught.summary);
    Ok(())
}

fn run(world: &str, workload: &Workload, time: Duration) -> Result<StressEnd, String> {
    let folder = Folder::new("workloads");
    let (ground, history) = (folder.folder("ground"), folder.folder("history"));
    let end = stressed(world, workload, time, &ground, &history).map_err(|error| error.to_string())??;
    judged_again(&workload.name, &end, &history)?;
    Ok(end)
}

fn stressed(
    world: &str,
    workload: &Workload,
    time: Duration,
    folder: &Path,
    history: &Path,
) -> Result<Result<StressEnd, String>, walproof_lab::error::LabError> {
    let sound = world == "shared-directory";
    let world = worlds::find(world).expect("it is a world");
    let ground = (world.prepare)(folder, AGENTS).expect("a folder of our own");
    let runtime = runtimes::choose(Some("process"))?;
    let run = RunDirectory::create(&RunId::random())?;
    run.note_runtime(runtime.name())?;
    let fleet = Fleet::new(FleetPlan {
        runtime: runtime.as_ref(),
        run: &run,
        ground,
        workload: workload.clone(),
        seed: 7,
        history: Some(history.to_owned()),
        program: None,
        prefix: "test",
        targets: Vec::new(),
    });
    let nemeses = if sound { plan::usual_and(&[]) } else { Vec::new() };
    let plan = plan::draw(7, time.as_millis() as u64, AGENTS, &nemeses);
    let options = StressOptions {
        plan: &plan,
        history,
        scratch: folder,
        keep_history: true,
        keep_going: false,
        grace: Duration::ZERO,
        commits_min: 1,
        loud_is_enough_after: None,
        shared_clock: true,
        account: true,
        storage_fails: false,
        interrupted: &AtomicBool::new(false),
    };
    let end = match prepare(&fleet)? {
        Some(refusal) => Err(format!("SQLite refuses: {refusal:?}")),
        None => Ok(stress(&fleet, &options, |_| ())?),
    };
    drop(fleet);
    run.leave();
    Ok(end)
}
