//! `--commits`, `--commit N`, `--frames`, `--pages`: lists, each bounded by `--limit`.
//!
//! Top down: what was asked for, then one function and one type for each list, then how they are printed.
//! What it must not do: conclude anything; `weigh.rs` does.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use walproof_format::sqlite::db_header::{DB_HEADER_SIZE, DbHeader};
use walproof_format::sqlite::log_pages::LogCommit;
use walproof_format::sqlite::owners::OwnerMap;
use walproof_format::sqlite::wal::{FRAME_HEADER_SIZE, FrameHeader};
use walproof_lab::collect::quiet::{Part, Source};
use walproof_lab::error::LabError;
use walproof_lab::rescue::snapshot::{Frames, Log, Origin, Snapshot};

use super::extract::{commit_of, log_of};
use super::gather::Sighting;
use super::whose::{self, Touched};
use crate::arguments::InspectFlags;
use crate::render::{several, thousands};

/// Ranges of changed bytes that are kept for one page.
const RANGES_MAX: usize = 32;
/// Equal bytes between two changes that are one range all the same.
const GAP_BYTES: usize = 8;

/// The lists that were asked for.
#[derive(Debug, Default, Serialize)]
pub struct Tables {
    #[serde(skip_serializing_if = "Option::is_none")]
    commits: Option<List<CommitRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<Changes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<List<FrameRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<Pages>,
}

/// A list with what was left out of it.
#[derive(Debug, Serialize)]
struct List<T> {
    all: u64,
    left_out: u64,
    rows: Vec<T>,
}

impl<T> List<T> {
    fn none() -> Self {
        Self { all: 0, left_out: 0, rows: Vec::new() }
    }
}

/// No `-wal`, or one without a byte.
fn has_no_log(seen: &Sighting) -> bool {
    seen.wal.as_ref().is_none_or(|wal| wal.bytes == 0)
}

#[derive(Debug, Serialize)]
struct CommitRow {
    #[serde(flatten)]
    commit: LogCommit,
    pages: u64,
    salts: String,
    /// Whether the database file has it; none: that could not be compared.
    in_database_file: Option<bool>,
    touches: Vec<Touched>,
}

#[derive(Debug, Serialize)]
struct Changes {
    commit: LogCommit,
    #[serde(flatten)]
    pages: List<PageChange>,
}

#[derive(Debug, Serialize)]
struct PageChange {
    page: u32,
    owner: Option<String>,
    frame: u64,
    /// `frame N`, `database file`, `none` (a new page), or `lost`.
    before: String,
    bytes_changed: Option<u64>,
    /// Offset in the page and length.
    ranges: Vec<(usize, usize)>,
    ranges_left_out: u64,
}

#[derive(Debug, Serialize)]
struct FrameRow {
    frame: u64,
    page: u32,
    commit_pages: u32,
    salts: String,
    state: &'static str,
    owner: Option<String>,
}

#[derive(Debug, Serialize)]
struct Pages {
    objects: Vec<Touched>,
    #[serde(flatten)]
    list: List<PageRow>,
}

#[derive(Debug, Serialize)]
struct PageRow {
    page: u32,
    owner: Option<String>,
    newest_frame: Option<u64>,
    /// `same`, `other`, `absent`; without a frame `there`.
    in_database_file: &'static str,
}

impl Tables {
    /// What was asked for.
    pub fn read(seen: &Sighting, flags: &InspectFlags) -> Result<Self, LabError> {
        let mut tables = Self::default();
        if !(flags.commits || flags.commit.is_some() || flags.frames || flags.pages) {
            return Ok(tables);
        }
        if has_no_log(seen) && flags.commit.is_none() {
            // Closed cleanly, or a rollback journal: a list of none is no failure.
            tables.commits = flags.commits.then(List::none);
            tables.frames = flags.frames.then(List::none);
            if !flags.pages {
                return Ok(tables);
            }
        }
        let database = Source::open(&seen.path)?;
        if !has_no_log(seen) && (flags.commits || flags.frames) || flags.commit.is_some() {
            let log = log_of(&seen.path)?;
            let last = log.commits().last().copied();
            let map = last.and_then(|last| whose::map(&Snapshot::at(&log, database.as_ref(), &last), whose::PAGES_MAX));
            tables.commits = flags.commits.then(|| commits(&log, map.as_ref(), seen, flags.limit));
            tables.frames = flags.frames.then(|| frames(&log, map.as_ref(), flags.limit)).transpose()?;
            let change = |number| changes(&log, database.as_ref(), commit_of(&log, number)?, flags.limit);
            tables.commit = flags.commit.map(change).transpose()?;
        }
        if flags.pages {
            tables.pages = Some(pages(&seen.path, database.as_ref(), flags.limit)?);
        }
        Ok(tables)
    }
}

fn distinct(log: &Log, commit: &LogCommit) -> BTreeSet<u32> {
    (commit.first_frame..=commit.last_frame).filter_map(|frame| log.page_of(frame)).collect()
}

fn commits(log: &Log, map: Option<&OwnerMap>, seen: &Sighting, limit: usize) -> List<CommitRow> {
    let left_out = log.commits().len().saturating_sub(limit);
    let pending = seen.wal.as_ref().and_then(|wal| wal.pending.as_ref());
    let row = |commit: &LogCommit| {
        let pages = distinct(log, commit);
        CommitRow {
            commit: *commit,
            salts: log.summary.salts.map(|salts| salts.to_string()).unwrap_or_default(),
            in_database_file: pending.map(|pending| pending.first_frame.is_none_or(|first| commit.last_frame < first)),
            touches: map.map(|map| whose::touched(map, pages.iter().copied())).unwrap_or_default(),
            pages: pages.len() as u64,
        }
    };
    let rows = log.commits()[left_out..].iter().map(row).collect();
    List { all: log.commits().len() as u64, left_out: left_out as u64, rows }
}

fn frames(log: &Log, map: Option<&OwnerMap>, limit: usize) -> Result<List<FrameRow>, LabError> {
    let summary = &log.summary;
    let left_out = summary.frames.saturating_sub(limit as u64);
    let mut rows = Vec::new();
    let mut all = Frames::of(log.source(), log.page_size, left_out + 1);
    for frame in left_out + 1..=summary.frames {
        let bytes = all.read_next()?;
        let Some(header) = FrameHeader::parse(bytes) else { break };
        let state = match frame {
            _ if frame <= summary.frames_committed => "committed",
            _ if frame <= summary.frames_valid => "not committed",
            _ if bytes.iter().take(FRAME_HEADER_SIZE).all(|byte| *byte == 0) => "zeroed",
            _ if Some(header.salts) == log.summary.salts => "behind the valid ones",
            _ => "of an older generation",
        };
        let owner = map.filter(|_| frame <= summary.frames_committed).map(|map| whose::name(map, header.page));
        let (page, commit_pages, salts) = (header.page, header.commit_pages, header.salts.to_string());
        rows.push(FrameRow { frame, page, commit_pages, salts, state, owner });
    }
    Ok(List { all: summary.frames, left_out, rows })
}

fn changes(log: &Log, database: Option<&Source>, commit: LogCommit, limit: usize) -> Result<Changes, LabError> {
    let now = Snapshot::at(log, database, &commit);
    let map = whose::map(&now, whose::PAGES_MAX);
    let before = match log.commit(commit.number - 1) {
        Some(before) => *before,
        // Nobody knows how large the database was before the log: as large as its file can tell.
        None => LogCommit {
            number: 0,
            first_frame: 1,
            last_frame: 0,
            database_pages: commit.database_pages.min(now.file_pages()),
        },
    };
    let earlier = Snapshot::at(log, database, &before);
    let lost = earlier.lost_now()?.overwritten;
    let is_lost = |page: u32| lost.iter().any(|(first, last)| (*first..=*last).contains(&page));
    let pages = distinct(log, &commit);
    let mut rows = Vec::new();
    let (mut old, mut new) = (vec![0; log.page_size as usize], vec![0; log.page_size as usize]);
    for page in pages.iter().copied().take(limit) {
        now.read(page, &mut new)?;
        let origin = earlier.read(page, &mut old)?;
        let known = page <= before.database_pages && !is_lost(page);
        let word = match origin {
            Origin::Frame(frame) => format!("frame {frame}"),
            _ if is_lost(page) => "lost".to_owned(),
            Origin::File if known => "database file".to_owned(),
            _ => "none".to_owned(),
        };
        let compared = word != "lost" && word != "none";
        let (bytes_changed, ranges, ranges_left_out) =
            if compared { differences(&old, &new) } else { (0, Vec::new(), 0) };
        rows.push(PageChange {
            page,
            owner: map.as_ref().map(|map| whose::name(map, page)),
            frame: now.frame_of(page).unwrap_or_default(),
            before: word,
            bytes_changed: compared.then_some(bytes_changed),
            ranges,
            ranges_left_out,
        });
    }
    let left_out = (pages.len() - rows.len()) as u64;
    Ok(Changes { commit, pages: List { all: pages.len() as u64, left_out, rows } })
}

/// Bytes that differ, and where: (offset, length), those near each other as one.
fn differences(old: &[u8], new: &[u8]) -> (u64, Vec<(usize, usize)>, u64) {
    let (mut bytes, mut ranges, mut left_out) = (0, Vec::<(usize, usize)>::new(), 0);
    let mut last_end = None;
    for at in (0..new.len()).filter(|at| old[*at] != new[*at]) {
        bytes += 1;
        let near = last_end.is_some_and(|end| at <= end + GAP_BYTES);
        last_end = Some(at + 1);
        if !near {
            match ranges.len() < RANGES_MAX {
                true => ranges.push((at, 1)),
                false => left_out += 1,
            }
        } else if left_out == 0
            && let Some((start, length)) = ranges.last_mut()
        {
            *length = at + 1 - *start;
        }
    }
    (bytes, ranges, left_out)
}

fn pages(path: &Path, database: Option<&Source>, limit: usize) -> Result<Pages, LabError> {
    let log = match Source::open(&Part::Wal.of(path))? {
        Some(source) => Log::read(source)?.filter(|log| !log.commits().is_empty()),
        None => None,
    };
    let mut head = [0; DB_HEADER_SIZE];
    let length = database.map_or(Ok(0), |database| database.read_at(&mut head, 0))?;
    let size = DbHeader::parse(&head[..length]).page_size;
    let snapshot = match (&log, database, size) {
        (Some(log), _, _) => Snapshot::at(log, database, &log.commits()[log.commits().len() - 1]),
        (None, Some(database), Some(size)) => Snapshot::of_file(database, size),
        _ => return Err(LabError::path("cannot list the pages of", path, "no page size is known", "`--salvage DIR`")),
    };
    let map = whose::map(&snapshot, whose::PAGES_MAX);
    let objects = map.as_ref().map(|map| whose::touched(map, 1..=map.page_count)).unwrap_or_default();
    let mut rows = Vec::new();
    let (mut one, mut two) = (vec![0; snapshot.page_size() as usize], vec![0; snapshot.page_size() as usize]);
    for page in (1..=snapshot.pages()).take(limit) {
        let newest_frame = snapshot.frame_of(page);
        let offset = u64::from(page - 1) * u64::from(snapshot.page_size());
        let there = database.map_or(Ok(0), |database| database.read_at(&mut two, offset))? == two.len();
        snapshot.read(page, &mut one)?;
        let in_database_file = match (there, newest_frame) {
            (false, _) => "absent",
            (true, None) => "there",
            (true, Some(_)) if one == two => "same",
            (true, Some(_)) => "other",
        };
        rows.push(PageRow {
            page,
            owner: map.as_ref().map(|map| whose::name(map, page)),
            newest_frame,
            in_database_file,
        });
    }
    let (all, shown) = (u64::from(snapshot.pages()), rows.len() as u64);
    Ok(Pages { objects, list: List { all, left_out: all - shown, rows } })
}

// ---- for people ----

impl Tables {
    /// Prints them.
    pub fn show(&self) {
        if let Some(commits) = &self.commits {
            show_commits(commits);
        }
        if let Some(frames) = &self.frames {
            show_frames(frames);
        }
        if let Some(changes) = &self.commit {
            show_changes(changes);
        }
        if let Some(pages) = &self.pages {
            show_pages(pages);
        }
    }
}

fn left_out<T>(list: &List<T>, which: &str) {
    if list.left_out > 0 {
        say!("    ({} {which} not shown; `--limit N`)", thousands(list.left_out));
    }
}

fn show_commits(list: &List<CommitRow>) {
    if list.all == 0 {
        return say!("  commits    no commits in a log");
    }
    say!("  commits    {} in the log", thousands(list.all));
    left_out(list, "older");
    say!("    {:>8}  {:>10}  {:>6}  {:>10}  {:<8} touches", "commit", "last frame", "pages", "size", "in file");
    for row in &list.rows {
        let commit = &row.commit;
        let in_file = match row.in_database_file {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        say!(
            "    {:>8}  {:>10}  {:>6}  {:>10}  {in_file:<8} {}",
            commit.number,
            commit.last_frame,
            row.pages,
            commit.database_pages,
            whose::sentence(&row.touches)
        );
    }
}

fn show_frames(list: &List<FrameRow>) {
    if list.all == 0 {
        return say!("  frames     no frames in a log");
    }
    say!("  frames     {} in the log", thousands(list.all));
    left_out(list, "older");
    say!("    {:>8}  {:>10}  {:>10}  {:<17}  {:<22} owner", "frame", "page", "commit", "generation", "state");
    for row in &list.rows {
        let commit = if row.commit_pages > 0 { row.commit_pages.to_string() } else { "-".into() };
        let owner = row.owner.as_deref().unwrap_or("");
        say!("    {:>8}  {:>10}  {commit:>10}  {:<17}  {:<22} {owner}", row.frame, row.page, row.salts, row.state);
    }
}

fn show_changes(changes: &Changes) {
    let commit = &changes.commit;
    say!(
        "  commit {}   {} (frames {} to {}), {} after it",
        commit.number,
        several(changes.pages.all, "page"),
        commit.first_frame,
        commit.last_frame,
        several(commit.database_pages.into(), "page")
    );
    for row in &changes.pages.rows {
        let owner = row.owner.as_deref().unwrap_or("owner not known");
        let (changed, before) = match (row.bytes_changed, row.before.as_str()) {
            (Some(0), _) => ("nothing changed".to_owned(), format!(" against {}", row.before)),
            (Some(bytes), _) => (format!("{} changed", several(bytes, "byte")), format!(" against {}", row.before)),
            (None, "lost") => ("what it was before is lost (a checkpoint went over it)".to_owned(), String::new()),
            (None, _) => ("a new page".to_owned(), String::new()),
        };
        say!("    page {:>8}  {owner}: {changed}{before}", row.page);
        if !row.ranges.is_empty() {
            let ranges: Vec<String> = row.ranges.iter().map(|(start, length)| format!("{start}+{length}")).collect();
            let more = if row.ranges_left_out > 0 { " ..." } else { "" };
            say!("                   at {}{more}", ranges.join(" "));
        }
    }
    left_out(&changes.pages, "pages");
}

fn show_pages(pages: &Pages) {
    say!("  pages      {}: {}", thousands(pages.list.all), whose::sentence(&pages.objects));
    say!("    {:>8}  {:>12}  {:<8} owner", "page", "newest frame", "in file");
    for row in &pages.list.rows {
        let frame = row.newest_frame.map_or("-".into(), |frame| frame.to_string());
        let owner = row.owner.as_deref().unwrap_or("not known");
        say!("    {:>8}  {frame:>12}  {:<8} {owner}", row.page, row.in_database_file);
    }
    left_out(&pages.list, "more");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_near_each_other_are_one_range() {
        let old = [0; 100];
        let mut new = old;
        assert_eq!(differences(&old, &new), (0, vec![], 0));
        for at in [3, 5, 40, 99] {
            new[at] = 1;
        }
        assert_eq!(differences(&old, &new), (4, vec![(3, 3), (40, 1), (99, 1)], 0));
    }

    #[test]
    fn ranges_are_bounded() {
        let old = vec![0; 4096];
        let new: Vec<u8> = (0..4096).map(|at| u8::from(at % 20 == 0)).collect();
        let (bytes, ranges, left_out) = differences(&old, &new);
        assert_eq!((bytes, ranges.len(), left_out), (205, RANGES_MAX, 205 - RANGES_MAX as u64));
    }
}
