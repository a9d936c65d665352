//! What the options of a mount that are in force mean for SQLite, read off its line in mountinfo.
//!
//! Every row has its source. An option costs something, takes a promise away, or is worth knowing; what is the kernel's
//! default and says nothing about SQLite has no row.
//!
//! What it must not do: give a verdict. Options say what a client was told, not what the storage does: two parties
//! probed (`walproof probe`) say that.

use serde::Serialize;

use crate::mountinfo::Mount;

/// What an option does to SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// A sync promises nothing: no setting keeps anything over a power loss.
    NoPromise,
    /// It takes away something that SQLite relies on.
    Danger,
    /// It makes calls slower or faster.
    Speed,
    /// It explains what is seen.
    Note,
}

/// One option in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// As the mount line has it; `soft absent` and the like where it is the absence that counts.
    pub option: String,
    /// What it does to SQLite.
    pub weight: Weight,
    /// What it means for SQLite.
    pub meaning: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

struct Row {
    /// Types of file systems, by prefix.
    fstypes: &'static [&'static str],
    /// The option, or its part before and including `=`.
    option: &'static str,
    weight: Weight,
    meaning: &'static str,
    source: &'static str,
}

const NFS: &[&str] = &["nfs"];
const CIFS: &[&str] = &["cifs", "smb3"];
const NFS_5: &str = "nfs(5)";
const CIFS_8: &str = "mount.cifs(8)";
const EXT4_5: &str = "ext4(5)";

const fn row(
    fstypes: &'static [&'static str],
    option: &'static str,
    weight: Weight,
    meaning: &'static str,
    source: &'static str,
) -> Row {
    Row { fstypes, option, weight, meaning, source }
}

use Weight::{Danger, NoPromise, Note, Speed};

static ROWS: &[Row] = &[
    row(NFS, "nolock", Danger, "locks are this client's own: no other client sees them", NFS_5),
    row(NFS, "local_lock=all", Danger, "locks are this client's own: no other client sees them", NFS_5),
    row(NFS, "local_lock=posix", Danger, "SQLite's locks are this client's own: no other client sees them", NFS_5),
    row(NFS, "local_lock=none", Note, "locks go to the server: each costs a round trip", NFS_5),
    row(NFS, "local_lock=flock", Note, "SQLite's fcntl locks still go to the server", NFS_5),
    row(
        NFS,
        "soft",
        Danger,
        "a request that the server does not answer in time fails with EIO, also in mid-commit",
        NFS_5,
    ),
    row(NFS, "softerr", Danger, "a request that the server does not answer in time fails with ETIMEDOUT", NFS_5),
    row(NFS, "softreval", Danger, "attributes are believed beyond their time while the server does not answer", NFS_5),
    row(NFS, "hard", Note, "a server that does not answer makes every call wait, without SQLITE_BUSY", NFS_5),
    row(NFS, "nocto", Danger, "an open does not ask whether the file has changed", NFS_5),
    row(
        NFS,
        "noac",
        Speed,
        "no attribute is believed and every write goes to the server: fresher and much slower",
        NFS_5,
    ),
    row(NFS, "sync", Speed, "every write goes to the server before it returns", NFS_5),
    row(
        NFS,
        "actimeo=",
        Note,
        "how long attributes are believed, in seconds: so long a peer's change may be missed",
        NFS_5,
    ),
    row(NFS, "acregmin=", Note, "attributes of files are believed for so many seconds at least", NFS_5),
    row(NFS, "acregmax=", Note, "attributes of files are believed for so many seconds at most", NFS_5),
    row(NFS, "acdirmin=", Note, "a journal that a peer made may be missed for so many seconds at least", NFS_5),
    row(NFS, "acdirmax=", Note, "a journal that a peer made may be missed for so many seconds at most", NFS_5),
    row(
        NFS,
        "lookupcache=",
        Note,
        "`all` believes that a name is absent, too: a peer's hot journal may be missed",
        NFS_5,
    ),
    row(
        NFS,
        "nconnect=",
        Speed,
        "connections to the server: one commit after another uses one at a time, parallel ones gain",
        NFS_5,
    ),
    row(NFS, "rsize=", Speed, "bytes of a read request: below the page size each page takes several", NFS_5),
    row(NFS, "wsize=", Speed, "bytes of a write request: below the page size each page takes several", NFS_5),
    row(NFS, "vers=", Note, "the protocol: 4 has locks in it, 3 needs a lock service beside it", NFS_5),
    row(NFS, "timeo=", Note, "tenths of a second before a request is sent again", NFS_5),
    row(CIFS, "nobrl", Danger, "locks are not sent: no other client sees them", CIFS_8),
    row(
        CIFS,
        "forcemandatorylock",
        Danger,
        "locks are mandatory: a locked range cannot be read, which SQLite does",
        CIFS_8,
    ),
    row(CIFS, "cache=loose", Danger, "what is cached is believed although others may write", CIFS_8),
    row(CIFS, "cache=strict", Note, "cached while the server grants it, else read and written through", CIFS_8),
    row(
        CIFS,
        "cache=none",
        Speed,
        "nothing is cached, and files cannot be mapped coherently: every read is a round trip",
        CIFS_8,
    ),
    row(
        CIFS,
        "nostrictsync",
        NoPromise,
        "fsync does not ask the server to write through: a sync promises nothing",
        CIFS_8,
    ),
    row(CIFS, "actimeo=", Note, "how long attributes are believed, in seconds", CIFS_8),
    row(CIFS, "acregmax=", Note, "how long attributes of files are believed, in seconds", CIFS_8),
    row(CIFS, "soft", Danger, "a request that the server does not answer in time fails, also in mid-commit", CIFS_8),
    row(CIFS, "hard", Note, "a server that does not answer makes every call wait, without SQLITE_BUSY", CIFS_8),
    row(CIFS, "rsize=", Speed, "bytes of a read request", CIFS_8),
    row(CIFS, "wsize=", Speed, "bytes of a write request", CIFS_8),
    row(CIFS, "mapchars", Note, "names are translated; SQLite's are plain", CIFS_8),
    row(&["lustre"], "localflock", Danger, "locks are this client's own: no other client sees them", "mount.lustre(8)"),
    row(&["ceph"], "noasyncreaddir", Note, "directories are read from the server", "mount.ceph(8)"),
    row(
        &["9p"],
        "cache=none",
        Speed,
        "nothing is cached; shared writable mappings, which WAL needs, are refused",
        "kernel, Documentation/filesystems/9p",
    ),
    row(
        &["9p"],
        "cache=loose",
        Danger,
        "what is cached is believed although the host may write",
        "kernel, Documentation/filesystems/9p",
    ),
    row(
        &["9p"],
        "cache=fscache",
        Danger,
        "what is cached is believed although the host may write",
        "kernel, Documentation/filesystems/9p",
    ),
    row(
        &["9p"],
        "cache=mmap",
        Note,
        "cached for mappings only; the host sees stores late",
        "kernel, Documentation/filesystems/9p",
    ),
    row(&["9p"], "msize=", Speed, "bytes of a request", "kernel, Documentation/filesystems/9p"),
    row(
        &["virtiofs"],
        "dax",
        Note,
        "files are mapped into the guest from the host's cache",
        "kernel, Documentation/filesystems/dax",
    ),
    row(&["fuse"], "max_read=", Speed, "bytes of a read request", "fuse(8)"),
    row(&["fuse"], "blksize=", Note, "the block size that the server told", "fuse(8)"),
    row(
        &["ext"],
        "nobarrier",
        NoPromise,
        "a sync does not reach through the disk's cache: a power loss may corrupt",
        EXT4_5,
    ),
    row(
        &["ext"],
        "barrier=0",
        NoPromise,
        "a sync does not reach through the disk's cache: a power loss may corrupt",
        EXT4_5,
    ),
    row(&["ext"], "data=writeback", Note, "after a power loss blocks that were not synced may hold old bytes", EXT4_5),
    row(&["ext"], "data=journal", Speed, "data go through the file system's journal: written twice", EXT4_5),
    row(
        &["xfs"],
        "nobarrier",
        NoPromise,
        "a sync does not reach through the disk's cache: a power loss may corrupt",
        "xfs(5)",
    ),
    row(
        &["btrfs"],
        "nobarrier",
        NoPromise,
        "a sync does not reach through the disk's cache: a power loss may corrupt",
        "btrfs(5)",
    ),
    row(&["btrfs"], "compress", Note, "pages are compressed: written over, they land elsewhere", "btrfs(5)"),
    row(
        &["overlay"],
        "volatile",
        NoPromise,
        "syncs are left out: a power loss may corrupt",
        "kernel, Documentation/filesystems/overlayfs",
    ),
    row(&[""], "sync", Speed, "every write is synced before it returns", "mount(8)"),
    row(&[""], "dirsync", Speed, "every change of a directory is synced before it returns", "mount(8)"),
    row(&[""], "ro", Danger, "nothing can be written", "mount(8)"),
];

/// The options in force that mean something to SQLite; dangers first.
pub fn in_force(mount: &Mount) -> Vec<InForce> {
    let mut found: Vec<InForce> = Vec::new();
    let mut options: Vec<&str> = mount.options.iter().chain(&mount.super_options).map(String::as_str).collect();
    options.dedup();
    for option in options {
        let Some(row) = ROWS.iter().find(|row| row.is_about(&mount.fstype, option)) else { continue };
        if found.iter().all(|known| known.option != option) {
            let Row { weight, meaning, source, .. } = *row;
            found.push(InForce { option: option.to_owned(), weight, meaning, source });
        }
    }
    found.extend(of_type(&mount.fstype));
    found.sort_by_key(|known| known.weight);
    found
}

/// What one option means on a type of file system, as its own manual page writes it.
pub fn meaning(fstype: &str, option: &str) -> Option<InForce> {
    let Row { weight, meaning, source, .. } = *ROWS.iter().find(|row| row.is_about(fstype, option))?;
    Some(InForce { option: option.to_owned(), weight, meaning, source })
}

impl Row {
    fn is_about(&self, fstype: &str, option: &str) -> bool {
        let same =
            if self.option.ends_with('=') { option.starts_with(self.option) } else { option_is(option, self.option) };
        same && self.fstypes.iter().any(|known| fstype.starts_with(known))
    }
}

/// `compress=zstd` is `compress`, too; `software` is not `soft`.
fn option_is(option: &str, name: &str) -> bool {
    option.strip_prefix(name).is_some_and(|rest| rest.is_empty() || (!name.contains('=') && rest.starts_with('=')))
}

/// What the type of the file system alone says.
fn of_type(fstype: &str) -> Option<InForce> {
    let (option, weight, meaning, source) = match fstype {
        "tmpfs" | "ramfs" => (
            "memory",
            NoPromise,
            "a power loss takes everything: no promise of a setting holds here, and syncs cost nothing",
            "tmpfs(5)",
        ),
        fuse if fuse.starts_with("fuse") => (
            "caching: not told",
            Note,
            "what a FUSE server lets the kernel cache, and whether its syncs are true, stands in no mount line",
            "fuse(4)",
        ),
        _ => return None,
    };
    Some(InForce { option: option.to_owned(), weight, meaning, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fstype: &str, options: &str) -> Vec<InForce> {
        let super_options = options.split(',').map(str::to_owned).collect();
        let options = vec!["rw".to_owned(), "relatime".to_owned()];
        in_force(&Mount { fstype: fstype.to_owned(), options, super_options, ..Mount::default() })
    }

    fn weighs(fstype: &str, option: &str) -> Option<Weight> {
        told(fstype, option).iter().find(|known| known.option == option).map(|known| known.weight)
    }

    #[test]
    fn an_nfs_line_is_read_as_the_kernel_writes_it() {
        let line = "rw,vers=4.2,rsize=1048576,wsize=1048576,namlen=255,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0,\
                    soft,nconnect=4,proto=tcp,timeo=600,retrans=2,sec=sys,local_lock=none,addr=10.0.0.1";
        let told = told("nfs4", line);
        assert_eq!(told[0].option, "soft", "dangers first");
        for option in ["vers=4.2", "rsize=1048576", "acdirmax=0", "nconnect=4", "local_lock=none"] {
            assert!(told.iter().any(|known| known.option == option), "{option}");
        }
        assert!(told.iter().all(|known| known.option != "namlen=255" && known.option != "addr=10.0.0.1"));
    }

    #[test]
    fn locks_that_nobody_else_sees_are_a_danger() {
        assert_eq!(weighs("nfs", "nolock"), Some(Danger));
        assert_eq!(weighs("nfs", "local_lock=all"), Some(Danger));
        assert_eq!(weighs("nfs", "local_lock=none"), Some(Note));
        assert_eq!(weighs("cifs", "nobrl"), Some(Danger));
        assert_eq!(weighs("smb3", "cache=loose"), Some(Danger));
    }

    #[test]
    fn an_option_of_another_file_system_says_nothing() {
        assert_eq!(weighs("ext4", "nolock"), None);
        assert_eq!(weighs("ext4", "nobarrier"), Some(NoPromise));
        assert_eq!(weighs("nfs4", "software"), None);
        assert_eq!(weighs("btrfs", "compress=zstd:3"), Some(Note));
    }

    #[test]
    fn memory_keeps_nothing_and_a_quiet_disk_has_nothing_to_tell() {
        assert_eq!(told("tmpfs", "size=24g")[0].weight, NoPromise);
        assert_eq!(told("ext4", "errors=continue"), []);
        assert_eq!(told("fuse.sshfs", "user_id=0").len(), 1);
    }
}
