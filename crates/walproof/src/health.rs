//! `walproof health`: an exit code and one line for probes of orchestrators.
//!
//! `walproof_lab::health` looks within a time, `walproof_judge::health` concludes. What it must not do: touch a path
//! itself, or start a thread before it asked: who looks is forked.
//! Where to look next: docs/health.md.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use walproof_judge::health::{Answer, Asked, Finding, Health, Question};
use walproof_lab::error::LabError;
use walproof_lab::health::ask;

use crate::arguments::HealthFlags;

/// The version of the JSON document.
const VERSION: u32 = 1;

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    walproof_health: u32,
    asked: Asked,
    answer: Answer,
    databases: &'a [Health],
}

/// Runs it; the exit code is the worst answer's.
pub fn run(flags: &HealthFlags) -> Result<i32, LabError> {
    let question = question(flags);
    let here = [PathBuf::from(".")];
    let paths = if flags.paths.is_empty() { &here[..] } else { &flags.paths };
    // A liveness probe that cannot look has not found anything that a restart mends.
    let databases = match ask(paths, &question, flags.locks, flags.timeout) {
        Err(error) if flags.live => vec![Health::unseen(
            paths[0].display().to_string(),
            "cannot-look",
            format!("{}: {}", error.what, error.because),
            "more processes for this user",
        )],
        other => other.map_err(LabError::blind)?,
    };
    let answer = databases.iter().map(|one| one.answer).max().unwrap_or(Answer::Unknown);
    if flags.json {
        let document = Document { walproof_health: VERSION, asked: question.asked, answer, databases: &databases };
        say!("{}", serde_json::to_string(&document).expect("plain data"));
    } else {
        say!("{}", line(&databases, question.asked));
    }
    Ok(answer.exit_code(question.asked))
}

fn question(flags: &HealthFlags) -> Question {
    Question {
        asked: if flags.live { Asked::Live } else { Asked::Ready },
        wal_bytes_max: flags.wal_max,
        frames_waiting_max: flags.frames_max,
        free_bytes_min: flags.free_min,
        reads_only: flags.reads_only,
        may_be_missing: flags.may_be_missing,
        settle_ms_max: u64::try_from((flags.timeout / 2).min(Duration::from_millis(450)).as_millis()).unwrap_or(0),
    }
}

/// One line whatever stands in it: `unhealthy: /data/app.db: disk-full: 12 kB free ...; try: ...`.
fn line(databases: &[Health], asked: Asked) -> String {
    // The first of the worst: `max_by_key` would take the last.
    let Some(worst) = databases.iter().rev().max_by_key(|one| one.answer) else { return "unknown: nothing".to_owned() };
    let mut text = format!("{}: {}", worst.answer.word(), worst.path);
    let counts = |finding: &&Finding| finding.answer(asked) != Answer::Healthy;
    match worst.findings.iter().find(counts) {
        Some(finding) => text += &format!(": {}: {}; try: {}", finding.name, finding.says, finding.try_this),
        None => {
            text += if worst.about.is_empty() { "" } else { ": " };
            text += &worst.about;
            let notes: Vec<&str> = worst.findings.iter().map(|finding| finding.says.as_str()).collect();
            text += &if notes.is_empty() { String::new() } else { format!("; note: {}", notes.join("; ")) };
        }
    }
    let same = databases.iter().filter(|one| one.answer == worst.answer).count();
    if databases.len() > 1 {
        text += &format!(" ({same} of {} databases are {})", databases.len(), worst.answer.word());
    }
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
