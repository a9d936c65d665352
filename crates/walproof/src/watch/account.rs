//! What is told of a database: rows of short parts, which the view lays out and the report of `--once` prints.
//!
//! What it must not do: lay out; leave out silently what was not seen.
//! Where to look next: `words.rs` for numbers in words.

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::render::harmless;
use walproof_judge::watch::Watching;
use walproof_judge::watch::moment::{HeldLock, IndexSeen, Runs, Watched, WatchedOpener};

use super::words;

/// Cells of the bar.
const BAR: usize = 20;

/// How a part is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Of less weight.
    Dim,
    /// Worth a look.
    Loud,
    /// Wrong.
    Bad,
}

/// Some words that stay together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The words; without anything that a terminal obeys.
    pub text: String,
    /// How they are to be looked at.
    pub tone: Tone,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub label: &'static str,
    /// What is said.
    pub parts: Vec<Part>,
}

/// Words in a tone.
pub fn part(text: impl AsRef<str>, tone: Tone) -> Part {
    Part { text: harmless(text.as_ref()), tone }
}

fn plain(text: impl AsRef<str>) -> Part {
    part(text, Tone::Plain)
}

/// Everything of one database but its openers; the first rows weigh most.
pub fn rows(watching: &Watching, watched: &Watched) -> Vec<Row> {
    let mut rows = vec![log(watched), files(watching, watched), storage(watching, watched)];
    if let Some(index) = &watched.index {
        rows.push(marks(watched, index));
        rows.push(generation(watching, watched, index));
    }
    rows.push(header(watched));
    rows.retain(|row| !row.parts.is_empty());
    rows
}

fn log(watched: &Watched) -> Row {
    let mut parts = Vec::new();
    if let Some(index) = &watched.index {
        parts.push(plain(format!("mxFrame {}", words::count(index.max_frame.into()))));
        parts.push(plain(format!("nBackfill {}", words::count(index.backfilled_frames.into()))));
        let waiting = index.max_frame.saturating_sub(index.backfilled_frames);
        let bar = bar(index.backfilled_frames, index.max_frame);
        parts.push(plain(format!("{bar} {} waiting", words::count(waiting.into()))));
    } else if watched.index_damage.is_none() && watched.shm.is_some() {
        parts.push(part("the wal-index was not read", Tone::Loud));
    }
    parts.extend(
        watched.index_damage.iter().map(|why| part(format!("the wal-index could not be read: {why}"), Tone::Bad)),
    );
    for held in watched.locks_of_unseen.iter().filter(|held| words::says_something(held)) {
        parts.push(part(format!("{} held by a process that cannot be seen", lock(held)), Tone::Loud));
    }
    Row { label: "log", parts }
}

/// How much of the log is in the database file already.
fn bar(done: u32, all: u32) -> String {
    let share = if all == 0 { 1.0 } else { f64::from(done.min(all)) / f64::from(all) };
    let full = (share * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

fn files(watching: &Watching, watched: &Watched) -> Row {
    let mut parts: Vec<Part> = words::sizes(watched).iter().map(plain).collect();
    let past = watching.past().database(&watched.path);
    let growth = past.and_then(words::growth_per_minute).filter(|_| watched.wal.is_some());
    parts.extend(growth.map(|rate| plain(format!("-wal {}", words::growth(rate)))));
    Row { label: "files", parts }
}

fn storage(watching: &Watching, watched: &Watched) -> Row {
    let mut parts = vec![plain(words::storage(watched.mount.as_ref()))];
    if let Some(free) = watched.free_bytes {
        let all = watched.total_bytes.map(|all| format!(" of {}", words::bytes(all))).unwrap_or_default();
        parts.push(plain(format!("{} free{all}", words::bytes(free))));
    }
    let past = watching.past().database(&watched.path);
    if let Some(filling) = past.and_then(|past| past.filling()) {
        let (within, when) = (words::lasts(filling.within_ms), words::utc(filling.full_at_unix_ms));
        parts.push(part(format!("full in {within} ({when}) if it goes on like this"), Tone::Loud));
    }
    let silent =
        watched.silent_ms.map(|ms| format!("has not answered for {}: the rest is from before", words::lasts(ms)));
    parts.extend(silent.map(|text| part(text, Tone::Bad)));
    Row { label: "storage", parts }
}

fn marks(watched: &Watched, index: &IndexSeen) -> Row {
    let mut parts = Vec::new();
    for (number, mark) in index.read_marks.iter().enumerate() {
        let readers: Vec<String> = watched
            .openers
            .iter()
            .filter(|opener| opener.locks.iter().flatten().any(|held| held.lock.read_mark() == Some(number)))
            .map(|opener| format!("pid {}", opener.pid))
            .collect();
        if readers.is_empty() && (mark.is_none() || number == 0) {
            continue;
        }
        let at = mark.map_or("-".to_owned(), |frame| words::count(frame.into()));
        let (by, tone) = match readers.len() {
            0 => (String::new(), Tone::Dim),
            1..=3 => (format!(" by {}", readers.join(", ")), Tone::Plain),
            many => (format!(" by {many} processes"), Tone::Plain),
        };
        parts.push(part(format!("({number}) at {at}{by}"), tone));
    }
    if parts.is_empty() {
        parts.push(part("none in use", Tone::Dim));
    }
    Row { label: "marks", parts }
}

fn generation(watching: &Watching, watched: &Watched, index: &IndexSeen) -> Row {
    let past = watching.past().database(&watched.path);
    let mut parts = Vec::new();
    if let Some(past) = past {
        parts.extend(words::commits_per_second(past).map(|rate| plain(format!("{rate:.1} commits/s"))));
        let counters = &past.counters;
        let seen = |number, what: &str| {
            let plural = if number == 1 { "" } else { "s" };
            part(format!("{} {what}{plural}", words::count(number)), Tone::Dim)
        };
        parts.push(seen(counters.commits, "commit"));
        parts.push(seen(counters.checkpoints, "checkpoint"));
        parts.push(seen(counters.wal_resets, "reset"));
    }
    parts.push(part(format!("salts {}", index.salts), Tone::Dim));
    Row { label: "rates", parts }
}

fn header(watched: &Watched) -> Row {
    let mut parts = Vec::new();
    if let Some(header) = &watched.header {
        parts.extend(
            header.page_size_bytes.map(|size| part(format!("page {} B", words::count(size.into())), Tone::Dim)),
        );
        parts.extend(header.pages.map(|pages| part(format!("{} pages", words::count(pages.into())), Tone::Dim)));
        parts.extend(header.change_counter.map(|count| part(format!("change counter {count}"), Tone::Dim)));
    }
    Row { label: "header", parts }
}

fn lock(held: &HeldLock) -> String {
    let shared = held.lock.read_mark().is_some() || matches!(held.lock, Lock::Dms | Lock::Shared);
    match (held.exclusive, shared) {
        (true, true) => format!("{} exclusive", held.lock.name()),
        (false, false) => format!("{} shared", held.lock.name()),
        _ => held.lock.name().to_owned(),
    }
}

/// What an opener holds and since when, what keeps others out first; then what it waits for.
pub fn locks(watching: &Watching, watched: &Watched, opener: &WatchedOpener) -> Vec<Part> {
    let Some(held) = &opener.locks else { return vec![part("locks not seen", Tone::Loud)] };
    let now = watching.latest().elapsed_ms;
    let shown = |held: &HeldLock| {
        let since = watching.past().lock_since_ms(&watched.path, opener.pid, opener.started_ticks, held.lock);
        let lasts = since.map(|since| format!(" {}", words::lasts(now.saturating_sub(since)))).unwrap_or_default();
        let halted = !matches!(opener.runs, Runs::Freely | Runs::Zombie);
        let tone = if halted && held.exclusive { Tone::Bad } else { Tone::Loud };
        part(format!("{}{lasts}", lock(held)), if held.exclusive { tone } else { Tone::Plain })
    };
    let (says, usual): (Vec<&HeldLock>, Vec<&HeldLock>) = held.iter().partition(|held| words::says_something(held));
    let mut parts: Vec<Part> = says.into_iter().map(shown).collect();
    parts.sort_by_key(|part| part.tone == Tone::Plain);
    parts.extend(opener.waits_for.iter().map(|lock| part(format!("waits for {}", lock.name()), Tone::Bad)));
    parts.extend(usual.into_iter().map(|held| part(held.lock.name(), Tone::Dim)));
    if parts.is_empty() {
        parts.push(part("no lock", Tone::Dim));
    }
    parts
}

/// Whether an opener runs, and since when not.
pub fn runs(watching: &Watching, watched: &Watched, opener: &WatchedOpener) -> Part {
    let tone = match opener.runs {
        Runs::Freely => return part("runs", Tone::Dim),
        Runs::Zombie => Tone::Loud,
        _ => Tone::Bad,
    };
    let since = watching.past().halted_since_ms(&watched.path, opener.pid, opener.started_ticks, &opener.runs);
    let lasts = since.map(|since| words::lasts(watching.latest().elapsed_ms.saturating_sub(since)));
    part(format!("{} {}", words::runs(&opener.runs), lasts.unwrap_or_default()).trim_end(), tone)
}

/// What was not seen: by the look, and between looks.
pub fn not_seen(watching: &Watching) -> Vec<String> {
    let moment = watching.latest();
    let trace = match &moment.trace {
        Some(Err(why)) => Some(format!("locks that are held between two looks: {why}")),
        _ => None,
    };
    let none = moment.databases.iter().filter_map(no_database);
    moment.not_seen.iter().cloned().chain(none).chain(trace).map(|text| harmless(&text)).collect()
}

/// A file that shows nothing of a database.
fn no_database(watched: &Watched) -> Option<String> {
    let file = watched.file.as_ref().filter(|_| watched.silent_ms.is_none() && !watched.shows_a_database())?;
    Some(match file.size_bytes {
        0 => format!("`{}`: it is empty, and nobody has it open", watched.path),
        _ => format!("`{}`: no database, or an encrypted one: SQLite's first 16 bytes are not there", watched.path),
    })
}
