//! `--salvage DIR`: everything of one database copied, also what only processes still hold, and put together.
//!
//! Top down: look who holds what, copy, put together, compare, tell. What it must not do: touch the originals or their
//! directory, signal anybody, open anything with SQLite. `walproof_lab::rescue` does the work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_format::sqlite::db_header::DB_MAGIC;
use walproof_lab::collect::quiet::{Part, Source};
use walproof_lab::error::LabError;
use walproof_lab::rescue::copying::{Set, copy_all};
use walproof_lab::rescue::holders::{self, Holders};
use walproof_lab::rescue::place::{cannot_write, fresh_directory};
use walproof_lab::rescue::recover::{Recovered, recover, recover_behind_header};
use walproof_lab::rescue::snapshot::Snapshot;

use super::extract::shown;
use super::whose::{self, Touched};
use crate::render::{several, thousands};

/// Pages of databases that are compared: a damaged log may speak of any number.
const COMPARED_PAGES_MAX: u32 = 1 << 28;

/// What was saved.
#[derive(Debug, Serialize)]
pub struct Salvaged {
    database: String,
    directory: PathBuf,
    holders: Holders,
    sets: Vec<Set>,
    recovered: Vec<Made>,
    differences: Vec<Difference>,
    story: Vec<String>,
    next: Vec<String>,
}

/// A database that was put together, and what is in it.
#[derive(Debug, Serialize)]
struct Made {
    #[serde(flatten)]
    recovered: Recovered,
    objects: Vec<Touched>,
    /// Whether its first page begins as a database's.
    is_database: bool,
    /// Faults of its structure that walking over its pages found.
    faults: u64,
    first_faults: Vec<String>,
}

/// How two of them differ.
#[derive(Debug, Serialize)]
struct Difference {
    one: PathBuf,
    other: PathBuf,
    pages: u64,
    touches: Vec<Touched>,
}

/// Saves it.
pub fn salvage(database: &Path, directory: &Path) -> Result<Salvaged, LabError> {
    let holders = holders::of(database)?;
    let there = Part::ALL.iter().any(|piece| piece.of(database).symlink_metadata().is_ok());
    if !there && holders.stranded.is_empty() {
        let because = match holders.not_seen.first() {
            Some(missed) => {
                format!("none of its files is there, and no process is seen to hold one (not seen: {missed})")
            }
            None => "none of its files is there, and no process holds one".to_owned(),
        };
        return Err(LabError::path("nothing to salvage of", database, because, "the path of the database, as root"));
    }
    let originals = Part::ALL.map(|piece| piece.of(database));
    let directory = fresh_directory(directory, &originals)?;
    let sets = copy_all(database, &directory, &holders).inspect_err(|_| {
        // Only when nothing is in it yet.
        let _ = std::fs::remove_dir(&directory);
    })?;
    let (mut recovered, mut failed) = (Vec::new(), Vec::new());
    for set in &sets {
        // The copies are what counts: a disk that is full by now takes nothing from them.
        match recover(set, &sets, &directory) {
            Ok(Ok(made)) => recovered.push(look_into(made)?),
            Ok(Err(because)) => failed.push(format!("nothing was put together of `{}`: {because}", set.name)),
            Err(error) => {
                failed.push(format!("nothing was put together of `{}`: {}: {}", set.name, error.what, error.because));
            }
        }
        match recover_behind_header(set, &sets, &directory) {
            Ok(made) => recovered.extend(made.map(look_into).transpose()?),
            Err(error) => failed
                .push(format!("behind the header of the log of `{}`: {}: {}", set.name, error.what, error.because)),
        }
    }
    let differences = compare(&recovered)?;
    let mut salvaged = Salvaged {
        database: database.display().to_string(),
        directory,
        story: failed,
        next: Vec::new(),
        holders,
        sets,
        recovered,
        differences,
    };
    salvaged.story.splice(0..0, story(&salvaged));
    salvaged.next = next(&salvaged);
    salvaged.notes()?;
    Ok(salvaged)
}

fn look_into(recovered: Recovered) -> Result<Made, LabError> {
    let source = Source::open(&recovered.path)?;
    let map = source
        .as_ref()
        .and_then(|source| whose::map(&Snapshot::of_file(source, recovered.page_size), whose::PAGES_MAX));
    Ok(Made {
        objects: map.as_ref().map(|map| whose::touched(map, 1..=map.page_count)).unwrap_or_default(),
        faults: map.as_ref().map_or(0, |map| map.fault_count),
        is_database: is_database(source.as_ref())?,
        first_faults: map.iter().flat_map(|map| map.faults.iter().take(5)).map(ToString::to_string).collect(),
        recovered,
    })
}

fn is_database(source: Option<&Source>) -> Result<bool, LabError> {
    let mut start = [0; DB_MAGIC.len()];
    Ok(source.map_or(Ok(0), |source| source.read_at(&mut start, 0))? == start.len() && start == DB_MAGIC)
}

fn compare(all: &[Made]) -> Result<Vec<Difference>, LabError> {
    let mut found = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let comparable = |other: &&Made| {
            other.recovered.page_size == one.recovered.page_size
                && one.recovered.pages.max(other.recovered.pages) <= COMPARED_PAGES_MAX
        };
        for other in all[at + 1..].iter().filter(comparable) {
            found.extend(difference(&one.recovered, &other.recovered)?);
        }
    }
    Ok(found)
}

fn difference(one: &Recovered, other: &Recovered) -> Result<Option<Difference>, LabError> {
    let (Some(first), Some(second)) = (Source::open(&one.path)?, Source::open(&other.path)?) else { return Ok(None) };
    let size = one.page_size as usize;
    let (mut left, mut right) = (vec![0; size], vec![0; size]);
    let mut pages = Vec::new();
    for page in 1..=one.pages.max(other.pages) {
        let offset = u64::from(page - 1) * size as u64;
        let lengths = (first.read_at(&mut left, offset)?, second.read_at(&mut right, offset)?);
        if lengths.0 != lengths.1 || left[..lengths.0] != right[..lengths.1] {
            pages.push(page);
        }
    }
    let longer = if one.pages >= other.pages { (&first, one) } else { (&second, other) };
    let map = whose::map(&Snapshot::of_file(longer.0, longer.1.page_size), whose::PAGES_MAX);
    Ok(Some(Difference {
        one: one.path.clone(),
        other: other.path.clone(),
        pages: pages.len() as u64,
        touches: map.map(|map| whose::touched(&map, pages.iter().copied())).unwrap_or_default(),
    }))
}

fn story(salvaged: &Salvaged) -> Vec<String> {
    let mut lines = Vec::new();
    let holders = &salvaged.holders;
    lines.push(match holders.processes.len() {
        0 => "no process is seen to have the database open".to_owned(),
        count => format!(
            "{} {} it open",
            several(count as u64, "process").replace("processs", "processes"),
            if count == 1 { "has" } else { "have" }
        ),
    });
    for generation in &holders.stranded {
        let deleted = generation.held.iter().any(|held| held.names == 0);
        let pieces: Vec<&str> = generation.held.iter().map(|held| held.piece.word()).collect();
        lines.push(format!(
            "process {} holds {}{} that {} at the path: {}",
            generation.pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            if pieces.len() == 1 { "a " } else { "" },
            pieces.join(" and "),
            if pieces.len() == 1 { "is not the one" } else { "are not those" },
            if deleted { "deleted, they are gone when it ends" } else { "renamed, or seen through another mount" }
        ));
    }
    if salvaged.log_is_of_another_database() {
        lines.push(
            "the -wal at the path belongs to that process's database, not to the file at the path: what was recovered of `originals` may be a mixture of two databases, do not use it"
                .to_owned(),
        );
    }
    if holders.stranded.is_empty() && holders.not_seen.is_empty() {
        lines.push("no process holds another generation of its files".to_owned());
    }
    lines.extend(holders.not_seen.iter().map(|missed| format!("not seen: {missed}")));
    for set in salvaged.sets.iter().filter(|set| !set.because.is_empty()) {
        lines.push(format!("`{}`: {}", set.name, set.because.join("; ")));
    }
    lines.extend(salvaged.recovered.iter().flat_map(not_whole));
    for set in salvaged.sets.iter().filter(|set| set.generation.is_none() && log_is_missing(set, &salvaged.database)) {
        lines.push(format!(
            "the -wal could not be copied: commits in it are not in what was recovered of `{}`",
            set.name
        ));
    }
    // Two sets may have one log: a database was replaced, and its log was not.
    let with_commits = salvaged.recovered.iter().filter(|made| made.recovered.commits > 0);
    let log_of = |made: &Made| salvaged.sets.iter().find(|set| set.name == made.recovered.set)?.wal.clone();
    let logs: BTreeSet<PathBuf> = with_commits.filter_map(log_of).collect();
    if logs.len() > 1 {
        lines.push(format!(
            "{} logs hold commits, and none knows of the others: no single recovered database has all of them; what is missing in one is to be brought over from the others, row by row",
            logs.len()
        ));
    }
    let mixed = salvaged.recovered.iter().filter(|made| made.recovered.pages_of_other_logs > 0);
    lines.extend(mixed.map(|made| {
        format!(
            "{}: {} of the database file are as the log of another generation has them: if a checkpoint put them there after the two had parted, this state never existed as a whole",
            made.recovered.path.display(),
            several(made.recovered.pages_of_other_logs, "page")
        )
    }));
    lines
}

/// What a recovered file lacks.
fn not_whole(made: &Made) -> Vec<String> {
    let path = made.recovered.path.display();
    let no_database = format!("{path} is no database: its first page does not begin as one");
    let left_out = made.recovered.log_left_out.as_ref();
    let left_out = left_out.map(|why| format!("{why}; what was committed there is not in {path}"));
    let behind = made.recovered.behind_header.as_ref();
    let behind = behind.map(|why| {
        format!("{path} is made of {} that lie behind it: {why}", several(made.recovered.commits, "commit"))
    });
    (!made.is_database).then_some(no_database).into_iter().chain(left_out).chain(behind).collect()
}

/// Whether a log lies at the path, and no copy of it was had.
fn log_is_missing(set: &Set, database: &str) -> bool {
    set.wal.is_none() && Part::Wal.of(Path::new(database)).symlink_metadata().is_ok()
}

fn next(salvaged: &Salvaged) -> Vec<String> {
    let mut lines = Vec::new();
    let stranded: Vec<String> =
        salvaged.holders.stranded.iter().flat_map(|generation| &generation.pids).map(ToString::to_string).collect();
    if !stranded.is_empty() {
        lines.push(format!(
            "do not stop or restart process {} before these copies are checked: what it holds has no name any more",
            stranded.join(", ")
        ));
        lines.push(
            "let nobody write meanwhile: pause the application's work (not its process), then salvage once more into another directory"
                .to_owned(),
        );
    }
    for made in salvaged.recovered.iter().filter(|made| made.is_database) {
        lines.push(format!("sqlite3 {} 'PRAGMA integrity_check'", crate::render::quoted(&made.recovered.path)));
    }
    if salvaged.recovered.len() > 1 {
        lines.push("compare what they hold; commits that were acknowledged may be in either".to_owned());
    }
    if !salvaged.whole() {
        lines.push(
            "leave the database and its -wal where they are: what was recovered is not all, or not sound (see the story)"
                .to_owned(),
        );
        return lines;
    }
    lines.push(
        "to put one back: stop every process that has the database open, move the database, -wal, -shm and -journal away together, then copy the recovered file to its name, alone, with its owner and mode"
            .to_owned(),
    );
    lines
}

// ---- for people ----

impl Salvaged {
    /// Whether something could be put together, and all that was seen was saved and fits together.
    pub fn whole(&self) -> bool {
        !self.recovered.is_empty()
            && !self.log_is_of_another_database()
            && self.sets.iter().all(|set| set.because.is_empty())
            && self.recovered.iter().all(|made| made.whole())
    }

    /// Whether a process writes the log at the path for a database file that is not the one at the path.
    fn log_is_of_another_database(&self) -> bool {
        self.holders.stranded.iter().any(|one| one.of_present_log && !one.of_present_database)
    }

    /// Prints it.
    pub fn show(&self) {
        self.lines().iter().for_each(|text| say!("{text}"));
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("walproof inspect {} --salvage {}", self.database, self.directory.display())];
        let mut line = |label: &str, text: String| lines.push(format!("  {label:<10} {text}"));
        for one in &self.holders.processes {
            let container = one.container.as_ref().map(|name| format!(" in container {name}")).unwrap_or_default();
            let which = if one.has_present_files { "" } else { ", which holds files that have lost their names" };
            line("open by", format!("process {}{container}: {}{which}", one.pid, one.command));
        }
        for set in &self.sets {
            for file in &set.files {
                let alike = if file.alike_twice { "read twice, alike" } else { "it changed between two readings" };
                let bytes = several(file.bytes, "byte");
                line("copied", format!("{} <- {} ({bytes}, {alike})", file.to.display(), file.from.display()));
            }
        }
        for made in &self.recovered {
            line("recovered", made.recovered.path.display().to_string());
            line("", made.words());
            if !made.objects.is_empty() {
                line("", whose::sentence(&made.objects));
            }
            for fault in &made.first_faults {
                line("", format!("fault: {fault}"));
            }
        }
        for one in &self.differences {
            let text = match one.pages {
                0 => format!("{} and {} are alike", one.one.display(), one.other.display()),
                pages => format!(
                    "{} and {} differ in {}: {}",
                    one.one.display(),
                    one.other.display(),
                    several(pages, "page"),
                    whose::sentence(&one.touches)
                ),
            };
            line("compared", text);
        }
        self.story.iter().for_each(|text| line("story", text.clone()));
        self.next.iter().for_each(|text| line("next", text.clone()));
        lines
    }

    /// The same beside the copies: a directory without it is of a run that was cut off.
    fn notes(&self) -> Result<(), LabError> {
        let write = |name: &str, text: String| {
            let path = self.directory.join(name);
            let written = std::fs::write(&path, text).and_then(|()| std::fs::File::open(&path)?.sync_all());
            written.map_err(|error| cannot_write(&path, &error))
        };
        for set in self.sets.iter().filter(|set| set.generation.is_some() && !set.files.is_empty()) {
            write(&format!("{}/NOTE.txt", set.name), self.note(set))?;
        }
        write("salvage.txt", self.lines().join("\n") + "\n")?;
        write("salvage.json", serde_json::to_string_pretty(self).expect("plain data") + "\n")
    }

    fn note(&self, set: &Set) -> String {
        let mut text = format!("Files of {} that had lost their names, copied through /proc:\n", self.database);
        for held in set.generation.iter().flat_map(|generation| &generation.held) {
            let of = self.holders.processes.iter().find(|one| one.pid == held.pid);
            text += &format!(
                "{} ({:?}, inode {}, {}): process {} ({}), which calls the database {}\n",
                held.path().display(),
                held.piece,
                held.identity.1,
                if held.names == 0 { "deleted".to_owned() } else { several(held.names, "name") },
                held.pid,
                of.map(|one| one.command.as_str()).unwrap_or_default(),
                of.map(|one| one.path.as_str()).unwrap_or_default(),
            );
        }
        text
    }
}

impl Made {
    fn whole(&self) -> bool {
        let recovered = &self.recovered;
        let all_of_log = recovered.log_left_out.is_none() && recovered.behind_header.is_none();
        self.is_database && self.faults == 0 && recovered.lost.is_empty() && all_of_log
    }

    fn words(&self) -> String {
        let recovered = &self.recovered;
        let mut parts = vec![
            several(recovered.pages.into(), "page"),
            match recovered.commits {
                0 => "no log".to_owned(),
                commits => format!("{} of its log", several(commits, "commit")),
            },
            format!("change counter {}", recovered.change_counter.map_or("unknown".into(), |n| thousands(n.into()))),
            match self.faults {
                _ if !self.is_database => "no database: its first page does not begin as one".to_owned(),
                0 => "no fault in its structure was seen, run PRAGMA integrity_check on it".to_owned(),
                faults => format!("{} in its structure", several(faults, "fault")),
            },
        ];
        parts.extend(recovered.journal.as_ref().map(|journal| format!("journal {journal}")));
        for (ranges, why) in [
            (&recovered.lost.overwritten, "may be of a state that the log does not hold"),
            (&recovered.lost.beyond_file, "are missing and zero"),
        ] {
            if !ranges.is_empty() {
                parts.push(format!("{} {why}", shown(ranges)));
            }
        }
        parts.join(", ")
    }
}
