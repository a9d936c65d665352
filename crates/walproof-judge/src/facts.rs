//! Facts about where a directory lies, and what they alone can tell.
//!
//! A mount never earns a verdict: it says only whether another kernel could write to the same files, which no test
//! on this kernel can see. The list of local file systems is an allow-list: what is not on it is not local.
//!
//! Where to look next: `mountinfo` for the text these come from, `probe` for facts that were tested.

use serde::{Deserialize, Serialize};

pub use crate::mountinfo::Mount;

/// Whether other kernels may have the same files open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", content = "reason")]
pub enum OtherKernels {
    /// A file system of this kernel alone.
    No,
    /// Made to be shared between kernels.
    Yes(String),
    /// Cannot be told from the mount.
    Perhaps(String),
}

/// File systems that one kernel has for itself.
pub static LOCAL_FILE_SYSTEMS: &[&str] = &[
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "ntfs3", "ramfs", "reiserfs", "rootfs",
    "tmpfs", "ubifs", "xfs", "zfs",
];

/// File systems between a virtual machine and its host, or between machines, with what they are.
static SHARED_FILE_SYSTEMS: &[(&str, &str)] = &[
    ("9p", "a share of the host"),
    ("afs", "a network file system"),
    ("beegfs", "a cluster file system"),
    ("ceph", "a cluster file system"),
    ("cifs", "a network file system"),
    ("drvfs", "a share of the host"),
    ("fakeowner", "a share of the host"),
    ("fuse.ceph-fuse", "a cluster file system"),
    ("fuse.glusterfs", "a cluster file system"),
    ("fuse.grpcfuse", "a share of the host"),
    ("fuse.osxfs", "a share of the host"),
    ("fuse.sshfs", "a network file system"),
    ("fuse.virtiofs", "a share of the host"),
    ("gfs2", "a cluster file system"),
    ("glusterfs", "a cluster file system"),
    ("gpfs", "a cluster file system"),
    ("lustre", "a cluster file system"),
    ("nfs", "a network file system"),
    ("nfs4", "a network file system"),
    ("ocfs2", "a cluster file system"),
    ("orangefs", "a cluster file system"),
    ("prl_fs", "a share of the host"),
    ("smb3", "a network file system"),
    ("smbfs", "a network file system"),
    ("vboxsf", "a share of the host"),
    ("virtiofs", "a share of the host"),
    ("vmhgfs", "a share of the host"),
];

/// Whether other kernels may have files of this type of mount open.
///
/// `options` are those of mount and file system together. An overlay names its upper layer in
/// them, as the mounting process saw it; where that lies cannot be told from here.
pub fn other_kernels(fstype: &str, options: &[String]) -> OtherKernels {
    if LOCAL_FILE_SYSTEMS.contains(&fstype) {
        return OtherKernels::No;
    }
    if let Some((_, what)) = SHARED_FILE_SYSTEMS.iter().find(|(name, _)| *name == fstype) {
        return OtherKernels::Yes(format!("`{fstype}` is {what}: other kernels can mount it too"));
    }
    match fstype {
        "overlay" => OtherKernels::Perhaps(overlay_reason(options)),
        fuse if fuse.starts_with("fuse") => OtherKernels::Perhaps(format!(
            "behind `{fstype}` stands a server program; what it shares with whom is unknown"
        )),
        _ => OtherKernels::Perhaps(format!("`{fstype}` is not on the list of local file systems")),
    }
}

/// The upper directory that an overlay's options name, as the mounting process saw it.
fn overlay_upper(options: &[String]) -> Option<&str> {
    options.iter().find_map(|option| option.strip_prefix("upperdir="))
}

fn overlay_reason(options: &[String]) -> String {
    match overlay_upper(options) {
        Some(upper) => format!("the overlay writes into `{upper}`, and where that lies is not known"),
        None => "the overlay's upper layer is not known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_local(fstype: &str) {
        assert_eq!(other_kernels(fstype, &[]), OtherKernels::No, "{fstype}");
    }

    fn is_shared(fstype: &str) {
        assert!(matches!(other_kernels(fstype, &[]), OtherKernels::Yes(_)), "{fstype}");
    }

    fn cannot_be_told(fstype: &str) {
        assert!(matches!(other_kernels(fstype, &[]), OtherKernels::Perhaps(_)), "{fstype}");
    }

    #[test]
    fn local_file_systems_are_those_on_the_list() {
        for fstype in ["ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs"] {
            is_local(fstype);
        }
    }

    #[test]
    fn network_and_host_shares_are_shared() {
        for fstype in ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "fuse.sshfs", "ocfs2", "gfs2"] {
            is_shared(fstype);
        }
    }

    #[test]
    fn what_is_not_known_is_not_called_local() {
        for fstype in ["fuse", "fuseblk", "fuse.mergerfs", "overlay", "newfs9000", "", "EXT4"] {
            cannot_be_told(fstype);
        }
    }

    #[test]
    fn an_overlay_is_never_local_and_says_where_it_writes() {
        let OtherKernels::Perhaps(why) = other_kernels("overlay", &["rw".into(), "upperdir=/u".into()]) else {
            panic!("an overlay may lie on anything");
        };
        assert!(why.contains("`/u`"));
    }

    #[test]
    fn both_lists_are_sorted() {
        assert!(LOCAL_FILE_SYSTEMS.is_sorted());
        assert!(SHARED_FILE_SYSTEMS.is_sorted());
    }
}
