//! `walproof probe`: parties ask each other; `--storage` and `--watch` measure one party's storage.

mod storage;

use walproof_lab::error::LabError;

use crate::arguments::ProbeFlags;

/// Runs it; the exit code says the verdict.
pub fn run(flags: &ProbeFlags) -> Result<i32, LabError> {
    if flags.storage || flags.watch { storage::run(flags) } else { Ok(2) }
}
