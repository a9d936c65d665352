//! `walproof judge`: a saved history judged again, or exported.

use std::io::Write;

use walproof_lab::error::LabError;
use walproof_lab::run::saved::{ExportFormat, SavedJudgement, export_saved, judge_saved};

use crate::arguments::JudgeFlags;

/// How many anomalies are shown with their witness.
const SHOWN: usize = 3;

/// Runs it; exit code 1 with an anomaly, 3 without one when something could not be judged.
pub fn run(flags: &JudgeFlags) -> Result<i32, LabError> {
    if let Some(format) = &flags.export {
        return export(flags, format);
    }
    let judgement = judge_saved(&flags.files)?;
    if flags.json {
        say!("{}", serde_json::to_string_pretty(&judgement).expect("plain data"));
    } else {
        show(&judgement);
    }
    Ok(match (judgement.counts.is_empty(), judgement.not_seen.is_empty()) {
        (false, _) => 1,
        (true, false) => 3,
        (true, true) => 0,
    })
}

fn export(flags: &JudgeFlags, format: &str) -> Result<i32, LabError> {
    let format = if format == "elle" { ExportFormat::Elle } else { ExportFormat::JsonLines };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    export_saved(&flags.files[0], format, &mut out)?;
    // A reader that has gone has had enough.
    let _ = out.flush();
    Ok(0)
}

fn show(judgement: &SavedJudgement) {
    let exposures = &judgement.exposures;
    say!("walproof judge {}", judgement.folder.display());
    say!(
        "  history    {} agents, workload {}, {} segments, {} records, {} commits",
        judgement.agents,
        if judgement.workload.is_empty() { "unknown" } else { &judgement.workload },
        judgement.segments,
        exposures.records,
        exposures.commits
    );
    let counts: Vec<String> = judgement.counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    say!("  anomalies  {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") });
    for anomaly in judgement.anomalies.iter().take(SHOWN) {
        say!("  witness    {} ({}): {}", anomaly.kind.name(), anomaly.certainty.word(), anomaly.summary);
        for line in &anomaly.witness {
            say!(
                "               agent {} life {}: {} {}: {}",
                line.agent,
                line.life,
                line.operation,
                line.phase,
                line.role
            );
        }
    }
    judgement.not_seen.iter().for_each(|what| say!("  not seen   {what}"));
}
