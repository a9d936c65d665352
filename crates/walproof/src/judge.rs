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
    let mut out = std::io::BufWriter::new(MayLeave { out: std::io::stdout().lock(), gone: false });
    export_saved(&flags.files[0], format, &mut out)?;
    out.flush().map_err(|error| LabError::new("cannot write the export", error, "free space, or another file"))?;
    Ok(0)
}

/// A reader that has gone has had enough.
struct MayLeave<W> {
    out: W,
    gone: bool,
}

impl<W: Write> Write for MayLeave<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.gone {
            return Ok(bytes.len());
        }
        match self.out.write(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.out.flush() {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
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
