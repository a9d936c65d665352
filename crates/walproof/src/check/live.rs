//! What runs: containers, pods, processes, databases that are files here.
//!
//! What this file is: the one place where the collection of live systems plugs in: [`look`] asks for it, [`Seen::add`]
//! puts it into the graph.
//!
//! What it must not do: leave out a target silently; keep the rest from being judged.

use std::path::PathBuf;

use walproof_judge::check::checked::{Level, Read, Said};
use walproof_judge::sharing::lower::Builder;

use super::targets::Running;

/// What was seen, and what could not be.
#[derive(Debug, Default)]
pub struct Seen {
    said: Vec<Said>,
}

/// Looks at what runs and at databases that were named by their path.
pub fn look(running: &[Running], databases: &[PathBuf]) -> Seen {
    // Here `walproof_lab::collect::live::look(&[LiveTarget])` plugs in.
    let refused = |file: String, try_this: &str| Said {
        level: Level::Error,
        file,
        place: None,
        what: "cannot be judged".to_owned(),
        because: "this version reads manifests alone".to_owned(),
        try_this: try_this.to_owned(),
    };
    let databases = databases.iter().map(|path| refused(path.display().to_string(), "`walproof inspect PATH`"));
    let running =
        running.iter().map(|running| refused(running.shown(), "`walproof probe --like NAME` for a container"));
    Seen { said: databases.chain(running).collect() }
}

impl Seen {
    /// Adds it to the graph.
    pub fn add(self, _builder: &mut Builder<'_>, _read: &mut Read, said: &mut Vec<Said>) {
        // Here `lower::live::add(builder, &live)` plugs in, and `read.not_seen` takes `live.not_seen`.
        said.extend(self.said);
    }
}
