//! Targets that run, or ran: the database files of a container, a pod or a process, as paths.
//!
//! What it must not do: start or enter anything; pass over silently what cannot be reached.

use std::path::{Path, PathBuf};

use walproof_lab::collect::live::{LiveTarget, containers_called, look, places_of_stopped};
use walproof_lab::error::LabError;

use super::targets::find;
use crate::check::targets::{running, shown};

/// Directories below a mount of a stopped container that are looked into.
const DIRECTORIES_MAX: usize = 20_000;
/// How deep.
const DEPTH_MAX: u32 = 8;

/// What a target means, when it is none of the paths that are there.
pub fn target(path: &Path) -> Result<Option<LiveTarget>, LabError> {
    let Some(text) = path.to_str().filter(|_| path.symlink_metadata().is_err()) else { return Ok(None) };
    if text == "host://" {
        let try_this = "`walproof check host://` for all of a machine, or one container";
        return Err(LabError::new("cannot inspect `host://`", "it is no database and no container", try_this));
    }
    // A bare number is a file that is not there rather than a process.
    if let Some(target) = running(text).filter(|_| !text.bytes().all(|byte| byte.is_ascii_digit())) {
        return Ok(Some(target));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        let try_this = "`docker://NAME`, `podman://NAME`, `nerdctl://NAME`, `embedded://NAME`, `k8s://NAMESPACE/POD`, `pid:NUMBER`";
        let because = format!("`{scheme}://` is no engine that is known, or no name follows");
        return Err(LabError::new(format!("cannot inspect `{text}`"), because, try_this));
    }
    let is_name = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    let sidecar = ["-wal", "-shm", "-journal"].iter().any(|suffix| Path::new(&format!("{text}{suffix}")).exists());
    if !is_name || sidecar {
        return Ok(None);
    }
    let mut found = containers_called(text);
    if found.len() > 1 {
        let all: Vec<String> = found.iter().map(shown).collect();
        let because = format!("several containers are called so: {}", all.join(", "));
        return Err(LabError::new(format!("cannot tell what `{text}` is"), because, "one of these"));
    }
    Ok(found.pop())
}

/// The databases of a target.
pub fn databases(target: &LiveTarget) -> Result<Vec<PathBuf>, LabError> {
    let mut engine_says = None;
    if let LiveTarget::Container { engine, name } = target
        && engine != "embedded"
    {
        match places_of_stopped(engine, name) {
            Ok(Some(places)) => return of_stopped(target, &places),
            Ok(None) => {}
            Err(because) => engine_says = Some(because),
        }
    }
    let live = look(std::slice::from_ref(target))?;
    let (there, gone): (Vec<_>, Vec<_>) = live.databases.iter().partition(|database| database.file.is_some());
    if !there.is_empty() {
        return Ok(there.iter().map(|database| database.path.clone().into()).collect());
    }
    if let Some(gone) = gone.first() {
        // What lies beside it may still be there.
        return Ok(vec![gone.path.clone().into()]);
    }
    let because = engine_says
        .or_else(|| live.not_seen.first().cloned())
        .unwrap_or_else(|| "no process of it has a database open".to_owned());
    let try_this = match target {
        LiveTarget::Process(_) => "the number of a process that runs, as root",
        LiveTarget::Pod { .. } => "on the node that the pod runs on, as root",
        _ => "a container that is there (`ps -a` of its engine), as root; or the path of the database",
    };
    Err(LabError::new(format!("found no database of `{}`", shown(target)), because, try_this))
}

fn of_stopped(target: &LiveTarget, places: &[PathBuf]) -> Result<Vec<PathBuf>, LabError> {
    let (mut found, mut left) = (Vec::new(), DIRECTORIES_MAX);
    for place in places {
        search(place, DEPTH_MAX, &mut left, &mut found);
    }
    found.sort();
    found.dedup();
    if !found.is_empty() {
        return Ok(found);
    }
    let all: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    let because = format!("it does not run, and there is none in its mounts and its layer: {}", all.join(", "));
    Err(LabError::new(
        format!("found no database of `{}`", shown(target)),
        because,
        "the path of the database, as root",
    ))
}

/// Symbolic links are not followed: they lead out of the container's files into ours.
fn search(place: &Path, depth: u32, left: &mut usize, found: &mut Vec<PathBuf>) {
    let Ok(metadata) = place.symlink_metadata() else { return };
    if metadata.is_file() {
        return found.extend(find(place).unwrap_or_default());
    }
    if !metadata.is_dir() || *left == 0 {
        return;
    }
    *left -= 1;
    found.extend(find(place).unwrap_or_default());
    if depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&entry.path(), depth - 1, left, found);
        }
    }
}
