//! Cause `wal-on-network-filesystem`: SQLite on NFS, EFS, CephFS, Gluster or an RWX volume.
//!
//! Weights are decibans; `causes/mod.rs` says how they are chosen and added.

use super::{Cause, named, seen};
use crate::finding::Certainty;
use crate::logs::Ground;

/// SQLite on NFS, EFS, CephFS, Gluster or an RWX volume.
pub static CAUSE: Cause = Cause {
    name: "wal-on-network-filesystem",
    line: "SQLite on NFS, EFS, CephFS, Gluster or an RWX volume",
    explain: include_str!("wal_on_network_filesystem.md"),
    // 23 cases.
    prior: 14,
    loses: true,
    evidence: &[
        // A mark of NFS, and of files deleted under openers.
        seen("nfs-silly-rename", 18),
        seen("stale-handle", 11),
        // The client says so.
        seen("nfs-locks-lost", 22).as_sure_as(Certainty::Measured),
        // CephFS by definition, or RBD; the outage is another cause.
        seen("ceph-not-responding", 10),
        seen("task-blocked", 4),
        // NFS by definition; the outage is another cause.
        seen("nfs-not-responding", 10),
        // Sizes that are stale in a cache.
        seen("short-read", 10),
        // Unseen locks in DELETE mode.
        seen("journal-already-gone", 10),
        seen("integrity-failed", 9),
        seen("locking-protocol", 9),
        seen("corrupt", 8),
        seen("corrupt-filesystem", 8),
        seen("not-a-database", 7),
        seen("io-error", 6),
        seen("busy-recovery", 6),
        seen("delete-failed", 6),
        seen("busy", 5),
        seen("wal-file-gone", 5),
        seen("bus-error", 5),
        seen("database-moved", 4),
        seen("shared-memory-refused", 4),
        seen("shared-memory-not-opened", 5),
        // A server without locks answers as SMB does.
        seen("busy-at-journal-mode", 4),
        // ENOLCK of a server without a lock daemon.
        seen("call-not-supported", 4),
        seen("lock-refused", 5),
        seen("storage-call-failed", 4),
        seen("cannot-open", 2),
        named(Ground::NetworkFilesystem, 16),
        // Five to one: people know their NFS.
        named(Ground::StorageNotNamed, -7),
        // Most volumes for many nodes are NFS behind; SMB and cluster file systems are the rest.
        named(Ground::SharedVolume, 10),
        // nolock, local_lock: worse, not better.
        named(Ground::LocksNotSent, 4),
        named(Ground::Local, -18),
        named(Ground::Smb, -8),
        named(Ground::VirtualMachineShare, -8),
        named(Ground::Fuse, -6),
        named(Ground::ObjectStore, -6),
        named(Ground::PlainFilesystem, -8),
        named(Ground::EmulatedKernel, -4),
    ],
};
