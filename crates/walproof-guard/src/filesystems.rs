//! What is known of file systems by name: one table, a source for each row.
//!
//! A name can only lower the answer. A row's `ceiling` is the best that a path on such a file system can come to, with
//! everything measured and found well; a type without a row comes to `unknown` at best. The types are those of
//! `/proc/self/mountinfo`, since `statfs` answers with the host's magic through 9p and cannot tell one FUSE file system
//! from another. `unsafe` by name stands where SQLite documents that WAL does not work (all openers must share one
//! kernel's memory, <https://sqlite.org/wal.html#concurrency>) and the storage exists to be shared between kernels.
//!
//! What this file must not do: measure, or make anything safe.
//! Where to look next: `weigh` reads the table; docs/decisions/0061-guard-names-may-say-unsafe.md argues the ceilings.

use crate::{Certainty, Verdict};

/// What kind of storage a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ground {
    /// Mounted by one kernel.
    Local,
    /// In memory, gone after a restart.
    Memory,
    /// Layers over another file system; every mount has its own upper layer.
    Layered,
    /// A user-space server on this machine, over directories of it.
    Mirror,
    /// A directory of the host, seen from a virtual machine or sandbox.
    HostShare,
    /// Reached over a network, or shared between machines.
    Network,
}

impl Ground {
    /// The word for people and machines.
    pub const fn word(self) -> &'static str {
        match self {
            Ground::Local => "local",
            Ground::Memory => "memory",
            Ground::Layered => "layered",
            Ground::Mirror => "mirror",
            Ground::HostShare => "host-share",
            Ground::Network => "network",
        }
    }
}

/// What is known of one type of file system.
#[derive(Debug)]
pub struct FilesystemRow {
    /// The type as mountinfo lists it.
    pub fstype: &'static str,
    /// What kind of storage that is.
    pub ground: Ground,
    /// The best that a path on it can come to.
    pub ceiling: Verdict,
    /// How sure the ceiling is.
    pub certainty: Certainty,
    /// What is special about it; empty for a plain local file system.
    pub says: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

/// What a mount option of a file system means.
#[derive(Debug)]
pub struct MountOptionRow {
    /// The types that have it.
    pub fstypes: &'static [&'static str],
    /// The option as mountinfo lists it.
    pub option: &'static str,
    /// The best that a path under it can come to.
    pub ceiling: Verdict,
    /// What it does.
    pub says: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

const SQLITE_WAL: &str = "https://sqlite.org/wal.html#concurrency";
const PROVE_SOUND: &str = "benchsuite/runs: `cargo xtask prove sound`, this file system under stress";
const KERNEL: &str = "https://docs.kernel.org/filesystems/";
const NETWORK: &str = "all openers must be on one kernel, which storage reached over a network does not promise";
const HOST: &str = "the host has the other end, and its memory is not this kernel's";

const fn local(fstype: &'static str, source: &'static str) -> FilesystemRow {
    row(fstype, Ground::Local, Verdict::Safe, Certainty::Documented, "", source)
}

const fn network(fstype: &'static str, source: &'static str) -> FilesystemRow {
    row(fstype, Ground::Network, Verdict::Unsafe, Certainty::Documented, NETWORK, source)
}

const fn host_share(fstype: &'static str, source: &'static str) -> FilesystemRow {
    row(fstype, Ground::HostShare, Verdict::Unsafe, Certainty::Suspected, HOST, source)
}

const fn row(
    fstype: &'static str,
    ground: Ground,
    ceiling: Verdict,
    certainty: Certainty,
    says: &'static str,
    source: &'static str,
) -> FilesystemRow {
    FilesystemRow { fstype, ground, ceiling, certainty, says, source }
}

const OWN_LAYER: &str = "every mount of it has an upper layer of its own: another container opens another file under this name, and \
                         the layer goes with the container";
const CLUSTER: &str =
    "other machines may mount the same disk; whether maps and locks are coherent between them cannot be seen here";
const LOST: &str = "the file system lies in memory: the database is gone after a restart";
const MIRROR: &str =
    "a user-space server passes calls on; whether maps work depends on its options, and it may mix up whose a lock is";

/// All types that are known, sorted by name.
pub static FILESYSTEMS: &[FilesystemRow] = &[
    host_share(
        "9p",
        "https://github.com/gke-labs/kube-agents/issues/610, https://github.com/gastownhall/beads/issues/920",
    ),
    network("afs", "https://github.com/atuinsh/atuin/issues/2356"),
    local("bcachefs", KERNEL),
    network("beegfs", SQLITE_WAL),
    local("btrfs", PROVE_SOUND),
    network(
        "ceph",
        "docs/decisions/0011-networked-storage-measured-again.md (clients of this kind), https://sqlite.org/wal.html#concurrency",
    ),
    network("cifs", "https://github.com/oniony/TMSU/issues/197, https://sqlite.org/wal.html#concurrency"),
    host_share("drvfs", "https://github.com/microsoft/WSL/issues/2395"),
    local("ext2", KERNEL),
    local("ext3", KERNEL),
    local("ext4", PROVE_SOUND),
    local("f2fs", KERNEL),
    host_share("fakeowner", "https://github.com/DaKheera47/job-ops/issues/726"),
    network("fuse.ceph-fuse", SQLITE_WAL),
    row(
        "fuse.fuse-overlayfs",
        Ground::Mirror,
        Verdict::Unknown,
        Certainty::Suspected,
        MIRROR,
        "docs/decisions/0013-one-fuse-mount-is-not-one-cache.md",
    ),
    network("fuse.gcsfuse", "https://github.com/gilesknap/gphotos-sync/issues/275"),
    network(
        "fuse.glusterfs",
        "https://github.com/gluster/glusterfs/issues/2467, docs/decisions/0011-networked-storage-measured-again.md",
    ),
    host_share("fuse.grpcfuse", "https://github.com/DaKheera47/job-ops/issues/726"),
    network("fuse.juicefs", SQLITE_WAL),
    row(
        "fuse.mergerfs",
        Ground::Mirror,
        Verdict::Unknown,
        Certainty::Suspected,
        MIRROR,
        "docs/decisions/0013-one-fuse-mount-is-not-one-cache.md, https://github.com/trapexit/mergerfs/issues/976",
    ),
    host_share("fuse.osxfs", "https://github.com/DaKheera47/job-ops/issues/726"),
    network("fuse.rclone", SQLITE_WAL),
    network("fuse.s3fs", SQLITE_WAL),
    row(
        "fuse.shfs",
        Ground::Mirror,
        Verdict::Unsafe,
        Certainty::Suspected,
        "Unraid's user shares have lost databases in WAL mode; the pool itself (/mnt/cache) is local",
        "https://github.com/Ozark-Connect/NetworkOptimizer/pull/708",
    ),
    network("fuse.sshfs", "https://github.com/libfuse/sshfs/issues/326"),
    host_share("fuse.virtiofs", "https://github.com/NousResearch/hermes-agent/issues/110848"),
    host_share("fuse.vmhgfs-fuse", SQLITE_WAL),
    row(
        "gfs2",
        Ground::Network,
        Verdict::Unknown,
        Certainty::Suspected,
        CLUSTER,
        "https://docs.kernel.org/filesystems/gfs2.html",
    ),
    row("gpfs", Ground::Network, Verdict::Unknown, Certainty::Suspected, CLUSTER, SQLITE_WAL),
    local("jfs", KERNEL),
    network("lustre", SQLITE_WAL),
    network("nfs", "https://sqlite.org/faq.html#q5, https://github.com/anomalyco/opencode/issues/14970"),
    network("nfs4", "https://sqlite.org/faq.html#q5, https://github.com/Gentleman-Programming/engram/issues/1292"),
    local("nilfs2", KERNEL),
    local("ntfs3", KERNEL),
    row(
        "ocfs2",
        Ground::Network,
        Verdict::Unknown,
        Certainty::Suspected,
        CLUSTER,
        "https://docs.kernel.org/filesystems/ocfs2.html",
    ),
    row(
        "overlay",
        Ground::Layered,
        Verdict::Risky,
        Certainty::Documented,
        OWN_LAYER,
        "https://docs.kernel.org/filesystems/overlayfs.html, `walproof explain two-overlays`",
    ),
    host_share("prl_fs", SQLITE_WAL),
    row(
        "ramfs",
        Ground::Memory,
        Verdict::Safe,
        Certainty::Documented,
        LOST,
        "https://docs.kernel.org/filesystems/ramfs-rootfs-initramfs.html",
    ),
    network("smb3", "https://sqlite.org/wal.html#concurrency"),
    row(
        "tmpfs",
        Ground::Memory,
        Verdict::Safe,
        Certainty::Documented,
        LOST,
        "https://docs.kernel.org/filesystems/tmpfs.html",
    ),
    local("ubifs", KERNEL),
    host_share("vboxsf", "https://github.com/nette/caching/issues/37"),
    host_share(
        "virtiofs",
        "https://github.com/NousResearch/hermes-agent/issues/110848, https://github.com/openclaw/openclaw/issues/120549",
    ),
    host_share("vmhgfs", SQLITE_WAL),
    local("xfs", PROVE_SOUND),
    local("zfs", "https://openzfs.github.io/openzfs-docs/"),
];

const NFS: &[&str] = &["nfs", "nfs4"];
const SMB: &[&str] = &["cifs", "smb3"];
const LOCKS_STAY: &str = "locks stay on this client: another one never sees them";

/// Mount options that lower the answer further.
pub static MOUNT_OPTIONS: &[MountOptionRow] = &[
    option(NFS, "nolock", LOCKS_STAY, "man 5 nfs"),
    option(NFS, "local_lock=all", LOCKS_STAY, "man 5 nfs"),
    option(NFS, "local_lock=posix", LOCKS_STAY, "man 5 nfs"),
    option(
        SMB,
        "nobrl",
        "byte-range locks are not sent to the server: another client never sees them",
        "man 8 mount.cifs",
    ),
    option(&["lustre"], "localflock", LOCKS_STAY, "man 8 mount.lustre"),
    MountOptionRow {
        fstypes: &["overlay"],
        option: "volatile",
        ceiling: Verdict::Risky,
        says: "the overlay is mounted `volatile`: nothing is synced, a crash of the machine may lose the database",
        source: "https://docs.kernel.org/filesystems/overlayfs.html#volatile-mount",
    },
];

const fn option(
    fstypes: &'static [&'static str],
    option: &'static str,
    says: &'static str,
    source: &'static str,
) -> MountOptionRow {
    MountOptionRow { fstypes, option, ceiling: Verdict::Unsafe, says, source }
}

/// The row of a type.
pub(crate) fn row_of(fstype: &str) -> Option<&'static FilesystemRow> {
    FILESYSTEMS.iter().find(|row| row.fstype == fstype)
}

/// What to do about it.
pub(crate) fn remedy_of(ground: Ground) -> Option<&'static str> {
    match ground {
        Ground::Local | Ground::Memory => None,
        Ground::Layered => Some("put the database's directory on a volume that all its openers mount"),
        Ground::Mirror => Some("put the database on one of the file systems below it"),
        Ground::HostShare => Some("use a named volume inside the virtual machine, and never open it from the host"),
        Ground::Network => {
            Some("use a local or block volume, or a server database; else one process alone, with journal_mode DELETE")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_stand_once() {
        assert!(FILESYSTEMS.is_sorted_by(|a, b| a.fstype < b.fstype));
    }

    #[test]
    fn every_row_has_its_source() {
        let sources = FILESYSTEMS.iter().map(|row| row.source).chain(MOUNT_OPTIONS.iter().map(|row| row.source));
        let known =
            |source: &str| ["https://", "docs/", "benchsuite/", "man "].iter().any(|start| source.starts_with(start));
        let bare: Vec<&str> = sources.filter(|source| !known(source)).collect();
        assert!(bare.is_empty(), "{bare:?}");
    }

    #[test]
    fn pages_of_this_repository_that_are_sources_exist() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for row in FILESYSTEMS {
            for page in row.source.split([',', ' ', ':']).filter(|word| word.starts_with("docs/")) {
                assert!(root.join(page).exists(), "{}: {page}", row.fstype);
            }
        }
    }

    #[test]
    fn what_is_not_plain_local_says_why() {
        let silent = FILESYSTEMS.iter().filter(|row| row.says.is_empty() && row.ground != Ground::Local);
        assert_eq!(silent.count(), 0);
    }

    #[test]
    fn storage_of_other_kernels_is_never_safe_by_name() {
        let shared = FILESYSTEMS.iter().filter(|row| matches!(row.ground, Ground::Network | Ground::HostShare));
        assert!(shared.clone().count() > 20 && shared.clone().all(|row| row.ceiling >= Verdict::Unknown));
    }

    #[test]
    fn options_belong_to_types_of_the_table() {
        let types = MOUNT_OPTIONS.iter().flat_map(|row| row.fstypes);
        assert!(types.clone().all(|fstype| row_of(fstype).is_some()));
    }
}
