//! What runs: containers, pods, processes, databases that are files here.
//!
//! What this file is: the one place where the collection of live systems plugs in: [`look`] asks for it, [`Seen::add`]
//! puts it into the graph.
//!
//! What it must not do: leave out a target silently.

use std::path::PathBuf;

use walproof_judge::check::checked::Read;
use walproof_judge::sharing::lower::Builder;
use walproof_lab::error::LabError;

use super::targets::Running;

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen;

/// Looks at what runs and at databases that were named by their path.
pub fn look(running: &[Running], databases: &[PathBuf]) -> Result<Seen, LabError> {
    // Here `walproof_lab::collect::live::look(&[LiveTarget])` plugs in.
    if running.is_empty() && databases.is_empty() {
        return Ok(Seen);
    }
    let what = match databases.first() {
        Some(path) => format!("cannot judge the database `{}`", path.display()),
        None => "cannot judge what runs".to_owned(),
    };
    let because = "this version reads manifests alone";
    Err(LabError::new(
        what,
        because,
        "`walproof inspect PATH` for a database, `walproof probe --like NAME` for a container",
    ))
}

impl Seen {
    /// Adds it to the graph.
    pub fn add(self, _builder: &mut Builder<'_>, _read: &mut Read) {
        // Here `lower::live::add(builder, &live)` plugs in, and `read.not_seen` takes `live.not_seen`.
    }
}
