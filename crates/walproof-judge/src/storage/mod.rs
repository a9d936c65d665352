//! What one party's storage is worth to SQLite: measured slices in, a [`StorageReport`] out.
//!
//! What this room is: `predict` knows the calls of a commit, `gap` explains where a prediction went wrong, `settings`
//! knows what is compared and what it promises, `mount_options` reads the options in force,
//! `stalls` tells a stall from a slow call.
//! What it must not do: give a verdict about sharing. One party measured says how fast storage is, never whether two
//! parties may share a database on it; no setting makes WAL safe where they have no shared memory.
//! Where to look next: `walproof_lab::probes::storage` measures, `walproof/src/probe/storage.rs` shows.

pub mod gap;
pub mod mount_options;
pub mod predict;
pub mod settings;
pub mod stalls;

use serde::Serialize;
use walproof_format::measure::{CallGroup, CallTimes, CommitTimes, GroupTime, Histogram, Percentiles, Settings};

use self::gap::{GapPart, explain, parts};
use self::mount_options::{InForce, Weight};
use self::predict::{CommitCost, checkpoint_script, commit_script, cost, restart_script, total};
use self::settings::{AUTOCHECKPOINT_FRAMES, AUTOCHECKPOINTS, Candidate, Promise, Synchronous, mark_front};
pub use crate::verdict::JournalMode;

/// Version of the document.
pub const VERSION: u32 = 1;

/// One turn of the measurement in one setting: calls made alone, and right after them SQLite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// The script of a commit.
    pub calls: CallTimes,
    /// The script of a checkpoint; empty in rollback modes and where none was made.
    pub checkpoint_calls: CallTimes,
    /// The script of the first commit after a checkpoint; empty likewise.
    pub restart_calls: CallTimes,
    /// SQLite.
    pub commits: CommitTimes,
}

/// Everything measured in one setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurements {
    /// The setting.
    pub settings: Settings,
    /// Turns, in order. Those of variants have no calls.
    pub rounds: Vec<Round>,
    /// Point reads.
    pub reads: Histogram,
    /// Why there is nothing.
    pub refused: Option<String>,
}

/// How one call is distributed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallRow {
    /// Which.
    pub call: &'static str,
    /// What it does.
    pub what: &'static str,
    /// In nanoseconds.
    pub latency: Percentiles,
    /// How many fall into each power of two of nanoseconds: exponent and count.
    pub octaves: Vec<(u32, u64)>,
}

/// Prediction and measurement of one journal mode at one level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModeRow {
    /// The journal mode.
    pub journal_mode: JournalMode,
    /// The level.
    pub synchronous: Synchronous,
    /// What it promises over a power loss.
    pub promise: Promise,
    /// Predicted from calls made alone: measured times ratio; in WAL mode at `wal_autocheckpoint` 1000.
    pub predicted_commits_per_s: f64,
    /// Measured with SQLite, the median of the rounds; in WAL mode likewise.
    pub measured_commits_per_s: f64,
    /// The median of the rounds' ratios of predicted by measured.
    pub ratio: f64,
    /// Between these it lies with 99 %, as far as rounds do not depend on each other.
    pub ratio_interval: (f64, f64),
    /// Rounds.
    pub rounds: usize,
    /// A commit each, in nanoseconds.
    pub commit_latency: Percentiles,
    /// Where the two differ, for a commit; those that differ most first.
    pub parts: Vec<GapPart>,
    /// The gap in a sentence.
    pub explanation: String,
    /// The median of calls predicted and measured, in nanoseconds.
    pub cost: (Cost, Cost),
}

/// [`CommitCost`] for other programs, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// A commit.
    pub commit_ns: f64,
    /// The first commit after a checkpoint; 0 in rollback modes.
    pub restart_ns: f64,
    /// A checkpoint of 64 pages; 0 in rollback modes.
    pub checkpoint_ns: f64,
}

impl From<CommitCost> for Cost {
    fn from(cost: CommitCost) -> Self {
        let CommitCost { commit_ns, restart_ns, checkpoint_ns } = cost;
        Self { commit_ns, restart_ns, checkpoint_ns }
    }
}

/// What the storage is worth to SQLite, one party alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StorageReport {
    /// [`VERSION`].
    pub walproof_storage: u32,
    /// The directory, absolute.
    pub directory: String,
    /// The conditions of the measurement, a line each.
    pub conditions: Vec<String>,
    /// SQLite's version.
    pub sqlite: String,
    /// Calls made alone.
    pub calls: Vec<CallRow>,
    /// Prediction and measurement.
    pub modes: Vec<ModeRow>,
    /// Settings compared.
    pub settings: Vec<Candidate>,
    /// Options of the mount that are in force.
    pub mount_options: Vec<InForce>,
    /// What was not measured, and why.
    pub not_measured: Vec<String>,
    /// What tuning buys here.
    pub tuning: Vec<String>,
    /// What this does not prove.
    pub limits: Vec<String>,
}

/// Everything that was measured and looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The directory, absolute.
    pub directory: String,
    /// The conditions of the measurement, a line each.
    pub conditions: Vec<String>,
    /// SQLite's version.
    pub sqlite: String,
    /// Calls made alone.
    pub survey: CallTimes,
    /// Calls of the survey that failed, and why.
    pub not_measured: Vec<String>,
    /// Journal modes and levels.
    pub modes: Vec<Measurements>,
    /// One setting changed at a time.
    pub variants: Vec<Measurements>,
    /// Options of the mount that are in force.
    pub mount_options: Vec<InForce>,
}

/// Weighs what was measured.
pub fn weigh(evidence: Evidence) -> StorageReport {
    let rows = evidence.modes.iter().filter_map(|of| mode_row(of, &evidence.modes));
    let mut modes: Vec<ModeRow> = rows.collect();
    modes.sort_by_key(|row| (row.journal_mode, row.synchronous));
    let mut settings: Vec<Candidate> = evidence.modes.iter().chain(&evidence.variants).flat_map(candidates).collect();
    mark_front(&mut settings);
    let refused = evidence.modes.iter().chain(&evidence.variants).filter_map(refusal);
    StorageReport {
        walproof_storage: VERSION,
        directory: evidence.directory,
        conditions: evidence.conditions,
        sqlite: evidence.sqlite,
        calls: evidence.survey.calls.iter().map(call_row).collect(),
        tuning: tuning(&settings, &evidence.mount_options),
        not_measured: evidence.not_measured.into_iter().chain(refused).collect(),
        modes,
        settings,
        mount_options: evidence.mount_options,
        limits: LIMITS.iter().map(|&limit| limit.to_owned()).collect(),
    }
}

/// What one party's measurement never proves.
const LIMITS: &[&str] = &[
    "whether two parties may share a database here: `walproof probe` and `walproof verify` settle that; where they have \
     no shared memory, no setting makes WAL safe",
    "whether a sync survives a power loss: a storage may answer it and keep nothing",
    "several writers at once, larger transactions, a database larger than the page cache",
];

fn refusal(of: &Measurements) -> Option<String> {
    let Settings { journal_mode, synchronous, page_bytes, .. } = &of.settings;
    let name = format!("{journal_mode} {synchronous}, pages of {page_bytes} bytes");
    match &of.refused {
        Some(because) => Some(format!("{name}: {because}")),
        None if of.rounds.is_empty() => Some(format!("{name}: the time was over")),
        None => None,
    }
}

fn call_row(time: &walproof_format::measure::CallTime) -> CallRow {
    let (call, what) = (time.call.word(), time.call.what());
    CallRow { call, what, latency: time.latency.percentiles(), octaves: time.latency.octaves() }
}

fn mode_of(settings: &Settings) -> Option<(JournalMode, Synchronous)> {
    Some((JournalMode::from_word(&settings.journal_mode)?, Synchronous::parse(&settings.synchronous)?))
}

/// What SQLite did outside of its calls, for a commit and for a checkpoint, in nanoseconds.
fn processor(of: &Measurements) -> (f64, f64) {
    let commit = |round: &Round| {
        let count = round.commits.latency.count().max(1) as f64;
        round.commits.latency.mean_ns() - inside_ns(&round.commits.inside) / count
    };
    let checkpoint = |round: &Round| {
        let checkpoint = round.commits.checkpoint.as_ref()?;
        Some(checkpoint.ns as f64 - inside_ns(&checkpoint.inside))
    };
    (median(of.rounds.iter().map(commit)), median(of.rounds.iter().filter_map(checkpoint)))
}

fn inside_ns(groups: &[GroupTime]) -> f64 {
    groups.iter().map(|group| group.total_ns as f64).sum()
}

fn mode_row(of: &Measurements, all: &[Measurements]) -> Option<ModeRow> {
    let (mode, synchronous) = mode_of(&of.settings)?;
    // Calibrated where the storage has least to say.
    let off = all
        .iter()
        .find(|other| other.settings.journal_mode == of.settings.journal_mode && other.settings.synchronous == "off");
    let calibrated = processor(off.filter(|off| !off.rounds.is_empty())?);
    let is_log = mode == JournalMode::Wal;
    let log = if is_log { (predicted_log(of, synchronous, calibrated), measured_log(of)) } else { Default::default() };
    let both: Vec<(CommitCost, CommitCost)> =
        of.rounds.iter().filter_map(|round| both_sides(round, (mode, synchronous), calibrated, log)).collect();
    if both.is_empty() {
        return None;
    }
    let frames = is_log.then_some(AUTOCHECKPOINT_FRAMES);
    let ratio_of = |(one, other): &(CommitCost, CommitCost)| one.commits_per_s(frames) / other.commits_per_s(frames);
    let ratios: Vec<f64> = both.iter().map(ratio_of).filter(|ratio| ratio.is_finite()).collect();
    let ratio = median(ratios.iter().copied());
    let predicted = CommitCost { commit_ns: median(both.iter().map(|pair| pair.0.commit_ns)), ..log.0 };
    let measured = CommitCost { commit_ns: median(both.iter().map(|pair| pair.1.commit_ns)), ..log.1 };
    let measured_rate = measured.commits_per_s(frames);
    let parts = parts(
        &median_groups(of.rounds.iter().filter_map(|round| cost(&commit_script(mode, synchronous), &round.calls))),
        &median_groups(of.rounds.iter().map(inside_of_a_commit)),
        (calibrated.0, processor(of).0),
    );
    let mut latency = Histogram::default();
    of.rounds.iter().for_each(|round| latency.merge(&round.commits.latency));
    Some(ModeRow {
        journal_mode: mode,
        synchronous,
        promise: Promise::of(mode, synchronous),
        predicted_commits_per_s: measured_rate * ratio,
        measured_commits_per_s: measured_rate,
        ratio,
        ratio_interval: interval(ratios),
        rounds: both.len(),
        commit_latency: latency.percentiles(),
        explanation: explain(&parts, predicted.commit_ns, measured.commit_ns),
        parts,
        cost: (predicted.into(), measured.into()),
    })
}

/// What a round predicts from calls made alone and calibrated processor time, and what SQLite took right beside. A
/// round without a checkpoint of its own takes that of all.
fn both_sides(
    round: &Round,
    (mode, synchronous): (JournalMode, Synchronous),
    processor: (f64, f64),
    log: (CommitCost, CommitCost),
) -> Option<(CommitCost, CommitCost)> {
    let alone = total(&cost(&commit_script(mode, synchronous), &round.calls)?);
    let mut predicted = CommitCost { commit_ns: alone + processor.0, ..log.0 };
    let mut measured = CommitCost { commit_ns: round.commits.latency.mean_ns(), ..log.1 };
    let script = checkpoint_script(synchronous, predict::HOT_PAGES as u16);
    if let (Some(groups), Some(checkpoint)) = (cost(&script, &round.checkpoint_calls), &round.commits.checkpoint) {
        predicted.checkpoint_ns = total(&groups) + processor.1;
        measured.checkpoint_ns = checkpoint.ns as f64;
    }
    Some((predicted, measured))
}

/// What the log costs beside its commits, from calls made alone.
fn predicted_log(of: &Measurements, synchronous: Synchronous, processor: (f64, f64)) -> CommitCost {
    let restart = restart_script(synchronous);
    let checkpoint = checkpoint_script(synchronous, predict::HOT_PAGES as u16);
    let restarts = of.rounds.iter().filter_map(|round| Some(total(&cost(&restart, &round.restart_calls)?)));
    let checkpoints = of.rounds.iter().filter_map(|round| Some(total(&cost(&checkpoint, &round.checkpoint_calls)?)));
    CommitCost {
        commit_ns: 0.0,
        restart_ns: median(restarts) + processor.0,
        checkpoint_ns: median(checkpoints) + processor.1,
    }
}

/// The same as SQLite took for it.
fn measured_log(of: &Measurements) -> CommitCost {
    let restarts = of.rounds.iter().filter_map(|round| round.commits.restart_ns);
    let checkpoints = of.rounds.iter().filter_map(|round| Some(round.commits.checkpoint.as_ref()?.ns));
    CommitCost {
        commit_ns: 0.0,
        restart_ns: median(restarts.map(|ns| ns as f64)),
        checkpoint_ns: median(checkpoints.map(|ns| ns as f64)),
    }
}

fn inside_of_a_commit(round: &Round) -> Vec<(CallGroup, f64)> {
    let count = round.commits.latency.count().max(1) as f64;
    round.commits.inside.iter().map(|time| (time.group, time.total_ns as f64 / count)).collect()
}

/// The setting itself; in WAL mode with other values of `wal_autocheckpoint`, too, where nothing else was changed.
fn candidates(of: &Measurements) -> Vec<Candidate> {
    let Some((mode, synchronous)) = mode_of(&of.settings) else { return Vec::new() };
    if of.rounds.is_empty() || of.reads.count() == 0 {
        return Vec::new();
    }
    let is_plain = of.settings == settings::plain(mode, synchronous);
    let frames: Vec<Option<u32>> = match mode {
        JournalMode::Wal if is_plain && synchronous > Synchronous::Off => {
            let others = AUTOCHECKPOINTS.into_iter().filter(|frames| *frames != AUTOCHECKPOINT_FRAMES).map(Some);
            [Some(AUTOCHECKPOINT_FRAMES)].into_iter().chain(others).collect()
        }
        JournalMode::Wal => vec![Some(AUTOCHECKPOINT_FRAMES)],
        _ => vec![None],
    };
    frames.into_iter().map(|frames| candidate(of, mode, synchronous, frames)).collect()
}

fn candidate(of: &Measurements, mode: JournalMode, synchronous: Synchronous, frames: Option<u32>) -> Candidate {
    let log = measured_log(of);
    let rate = |commit_ns| CommitCost { commit_ns, ..log }.commits_per_s(frames);
    let commits = || of.rounds.iter().map(|round| round.commits.latency.mean_ns());
    let mut rates: Vec<f64> = commits().map(rate).collect();
    rates.sort_by(f64::total_cmp);
    let quartile = |quarter: usize| rates[(rates.len() - 1) * quarter / 4];
    Candidate {
        settings: of.settings.clone(),
        wal_autocheckpoint: frames,
        promise: Promise::of(mode, synchronous),
        commits_per_s: rate(median(commits())),
        commits_per_s_quartiles: (quartile(1), quartile(3)),
        read_p50_ns: of.reads.percentile_ns(0.5),
        read_mean_ns: of.reads.mean_ns(),
        samples: (of.rounds.iter().map(|round| round.commits.latency.count()).sum(), of.reads.count()),
        on_front: false,
    }
}

/// What the best sound settings make of it, against SQLite's defaults; nothing where no promise holds.
fn tuning(candidates: &[Candidate], options: &[InForce]) -> Vec<String> {
    if let Some(known) = options.iter().find(|known| known.weight == Weight::NoPromise) {
        let option = &known.option;
        return vec![format!("`{option}`: no setting keeps anything over a power loss here, whatever it promises")];
    }
    let default = settings::plain(JournalMode::Delete, Synchronous::Full);
    let Some(default) = candidates.iter().find(|candidate| candidate.settings == default) else { return Vec::new() };
    let best_of = |promise: Promise| {
        let sound = candidates.iter().filter(|candidate| candidate.promise == promise && candidate.on_front);
        sound.max_by(|one, other| one.commits_per_s.total_cmp(&other.commits_per_s))
    };
    let words = |promise, what: &str| {
        let best = best_of(promise)?;
        let times = best.commits_per_s / default.commits_per_s.max(f64::MIN_POSITIVE);
        Some(format!(
            "{what}: `{}` commits {times:.1} times as often as SQLite's default (DELETE, FULL)",
            best.pragmas()
        ))
    };
    let lines = [
        words(Promise::KeepsCommits, "keeping every commit over a power loss"),
        words(Promise::MayLoseLast, "where the last commits may be lost"),
    ];
    lines.into_iter().flatten().collect()
}

fn median_groups(rounds: impl Iterator<Item = Vec<(CallGroup, f64)>>) -> Vec<(CallGroup, f64)> {
    let rounds: Vec<Vec<(CallGroup, f64)>> = rounds.collect();
    let of_group =
        |group| rounds.iter().filter_map(move |round| round.iter().find(|time| time.0 == group).map(|x| x.1));
    CallGroup::ALL.into_iter().map(|group| (group, median(of_group(group)))).filter(|(_, ns)| *ns > 0.0).collect()
}

/// The middle one, or between the two in the middle; 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// Between which the median lies with 99 %, by the ranks of the values; with fewer than nine of them, all of them.
fn interval(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let cut = ((count - 2.576 * count.sqrt()) / 2.0).floor().max(0.0) as usize;
    match (values.get(cut), values.iter().rev().nth(cut)) {
        (Some(&low), Some(&high)) => (low, high),
        _ => (0.0, 0.0),
    }
}

#[cfg(test)]
mod tests;
