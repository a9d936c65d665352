//! What a run takes: memory of the lab and of its agents, disk for scratch and histories.
//!
//! Looked at once a second, so a shorter peak is not seen, except that of the lab itself, which the kernel keeps.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::run::fleet::Fleet;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// The most that was seen of each, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Resident memory of this process since it began, checker included.
    pub lab_memory_bytes_max: u64,
    /// Memory of all agents together; pages that several share are counted once.
    pub agents_memory_bytes_max: u64,
    /// Disk that the agents' files take.
    pub scratch_disk_bytes_max: u64,
    /// Disk that the histories take.
    pub history_disk_bytes_max: u64,
}

/// Looks again and again.
#[derive(Debug, Default)]
pub struct Meter {
    seen: Usage,
    looked: Option<Instant>,
}

impl Meter {
    /// Looks, unless it looked a moment ago.
    pub fn look(&mut self, fleet: &Fleet<'_>, scratch: &Path, history: &Path) {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let agents = fleet.pids().into_iter().map(|pid| proportional_bytes(pid).unwrap_or(0)).sum();
        // What clients of ours serve is not touched from here: its content lies on the server, beside it.
        let mounts: Vec<&Path> = fleet.ground().host_mounts.iter().map(|mount| mount.target()).collect();
        let scratch = disk_bytes(scratch, &mounts);
        let history = disk_bytes(history, &[]);
        let seen = &mut self.seen;
        seen.agents_memory_bytes_max = seen.agents_memory_bytes_max.max(agents);
        seen.scratch_disk_bytes_max = seen.scratch_disk_bytes_max.max(scratch);
        seen.history_disk_bytes_max = seen.history_disk_bytes_max.max(history);
    }

    /// What was seen.
    pub fn read(&self) -> Usage {
        Usage { lab_memory_bytes_max: field("/proc/self/status", "VmHWM:").unwrap_or(0), ..self.seen }
    }
}

/// Memory of a process, its share of what it shares.
fn proportional_bytes(pid: u32) -> Option<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// A field in KiB of a file in /proc.
fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Blocks of everything below a folder; what vanishes meanwhile or cannot be read is nothing.
fn disk_bytes(folder: &Path, except: &[&Path]) -> u64 {
    let of_entry = |entry: DirEntry| {
        let path: PathBuf = entry.path();
        if except.contains(&path.as_path()) {
            return 0;
        }
        let own = entry.metadata().map_or(0, |metadata| metadata.blocks() * 512);
        let below = if entry.file_type().is_ok_and(|kind| kind.is_dir()) { disk_bytes(&path, except) } else { 0 };
        own + below
    };
    fs::read_dir(folder).map_or(0, |entries| entries.flatten().map(of_entry).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_disk_are_counted() {
        assert!(field("/proc/self/status", "VmHWM:").expect("a kernel since 2.6.15") > 1 << 20);
        assert!(proportional_bytes(std::process::id()).is_none_or(|bytes| bytes > 100 << 10));
        let folder = std::env::temp_dir().join(format!("walproof-usage-{}", std::process::id()));
        fs::create_dir_all(folder.join("a")).expect("a temporary folder");
        fs::write(folder.join("a/file"), vec![1; 100 << 10]).expect("writes");
        assert!(disk_bytes(&folder, &[]) >= 100 << 10);
        assert!(disk_bytes(&folder, &[&folder.join("a")]) < 100 << 10);
        fs::remove_dir_all(folder).expect("our own");
    }
}
