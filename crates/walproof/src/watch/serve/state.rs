//! `/state.json`: what one look saw, what is remembered, and which alarms are on, as plain data; versioned, in
//! docs/watch-serving.md. `/metrics` and the page are made of it.
//!
//! What it must not do: conclude; grow without bounds (plots have a fixed number of points, events as well); hide that
//! what it says is old.
//! Where to look next: `walproof_judge::watch`, where everything comes from; `metrics.rs`; `page.js`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Serialize, Serializer};
use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::sharing::live::{LiveLibrary, LiveMount};
use walproof_judge::watch::alarms::ALARMS;
use walproof_judge::watch::comings::ContainerPast;
use walproof_judge::watch::moment::{
    Event, HeaderSeen, HeldLock, IndexSeen, Moment, Runs, Watched, WatchedContainer, WatchedOpener,
};
use walproof_judge::watch::past::{Counters, DatabasePast, HoldStats, Point};
use walproof_judge::watch::trend::Filling;
use walproof_judge::watch::{Changes, Raised, Watching, find};

/// The version of the document. It grows when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;
/// Points of a plot.
const PLOT_POINTS_MAX: usize = 240;
/// The time that rates are told of.
const RATE_MS: u64 = 10_000;
/// Events that are kept for the page.
const EVENTS_MAX: usize = 50;
/// A look that ended so many intervals ago is old, and never before it is this old.
const OLD_INTERVALS: u32 = 5;
const OLD_MS_MIN: u64 = 10_000;

/// What is kept from look to look, since `Watching` does not.
#[derive(Debug)]
pub struct Kept {
    looks: u64,
    raised: BTreeMap<&'static str, u64>,
    events: VecDeque<Happened>,
}

impl Default for Kept {
    fn default() -> Self {
        let raised = ALARMS.iter().map(|alarm| (alarm.name, 0)).collect();
        Self { looks: 0, raised, events: VecDeque::new() }
    }
}

/// An event, with its time.
#[derive(Clone, Debug, Serialize)]
struct Happened {
    unix_ms: u64,
    #[serde(flatten)]
    event: Event,
}

impl Kept {
    /// Takes a look in.
    pub fn take(&mut self, watching: &Watching, changes: &Changes) {
        self.looks += 1;
        for raised in &changes.raised {
            *self.raised.entry(raised.alarm).or_default() += 1;
        }
        let moment = watching.latest();
        for event in &moment.events {
            // Locks come and go by the thousand; the plot and the counters tell of them.
            if !matches!(event, Event::LockHeld { .. } | Event::LockRefused { .. }) {
                self.events.push_back(Happened { unix_ms: moment.unix_ms, event: event.clone() });
            }
        }
        while self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }
}

/// One look, whole.
#[derive(Debug, Serialize)]
pub struct State {
    #[serde(skip)]
    ended: Instant,
    pub unix_ms: u64,
    pub elapsed_ms: u64,
    pub took_us: u64,
    pub looks: u64,
    openers_looked_ms: u64,
    /// The kernel's trace of locks: `null` not asked for, `read`, or why it is not.
    pub trace: Option<String>,
    pub not_seen: Vec<String>,
    pub alarms: Vec<Raised>,
    /// The pages of the alarms that are on.
    explanations: BTreeMap<&'static str, &'static str>,
    pub alarms_raised: BTreeMap<&'static str, u64>,
    pub databases: Vec<DatabaseState>,
    pub containers: Vec<WatchedContainer>,
    /// Restarts and kills since the watch began, by the name of the container.
    pub container_counts: BTreeMap<String, ContainerCounts>,
    events: Vec<Happened>,
}

/// What was counted of a container.
#[derive(Debug, Serialize)]
pub struct ContainerCounts {
    pub restarts: u64,
    pub oom_kills: u64,
}

impl ContainerCounts {
    fn of((name, past): (&str, &ContainerPast)) -> (String, Self) {
        (name.to_owned(), Self { restarts: past.restarts, oom_kills: past.oom_kills })
    }
}

/// A database.
#[derive(Debug, Serialize)]
pub struct DatabaseState {
    pub path: String,
    /// Sizes; `null`: there is no such file.
    pub database_bytes: Option<u64>,
    pub wal_bytes: Option<u64>,
    pub shm_bytes: Option<u64>,
    pub journal_bytes: Option<u64>,
    pub header: Option<HeaderSeen>,
    pub index: Option<IndexSeen>,
    pub index_damage: Option<String>,
    pub frames_waiting: Option<u32>,
    mount: Option<LiveMount>,
    pub free_bytes: Option<u64>,
    pub total_bytes: Option<u64>,
    pub silent_ms: Option<u64>,
    pub counters: Counters,
    /// Over the last ten seconds.
    commits_per_second: Option<f64>,
    /// When the disk is full if it goes on like this; `null`: it does not fill, or nothing is clear.
    pub filling: Option<Filling>,
    /// How long locks were held and how often they were refused, where the kernel's trace is read.
    pub holds: BTreeMap<&'static str, HoldStats>,
    pub refused: BTreeMap<&'static str, u64>,
    /// For how long frames have waited and none was copied.
    pub checkpoint_stands_ms: Option<u64>,
    pub openers: Vec<OpenerState>,
    pub locks_of_unseen: Vec<HeldLock>,
    plot: Vec<PlotPoint>,
}

/// An opener.
#[derive(Debug, Serialize)]
pub struct OpenerState {
    pid: u32,
    pid_inside: Option<u32>,
    command: String,
    user: u32,
    /// The name of its container; `null`: it is in none.
    pub container: Option<String>,
    pub engine: Option<String>,
    pod: Option<String>,
    path: String,
    mount: Option<LiveMount>,
    maps_shm: Option<bool>,
    libraries: Vec<LiveLibrary>,
    pub runs: Runs,
    /// For how long it has not run.
    pub halted_ms: Option<u64>,
    /// `null`: locks cannot be seen here.
    pub locks: Option<Vec<LockState>>,
    waits_for: Vec<&'static str>,
}

/// A lock that an opener holds.
#[derive(Debug, Serialize)]
pub struct LockState {
    pub lock: &'static str,
    pub exclusive: bool,
    /// For how long it was seen to hold it at every look. It may have let go in between.
    pub for_ms: Option<u64>,
}

/// Some looks of the series, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct PlotPoint {
    /// When the last of them ended.
    unix_ms: u64,
    /// The largest.
    wal_bytes: u64,
    max_frame: Option<u32>,
    backfilled_frames: Option<u32>,
    /// At any of them.
    writing: bool,
    checkpointing: bool,
    /// Frames were copied, or the log began anew, between the first of them and the look before it, or later.
    checkpointed: bool,
    reset: bool,
    /// The most.
    readers: u32,
    commits: u64,
}

impl State {
    /// What there is to see now.
    pub fn of(watching: &Watching, kept: &Kept, every: Duration) -> Self {
        let moment = watching.latest();
        let alarms = watching.active().to_vec();
        let explanations = alarms.iter().filter_map(|on| Some((on.alarm, find(on.alarm)?.explain))).collect();
        Self {
            ended: Instant::now(),
            unix_ms: moment.unix_ms,
            elapsed_ms: moment.elapsed_ms,
            took_us: moment.took_us,
            looks: kept.looks,
            openers_looked_ms: moment.openers_looked_ms,
            trace: moment.trace.clone().map(|trace| trace.err().unwrap_or_else(|| "read".to_owned())),
            not_seen: moment.not_seen.clone(),
            alarms,
            explanations,
            alarms_raised: kept.raised.clone(),
            databases: moment.databases.iter().map(|watched| database(watching, watched, every)).collect(),
            containers: moment.containers.clone(),
            container_counts: watching.past().containers().map(ContainerCounts::of).collect(),
            events: kept.events.iter().rev().cloned().collect(),
        }
    }
}

fn database(watching: &Watching, watched: &Watched, every: Duration) -> DatabaseState {
    let moment = watching.latest();
    let past = watching.past().database(&watched.path);
    let stands = |past: &DatabasePast| moment.elapsed_ms.saturating_sub(past.checkpoint_moved_ms);
    let frames_waiting = watched.frames_waiting();
    DatabaseState {
        path: watched.path.clone(),
        database_bytes: watched.file.as_ref().map(|file| file.size_bytes),
        wal_bytes: watched.wal.as_ref().map(|file| file.size_bytes),
        shm_bytes: watched.shm.as_ref().map(|file| file.size_bytes),
        journal_bytes: watched.journal.as_ref().map(|file| file.size_bytes),
        header: watched.header.clone(),
        index: watched.index.clone(),
        index_damage: watched.index_damage.clone(),
        frames_waiting,
        mount: watched.mount.clone(),
        free_bytes: watched.free_bytes,
        total_bytes: watched.total_bytes,
        silent_ms: watched.silent_ms,
        counters: past.map(|past| past.counters.clone()).unwrap_or_default(),
        commits_per_second: past.and_then(|past| past.commits_per_second(RATE_MS)),
        filling: past.and_then(DatabasePast::filling),
        holds: past.map(|past| by_name(&past.holds)).unwrap_or_default(),
        refused: past.map(|past| by_name(&past.refused)).unwrap_or_default(),
        checkpoint_stands_ms: frames_waiting.and(past).map(stands),
        openers: watched.openers.iter().map(|opener| one_opener(watching, watched, opener)).collect(),
        locks_of_unseen: watched.locks_of_unseen.clone(),
        plot: past.map(|past| plot(&past.series, every)).unwrap_or_default(),
    }
}

fn by_name<W: Clone>(locks: &BTreeMap<Lock, W>) -> BTreeMap<&'static str, W> {
    locks.iter().map(|(lock, what)| (lock.name(), what.clone())).collect()
}

fn one_opener(watching: &Watching, watched: &Watched, opener: &WatchedOpener) -> OpenerState {
    let (moment, past): (&Moment, _) = (watching.latest(), watching.past());
    let (path, pid, started) = (watched.path.as_str(), opener.pid, opener.started_ticks);
    let lasts = |since: u64| moment.elapsed_ms.saturating_sub(since);
    let lock = |held: &HeldLock| LockState {
        lock: held.lock.name(),
        exclusive: held.exclusive,
        for_ms: past.lock_since_ms(path, pid, started, held.lock).map(lasts),
    };
    let container = moment.container_of(opener);
    OpenerState {
        pid,
        pid_inside: opener.pid_inside,
        command: opener.command.clone(),
        user: opener.user,
        container: container.map(|one| one.container.name.clone()),
        engine: container.map(|one| one.container.engine.clone()),
        pod: container.and_then(|one| one.pod.clone()),
        path: opener.path.clone(),
        mount: opener.mount.clone(),
        maps_shm: opener.maps_shm,
        libraries: opener.libraries.clone(),
        runs: opener.runs.clone(),
        halted_ms: past.halted_since_ms(path, pid, started, &opener.runs).map(lasts),
        locks: opener.locks.as_ref().map(|locks| locks.iter().map(lock).collect()),
        waits_for: opener.waits_for.iter().map(|lock| lock.name()).collect(),
    }
}

/// At most [`PLOT_POINTS_MAX`] points. Which looks are put together depends on their time alone, so that a peak does not
/// flicker while the series goes on.
fn plot(series: &VecDeque<Point>, every: Duration) -> Vec<PlotPoint> {
    let (Some(first), Some(last)) = (series.front(), series.back()) else { return Vec::new() };
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
    let span_ms = last.elapsed_ms.saturating_sub(first.elapsed_ms);
    let together_ms = span_ms.div_ceil(PLOT_POINTS_MAX as u64 - 1).div_ceil(every_ms).max(1) * every_ms;
    let mut points: Vec<(u64, PlotPoint)> = Vec::new();
    let mut before: Option<&Point> = None;
    for point in series {
        let bucket = point.elapsed_ms / together_ms;
        // One look a point as long as there are few: nothing to put together.
        if together_ms == every_ms || points.last().is_none_or(|(last, _)| *last != bucket) {
            points.push((bucket, PlotPoint::default()));
        }
        let (_, into) = points.last_mut().expect("one was put in");
        take_into(into, point, before);
        before = Some(point);
    }
    points.into_iter().map(|(_, point)| point).collect()
}

fn take_into(into: &mut PlotPoint, point: &Point, before: Option<&Point>) {
    let frames = |point: &Point| Some((point.max_frame?, point.backfilled_frames?));
    if let (Some((_, copied_before)), Some((_, copied))) = (before.and_then(frames), frames(point)) {
        into.checkpointed |= copied > copied_before;
        into.reset |= copied < copied_before;
    }
    into.unix_ms = point.unix_ms;
    into.wal_bytes = into.wal_bytes.max(point.wal_bytes);
    (into.max_frame, into.backfilled_frames) = (point.max_frame, point.backfilled_frames);
    into.writing |= point.writing;
    into.checkpointing |= point.checkpointing;
    into.readers = into.readers.max(point.readers);
    into.commits = point.commits;
}

/// The document, at the time that it is asked for.
#[derive(Debug, Serialize)]
pub struct Served {
    walproof_watch_state: u32,
    pub version: &'static str,
    now_unix_ms: u64,
    pub every_ms: u64,
    /// How long ago the look ended.
    pub age_ms: u64,
    /// Too long: something holds the watch up, and what was seen tells nothing about now.
    pub is_old: bool,
    /// `null`: no look has ended yet.
    #[serde(serialize_with = "shared")]
    pub state: Option<Arc<State>>,
}

fn shared<S: Serializer>(state: &Option<Arc<State>>, to: S) -> Result<S::Ok, S::Error> {
    state.as_deref().serialize(to)
}

impl Served {
    /// A state, or none since the watch `began`, as it is served now.
    pub fn now(state: Option<Arc<State>>, began: Instant, every: Duration) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let age_ms = ms(state.as_ref().map_or(began, |state| state.ended).elapsed());
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            walproof_watch_state: VERSION,
            version: env!("CARGO_PKG_VERSION"),
            now_unix_ms: ms(since_1970),
            every_ms: ms(every),
            age_ms,
            is_old: age_ms > ms(every.saturating_mul(OLD_INTERVALS)).max(OLD_MS_MIN),
            state,
        }
    }

    /// As text.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(length: u64, every_ms: u64) -> VecDeque<Point> {
        let point = |look: u64| Point {
            unix_ms: 1_700_000_000_000 + look * every_ms,
            elapsed_ms: look * every_ms,
            wal_bytes: if look == 100 { 1 << 30 } else { 4096 },
            max_frame: Some(1),
            backfilled_frames: Some(u32::from(look >= 300)),
            writing: look == 200,
            ..Point::default()
        };
        (0..length).map(point).collect()
    }

    #[test]
    fn a_plot_keeps_peaks_and_is_bounded() {
        let every = Duration::from_millis(500);
        assert_eq!(plot(&series(100, 500), every).len(), 100, "few looks stand alone");
        let all = plot(&series(3600, 500), every);
        assert!((PLOT_POINTS_MAX / 2..=PLOT_POINTS_MAX).contains(&all.len()), "{}", all.len());
        for (what, count) in [
            ("peak", all.iter().filter(|point| point.wal_bytes == 1 << 30).count()),
            ("write", all.iter().filter(|point| point.writing).count()),
            ("checkpoint", all.iter().filter(|point| point.checkpointed).count()),
        ] {
            assert_eq!(count, 1, "{what}");
        }
        assert!(all.iter().all(|point| !point.reset));
        assert!(plot(&VecDeque::new(), every).is_empty());
    }

    #[test]
    fn a_peak_does_not_move_while_the_series_goes_on() {
        let mut long = series(2000, 500);
        let peak = |series: &VecDeque<Point>| {
            let all = plot(series, Duration::from_millis(500));
            all.into_iter().find(|point| point.wal_bytes == 1 << 30).expect("a peak").unix_ms
        };
        let before = peak(&long);
        for _ in 0..20 {
            let mut next = long.back().expect("one").clone();
            (next.elapsed_ms, next.unix_ms) = (next.elapsed_ms + 500, next.unix_ms + 500);
            long.push_back(next);
            long.pop_front();
            assert_eq!(peak(&long), before);
        }
    }

    #[test]
    fn what_is_old_says_so() {
        let every = Duration::from_millis(500);
        assert!(!Served::now(None, Instant::now(), every).is_old);
        let begun = Instant::now().checked_sub(Duration::from_secs(11)).expect("it is up for so long");
        assert!(Served::now(None, begun, every).is_old);
        assert!(!Served::now(None, begun, Duration::from_secs(10)).is_old, "looks that are far apart");
    }
}
