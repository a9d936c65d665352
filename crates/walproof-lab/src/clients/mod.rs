//! Networked storage on one machine: each client is a FUSE file system of ours over a backing directory.
//!
//! What this room is: [`Client`], a mount that behaves like one network client of a directory, with caches and locks
//! as its [`ClientOptions`] say; [`Server`], what the clients of one directory have in common: the lock table and the
//! memory of what a power cut would take; [`Knobs`], which make it slow, stall it or let it fail while it runs.
//! What it must not do: touch its own mount from this process. A thread that waits for a file system which this process
//! serves can be killed no more once its request was read: not even SIGKILL ends the process then. So the lab looks at
//! the backing directory, opens the mount point with O_PATH at most, and leaves the mount to containers.
//! Where to look next: `worlds/two_clients_*.rs` for what is built from it, `run/host_mounts.rs` for who mounts it.
//!
//! Files: `file_system.rs` answers the kernel, `inodes.rs` counts its references, `lock_table.rs` and `unsynced.rs` are
//! the server's memory, `mounted.rs` is the guard.

mod file_system;
mod inodes;
mod knobs;
mod lock_table;
pub mod mounted;
mod server;
mod unsynced;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use knobs::Knobs;
pub use mounted::Client;
pub use server::Server;
pub use walproof_format::plan::{Failing, Latency};

/// What a client remembers, and who answers its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientOptions {
    /// Who answers fcntl locks.
    pub locks: Locks,
    /// What happens to pages.
    pub pages: Pages,
    /// How long attributes (the size among them) are believed, in milliseconds.
    pub attributes_ms: u32,
    /// How long a name is believed to be there, in milliseconds.
    pub names_ms: u32,
    /// How long a name is believed to be absent, in milliseconds.
    pub absent_names_ms: u32,
    /// Whether the server remembers what was not synced, so that the power can be cut. All clients of a directory
    /// must: what somebody writes past the server is not remembered.
    pub remembers_unsynced: bool,
    /// How long its requests take while no nemesis changes that.
    pub latency: Latency,
    /// How often they fail while no nemesis changes that.
    pub failing: Failing,
}

/// Who answers fcntl locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locks {
    /// The kernel of the client, as with NFS `nolock` or SMB `nobrl`: other clients see none of them.
    Local,
    /// The server: all clients of the directory share them.
    Forwarded,
}

/// What a client does with pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pages {
    /// Kept until open() or until a believed attribute changes: close-to-open, as NFS does and libfuse's default.
    Cached,
    /// Kept until open(), whatever changes: FUSE's own default.
    CachedUntilOpen,
    /// Kept for ever.
    CachedAlways,
    /// Kept, and written to the server later.
    WriteBack,
    /// Never kept; shared mappings are refused.
    DirectIo,
    /// The kernel reads, writes and maps the backing file itself.
    Passthrough,
}

impl ClientOptions {
    /// Forwarded locks, pages as in `pages`, everything else believed for so long.
    pub const fn believing(pages: Pages, time_ms: u32) -> Self {
        Self {
            locks: Locks::Forwarded,
            pages,
            attributes_ms: time_ms,
            names_ms: time_ms,
            absent_names_ms: 0,
            remembers_unsynced: false,
            latency: Latency::NONE,
            failing: Failing::NONE,
        }
    }

    /// The same with locks that other clients do not see.
    pub const fn with_local_locks(self) -> Self {
        Self { locks: Locks::Local, ..self }
    }

    /// The same on a server whose power can be cut.
    pub const fn with_unsynced_writes_remembered(self) -> Self {
        Self { remembers_unsynced: true, ..self }
    }

    /// The same on a network that takes its time.
    pub const fn with_latency(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }
}

/// `None`: clients can be mounted here; else why not. Found out by opening the device.
pub fn why_not_here() -> Option<String> {
    if !is_root() {
        return Some("mounting a file system of our own takes root".to_owned());
    }
    let device = std::fs::OpenOptions::new().read(true).write(true).open(DEVICE);
    device.err().map(|error| format!("`{DEVICE}` cannot be opened: {error}"))
}

/// Whether this process may mount.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Where the kernel's requests come from.
const DEVICE: &str = "/dev/fuse";

fn milliseconds(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

/// The path of an open file's inode, also when it has no name any more.
fn by_descriptor(file: &std::fs::File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    Path::new("/proc/self/fd").join(file.as_raw_fd().to_string())
}
