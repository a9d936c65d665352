//! Races between two parties, one after the other.

use walproof_format::probe_step::{LitmusRole, LitmusTest, ProbeStep};
use walproof_judge::probe::{Answer, LitmusCount};

use super::asking::Asking;

/// How long one race lasts, in milliseconds.
const RACE_MS: u32 = 40;
/// The same for races that make system calls, which are slower.
const CALLS_MS: u32 = 100;
/// The longest of them, on slow storage.
const SLOW_CALLS_MS_MAX: u32 = 1_000;

/// Changes that must be seen before a race has said anything, on a mapping and by system calls.
const CHANGES_MIN: u64 = 1_000;
const CALL_CHANGES_MIN: u64 = 50;
/// How many turns show shared memory, and how long they may take in all.
const TURNS: u64 = 3;
const TURNS_MS_MAX: u32 = 2_000;
/// How often a race is run for that.
const ROUNDS_MAX: u32 = 4;

/// A party, its handle of the file, its path.
pub type Racer = (u16, u32, String);

/// The races on a mapping in which `writer` changes what `reader` looks at; where both do both, only with `symmetric` ones.
pub fn races(
    asking: &Asking<'_>,
    writer: &Racer,
    reader: &Racer,
    symmetric: bool,
) -> Vec<(LitmusTest, Result<LitmusCount, Answer>)> {
    let wanted = |test: &LitmusTest| test.needs_mapping() && (symmetric || *test != LitmusTest::StoreBuffering);
    let time_ms = |test| if test == LitmusTest::WriteAgainstMap { CALLS_MS } else { RACE_MS };
    let run = |test| (test, race(asking, (test, time_ms(test)), writer, reader));
    LitmusTest::ALL.into_iter().filter(wanted).map(run).collect()
}

/// The race that needs none; longer on slow storage, where an open and a read take `call_us` together.
pub fn race_reopening(
    asking: &Asking<'_>,
    writer: &Racer,
    reader: &Racer,
    call_us: f64,
) -> Result<LitmusCount, Answer> {
    let time_ms = ((call_us * 20.0 / 1e3) as u32).clamp(CALLS_MS, SLOW_CALLS_MS_MAX);
    race(asking, (LitmusTest::WriteAgainstReopen, time_ms), writer, reader)
}

/// Where little was seen to change, since the storage is slow or the machine busy, it is run again, and counts add up.
fn race(
    asking: &Asking<'_>,
    (test, time_ms): (LitmusTest, u32),
    writer: &Racer,
    reader: &Racer,
) -> Result<LitmusCount, Answer> {
    let mut sum = LitmusCount { test, observed: 0, wrong: 0 };
    for _ in 0..ROUNDS_MAX {
        let count = round(asking, (test, time_ms), writer, reader)?;
        (sum.observed, sum.wrong) = (sum.observed + count.observed, sum.wrong + count.wrong);
        let enough = if time_ms >= CALLS_MS { CALL_CHANGES_MIN } else { CHANGES_MIN };
        if sum.observed >= enough || sum.wrong > 0 {
            break;
        }
    }
    Ok(sum)
}

fn round(
    asking: &Asking<'_>,
    (test, time_ms): (LitmusTest, u32),
    writer: &Racer,
    reader: &Racer,
) -> Result<LitmusCount, Answer> {
    let part = |racer: &Racer, role| part(racer, (test, role), time_ms, 0);
    let [wrote, read] = asking.both(part(writer, LitmusRole::Writer), part(reader, LitmusRole::Reader));
    let (wrote, read) = (wrote?, read?);
    Ok(LitmusCount { test, observed: read.observed, wrong: wrote.value + read.value })
}

fn part(
    (party, handle, path): &Racer,
    (test, role): (LitmusTest, LitmusRole),
    time_ms: u32,
    rounds_max: u64,
) -> (u16, ProbeStep) {
    (*party, ProbeStep::Litmus { handle: *handle, path: path.clone(), test, role, time_ms, rounds_max })
}

/// Whether two parties see each other's stores a few times in turn: a store that a write-back brought to light is seen
/// once. In shared memory it takes microseconds; on a machine that is much too busy, a few times its waits.
pub fn in_turn(asking: &Asking<'_>, one: &Racer, other: &Racer) -> Answer {
    let test = LitmusTest::StoreBuffering;
    let part = |racer: &Racer, role| part(racer, (test, role), TURNS_MS_MAX, TURNS);
    match asking.both(part(one, LitmusRole::Writer), part(other, LitmusRole::Reader)) {
        [Ok(one), Ok(other)] if one.observed.max(other.observed) >= TURNS => Answer::Yes,
        [Ok(_), Ok(_)] => Answer::No,
        [Err(failure), _] | [_, Err(failure)] => failure,
    }
}

/// From a store to the other's answer and back, halved, in microseconds.
pub fn store_us(counts: &[LitmusCount]) -> Option<f64> {
    let rounds = counts.iter().find(|count| count.test == LitmusTest::StoreBuffering)?.observed;
    // Of a race that was run again, a little too small.
    (rounds > 0).then(|| f64::from(RACE_MS) * 1e3 / rounds as f64 / 2.0)
}
