//! `walproof inspect`: what lies in a database's files, read without SQLite, without locks, without writing.
//!
//! Top down: `targets.rs` and `live.rs` find the databases, `gather.rs` and `log.rs` read their files, `weigh.rs`
//! concludes, `tables.rs` lists (`whose.rs` tells tables and indexes), `show.rs` prints; `extract.rs` and `salvage.rs`
//! write copies, never beside the originals. docs/inspect.md says what each field means.

/// A line of this command: names in it come from outside.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::line(format_args!("{}", $crate::output::plain(&format!($($text)*)))) };
}

mod extract;
mod gather;
mod live;
mod log;
mod salvage;
mod show;
mod stakes;
mod structure;
mod tables;
mod targets;
mod weigh;
mod whose;

use std::path::{Path, PathBuf};

use serde::Serialize;
use walproof_lab::error::LabError;

use crate::arguments::InspectFlags;
use crate::output;
use extract::Wanted;
use gather::Sighting;
use live::Meant;
use tables::Tables;
use weigh::{Finding, Level};

/// The version of the JSON document.
const VERSION: u32 = 1;

/// One database, looked at and weighed.
#[derive(Debug, Serialize)]
struct Inspected {
    #[serde(flatten)]
    seen: Sighting,
    findings: Vec<Finding>,
    story: Vec<String>,
    next: Vec<String>,
    #[serde(flatten)]
    tables: Tables,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    walproof_inspect: u32,
    wrong: bool,
    databases: &'a [Inspected],
    /// Files of directories that are called as databases are, and begin as none.
    passed_over: &'a [String],
    errors: Vec<String>,
}

/// Runs it; exit code 1 when something is wrong, 2 when something could not be read.
pub fn run(flags: &InspectFlags) -> Result<i32, LabError> {
    let (found, passed_over, mut errors) = databases(&flags.targets);
    if let Some(number) = flags.extract_commit {
        return extract_one(flags, number, &only(found, errors)?);
    }
    if let Some(directory) = &flags.salvage {
        return salvage_one(flags, directory, &only(found, errors)?);
    }
    let mut databases = Vec::new();
    for meant in &found {
        match inspect(meant, flags) {
            Ok((inspected, error)) => {
                databases.push(inspected);
                errors.extend(error);
            }
            Err(error) => errors.push(error),
        }
    }
    let wrong = databases.iter().flat_map(|one| &one.findings).any(|finding| finding.level == Level::Wrong);
    if flags.json {
        let errors = errors.iter().map(ToString::to_string).collect();
        let passed_over: Vec<String> = passed_over.iter().map(|path| path.display().to_string()).collect();
        let document =
            Document { walproof_inspect: VERSION, wrong, databases: &databases, passed_over: &passed_over, errors };
        output::document(&(serde_json::to_string_pretty(&document).expect("plain data") + "\n"))?;
    } else {
        databases.iter().for_each(show::show);
        if !passed_over.is_empty() {
            let names = targets::names(&passed_over);
            say!(
                "not looked at: {names} called so and not begun as a database: damaged, encrypted, or of another kind"
            );
            say!("  try        `walproof inspect FILE` with each");
        }
        output::written()?;
    }
    for error in &errors {
        let lines: Vec<String> = error.to_string().lines().map(output::plain).collect();
        eprintln!("walproof: {}", lines.join("\n"));
    }
    Ok(match (errors.is_empty(), wrong) {
        (false, _) => 2,
        (true, true) => 1,
        (true, false) => 0,
    })
}

/// What the targets mean, what of them was passed over, and what means nothing.
fn databases(targets: &[PathBuf]) -> (Vec<Meant>, Vec<PathBuf>, Vec<LabError>) {
    let (mut all, mut passed_over, mut errors) = (Vec::<Meant>::new(), Vec::new(), Vec::new());
    for path in targets {
        let found = match live::target(path) {
            Ok(Some(target)) => live::databases(&target),
            Ok(None) => targets::find(path).map(|found| {
                passed_over.extend(found.passed_over);
                found.databases.into_iter().map(Meant::from).collect()
            }),
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => all.extend(found),
            Err(error) => errors.push(error),
        }
    }
    (all, passed_over, errors)
}

/// The one database that is to be copied.
fn only(mut found: Vec<Meant>, mut errors: Vec<LabError>) -> Result<PathBuf, LabError> {
    if !errors.is_empty() {
        return Err(errors.remove(0));
    }
    match found.len() {
        1 => {
            let real = gather::real(&found.remove(0).path);
            gather::refuse_links_out_of_another_root(&real).map(|()| real)
        }
        count => {
            let all: Vec<String> = found.iter().map(|one| format!("`{}`", one.path.display())).collect();
            let because = format!("{count} are meant: {}", all.join(", "));
            Err(LabError::new("one database at a time can be copied", because, "the path of one of them"))
        }
    }
}

fn extract_one(flags: &InspectFlags, number: u64, database: &Path) -> Result<i32, LabError> {
    let seen = gather::sight(database, false)?;
    let findings = weigh::findings(&seen);
    let output = flags.output.as_deref().unwrap_or(Path::new("."));
    let done = extract::extract(&seen.path, &findings, &Wanted { number, output, partial: flags.partial })?;
    let whole = done.lost.is_empty();
    document(flags.json, "extracted", &done, || done.show())?;
    Ok(if whole { 0 } else { 1 })
}

fn salvage_one(flags: &InspectFlags, directory: &Path, database: &Path) -> Result<i32, LabError> {
    let done = salvage::salvage(database, directory)?;
    document(flags.json, "salvaged", &done, || done.show())?;
    Ok(if done.whole() { 0 } else { 1 })
}

fn document(json: bool, name: &str, content: &impl Serialize, show: impl FnOnce()) -> Result<(), LabError> {
    if !json {
        show();
        return output::written();
    }
    let document = serde_json::json!({ "walproof_inspect": VERSION, name: content });
    output::document(&(serde_json::to_string_pretty(&document).expect("plain data") + "\n"))
}

/// With what of the lists could not be had.
fn inspect(meant: &Meant, flags: &InspectFlags) -> Result<(Inspected, Option<LabError>), LabError> {
    let seen = gather::sight(&meant.path, flags.pages)?;
    let mut findings = weigh::findings(&seen);
    findings.splice(0..0, weigh::held(&meant.held));
    let mut story = weigh::story(&seen, &findings);
    let next = weigh::next(&seen, &findings);
    let (tables, error) = match Tables::read(&seen, flags) {
        Ok(tables) => (tables, None),
        Err(error) => (Tables::default(), Some(error)),
    };
    let at = story.len().saturating_sub(1);
    story.splice(at..at, stakes::lines(&seen));
    Ok((Inspected { seen, findings, story, next, tables }, error))
}
