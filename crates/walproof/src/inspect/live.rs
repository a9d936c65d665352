//! Targets that run, or ran: the database files of a container, a pod or a process, as paths.
//!
//! What it must not do: start or enter anything; pass over silently what cannot be reached.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use walproof_judge::sharing::live::Live;
use walproof_lab::collect::live::{LiveTarget, containers_called, look, places_of_stopped};
use walproof_lab::collect::quiet::Part;
use walproof_lab::error::LabError;

use super::targets::find;
use crate::check::targets::{running, shown};

/// Directories below a mount of a stopped container that are looked into.
const DIRECTORIES_MAX: usize = 20_000;
/// After this a file that was being closed is closed.
const SETTLE: Duration = Duration::from_millis(100);
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
    if text.starts_with("pid:") {
        let because = "after `pid:` stands no number of a process";
        return Err(LabError::new(
            format!("cannot inspect `{text}`"),
            because,
            "`pid:NUMBER`; `pidof PROGRAM` tells it",
        ));
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

/// A database that is meant, and what processes of the target hold of it that has no name any more.
#[derive(Debug)]
pub struct Meant {
    pub path: PathBuf,
    pub held: Vec<Deleted>,
}

impl From<PathBuf> for Meant {
    fn from(path: PathBuf) -> Self {
        Self { path, held: Vec::new() }
    }
}

/// A file that was deleted, and that a process holds.
#[derive(Clone, Debug)]
pub struct Deleted {
    pub part: Part,
    pub pid: u32,
    pub fd: u32,
    inode: u64,
}

impl Deleted {
    /// SQLite deletes `-shm` a moment before it closes it: what stays so is another matter.
    fn is_still_so(&self) -> bool {
        let found = std::fs::metadata(format!("/proc/{}/fd/{}", self.pid, self.fd));
        found.is_ok_and(|found| found.nlink() == 0 && found.ino() == self.inode)
    }
}

/// What the openers of each database hold that was deleted, in the order of `live.databases`.
fn deleted(live: &Live) -> Vec<Vec<Deleted>> {
    let mut all = vec![Vec::new(); live.databases.len()];
    for opener in &live.openers {
        let Some(of_database) = all.get_mut(opener.database) else { continue };
        for held in opener.held.iter().filter(|held| held.link_count == 0) {
            let part = match held.which.as_str() {
                "db" => Part::Database,
                "wal" => Part::Wal,
                "shm" => Part::Shm,
                _ => continue,
            };
            of_database.push(Deleted { part, pid: opener.pid, fd: held.fd, inode: held.inode });
        }
    }
    if all.iter().any(|held| !held.is_empty()) {
        std::thread::sleep(SETTLE);
        all.iter_mut().for_each(|held| held.retain(Deleted::is_still_so));
    }
    all
}

/// The databases of a target.
pub fn databases(target: &LiveTarget) -> Result<Vec<Meant>, LabError> {
    let mut engine_says = None;
    if let LiveTarget::Container { engine, name } = target
        && engine != "embedded"
    {
        match places_of_stopped(engine, name) {
            Ok(Some(places)) => {
                return Ok(of_stopped(target, &places)?.into_iter().map(Meant::from).collect());
            }
            Ok(None) => {}
            Err(because) => engine_says = Some(because),
        }
    }
    let live = look(std::slice::from_ref(target))?;
    let with_held = live.databases.iter().zip(deleted(&live));
    let (there, gone): (Vec<_>, Vec<_>) = with_held.partition(|(database, _)| database.file.is_some());
    let none_is_there = there.is_empty();
    // Of one that is gone, what lies beside it may still be there.
    let gone = gone.into_iter().filter(|(_, held)| none_is_there || !held.is_empty());
    let all: Vec<Meant> = there
        .into_iter()
        .chain(gone)
        .map(|(database, held)| Meant { path: database.path.clone().into(), held })
        .collect();
    if !all.is_empty() {
        return Ok(all);
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
        return found.extend(find(place).unwrap_or_default().databases);
    }
    if !metadata.is_dir() || *left == 0 {
        return;
    }
    *left -= 1;
    found.extend(find(place).unwrap_or_default().databases);
    if depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&entry.path(), depth - 1, left, found);
        }
    }
}
