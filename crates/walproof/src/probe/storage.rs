//! `walproof probe --storage` and `--watch`: what was measured, for people and as JSON.
//!
//! Exit codes: 0 measured, 2 failed or misused, 3 the storage did not answer.
//! Where to look next: `show.rs` draws the tables, `walproof_lab::probes::storage` measures.

mod show;

use std::io::IsTerminal;

use serde::Serialize;
use walproof_judge::storage::StorageReport;
use walproof_judge::storage::VERSION;
use walproof_judge::storage::stalls::{Second, Stall, Summary};
use walproof_lab::error::LabError;
use walproof_lab::probes::storage::{Asked, Progress, Watching, measure, watch};

use crate::arguments::ProbeFlags;
use crate::interrupt;
use crate::output::redraw;

/// Runs it.
pub fn run(flags: &ProbeFlags) -> Result<i32, LabError> {
    let asked = Asked {
        directory: flags.directory.clone().unwrap_or_else(|| ".".into()),
        runtime: flags.runtime.clone(),
        time: flags.time,
    };
    if flags.watch { run_watch(&asked, flags.json) } else { run_measure(&asked, flags.json) }
}

fn run_measure(asked: &Asked, json: bool) -> Result<i32, LabError> {
    let live = !json && std::io::stdout().is_terminal();
    if !json {
        say!("walproof probe --storage {}", asked.directory.display());
    }
    let report = measure(asked, interrupt::install(), &mut |progress| {
        if live {
            redraw(&progress_line(progress));
        }
    });
    if live {
        redraw("");
    }
    let report: StorageReport = report?;
    if json {
        say!("{}", serde_json::to_string_pretty(&report).expect("a report is plain data"));
    } else {
        show::report(&report);
    }
    Ok(0)
}

fn progress_line(progress: &Progress) -> String {
    let Progress { elapsed, time, round, what } = progress;
    format!("  measuring  {:.0} of {:.0} s, round {round}: {what}", elapsed.as_secs_f64(), time.as_secs_f64())
}

/// A line of `--watch --json`.
#[derive(Serialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
enum WatchLine<'a> {
    Began { walproof_watch: u32, storage: &'a str },
    Second(&'a Second),
    Stalled(&'a Stall),
    Summary(&'a Summary),
}

fn run_watch(asked: &Asked, json: bool) -> Result<i32, LabError> {
    let mut lines = show::WatchLines::new();
    let summary = watch(asked, interrupt::install(), &mut |event| {
        if !json {
            return lines.show(&event, &asked.directory);
        }
        let line = match event {
            Watching::Began { storage } => WatchLine::Began { walproof_watch: VERSION, storage },
            Watching::Second(second) => WatchLine::Second(second),
            Watching::Stalled(stall) => WatchLine::Stalled(stall),
            Watching::Ended(summary) => WatchLine::Summary(summary),
        };
        say!("{}", serde_json::to_string(&line).expect("a line is plain data"));
    })?;
    Ok(if summary.silent_at_end_ns.is_some() { 3 } else { 0 })
}
