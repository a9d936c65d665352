//! `walproof verify`: arguments in, progress and verdict out.

use std::fs;
use std::path::{Path, PathBuf};

use walproof_format::protocol::Workload;
use walproof_format::report::{Header, parse_seed, read_header};
use walproof_lab::error::LabError;
use walproof_lab::run::report::{Report, asked_mode, weigh};
use walproof_lab::run::verify::{Options, verify};

use crate::arguments::{Verify, WorkloadFlags};
use crate::interrupt;
use crate::render::Screen;

/// Runs it; the exit code says the verdict.
pub fn run(flags: &Verify) -> Result<i32, LabError> {
    let options = options(flags)?;
    asked_mode(&options.workload.journal_mode)?;
    if flags.print_plan {
        say!("{}", serde_json::to_string_pretty(&options.plan()?).expect("a plan is plain data"));
        return Ok(0);
    }
    let report_path = report_path(flags);
    check_report_path(&report_path)?;
    let interrupted = interrupt::install();
    let mut screen = Screen::begin(&options);
    let evidence = verify(options, interrupted, &mut |event| screen.show(&event))?;
    for line in &evidence.left_behind {
        eprintln!("walproof: could not remove everything\nbecause: {line}\ntry: `walproof clean`");
    }
    let report = weigh(evidence, flags.fail_on == "risky")?;
    write_report(&report_path, &report)?;
    screen.end(&report, &report_path);
    Ok(i32::from(report.exit_code))
}

fn options(flags: &Verify) -> Result<Options, LabError> {
    let mut options = match &flags.replay {
        Some(path) => replayed(path, flags)?,
        None => asked(flags),
    };
    // What only says where and how, not what, may differ when a run is done again.
    options.runtime = flags.runtime.clone().or(options.runtime);
    Ok(options)
}

fn asked(flags: &Verify) -> Options {
    Options {
        directory: flags.directory.clone().unwrap_or_else(|| ".".into()),
        time: flags.time,
        agents: flags.agents,
        world: flags.world.clone(),
        runtime: None,
        workload: workload(&flags.workload),
        seed: flags.seed.unwrap_or_else(random_seed),
        history: flags.history.clone(),
        nemeses: None,
        last_duty: None,
        probe: true,
        program: None,
        keep_history: flags.keep_history,
        keep_going: flags.keep_going,
    }
}

fn replayed(path: &Path, flags: &Verify) -> Result<Options, LabError> {
    let unusable = |because: String| LabError::path("cannot replay", path, because, "name a report that verify wrote");
    let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let Header { directory, replay, .. } = read_header(&text).map_err(unusable)?;
    let plausible = (1..=75).contains(&replay.agents)
        && (10..=86_400_000).contains(&replay.time_ms)
        && replay.workload.page_size_bytes.is_power_of_two()
        && (512..=65_536).contains(&replay.workload.page_size_bytes)
        && ["off", "normal", "full", "extra"].contains(&replay.workload.synchronous.as_str());
    if !plausible {
        return Err(unusable("its numbers are none that verify accepts; it was edited".into()));
    }
    Ok(Options {
        directory: flags.directory.clone().unwrap_or_else(|| directory.into()),
        time: std::time::Duration::from_millis(replay.time_ms),
        agents: replay.agents,
        world: replay.world,
        runtime: Some(replay.runtime),
        workload: replay.workload,
        seed: parse_seed(&replay.seed).map_err(unusable)?,
        history: flags.history.clone(),
        nemeses: None,
        last_duty: None,
        probe: true,
        program: None,
        keep_history: flags.keep_history,
        keep_going: replay.keep_going,
    })
}

fn workload(flags: &WorkloadFlags) -> Workload {
    Workload {
        journal_mode: flags.journal.to_ascii_lowercase(),
        synchronous: flags.synchronous.clone(),
        page_size_bytes: flags.page_size,
        read_percent: flags.reads,
        row_changes: flags.row_changes,
        autocheckpoint_frames: flags.autocheckpoint,
        reopen_every: flags.reopen_every,
        think_us: flags.think,
        ..Workload::default()
    }
}

/// A seed from the time and the process: the only choice that is not drawn from a seed.
fn random_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos() as u64);
    walproof_format::ledger::mix(now ^ (u64::from(std::process::id()) << 32))
}

/// A replay does not overwrite the report that it replays.
fn report_path(flags: &Verify) -> PathBuf {
    match &flags.replay {
        Some(replayed) if *replayed == flags.report => flags.report.with_file_name("walproof-replay.json"),
        _ => flags.report.clone(),
    }
}

/// Before the run, not after it: 30 s of work must not be lost to a wrong path.
fn check_report_path(path: &Path) -> Result<(), LabError> {
    let existed = path.exists();
    // A file of the user's, a database even, is no place for a report.
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
        && fs::read_to_string(path).map_or(true, |text| read_header(&text).is_err())
    {
        let because = "it exists and is no report of walproof's";
        return Err(LabError::path("will not overwrite", path, because, "name another file with `--report`"));
    }
    let opened = fs::OpenOptions::new().append(true).create(true).open(path);
    opened
        .map_err(|error| LabError::path("cannot write the report", path, error, "name another file with `--report`"))?;
    if !existed {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

fn write_report(path: &Path, report: &Report) -> Result<(), LabError> {
    let mut bytes = serde_json::to_vec_pretty(report).expect("a report is plain data");
    bytes.push(b'\n');
    fs::write(path, bytes)
        .map_err(|error| LabError::path("cannot write the report", path, error, "free space, or another `--report`"))
}
