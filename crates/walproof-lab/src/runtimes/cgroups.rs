//! Control groups as files: where they are, what was really set, and how they go away.
//!
//! What this file is: the folders of one cgroup path in every hierarchy of this machine (v1, hybrid, v2), read back
//! and removed. libcontainer makes them and writes the limits.
//! What it must not do: touch a cgroup whose path does not begin with [`PREFIX`].
//! Where to look next: `helper.rs` (what stands in their place where they cannot be written), `run/leavings.rs`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Every cgroup of ours is `/walproof-<run>/<name>`. One flat folder for each run: a shared parent would be removed
/// by one run while another one makes its own below it.
pub const PREFIX: &str = "/walproof-";

/// The cgroup of a run.
pub fn path_of_run(run: &str) -> String {
    format!("{PREFIX}{run}")
}

/// The cgroup of one of its containers.
pub fn path_of(run: &str, name: &str) -> String {
    format!("{}/{name}", path_of_run(run))
}

const ROOT: &str = "/sys/fs/cgroup";

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Version 2 (unified), else version 1.
    pub unified: bool,
    /// The options of the superblock: the controllers of version 1.
    pub controllers: Vec<String>,
}

/// The hierarchies that can be seen below `/sys/fs/cgroup`.
pub fn hierarchies() -> Vec<Hierarchy> {
    hierarchies_of(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn hierarchies_of(mountinfo: &str) -> Vec<Hierarchy> {
    mountinfo.lines().filter_map(hierarchy_of_line).filter(|found| found.mount_point.starts_with(ROOT)).collect()
}

fn hierarchy_of_line(line: &str) -> Option<Hierarchy> {
    let (before, after) = line.split_once(" - ")?;
    let mut after = after.split(' ');
    let unified = match after.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let controllers = after.nth(1).unwrap_or("").split(',').map(str::to_owned).collect();
    Some(Hierarchy { mount_point: PathBuf::from(before.split(' ').nth(4)?), unified, controllers })
}

/// `cgroup v1`, `cgroup v1 (hybrid)`, `cgroup v2`, as the report says it.
pub fn setup_name() -> &'static str {
    let all = hierarchies();
    match (all.iter().any(|one| one.unified), all.iter().any(|one| !one.unified)) {
        (true, true) => "cgroup v1 (hybrid)",
        (true, false) => "cgroup v2",
        (false, true) => "cgroup v1",
        (false, false) => "no cgroups",
    }
}

/// The folders that exist for a cgroup path, in every hierarchy.
pub fn folders(path: &str) -> Vec<PathBuf> {
    let inside = path.trim_start_matches('/');
    let mut found: Vec<PathBuf> =
        hierarchies().iter().map(|one| one.mount_point.join(inside)).filter(|folder| folder.is_dir()).collect();
    found.dedup();
    found
}

/// The runs that have a cgroup in any hierarchy, by what follows [`PREFIX`].
pub fn runs() -> Vec<String> {
    let everywhere = hierarchies();
    let folders = everywhere.iter().flat_map(|one| folders_in(&one.mount_point));
    let names = folders.filter_map(|folder| Some(format!("/{}", folder.file_name()?.to_str()?)));
    let mut runs: Vec<String> = names.filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_owned())).collect();
    runs.sort();
    runs.dedup();
    runs
}

/// The first file of this name among a cgroup's folders.
fn file(path: &str, name: &str) -> Option<String> {
    folders(path)
        .iter()
        .find_map(|folder| fs::read_to_string(folder.join(name)).ok())
        .map(|text| text.trim().to_owned())
}

/// Whether the kernel holds these limits for this cgroup; else why not.
pub fn holds_limits(path: &str, memory_bytes_max: u64, pids_max: u32) -> Result<(), String> {
    let memory = file(path, "memory.max").or_else(|| file(path, "memory.limit_in_bytes"));
    compare_limits(memory.as_deref(), memory_bytes_max, file(path, "pids.max").as_deref(), pids_max)
}

/// The kernel rounds memory down to whole pages, of at most 64 KiB.
fn compare_limits(
    memory: Option<&str>,
    memory_bytes_max: u64,
    pids: Option<&str>,
    pids_max: u32,
) -> Result<(), String> {
    let bytes: Option<u64> = memory.and_then(|text| text.parse().ok());
    if !bytes.is_some_and(|bytes| bytes <= memory_bytes_max && memory_bytes_max - bytes < 65_536) {
        return Err(format!("the limit of memory reads `{}`", memory.unwrap_or("absent")));
    }
    if pids.and_then(|text| text.parse().ok()) != Some(pids_max) {
        return Err(format!("the limit of tasks reads `{}`", pids.unwrap_or("absent")));
    }
    Ok(())
}

/// How often the kernel killed for want of memory in this cgroup; `None` where it does not count.
pub fn oom_kill_count(path: &str) -> Option<u64> {
    oom_kill_count_in(&file(path, "memory.events").or_else(|| file(path, "memory.oom_control"))?)
}

fn oom_kill_count_in(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// How long the kernel may take to stop every task of a cgroup.
const FREEZE_MAX: Duration = Duration::from_secs(5);

/// Stops every task of a cgroup, and waits until all of them stand still.
pub fn freeze(path: &str) -> io::Result<()> {
    if !write_freezer(path, "FROZEN", "1")? {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no freezer can be found for it"));
    }
    let end = Instant::now() + FREEZE_MAX;
    while !is_frozen(path) {
        if Instant::now() >= end {
            thaw(path)?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Lets every task of a cgroup go on; one that is gone has nothing to thaw.
pub fn thaw(path: &str) -> io::Result<()> {
    write_freezer(path, "THAWED", "0").map(drop)
}

/// The word goes to the freezer of version 1, the digit to that of version 2. False: there is none.
fn write_freezer(path: &str, word: &str, digit: &str) -> io::Result<bool> {
    let mut found = false;
    for folder in folders(path) {
        for (file, text) in [("freezer.state", word), ("cgroup.freeze", digit)] {
            if folder.join(file).exists() && has_tasks(&folder) {
                fs::write(folder.join(file), text)?;
                found = true;
            }
        }
    }
    Ok(found)
}

/// On a hybrid machine a cgroup may have folders that nobody was put into.
fn has_tasks(folder: &Path) -> bool {
    fs::read_to_string(folder.join("cgroup.procs")).is_ok_and(|tasks| !tasks.is_empty())
}

fn is_frozen(path: &str) -> bool {
    let frozen = |events: String| events.lines().any(|line| line == "frozen 1");
    file(path, "freezer.state").is_some_and(|state| state == "FROZEN")
        || file(path, "cgroup.events").is_some_and(frozen)
}

/// Every process in a cgroup and below it.
pub fn processes(path: &str) -> Vec<u32> {
    let mut all: Vec<u32> = folders(path).iter().flat_map(|folder| processes_below(folder)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn processes_below(folder: &Path) -> Vec<u32> {
    let own = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let mut all: Vec<u32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    for child in folders_in(folder) {
        all.extend(processes_below(&child));
    }
    all
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Removes a cgroup of ours in every hierarchy, trying again until its processes are gone or `timeout` is over.
/// Gives the folders that were removed.
pub fn remove(path: &str, timeout: Duration) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    if !path.starts_with(PREFIX) || path.contains("..") {
        let refused = io::Error::new(io::ErrorKind::InvalidInput, "not a cgroup of walproof");
        return Err((PathBuf::from(path), refused));
    }
    let end = Instant::now() + timeout;
    thaw_below(path);
    let mut removed = Vec::new();
    for folder in folders(path) {
        remove_until(&folder, end).map_err(|error| (folder.clone(), error))?;
        removed.push(folder);
    }
    Ok(removed)
}

/// Whoever was killed while it was frozen dies when it is thawed.
pub fn thaw_below(path: &str) {
    let _ = thaw(path);
    for folder in folders(path) {
        for child in folders_in(&folder) {
            if let Some(name) = child.file_name().and_then(|name| name.to_str()) {
                let _ = thaw(&format!("{path}/{name}"));
            }
        }
    }
}

fn remove_until(folder: &Path, end: Instant) -> io::Result<()> {
    loop {
        match remove_tree(folder) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => return other,
        }
    }
}

/// Deepest first; the files of a cgroup go with its folder.
fn remove_tree(folder: &Path) -> io::Result<()> {
    for child in folders_in(folder) {
        remove_tree(&child)?;
    }
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 25 0:26 / /sys/fs/cgroup rw,relatime shared:8 - tmpfs tmpfs rw,mode=755
34 30 0:30 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
35 30 0:31 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
36 22 0:32 / /mnt/memory rw,relatime - cgroup cgroup rw,memory";

    #[test]
    fn a_hybrid_machine_has_both_versions() {
        let found = hierarchies_of(HYBRID);
        assert_eq!(found.len(), 2, "what is not below /sys/fs/cgroup is not ours");
        assert!(!found[0].unified && found[0].controllers.contains(&"memory".to_owned()));
        assert!(found[1].unified);
    }

    #[test]
    fn a_unified_machine_has_one_hierarchy() {
        let found = hierarchies_of("30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate");
        assert_eq!(found[0].mount_point, Path::new(ROOT));
        assert!(found[0].unified);
    }

    #[test]
    fn limits_are_compared_as_the_kernel_writes_them() {
        assert!(compare_limits(Some("67108864"), 64 << 20, Some("8"), 8).is_ok());
        assert!(compare_limits(Some("67108864"), (64 << 20) + 1, Some("8"), 8).is_ok(), "rounded to pages");
        for (memory, pids) in [(Some("max"), Some("8")), (Some("67108864"), Some("max")), (None, None)] {
            assert!(compare_limits(memory, 64 << 20, pids, 8).is_err(), "{memory:?} {pids:?}");
        }
        assert!(compare_limits(Some("9223372036854771712"), 64 << 20, Some("8"), 8).is_err(), "version 1, no limit");
    }

    #[test]
    fn kills_for_want_of_memory_are_counted_in_both_versions() {
        assert_eq!(oom_kill_count_in("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0"), Some(2));
        assert_eq!(oom_kill_count_in("oom_kill_disable 0\nunder_oom 0\noom_kill 1"), Some(1));
        assert_eq!(oom_kill_count_in("oom_kill_disable 0\nunder_oom 0"), None, "before Linux 4.13");
    }

    #[test]
    fn a_cgroup_of_somebody_else_is_refused() {
        for stranger in ["/", "/system.slice", "/walproof-x/../system.slice"] {
            assert!(remove(stranger, Duration::ZERO).is_err(), "{stranger}");
        }
    }
}
