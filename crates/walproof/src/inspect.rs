//! `walproof inspect`: what lies in a database's files, read without SQLite, without locks, without writing.
//!
//! Top down: `targets.rs` finds the databases, `gather.rs` and `log.rs` read their files, `weigh.rs` concludes,
//! `show.rs` prints. docs/inspect.md says what each field means.

mod gather;
mod log;
mod show;
mod targets;
mod weigh;

use serde::Serialize;
use walproof_lab::error::LabError;

use crate::arguments::InspectFlags;
use gather::Sighting;
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
    next: Vec<&'static str>,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    walproof_inspect: u32,
    wrong: bool,
    databases: &'a [Inspected],
    errors: Vec<String>,
}

/// Runs it; exit code 1 when something is wrong, 2 when something could not be read.
pub fn run(flags: &InspectFlags) -> Result<i32, LabError> {
    let (mut databases, mut errors) = (Vec::new(), Vec::new());
    for path in &flags.paths {
        match targets::find(path) {
            Ok(found) => found.iter().for_each(|path| match inspect(path) {
                Ok(inspected) => databases.push(inspected),
                Err(error) => errors.push(error),
            }),
            Err(error) => errors.push(error),
        }
    }
    let wrong = databases.iter().flat_map(|one| &one.findings).any(|finding| finding.level == Level::Wrong);
    if flags.json {
        let errors = errors.iter().map(ToString::to_string).collect();
        let document = Document { walproof_inspect: VERSION, wrong, databases: &databases, errors };
        say!("{}", serde_json::to_string_pretty(&document).expect("plain data"));
    } else {
        databases.iter().for_each(show::show);
    }
    errors.iter().for_each(|error| eprintln!("walproof: {error}"));
    Ok(match (errors.is_empty(), wrong) {
        (false, _) => 2,
        (true, true) => 1,
        (true, false) => 0,
    })
}

fn inspect(path: &std::path::Path) -> Result<Inspected, LabError> {
    let seen = gather::sight(path)?;
    let findings = weigh::findings(&seen);
    let story = weigh::story(&seen, &findings);
    let next = weigh::next(&seen, &findings);
    Ok(Inspected { seen, findings, story, next })
}
