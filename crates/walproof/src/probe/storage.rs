//! `walproof probe --storage` and `--watch`.

use walproof_lab::error::LabError;

use crate::arguments::ProbeFlags;

/// Runs it.
pub fn run(_flags: &ProbeFlags) -> Result<i32, LabError> {
    Ok(2)
}
