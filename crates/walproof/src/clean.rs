//! `walproof clean`: removes what killed runs left behind, by label.

use std::path::Path;

use walproof_lab::error::LabError;
use walproof_lab::run::leavings::{self, RunId, guard_files};

/// Cleans up and says what was done. Exit 0, or 2 when something could not be removed.
pub fn run(only: Option<&str>, guard_files_in: Option<&Path>) -> Result<i32, LabError> {
    let only = only.map(parse).transpose()?;
    let report = match guard_files_in {
        Some(directory) => guard_files::clean(directory)?,
        None => leavings::clean(only.as_ref()),
    };
    for line in &report.removed {
        say!("removed  {line}");
    }
    for line in &report.kept {
        say!("kept     {line}");
    }
    for line in &report.failed {
        say!("failed   {line}");
    }
    if report.removed.is_empty() && report.kept.is_empty() && report.failed.is_empty() {
        say!("nothing was left behind");
    }
    Ok(if report.failed.is_empty() { 0 } else { 2 })
}

fn parse(text: &str) -> Result<RunId, LabError> {
    RunId::parse(text).ok_or_else(|| {
        LabError::new(format!("`{text}` is no run"), "a run has 16 hex digits", "`walproof clean` without a name")
    })
}
