//! Whether a process can run: its state, its cgroup's freezer, and where in the kernel it waits; and what the cgroup of
//! a container tells of its memory.
//!
//! On version 1 a frozen process shows `D` like one that waits for storage: the freezer is read first. The state of a
//! cgroup includes what its ancestors impose on it, in both versions.
//!
//! What it must not do: signal, or read what may wait for a process's memory (`cmdline`, `maps`).
//! Where to look next: `collect/live/process.rs` for who a process is.

use std::fs;
use std::path::{Path, PathBuf};

use walproof_judge::watch::moment::Runs;

use crate::runtimes::cgroups::Hierarchy;

/// The kernel's functions in which a frozen process waits: version 1, version 2.
const FROZEN_IN: &[&str] = &["__refrigerator", "do_freezer_trap"];

/// The files of a cgroup that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    freezer: Vec<PathBuf>,
    memory: Option<PathBuf>,
}

impl Cgroup {
    /// By the text of a `/proc/PID/cgroup`.
    pub fn of(text: &str, hierarchies: &[Hierarchy]) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let mut words = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (words.next(), words.next()) else { continue };
            let is = |one: &&Hierarchy, name: &str| match one.unified {
                true => controllers.is_empty(),
                false => {
                    controllers.split(',').any(|word| word == name) && one.controllers.iter().any(|word| word == name)
                }
            };
            let folder = |name| {
                let hierarchy = hierarchies.iter().find(|one| is(one, name))?;
                Some((hierarchy.unified, hierarchy.mount_point.join(path.trim_start_matches('/'))))
            };
            if let Some((unified, folder)) = folder("freezer") {
                found.freezer.push(folder.join(if unified { "cgroup.events" } else { "freezer.state" }));
            }
            // In a hybrid one the memory of the unified hierarchy has no files.
            let memory = folder("memory").map(|(_, folder)| folder).filter(|folder| usage(folder).is_some());
            found.memory = memory.or(found.memory);
        }
        found
    }

    /// Whether it is frozen; `None`: it is out of sight.
    pub fn is_frozen(&self) -> Option<bool> {
        let frozen = |text: &String| text.trim() == "FROZEN" || text.lines().any(|line| line == "frozen 1");
        let told: Vec<String> = self.freezer.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        (!told.is_empty()).then(|| told.iter().any(frozen))
    }

    /// Bytes of memory in use.
    pub fn memory_bytes(&self) -> Option<u64> {
        usage(self.memory.as_ref()?)
    }

    /// Processes that were killed because memory ran out, since it was made.
    pub fn oom_kills(&self) -> Option<u64> {
        let folder = self.memory.as_ref()?;
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let text = read("memory.events").or_else(|| read("memory.oom_control"))?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    }
}

/// Processes of the whole machine that were killed because memory ran out, here or there, since it started.
pub fn oom_kills_of_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

fn usage(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    read("memory.current").or_else(|| read("memory.usage_in_bytes"))?.trim().parse().ok()
}

/// Whether a process runs; `None`: it has ended, or its number is another's.
pub fn runs(pid: u32, started_ticks: u64, is_frozen: Option<bool>) -> Option<Runs> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = words.next()?;
    if words.nth(18)?.parse() != Ok(started_ticks) {
        return None;
    }
    Some(match state {
        "Z" | "X" => Runs::Zombie,
        _ if is_frozen == Some(true) => Runs::Frozen,
        "T" | "t" => Runs::Stopped,
        "D" => match waits_at(pid) {
            Some(at) if FROZEN_IN.contains(&at.as_str()) => Runs::Frozen,
            at => Runs::InKernel { at },
        },
        _ if is_frozen.is_none() && waits_at(pid).is_some_and(|at| FROZEN_IN.contains(&at.as_str())) => Runs::Frozen,
        _ => Runs::Freely,
    })
}

/// Where in the kernel it waits, if the kernel tells.
fn waits_at(pid: u32) -> Option<String> {
    let at = fs::read_to_string(format!("/proc/{pid}/wchan")).ok()?;
    Some(at.trim().to_owned()).filter(|at| !at.is_empty() && at != "0")
}

/// Its number in its own innermost process namespace.
pub fn pid_inside(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let all = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    all.split_whitespace().last()?.parse().ok()
}
