//! `walproof probe`: parties ask each other; `--storage` and `--watch` measure one party's storage.
//!
//! Where to look next: `walproof_lab::run::probe` for what is done, `probe/show.rs` for what is printed.

mod show;
mod storage;

use walproof_format::plan::{OwnBoundary, StorageKnobs};
use walproof_format::protocol::Workload;
use walproof_lab::error::LabError;
use walproof_lab::probes::cripples;
use walproof_lab::probes::pair::Depth;
use walproof_lab::run::probe::{Asked, probe};
use walproof_lab::run::verify::Options;

use crate::arguments::{ProbeFlags, ProbeOwnFlags};
use crate::interrupt;
use crate::verify::{absolute, tell_left_behind};

/// Runs it; the exit code says the verdict.
pub fn run(flags: &ProbeFlags) -> Result<i32, LabError> {
    if flags.storage || flags.watch {
        return storage::run(flags);
    }
    check_database(&flags.own)?;
    let asked = Asked {
        options: options(flags),
        depth: if flags.quick { Depth::Quick } else { Depth::Full },
        time_max: flags.timeout,
        parties: flags.parties,
        with_host: flags.with_host,
        guards: !flags.quick,
        cripple: flags.cripple.as_deref().map(cripples::find).transpose()?,
        strike_after: flags.cripple_after,
        fail_on_risky: flags.fail_on == "risky",
    };
    let report = probe(asked, interrupt::install())?;
    if flags.json {
        say!("{}", serde_json::to_string_pretty(&report).expect("a report is plain data"));
    } else {
        show::show(&report, &flags.journal);
    }
    tell_left_behind(&report.left_behind);
    Ok(i32::from(report.exit_code))
}

fn options(flags: &ProbeFlags) -> Options {
    Options {
        directory: flags.directory.clone().unwrap_or_else(|| ".".into()),
        world: flags.world.clone(),
        runtime: flags.runtime.clone(),
        workload: Workload { journal_mode: flags.journal.to_ascii_lowercase(), ..Workload::default() },
        storage: StorageKnobs { latency: flags.latency, ..StorageKnobs::default() },
        own: own(&flags.own),
        image: flags.own.image.clone(),
        ..Options::default()
    }
}

fn own(flags: &ProbeOwnFlags) -> Option<OwnBoundary> {
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

/// What is only said of the user's own containers must not be passed over where there are none.
fn check_database(own: &ProbeOwnFlags) -> Result<(), LabError> {
    if own.databases.is_empty() || !own.compose.is_empty() || !own.like.is_empty() {
        return Ok(());
    }
    let because = "a directory is probed on scratch files in it, whatever databases it holds";
    Err(LabError::new(
        "cannot use `--database` here",
        because,
        "leave it out, or name `--compose FILE` or `--like CONTAINER`",
    ))
}
