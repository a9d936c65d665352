//! `/metrics`: Prometheus's text format 0.0.4, made of the state.
//!
//! [`FAMILIES`] is the whole of what there is, with types, labels and help; docs/watch-serving.md has the same table.
//! Labels are databases, containers, locks and alarms, never process numbers: what comes and goes without end would grow
//! whoever collects it. What was not seen has no sample. A database whose storage is silent keeps its counters, and no
//! sample of what was seen before; a watch that is held up keeps none at all but those that say so.
//!
//! What it must not do: repeat a series; let a counter go back while a database is watched.
//! Where to look next: `state.rs`; `deploy/` for rules and a dashboard that use these names.

use std::collections::BTreeMap;
use std::fmt::Write;

use walproof_judge::watch::alarms::Level;
use walproof_judge::watch::moment::Runs;

use super::state::{DatabaseState, OpenerState, Served, State};

/// A metric.
#[derive(Debug)]
pub struct Family {
    /// Its name, with its unit.
    pub name: &'static str,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        &[$(Family { name: $name, kind: stringify!($kind), labels: &[$($label),*], help: $help }),*]
    };
}

/// All of them, in the order in which they are served.
pub static FAMILIES: &[Family] = families! {
    gauge "walproof_build_info" ["version"] "Always 1; the version of walproof.";
    gauge "walproof_looking" [] "1 while looks end in time; 0 when the watch is held up, and nothing else is told.";
    counter "walproof_looks_total" [] "Looks since the watch began.";
    gauge "walproof_look_seconds" [] "How long the last look took.";
    gauge "walproof_last_look_timestamp_seconds" [] "When the last look ended, in seconds since 1970.";
    gauge "walproof_lock_trace" [] "1 when the kernel's trace of locks is read, 0 when it was wanted and is not.";
    gauge "walproof_not_seen" [] "Things that could not be seen; `/state.json` names them.";
    gauge "walproof_databases" [] "Databases that are watched.";
    gauge "walproof_database_bytes" ["database"] "Size of the database file.";
    gauge "walproof_wal_bytes" ["database"] "Size of the -wal; 0 when there is none.";
    gauge "walproof_wal_index_bytes" ["database"] "Size of the -shm; 0 when there is none.";
    gauge "walproof_journal_bytes" ["database"] "Size of the -journal; 0 when there is none.";
    gauge "walproof_page_size_bytes" ["database"] "Size of a page, by the wal-index, else by the header.";
    gauge "walproof_wal_index_readable" ["database"] "1 when the wal-index was to be believed, 0 when there is one and it was not.";
    gauge "walproof_wal_frames" ["database"] "Committed frames in the log (mxFrame).";
    gauge "walproof_wal_backfilled_frames" ["database"] "Frames that are copied into the database file (nBackfill).";
    gauge "walproof_wal_waiting_frames" ["database"] "Committed frames that are not in the database file yet.";
    gauge "walproof_wal_read_mark_frames" ["database", "mark"] "The frame that readers of this read mark see, for marks in use.";
    gauge "walproof_checkpoint_standstill_seconds" ["database"] "For how long frames have waited and none was copied.";
    counter "walproof_commits_total" ["database"] "Transactions seen since the watch began, by the wal-index.";
    counter "walproof_checkpoints_total" ["database"] "Looks at which frames had been copied into the database file.";
    counter "walproof_checkpointed_frames_total" ["database"] "Frames that were seen to be copied into the database file.";
    counter "walproof_wal_resets_total" ["database"] "Times the log was seen to have begun anew.";
    counter "walproof_openings_total" ["database"] "Openers that came since the watch began.";
    counter "walproof_closings_total" ["database"] "Openers that went since the watch began.";
    gauge "walproof_filesystem_free_bytes" ["database"] "Bytes that users may still write on the database's file system.";
    gauge "walproof_filesystem_bytes" ["database"] "All bytes of the database's file system.";
    gauge "walproof_filesystem_full_timestamp_seconds" ["database"] "When it will be full if it goes on like this, in seconds since 1970; no sample when it does not fill.";
    gauge "walproof_storage_silent_seconds" ["database"] "For how long the database's storage has not answered.";
    gauge "walproof_openers" ["database", "container", "engine"] "Processes that have it open; the container is empty for those in none.";
    gauge "walproof_halted_openers" ["database", "container", "engine", "how"] "Openers that cannot run: frozen, stopped, in-kernel, zombie.";
    gauge "walproof_locks_visible" ["database"] "1 when the locks of all openers can be seen, 0 when not.";
    gauge "walproof_lock_held" ["database", "lock", "container", "engine", "mode"] "Openers that held this lock at the last look; mode: shared or exclusive.";
    gauge "walproof_lock_held_seconds" ["database", "lock", "container", "engine"] "The longest time for which one opener was seen to hold it at every look.";
    counter "walproof_lock_holds_total" ["database", "lock"] "Times a lock was taken and let go, by the kernel's trace.";
    counter "walproof_lock_hold_seconds_total" ["database", "lock"] "All of these holds together, by the kernel's trace.";
    gauge "walproof_lock_hold_longest_seconds" ["database", "lock"] "The longest of these holds since the watch began.";
    counter "walproof_lock_refusals_total" ["database", "lock"] "Times a lock was asked for and not given, by the kernel's trace.";
    gauge "walproof_lock_held_by_unseen" ["database", "lock"] "1 when somebody who cannot be seen holds it: a file server, another process namespace.";
    gauge "walproof_container_memory_bytes" ["container", "engine"] "Memory in use by a container.";
    gauge "walproof_container_memory_limit_bytes" ["container", "engine"] "The limit of its memory, where there is one.";
    counter "walproof_out_of_memory_kills_total" ["container"] "Processes killed because memory ran out, since the watch began.";
    counter "walproof_container_restarts_total" ["container"] "Times the first process of a container was another one than before.";
    gauge "walproof_alarm" ["alarm", "level", "database", "container"] "Alarms of this name that are on; there is no sample when there are none.";
    gauge "walproof_alarms" ["level"] "All alarms that are on.";
    counter "walproof_alarms_raised_total" ["alarm"] "How often each alarm went on since the watch began.";
};

/// Samples by family and labels; a label set stands once.
#[derive(Default)]
struct Samples(BTreeMap<&'static str, BTreeMap<String, f64>>);

impl Samples {
    fn slot(&mut self, name: &'static str, values: &[&str]) -> &mut f64 {
        let family = FAMILIES.iter().find(|family| family.name == name).expect("a metric of the table");
        assert_eq!(family.labels.len(), values.len(), "{name}");
        let pairs = family.labels.iter().zip(values);
        let labels: Vec<String> = pairs.map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
        self.0.entry(name).or_default().entry(labels.join(",")).or_default()
    }

    fn set(&mut self, name: &'static str, values: &[&str], value: impl Into<Number>) {
        *self.slot(name, values) = value.into().0;
    }

    fn set_if(&mut self, name: &'static str, values: &[&str], value: Option<impl Into<Number>>) {
        if let Some(value) = value {
            self.set(name, values, value);
        }
    }

    /// Of several that have the same labels: all together.
    fn add(&mut self, name: &'static str, values: &[&str], value: impl Into<Number>) {
        *self.slot(name, values) += value.into().0;
    }

    /// Of several that have the same labels: the largest.
    fn highest(&mut self, name: &'static str, values: &[&str], value: impl Into<Number>) {
        let slot = self.slot(name, values);
        *slot = slot.max(value.into().0);
    }
}

/// What Prometheus calculates with. Above 2^53 bytes it rounds as well.
struct Number(f64);

impl From<u64> for Number {
    #[expect(clippy::cast_precision_loss, reason = "the format's numbers are doubles")]
    fn from(value: u64) -> Self {
        Self(value as f64)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self(u8::from(value).into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(value)
    }
}

/// The document.
pub fn exposition(served: &Served) -> String {
    let mut samples = Samples::default();
    samples.set("walproof_build_info", &[served.version], true);
    samples.set("walproof_looking", &[], !served.is_old);
    if let Some(state) = &served.state {
        watch(&mut samples, state);
        if !served.is_old {
            state.databases.iter().for_each(|database| of_database(&mut samples, database));
            containers(&mut samples, state);
            alarms(&mut samples, state);
        }
    }
    text(&samples)
}

fn text(samples: &Samples) -> String {
    let mut text = String::new();
    for Family { name, kind, help, .. } in FAMILIES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples.0.get(name).into_iter().flatten() {
            let _ = match labels.as_str() {
                "" => writeln!(text, "{name} {value}"),
                labels => writeln!(text, "{name}{{{labels}}} {value}"),
            };
        }
    }
    text
}

/// A label's value: a backslash, a quote and an end of line are escaped.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(ms: u64) -> f64 {
    Number::from(ms).0 / 1000.0
}

fn watch(samples: &mut Samples, state: &State) {
    samples.set("walproof_looks_total", &[], state.looks);
    samples.set("walproof_look_seconds", &[], Number::from(state.took_us).0 / 1e6);
    samples.set("walproof_last_look_timestamp_seconds", &[], seconds(state.unix_ms));
    samples.set_if("walproof_lock_trace", &[], state.trace.as_ref().map(|trace| trace == "read"));
    samples.set("walproof_not_seen", &[], state.not_seen.len() as u64);
    samples.set("walproof_databases", &[], state.databases.len() as u64);
}

fn of_database(samples: &mut Samples, database: &DatabaseState) {
    let of = [database.path.as_str()];
    samples.set("walproof_storage_silent_seconds", &of, seconds(database.silent_ms.unwrap_or(0)));
    if database.silent_ms.is_none() {
        files(samples, database);
    }
    let counters = &database.counters;
    for (name, value) in [
        ("walproof_commits_total", counters.commits),
        ("walproof_checkpoints_total", counters.checkpoints),
        ("walproof_checkpointed_frames_total", counters.frames_backfilled),
        ("walproof_wal_resets_total", counters.wal_resets),
        ("walproof_openings_total", counters.opened),
        ("walproof_closings_total", counters.closed),
    ] {
        samples.set(name, &of, value);
    }
    held(samples, database);
    let visible = database.openers.iter().all(|opener| opener.locks.is_some());
    samples.set("walproof_locks_visible", &of, visible);
    database.openers.iter().for_each(|opener| of_opener(samples, &database.path, opener));
    for held in &database.locks_of_unseen {
        samples.set("walproof_lock_held_by_unseen", &[&database.path, held.lock.name()], true);
    }
}

fn files(samples: &mut Samples, database: &DatabaseState) {
    let of = [database.path.as_str()];
    samples.set_if("walproof_database_bytes", &of, database.database_bytes);
    samples.set("walproof_wal_bytes", &of, database.wal_bytes.unwrap_or(0));
    samples.set("walproof_wal_index_bytes", &of, database.shm_bytes.unwrap_or(0));
    samples.set("walproof_journal_bytes", &of, database.journal_bytes.unwrap_or(0));
    let from_header = database.header.as_ref().and_then(|header| header.page_size_bytes);
    let page_bytes = database.index.as_ref().map(|index| index.page_size_bytes).or(from_header);
    samples.set_if("walproof_page_size_bytes", &of, page_bytes);
    samples.set_if("walproof_filesystem_free_bytes", &of, database.free_bytes);
    samples.set_if("walproof_filesystem_bytes", &of, database.total_bytes);
    let full = database.filling.as_ref().map(|filling| seconds(filling.full_at_unix_ms));
    samples.set_if("walproof_filesystem_full_timestamp_seconds", &of, full);
    let readable = database.index.as_ref().map(|_| true).or(database.index_damage.as_ref().map(|_| false));
    samples.set_if("walproof_wal_index_readable", &of, readable);
    let Some(index) = &database.index else { return };
    samples.set("walproof_wal_frames", &of, index.max_frame);
    samples.set("walproof_wal_backfilled_frames", &of, index.backfilled_frames);
    samples.set_if("walproof_wal_waiting_frames", &of, database.frames_waiting);
    samples.set_if("walproof_checkpoint_standstill_seconds", &of, database.checkpoint_stands_ms.map(seconds));
    for (mark, frame) in index.read_marks.iter().enumerate() {
        samples.set_if("walproof_wal_read_mark_frames", &[&database.path, &mark.to_string()], *frame);
    }
}

fn of_opener(samples: &mut Samples, path: &str, opener: &OpenerState) {
    let (container, engine) = (opener.container.as_deref().unwrap_or(""), opener.engine.as_deref().unwrap_or(""));
    samples.add("walproof_openers", &[path, container, engine], true);
    if let Some(how) = halted(&opener.runs) {
        samples.add("walproof_halted_openers", &[path, container, engine, how], true);
    }
    for held in opener.locks.iter().flatten() {
        let mode = if held.exclusive { "exclusive" } else { "shared" };
        samples.add("walproof_lock_held", &[path, held.lock, container, engine, mode], true);
        if let Some(for_ms) = held.for_ms {
            samples.highest("walproof_lock_held_seconds", &[path, held.lock, container, engine], seconds(for_ms));
        }
    }
}

const fn halted(runs: &Runs) -> Option<&'static str> {
    match runs {
        Runs::Freely => None,
        Runs::Frozen => Some("frozen"),
        Runs::Stopped => Some("stopped"),
        Runs::InKernel { .. } => Some("in-kernel"),
        Runs::Zombie => Some("zombie"),
    }
}

fn containers(samples: &mut Samples, state: &State) {
    for one in &state.containers {
        let labels = [one.container.name.as_str(), one.container.engine.as_str()];
        for (name, value) in [
            ("walproof_container_memory_bytes", one.memory_bytes),
            ("walproof_container_memory_limit_bytes", one.container.memory_limit_bytes),
        ] {
            if let Some(value) = value {
                samples.add(name, &labels, value);
            }
        }
    }
    for (container, counts) in &state.container_counts {
        samples.set("walproof_out_of_memory_kills_total", &[container], counts.oom_kills);
        samples.set("walproof_container_restarts_total", &[container], counts.restarts);
    }
}

/// What the kernel's trace told, where it is read.
fn held(samples: &mut Samples, database: &DatabaseState) {
    for (lock, stats) in &database.holds {
        let of = [database.path.as_str(), lock];
        samples.set("walproof_lock_holds_total", &of, stats.count);
        samples.set("walproof_lock_hold_seconds_total", &of, Number::from(stats.total_us).0 / 1e6);
        samples.set("walproof_lock_hold_longest_seconds", &of, Number::from(stats.longest_us).0 / 1e6);
    }
    for (lock, times) in &database.refused {
        samples.set("walproof_lock_refusals_total", &[&database.path, lock], *times);
    }
}

fn alarms(samples: &mut Samples, state: &State) {
    for level in [Level::Notice, Level::Warning, Level::Critical] {
        samples.set("walproof_alarms", &[level.word()], 0u64);
    }
    for on in &state.alarms {
        let (database, container) = (on.database.as_deref().unwrap_or(""), on.container.as_deref().unwrap_or(""));
        samples.add("walproof_alarm", &[on.alarm, on.level.word(), database, container], true);
        samples.add("walproof_alarms", &[on.level.word()], true);
    }
    for (alarm, times) in &state.alarms_raised {
        samples.set("walproof_alarms_raised_total", &[alarm], *times);
    }
}
