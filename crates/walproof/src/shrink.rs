//! `walproof shrink`: a failing report in, one command out.

use std::path::Path;

use walproof_format::plan::Latency;
use walproof_format::protocol::{Busy, Duty, Workload};
use walproof_lab::error::LabError;
use walproof_lab::run::replay;
use walproof_lab::run::shrink::shrink;
use walproof_lab::run::verify::Options;
use walproof_lab::runtimes;

use crate::arguments::ShrinkFlags;
use crate::interrupt;
use crate::render::quoted;
use crate::verify::{check_report_path, write_report};

/// Runs it; exit code 0 when a failing run was found, however small.
pub fn run(flags: &ShrinkFlags) -> Result<i32, LabError> {
    let mut runs = replay::read(&flags.report)?;
    let (Some(mut failing), true) = (runs.pop(), runs.is_empty()) else {
        let because = "it holds several runs";
        return Err(LabError::path(
            "cannot shrink",
            &flags.report,
            because,
            "run the failing journal mode alone first",
        ));
    };
    if let Some(directory) = &flags.directory {
        failing.directory = directory.clone();
    }
    let runtime = runtimes::choose(failing.runtime.as_deref())?;
    say!("walproof shrink {}", flags.report.display());
    let interrupted = interrupt::install();
    let shrunk = shrink(runtime.as_ref(), failing, flags.tries, interrupted, &mut |attempt| {
        say!("  {:<34} {}", attempt.what, if attempt.fails { "fails" } else { "does not fail" });
    })?;
    let kinds: Vec<&str> = shrunk.kinds.iter().map(|kind| kind.name()).collect();
    let interrupted = if shrunk.interrupted { "interrupted after " } else { "" };
    say!("  {interrupted}{} runs; the smallest that failed shows {}", shrunk.runs, kinds.join(", "));
    match in_words(&shrunk.options) {
        true => say!("{}", command(&shrunk.options)),
        false => {
            write_plan(&shrunk.options)?;
            say!("walproof bang --plan {PLAN} {}", quoted(&shrunk.options.directory));
        }
    }
    Ok(0)
}

/// Where a run goes that flags cannot tell.
const PLAN: &str = "walproof-shrunk.json";

/// Whether flags can tell it: not the user's own statements, which a report holds without their file, and not strikes
/// that somebody wrote one by one.
fn in_words(options: &Options) -> bool {
    let own = options.own.is_some() || options.image.is_some() || !options.targets.is_empty();
    options.workload.custom.is_none() && options.strikes.is_none() && !own
}

fn write_plan(options: &Options) -> Result<(), LabError> {
    check_report_path(Path::new(PLAN))?;
    write_report(Path::new(PLAN), &replay::plan(options)?)
}

/// The run as one command; what is as by default is left out.
fn command(options: &Options) -> String {
    let mut words = vec!["walproof bang".to_owned()];
    let mut flag = |name: &str, value: String, unsaid: bool| {
        if !unsaid {
            words.push(format!("--{name} {value}"));
        }
    };
    let usual = Options::default();
    flag("seed", format!("{:016x}", options.seed), false);
    flag("time", format!("{}ms", options.time.as_millis()), false);
    flag("agents", options.agents.to_string(), false);
    flag("world", options.world.clone(), options.world == usual.world);
    workload_flags(&options.workload, &mut flag);
    if let Some(Duty::Checkpoint { mode }) = options.last_duty {
        flag("checkpointer", mode.map_or("all".to_owned(), |mode| mode.word().to_ascii_lowercase()), false);
    }
    if let Some(program) = &options.program {
        flag("agent", quoted(program), false);
    }
    if let Some(latency) = options.storage.latency {
        let Latency { fixed_us, jitter_us, tail_every, tail_us_max, .. } = latency;
        flag("latency", format!("{fixed_us}us:{jitter_us}us:{tail_every}:{tail_us_max}us"), false);
    }
    if let Some(failing) = options.storage.failing {
        let kinds = [("reads", failing.reads_every), ("writes", failing.writes_every), ("syncs", failing.syncs_every)];
        let set: Vec<String> =
            kinds.iter().filter(|(_, every)| *every > 0).map(|(kind, every)| format!("{kind}={every}")).collect();
        flag("io-errors", set.join(","), set.is_empty());
    }
    let nemeses = options.nemeses.iter().flatten();
    for chosen in nemeses.clone() {
        let rhythm = chosen.rhythm;
        let (first, interval, longest) = (rhythm.first_ms, rhythm.interval_ms, length(rhythm.for_ms_max));
        flag("nemesis", format!("{}:{first}ms:{interval}ms:{longest}", chosen.nemesis), false);
    }
    flag("nemesis", "none".to_owned(), nemeses.count() > 0);
    words.push(quoted(&options.directory));
    words.join(" ")
}

fn length(ms: u64) -> String {
    if ms == 0 { "0".to_owned() } else { format!("{ms}ms") }
}

fn workload_flags(workload: &Workload, flag: &mut impl FnMut(&str, String, bool)) {
    let usual = Workload::default();
    flag("workload", workload.name.clone(), workload.name == usual.name);
    flag("journal", workload.journal_mode.clone(), workload.journal_mode == usual.journal_mode);
    flag("synchronous", workload.synchronous.clone(), workload.synchronous == usual.synchronous);
    flag("busy", "timeout".to_owned(), workload.busy == Busy::FairBackOff);
    let numbers: [(&str, u32, u32); 8] = [
        ("page-size", workload.page_size_bytes, usual.page_size_bytes),
        ("reads", workload.read_percent, usual.read_percent),
        ("row-changes", workload.row_changes, usual.row_changes),
        ("autocheckpoint", workload.autocheckpoint_frames, usual.autocheckpoint_frames),
        ("reopen-every", workload.reopen_every, usual.reopen_every),
        ("checkpoint-every", workload.checkpoint_every, usual.checkpoint_every),
        ("busy-timeout", workload.busy_timeout_ms, usual.busy_timeout_ms),
        ("think", workload.think_us, usual.think_us),
    ];
    numbers.into_iter().for_each(|(name, value, usual)| flag(name, value.to_string(), value == usual));
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use walproof_format::plan::{Failing, StorageKnobs};

    use crate::arguments::Arguments;

    #[test]
    fn the_command_is_one_that_walproof_takes() {
        let options = Options {
            nemeses: Some(walproof_lab::run::plan::usual_and(&[])),
            directory: "/a b".into(),
            storage: StorageKnobs {
                latency: Some(Latency { fixed_us: 5, ..Latency::NONE }),
                failing: Some(Failing { syncs_every: 50, ..Failing::NONE }),
            },
            ..Options::default()
        };
        let text = command(&options);
        assert!(text.ends_with("'/a b'"));
        let words = text.replace("'/a b'", "/a").split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(Arguments::try_parse_from(words).is_ok(), "{text}");
        assert!(command(&Options { nemeses: Some(vec![]), ..Options::default() }).contains("--nemesis none"));
    }
}
