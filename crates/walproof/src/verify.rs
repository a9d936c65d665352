//! `walproof verify`: arguments in, progress and verdict out.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_format::plan::OwnBoundary;
use walproof_format::protocol::Workload;
use walproof_format::report::read_headers;
use walproof_lab::error::LabError;
use walproof_lab::run::replay;
use walproof_lab::run::report::{asked_mode, weigh};
use walproof_lab::run::verify::{Options, verify};

use crate::arguments::{OwnFlags, RunFlags, WorkloadFlags};
use crate::interrupt;
use crate::render::Screen;

/// Runs it; the exit code says the verdict.
pub fn run(flags: &RunFlags) -> Result<i32, LabError> {
    let options = options(flags)?;
    asked_mode(&options.workload.journal_mode)?;
    if flags.print_plan {
        say!("{}", serde_json::to_string_pretty(&replay::plan(&options)?).expect("a plan is plain data"));
        return Ok(0);
    }
    let report_path = report_path(flags);
    check_report_path(&report_path)?;
    let interrupted = interrupt::install();
    let mut screen = Screen::begin("verify", &options);
    let evidence = verify(options, interrupted, &mut |event| screen.show(&event))?;
    tell_left_behind(&evidence.left_behind);
    let report = weigh(evidence, flags.fail_on == "risky")?;
    write_report(&report_path, &report)?;
    screen.end(&report);
    screen.tell_report(&report_path);
    Ok(i32::from(report.exit_code))
}

fn options(flags: &RunFlags) -> Result<Options, LabError> {
    check_own(flags)?;
    match &flags.replay {
        None => Ok(asked(flags)),
        Some(path) => match <[Options; 1]>::try_from(replayed(path, flags)?) {
            Ok([one]) => Ok(one),
            Err(runs) => {
                let because = format!("it holds {} runs, and `verify` makes one", runs.len());
                Err(LabError::path("cannot replay", path, because, "`walproof bang --replay`, which makes them all"))
            }
        },
    }
}

/// What the flags ask for.
pub fn asked(flags: &RunFlags) -> Options {
    Options {
        directory: flags.directory.clone().unwrap_or_else(|| ".".into()),
        time: flags.time,
        agents: flags.agents,
        world: flags.world.clone(),
        runtime: flags.runtime.clone(),
        workload: workload(&flags.workload),
        seed: flags.seed.unwrap_or_else(random_seed),
        history: flags.history.clone(),
        keep_history: flags.keep_history,
        keep_going: flags.keep_going,
        own: own(&flags.own),
        image: flags.own.image.clone(),
        targets: flags.own.targets.clone(),
        ..Options::default()
    }
}

/// What is only said of the user's own containers must not be passed over where there are none.
pub fn check_own(flags: &RunFlags) -> Result<(), LabError> {
    let own = &flags.own;
    if own.databases.is_empty() || !own.compose.is_empty() || !own.like.is_empty() {
        return Ok(());
    }
    let because = "a directory is tested on scratch files in it, whatever databases it holds";
    Err(LabError::new(
        "cannot use `--database` here",
        because,
        "leave it out, or name `--compose FILE` or `--like CONTAINER`",
    ))
}

/// Files by absolute paths: a report is read elsewhere.
pub fn absolute(files: &[String]) -> Vec<String> {
    let path =
        |file: &String| std::path::absolute(file).map_or_else(|_| file.clone(), |path| path.display().to_string());
    files.iter().map(path).collect()
}

/// The user's own boundary, when one is asked for.
fn own(flags: &OwnFlags) -> Option<OwnBoundary> {
    let asked = !flags.compose.is_empty() || !flags.like.is_empty();
    asked.then(|| OwnBoundary {
        compose: absolute(&flags.compose),
        project: flags.project_name.clone(),
        profiles: flags.profiles.clone(),
        env_files: absolute(&flags.env_files),
        services: flags.services.clone(),
        like: flags.like.clone(),
        databases: flags.databases.clone(),
    })
}

/// The runs of a report or plan. What only says where and how, not what, may differ when a run is done again.
pub fn replayed(path: &Path, flags: &RunFlags) -> Result<Vec<Options>, LabError> {
    let again = |options: Options| Options {
        directory: flags.directory.clone().unwrap_or(options.directory),
        runtime: flags.runtime.clone().or(options.runtime),
        history: flags.history.clone(),
        keep_history: flags.keep_history,
        ..options
    };
    Ok(replay::read(path)?.into_iter().map(again).collect())
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
        checkpoint_every: flags.checkpoint_every,
        think_us: flags.think,
        ..Workload::default()
    }
}

/// A seed from the time and the process: the only choice that is not drawn from a seed.
pub fn random_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos() as u64);
    walproof_format::ledger::mix(now ^ (u64::from(std::process::id()) << 32))
}

/// A replay does not overwrite the report that it replays.
pub fn report_path(flags: &RunFlags) -> PathBuf {
    match &flags.replay {
        Some(replayed) if *replayed == flags.report => flags.report.with_file_name("walproof-replay.json"),
        _ => flags.report.clone(),
    }
}

/// Before the run, not after it: 30 s of work must not be lost to a wrong path.
pub fn check_report_path(path: &Path) -> Result<(), LabError> {
    let existed = path.exists();
    // A file of the user's, a database even, is no place for a report.
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
        && fs::read_to_string(path).map_or(true, |text| read_headers(&text).is_err())
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

/// Writes a report, of one run or of several.
pub fn write_report(path: &Path, report: &impl Serialize) -> Result<(), LabError> {
    let mut bytes = serde_json::to_vec_pretty(report).expect("a report is plain data");
    bytes.push(b'\n');
    fs::write(path, bytes)
        .map_err(|error| LabError::path("cannot write the report", path, error, "free space, or another `--report`"))
}

/// What could not be removed, on standard error.
pub fn tell_left_behind(lines: &[String]) {
    for line in lines {
        eprintln!("walproof: could not remove everything\nbecause: {line}\ntry: `walproof clean`");
    }
}
