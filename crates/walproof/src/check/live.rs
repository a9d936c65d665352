//! What runs: containers, pods, processes, databases that are files here.
//!
//! What this file is: targets in, a record of what was seen out, and its way into the graph. `walproof_lab::collect::live`
//! looks; the manifest of a pod is judged like one in a file.
//!
//! What it must not do: leave out a target silently; keep the rest from being judged.

use std::path::PathBuf;

use walproof_judge::check::checked::{Level, Read, Said};
use walproof_judge::sharing::live::Live;
use walproof_judge::sharing::lower::{self, Builder};
use walproof_lab::collect::live::{self, LiveTarget};

use super::targets;

/// What was seen, and what could not be.
#[derive(Debug, Default)]
pub struct Seen {
    live: Option<Live>,
    said: Vec<Said>,
}

/// Looks at what runs and at databases that were named by their path.
pub fn look(running: &[LiveTarget], databases: &[PathBuf]) -> Seen {
    let paths = databases.iter().map(|path| LiveTarget::Path(path.clone()));
    let all: Vec<LiveTarget> = running.iter().cloned().chain(paths).collect();
    if all.is_empty() {
        return Seen::default();
    }
    match live::look(&all) {
        Ok(mut live) => {
            let said = all.iter().flat_map(|target| missed(target, &mut live.not_seen)).collect();
            Seen { live: Some(live), said }
        }
        Err(error) => {
            let because = error.because.clone();
            let said = all.iter().map(|target| cannot(target, &because)).collect();
            Seen { live: None, said }
        }
    }
}

/// The manifests of pods, by the names of their targets.
pub fn manifests(running: &[LiveTarget]) -> (Vec<(String, String)>, Vec<Said>) {
    let (mut texts, mut said) = (Vec::new(), Vec::new());
    for target in running {
        let LiveTarget::Pod { namespace, name } = target else { continue };
        match live::manifest_of_pod(namespace, name) {
            Ok(text) => texts.push((targets::shown(target), text)),
            Err(error) => said.push(cannot(target, &error.because)),
        }
    }
    (texts, said)
}

/// What could not be seen of a target that was asked for by name is an error; it is taken out of the list.
fn missed(target: &LiveTarget, not_seen: &mut Vec<String>) -> Vec<Said> {
    let beginning = match target {
        LiveTarget::Path(path) => format!("`{}`: ", path.display()),
        LiveTarget::Process(number) => format!("process {number}: "),
        LiveTarget::Container { name, .. } => format!("container `{name}`"),
        // Its manifest is judged, wherever it runs.
        LiveTarget::Pod { .. } | LiveTarget::Host => return Vec::new(),
    };
    let (mine, others) = std::mem::take(not_seen).into_iter().partition(|text: &String| text.starts_with(&beginning));
    *not_seen = others;
    let because = |text: &String| text.split_once(": ").map_or(text.clone(), |(_, because)| because.to_owned());
    mine.iter().map(|text| cannot(target, &because(text))).collect()
}

fn cannot(target: &LiveTarget, because: &str) -> Said {
    let try_this = match target {
        LiveTarget::Path(_) => "a database that is there and may be read",
        LiveTarget::Process(_) => "the number of a process that runs, as root",
        LiveTarget::Container { .. } => "a container that runs, as the engine's `ps` shows it",
        LiveTarget::Pod { .. } => "`kubectl get pod NAME -o json | walproof check -`",
        LiveTarget::Host => "as root",
    };
    Said {
        level: Level::Error,
        file: targets::shown(target),
        place: None,
        what: "cannot be looked at".to_owned(),
        because: because.to_owned(),
        try_this: try_this.to_owned(),
    }
}

impl Seen {
    /// Adds it to the graph.
    pub fn add(self, builder: &mut Builder<'_>, read: &mut Read, said: &mut Vec<Said>) {
        if let Some(live) = self.live {
            lower::live::add(builder, &live);
            read.seen = Some((live.databases.len(), live.openers.len(), live.containers.len()));
            read.not_seen.extend(live.not_seen);
        }
        said.extend(self.said);
    }
}
