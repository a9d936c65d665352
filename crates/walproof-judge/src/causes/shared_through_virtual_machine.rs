//! Cause `shared-through-virtual-machine`: a folder of the host shared into a virtual machine: Docker Desktop, OrbStack, WSL, Podman machine.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::logs::Ground;

/// A folder of the host shared into a virtual machine: Docker Desktop, OrbStack, WSL, Podman machine.
pub static CAUSE: Cause = Cause {
    name: "shared-through-virtual-machine",
    line: "A folder of the host shared into a virtual machine: Docker Desktop, OrbStack, WSL, Podman machine",
    explain: include_str!("shared_through_virtual_machine.md"),
    // 23 cases.
    prior: 14,
    loses: true,
    evidence: &[
        // Zeroed pages where bytes were: seen on these shares.
        seen("wal-header-zeroed", 22),
        seen("corrupt", 9),
        // Page 1 zeroed.
        seen("not-a-database", 9),
        // Some of these shares map nothing shared.
        seen("shared-memory-refused", 9),
        // Reported of folders of Windows.
        seen("shared-memory-not-opened", 11),
        // The wal-index changes without the locks saying so.
        seen("locking-protocol", 9),
        seen("integrity-failed", 8),
        // 5386 without its number.
        seen("io-error", 7),
        seen("busy", 4),
        seen("busy-recovery", 4),
        // 9p answers EINVAL to a shared mapping.
        seen("call-not-supported", 5),
        seen("bus-error", 3),
        seen("cannot-open", 3),
        seen("read-only", 2),
        named(Ground::VirtualMachineShare, 18),
        // Four to one: some do not know that Docker Desktop is a virtual machine.
        named(Ground::StorageNotNamed, -6),
        // Host and container at once.
        named(Ground::SeveralOpeners, 3),
        named(Ground::Local, -15),
        named(Ground::NetworkFilesystem, -6),
        named(Ground::Smb, -8),
        named(Ground::Fuse, -6),
        named(Ground::ObjectStore, -8),
        // Kata's virtiofs is a matter of its lock options.
        named(Ground::EmulatedKernel, -6),
    ],
};
