//! `walproof bang`: one run for each journal mode, progress and verdicts out.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use walproof_agent::workloads;
use walproof_format::plan::{Chosen, Rhythm, StorageKnobs};
use walproof_format::protocol::{Busy, CheckpointMode, CustomWorkload, Duty};
use walproof_format::report::{Matrix, VERSION};
use walproof_judge::verdict::VerdictKind;
use walproof_lab::error::LabError;
use walproof_lab::nemeses;
use walproof_lab::run::plan::usual_and;
use walproof_lab::run::replay;
use walproof_lab::run::report::{Report, asked_mode, weigh};
use walproof_lab::run::verify::{Options, verify};

use crate::arguments::{BangFlags, Choice};
use crate::interrupt;
use crate::render::{Screen, show_matrix};
use crate::verify::{asked, check_own, check_report_path, replayed, report_path, tell_left_behind, write_report};

/// The workload that the user's own file makes.
const CUSTOM: &str = "custom";

/// Runs them; the exit code says the worst verdict.
pub fn run(flags: &BangFlags) -> Result<i32, LabError> {
    let runs = match &flags.run.replay {
        Some(path) => replayed(path, &flags.run)?,
        None => runs(flags)?,
    };
    let runs: Vec<Options> = runs.into_iter().map(|options| Options { probe: false, ..options }).collect();
    for options in &runs {
        asked_mode(&options.workload.journal_mode)?;
    }
    if flags.run.print_plan {
        return print_plan(&runs);
    }
    let path = report_path(&flags.run);
    check_report_path(&path)?;
    let reports = bang(runs, flags.run.fail_on == "risky", &path)?;
    Ok(i32::from(exit_code(&reports)))
}

fn bang(runs: Vec<Options>, fail_on_risky: bool, path: &Path) -> Result<Vec<Report>, LabError> {
    let interrupted = interrupt::install();
    let mut reports = Vec::new();
    let several = runs.len() > 1;
    for options in runs {
        let mut screen = Screen::begin("bang", &options);
        let evidence = verify(options, interrupted, &mut |event| screen.show(&event))?;
        tell_left_behind(&evidence.left_behind);
        let report = weigh(evidence, fail_on_risky)?;
        screen.end(&report);
        reports.push(report);
        // After each run: what is known already is not lost with the next.
        write(path, &reports, several)?;
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    if several {
        show_matrix(&reports);
    }
    Screen::tell_report_of("bang", path);
    Ok(reports)
}

fn write(path: &Path, reports: &[Report], several: bool) -> Result<(), LabError> {
    match reports {
        [one] if !several => write_report(path, one),
        _ => write_report(
            path,
            &Matrix { walproof_matrix: VERSION, exit_code: exit_code(reports), runs: reports.to_vec() },
        ),
    }
}

/// Unsafe before unknown before the rest: the worst wins, whatever its number.
fn exit_code(reports: &[Report]) -> u8 {
    let is_unsafe =
        |report: &&Report| report.verdicts.first().is_some_and(|verdict| verdict.kind() == VerdictKind::Unsafe);
    let codes = || reports.iter().map(|report| report.exit_code);
    match reports.iter().find(is_unsafe) {
        Some(broken) => broken.exit_code,
        None => codes().find(|&code| code == 3).or(codes().max()).unwrap_or(3),
    }
}

fn print_plan(runs: &[Options]) -> Result<i32, LabError> {
    let headers = runs.iter().map(replay::plan).collect::<Result<Vec<_>, LabError>>()?;
    let text = match &headers[..] {
        [one] => serde_json::to_string_pretty(one),
        _ => serde_json::to_string_pretty(&Matrix { walproof_matrix: VERSION, exit_code: 0, runs: headers }),
    };
    say!("{}", text.expect("a plan is plain data"));
    Ok(0)
}

/// One run for each journal mode, all from one seed.
fn runs(flags: &BangFlags) -> Result<Vec<Options>, LabError> {
    check_own(&flags.run)?;
    let mut options = asked(&flags.run);
    options.nemeses = nemeses_of(&flags.nemeses, &options.world)?;
    options.last_duty = flags.checkpointer.as_deref().map(|word| Duty::Checkpoint { mode: checkpoint_mode(word) });
    options.program = flags.agent.as_deref().map(agent_program).transpose()?;
    options.storage = StorageKnobs { latency: flags.latency, failing: flags.io_errors };
    options.workload.busy = if flags.busy == "timeout" { Busy::BusyTimeout } else { Busy::FairBackOff };
    options.workload.busy_timeout_ms = flags.busy_timeout;
    choose_workload(&flags.workload, &mut options)?;
    let modes = options.workload.journal_mode.clone();
    let of_mode = |mode: &str| {
        let mut options = options.clone();
        options.workload.journal_mode = mode.trim().to_owned();
        options
    };
    Ok(modes.split(',').map(of_mode).collect())
}

fn checkpoint_mode(word: &str) -> Option<CheckpointMode> {
    CheckpointMode::ALL.into_iter().find(|mode| mode.word().eq_ignore_ascii_case(word))
}

fn agent_program(path: &Path) -> Result<std::path::PathBuf, LabError> {
    fs::canonicalize(path).map_err(|error| LabError::path("cannot use the agent", path, error, "name a program"))
}

/// One of ours by name, or a file of the user's.
fn choose_workload(name: &str, options: &mut Options) -> Result<(), LabError> {
    options.workload.name = name.to_owned();
    if name.ends_with(".toml") {
        options.workload.name = CUSTOM.to_owned();
        options.workload.custom = Some(custom_workload(Path::new(name))?);
        return Ok(());
    }
    if name != CUSTOM && workloads::find(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = workloads::WORKLOADS.iter().map(|kind| kind.name).filter(|name| *name != CUSTOM).collect();
    Err(LabError::new(
        format!("there is no workload `{name}`"),
        format!("the workloads are {}; a file of your own ends in `.toml`", known.join(", ")),
        "one of these, or a file as `walproof explain custom` describes it",
    ))
}

/// The user's statements, tried once in memory: what is wrong with them is said before anything is made.
fn custom_workload(path: &Path) -> Result<CustomWorkload, LabError> {
    let unusable = |because: String| {
        LabError::path(
            "cannot use the workload",
            path,
            because,
            "correct it; `walproof explain custom` tells its fields",
        )
    };
    let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let custom = CustomWorkload::from_toml(&text).map_err(unusable)?;
    workloads::try_out(&custom).map_err(unusable)?;
    Ok(custom)
}

/// `None`: nothing was chosen, the run has its own.
fn nemeses_of(choices: &[Choice], world: &str) -> Result<Option<Vec<Chosen>>, LabError> {
    if choices.is_empty() {
        return Ok(None);
    }
    let of_world = walproof_lab::worlds::find(world).map_or(&[][..], |world| world.nemeses);
    let mut chosen: Vec<Chosen> = Vec::new();
    for choice in choices {
        let more = match choice {
            Choice::None => Vec::new(),
            Choice::Usual => usual_and(of_world),
            Choice::One(name, rhythm) => vec![one(name, *rhythm)?],
        };
        // A later choice of the same nemesis replaces the earlier one's rhythm.
        chosen.retain(|before| more.iter().all(|new| new.nemesis != before.nemesis));
        chosen.extend(more);
    }
    Ok(Some(chosen))
}

fn one(name: &str, rhythm: Option<Rhythm>) -> Result<Chosen, LabError> {
    let nemesis = nemeses::find(name).ok_or_else(|| {
        let names: Vec<&str> = nemeses::NEMESES.iter().map(|nemesis| nemesis.name).collect();
        LabError::new(
            format!("there is no nemesis `{name}`"),
            format!("the nemeses are {}", names.join(", ")),
            "one of these, `usual` or `none`",
        )
    })?;
    let asked = rhythm.unwrap_or(nemesis.rhythm);
    let for_ms_max = if asked.for_ms_max == u64::MAX { nemesis.rhythm.for_ms_max } else { asked.for_ms_max };
    Ok(Chosen { nemesis: name.to_owned(), rhythm: Rhythm { for_ms_max, ..asked } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_choice_replaces_the_rhythm() {
        let rhythm = Rhythm { first_ms: 1, interval_ms: 50, for_ms_max: u64::MAX };
        let choices = [Choice::Usual, Choice::One("pause-agent".into(), Some(rhythm))];
        let chosen = nemeses_of(&choices, "shared-directory").expect("known").expect("some");
        let pauses: Vec<&Chosen> = chosen.iter().filter(|chosen| chosen.nemesis == "pause-agent").collect();
        assert_eq!(pauses.len(), 1);
        assert_eq!((pauses[0].rhythm.interval_ms, pauses[0].rhythm.for_ms_max), (50, 500));
        assert_eq!(nemeses_of(&[], "shared-directory"), Ok(None));
        assert_eq!(nemeses_of(&[Choice::None], "shared-directory"), Ok(Some(vec![])));
        assert!(nemeses_of(&[Choice::One("no-such".into(), None)], "shared-directory").is_err());
    }
}
