//! Runs told by a file: a report, or a plan as `bang --print-plan` prints it and people change it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use walproof_format::report::{Header, Replay, VERSION, parse_seed, read_headers};

use crate::error::LabError;
use crate::nemeses;
use crate::run::verify::Options;

/// What `--agents` accepts.
pub const AGENTS_MAX: u16 = 75;
/// What `--time` accepts, in milliseconds.
const TIME_MS_MAX: u64 = 86_400_000;
/// The longest strike.
const STRIKE_MS_MAX: u64 = 600_000;

/// The runs of a file, one for each journal mode.
pub fn read(path: &Path) -> Result<Vec<Options>, LabError> {
    let unusable =
        |because: String| LabError::path("cannot replay", path, because, "name a report or a plan that walproof wrote");
    let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
    let headers = read_headers(&text).map_err(unusable)?;
    headers.into_iter().map(|header| options(header).map_err(unusable)).collect()
}

/// A run as a plan: its header, every strike spelled out.
pub fn plan(options: &Options) -> Result<Header, LabError> {
    let strikes = Some(options.plan()?.strikes);
    let runtime = options.runtime.clone().unwrap_or_default();
    let replay = Replay { strikes, ..options.replay(&runtime) };
    Ok(Header { walproof_report: VERSION, directory: options.directory.display().to_string(), replay })
}

fn options(Header { directory, replay, .. }: Header) -> Result<Options, String> {
    plausible(&replay)?;
    Ok(Options {
        directory: directory.into(),
        time: Duration::from_millis(replay.time_ms),
        agents: replay.agents,
        world: replay.world,
        // A plan that was printed before a runtime was looked for names none.
        runtime: Some(replay.runtime).filter(|name| !name.is_empty()),
        workload: replay.workload,
        seed: parse_seed(&replay.seed)?,
        nemeses: replay.nemeses,
        strikes: replay.strikes,
        last_duty: replay.last_duty,
        program: replay.agent.map(PathBuf::from),
        keep_going: replay.keep_going,
        storage: replay.storage,
        own: replay.own,
        image: replay.image,
        targets: replay.targets,
        ..Options::default()
    })
}

/// A file that people may change is not believed.
fn plausible(replay: &Replay) -> Result<(), String> {
    let workload = &replay.workload;
    let numbers = (1..=AGENTS_MAX).contains(&replay.agents)
        && (10..=TIME_MS_MAX).contains(&replay.time_ms)
        && workload.page_size_bytes.is_power_of_two()
        && (512..=65_536).contains(&workload.page_size_bytes);
    if !numbers {
        return Err("its numbers are none that walproof accepts: agents, time or page size".into());
    }
    within("read_percent", workload.read_percent, 0, 95)?;
    within("row_changes", workload.row_changes, 1, 64)?;
    within("busy_timeout_ms", workload.busy_timeout_ms, 1, 600_000)?;
    within("think_us", workload.think_us, 0, 1_000_000)?;
    within("ledger_rows_max", workload.ledger_rows_max, 64, 1 << 20)?;
    if let Some(long) = replay.strikes.iter().flatten().find(|strike| strike.for_ms > STRIKE_MS_MAX) {
        return Err(format!("a strike lasts {} ms, and {STRIKE_MS_MAX} is the longest", long.for_ms));
    }
    if !["off", "normal", "full", "extra"].contains(&workload.synchronous.as_str()) {
        return Err(format!("`{}` is no value of PRAGMA synchronous", workload.synchronous));
    }
    if walproof_agent::workloads::find(&workload.name).is_none() {
        return Err(format!("there is no workload `{}`", workload.name));
    }
    let named = replay.nemeses.iter().flatten().map(|chosen| &chosen.nemesis);
    let striking = replay.strikes.iter().flatten();
    if let Some(stranger) = striking.clone().find(|strike| strike.agent >= replay.agents) {
        return Err(format!("a strike names agent {}, and there are {}", stranger.agent, replay.agents));
    }
    match named.chain(striking.map(|strike| &strike.nemesis)).find(|name| nemeses::find(name).is_none()) {
        Some(unknown) => Err(format!("there is no nemesis `{unknown}`")),
        None => Ok(()),
    }
}

fn within(name: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(format!("`{name}` is {value}, not {least} to {most}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_the_round_trip_and_nonsense_is_refused() {
        let options_before = Options { seed: 7, time: Duration::from_secs(3), ..Options::default() };
        let header = plan(&options_before).expect("a plan");
        let after = options(header.clone()).expect("the same plan");
        assert_eq!(after.plan(), options_before.plan());
        let mut strange = header.clone();
        strange.replay.strikes =
            Some(vec![walproof_format::plan::Strike { at_ms: 1, nemesis: "pause-agent".into(), agent: 9, for_ms: 1 }]);
        assert!(options(strange).unwrap_err().contains("agent 9"));
        let mut strange = header.clone();
        strange.replay.workload.row_changes = 0;
        assert!(options(strange).unwrap_err().contains("row_changes"));
        let mut strange = header;
        strange.replay.agents = 0;
        assert!(options(strange).is_err());
    }
}
