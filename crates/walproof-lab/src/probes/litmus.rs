//! Races between two parties, one after the other.

use walproof_format::probe_step::{LitmusRole, LitmusTest, ProbeStep};
use walproof_judge::probe::{Answer, LitmusCount};

use super::asking::Asking;

/// How long one race lasts, in milliseconds.
const RACE_MS: u32 = 40;
/// The same for races that make system calls, which are slower.
const CALLS_MS: u32 = 120;

/// A party, its handle of the file, its path.
pub type Racer = (u16, u32, String);

/// Runs the races in which `writer` changes what `reader` looks at; where both do both, only with `symmetric` ones.
pub fn races(asking: &Asking<'_>, writer: &Racer, reader: &Racer, mapped: bool, symmetric: bool) -> Vec<LitmusCount> {
    let wanted =
        |test: &LitmusTest| (mapped || !test.needs_mapping()) && (symmetric || *test != LitmusTest::StoreBuffering);
    LitmusTest::ALL.into_iter().filter(wanted).filter_map(|test| race(asking, test, writer, reader).ok()).collect()
}

fn race(asking: &Asking<'_>, test: LitmusTest, writer: &Racer, reader: &Racer) -> Result<LitmusCount, Answer> {
    let calls = matches!(test, LitmusTest::WriteAgainstMap | LitmusTest::WriteAgainstReopen);
    let time_ms = if calls { CALLS_MS } else { RACE_MS };
    let part = |(party, handle, path): &Racer, role| {
        (*party, ProbeStep::Litmus { handle: *handle, path: path.clone(), test, role, time_ms })
    };
    let [wrote, read] = asking.both(part(writer, LitmusRole::Writer), part(reader, LitmusRole::Reader));
    let (wrote, read) = (wrote?, read?);
    Ok(LitmusCount { test, observed: read.observed, wrong: wrote.value + read.value })
}

/// From a store to the other's answer and back, halved, in microseconds.
pub fn store_us(counts: &[LitmusCount]) -> Option<f64> {
    let rounds = counts.iter().find(|count| count.test == LitmusTest::StoreBuffering)?.observed;
    (rounds > 0).then(|| f64::from(RACE_MS) * 1e3 / rounds as f64 / 2.0)
}
