//! The machine: kernel, processors, the boot that this is.

use serde::Serialize;

/// What the machine says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// `/proc/sys/kernel/osrelease`.
    pub kernel: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Option<String>,
    /// Whether this process is root.
    pub root: bool,
}

/// Looks at the machine.
pub fn look() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    Machine {
        kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        // SAFETY: geteuid has no preconditions and cannot fail.
        root: unsafe { libc::geteuid() } == 0,
    }
}
