//! What a database stands on, as people and log lines name it: storage, runtime, orchestration.
//!
//! `--with fs=nfs4` and the words of a mount line in a log come to the same: a [`Ground`]. The words are those of mount
//! tables, manifests and products, never of an application.
//! What it must not do: conclude that something is safe. That storage is local speaks against causes that need a
//! network; it proves nothing.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde::Serialize;

/// Something that a database stands on or runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ground {
    /// NFS and its like: EFS, CephFS, Gluster, RWX volumes.
    NetworkFilesystem,
    /// A volume that many nodes may mount, of whatever kind.
    SharedVolume,
    /// SMB, CIFS, Azure Files.
    Smb,
    /// Mounted so that locks stay on one machine: `nobrl`, `nolock`, `local_lock=all`.
    LocksNotSent,
    /// A folder of the host inside a virtual machine: Docker Desktop, OrbStack, WSL, Podman machine.
    VirtualMachineShare,
    /// FUSE: mergerfs, Unraid's shfs and others.
    Fuse,
    /// An object store that looks like a file system.
    ObjectStore,
    /// A disk of this machine.
    Local,
    /// A kernel, a C library or a sandbox that emulates locks or shared memory.
    EmulatedKernel,
    /// A file system that lacks locks or shared memory.
    PlainFilesystem,
    /// Kubernetes and its like: somebody else starts and stops containers.
    Orchestrated,
    /// The new one starts before the old one has stopped.
    RollingUpdate,
    /// More than one replica.
    SeveralReplicas,
    /// A volume is taken from a node by force.
    ForceDetach,
    /// The container's own file system is read-only.
    ReadOnlyRoot,
    /// The database's mount is read-only for somebody.
    ReadOnlyMount,
    /// A machine where SELinux usually enforces, under Podman or by name.
    Selinux,
    /// Users differ between openers or across namespaces.
    OtherUser,
    /// Litestream, LiteFS or another replicator.
    Replicator,
    /// A backup or restore works on the files.
    Backup,
    /// The file alone is mounted, not its directory.
    SingleFile,
    /// musl instead of glibc.
    Musl,
    /// More than one process or program opens the database.
    SeveralOpeners,
    /// The application forks.
    Fork,
    /// Facts were given, and none names storage: whoever knows that it is NFS or a folder of a Mac says so.
    StorageNotNamed,
}

impl Ground {
    /// Whether it names storage of any kind.
    pub(super) const fn is_storage(self) -> bool {
        self.is_odd_storage() || matches!(self, Self::Local | Self::SharedVolume)
    }

    /// Whether it is storage that more than this kernel may reach, or that lacks what SQLite needs.
    const fn is_odd_storage(self) -> bool {
        matches!(
            self,
            Self::NetworkFilesystem
                | Self::Smb
                | Self::VirtualMachineShare
                | Self::Fuse
                | Self::ObjectStore
                | Self::PlainFilesystem
        )
    }
}

/// Words in lower case, and what they name. A word stands alone: no letter or digit before or behind it.
const WORDS: &[(&str, Ground)] = &[
    ("nfs", Ground::NetworkFilesystem),
    ("nfs3", Ground::NetworkFilesystem),
    ("nfs4", Ground::NetworkFilesystem),
    ("nfsv3", Ground::NetworkFilesystem),
    ("nfsv4", Ground::NetworkFilesystem),
    ("efs", Ground::NetworkFilesystem),
    ("filestore", Ground::NetworkFilesystem),
    ("cephfs", Ground::NetworkFilesystem),
    ("ceph", Ground::NetworkFilesystem),
    ("gluster", Ground::NetworkFilesystem),
    ("glusterfs", Ground::NetworkFilesystem),
    ("lustre", Ground::NetworkFilesystem),
    ("beegfs", Ground::NetworkFilesystem),
    ("gpfs", Ground::NetworkFilesystem),
    ("moosefs", Ground::NetworkFilesystem),
    ("lizardfs", Ground::NetworkFilesystem),
    ("sshfs", Ground::NetworkFilesystem),
    ("gfs2", Ground::NetworkFilesystem),
    ("rwx", Ground::SharedVolume),
    ("readwritemany", Ground::SharedVolume),
    ("network share", Ground::NetworkFilesystem),
    ("network drive", Ground::NetworkFilesystem),
    ("network filesystem", Ground::NetworkFilesystem),
    ("cifs", Ground::Smb),
    ("smb", Ground::Smb),
    ("smb2", Ground::Smb),
    ("smb3", Ground::Smb),
    ("smbfs", Ground::Smb),
    ("samba", Ground::Smb),
    ("azure files", Ground::Smb),
    ("azure file share", Ground::Smb),
    ("azurefile", Ground::Smb),
    ("azurefiles", Ground::Smb),
    ("app service", Ground::Smb),
    ("azure container instances", Ground::Smb),
    ("azure container apps", Ground::Smb),
    ("aci", Ground::Smb),
    ("azure web app", Ground::Smb),
    ("windows share", Ground::Smb),
    ("nobrl", Ground::LocksNotSent),
    ("nolock", Ground::LocksNotSent),
    ("local_lock=all", Ground::LocksNotSent),
    ("local_lock=posix", Ground::LocksNotSent),
    ("virtiofs", Ground::VirtualMachineShare),
    ("grpcfuse", Ground::VirtualMachineShare),
    ("grpc-fuse", Ground::VirtualMachineShare),
    ("grpc fuse", Ground::VirtualMachineShare),
    ("osxfs", Ground::VirtualMachineShare),
    ("fakeowner", Ground::VirtualMachineShare),
    ("9p", Ground::VirtualMachineShare),
    ("9pfs", Ground::VirtualMachineShare),
    ("drvfs", Ground::VirtualMachineShare),
    ("vboxsf", Ground::VirtualMachineShare),
    ("vmhgfs", Ground::VirtualMachineShare),
    ("hgfs", Ground::VirtualMachineShare),
    ("docker desktop", Ground::VirtualMachineShare),
    ("docker-desktop", Ground::VirtualMachineShare),
    ("docker for mac", Ground::VirtualMachineShare),
    ("docker for windows", Ground::VirtualMachineShare),
    ("docker-desktop-bind-mounts", Ground::VirtualMachineShare),
    ("orbstack", Ground::VirtualMachineShare),
    ("colima", Ground::VirtualMachineShare),
    ("lima", Ground::VirtualMachineShare),
    ("rancher desktop", Ground::VirtualMachineShare),
    ("podman machine", Ground::VirtualMachineShare),
    ("wsl", Ground::VirtualMachineShare),
    ("wsl2", Ground::VirtualMachineShare),
    ("host share", Ground::VirtualMachineShare),
    ("docker toolbox", Ground::VirtualMachineShare),
    ("boot2docker", Ground::VirtualMachineShare),
    ("virtualbox", Ground::VirtualMachineShare),
    ("vagrant", Ground::VirtualMachineShare),
    ("parallels", Ground::VirtualMachineShare),
    ("prl_fs", Ground::VirtualMachineShare),
    ("multipass", Ground::VirtualMachineShare),
    ("crostini", Ground::VirtualMachineShare),
    ("/host_mnt", Ground::VirtualMachineShare),
    ("/run/desktop", Ground::VirtualMachineShare),
    ("/mnt/c", Ground::VirtualMachineShare),
    ("/mnt/d", Ground::VirtualMachineShare),
    ("/users", Ground::VirtualMachineShare),
    ("fuse", Ground::Fuse),
    ("mergerfs", Ground::Fuse),
    ("shfs", Ground::Fuse),
    ("unraid", Ground::Fuse),
    ("unionfs", Ground::Fuse),
    ("bindfs", Ground::Fuse),
    ("gocryptfs", Ground::Fuse),
    ("encfs", Ground::Fuse),
    ("direct_io", Ground::Fuse),
    ("fuseblk", Ground::Fuse),
    ("ntfs-3g", Ground::Fuse),
    ("mhddfs", Ground::Fuse),
    ("/mnt/user", Ground::Fuse),
    ("litefs", Ground::Fuse),
    ("s3fs", Ground::ObjectStore),
    ("rclone", Ground::ObjectStore),
    ("gcsfuse", Ground::ObjectStore),
    ("goofys", Ground::ObjectStore),
    ("blobfuse", Ground::ObjectStore),
    ("blobfuse2", Ground::ObjectStore),
    ("mountpoint-s3", Ground::ObjectStore),
    ("juicefs", Ground::ObjectStore),
    ("seaweedfs", Ground::ObjectStore),
    ("bucket", Ground::ObjectStore),
    ("davfs2", Ground::ObjectStore),
    ("webdav", Ground::ObjectStore),
    ("azureblob", Ground::ObjectStore),
    ("local", Ground::Local),
    ("ext4", Ground::Local),
    ("ext3", Ground::Local),
    ("xfs", Ground::Local),
    ("btrfs", Ground::Local),
    ("zfs", Ground::Local),
    ("f2fs", Ground::Local),
    ("tmpfs", Ground::Local),
    ("apfs", Ground::Local),
    ("ntfs", Ground::Local),
    ("ebs", Ground::Local),
    ("overlay2", Ground::Local),
    ("named volume", Ground::Local),
    ("emptydir", Ground::Local),
    ("overlay", Ground::Local),
    ("overlayfs", Ground::Local),
    ("docker volume", Ground::Local),
    ("hostpath", Ground::Local),
    ("local-path", Ground::Local),
    ("block", Ground::Local),
    ("iscsi", Ground::Local),
    ("rbd", Ground::Local),
    ("openebs", Ground::Local),
    ("azure disk", Ground::Local),
    ("persistent disk", Ground::Local),
    ("nvme", Ground::Local),
    ("ssd", Ground::Local),
    ("/mnt/cache", Ground::Local),
    ("gvisor", Ground::EmulatedKernel),
    ("runsc", Ground::EmulatedKernel),
    ("kata", Ground::EmulatedKernel),
    ("cosmopolitan", Ground::EmulatedKernel),
    ("cloud run", Ground::EmulatedKernel),
    ("wsl1", Ground::EmulatedKernel),
    ("proot", Ground::EmulatedKernel),
    ("qemu-user", Ground::EmulatedKernel),
    ("firecracker", Ground::EmulatedKernel),
    ("wasm", Ground::EmulatedKernel),
    ("wasi", Ground::EmulatedKernel),
    ("emscripten", Ground::EmulatedKernel),
    ("jffs2", Ground::PlainFilesystem),
    ("exfat", Ground::PlainFilesystem),
    ("vfat", Ground::PlainFilesystem),
    ("fat32", Ground::PlainFilesystem),
    ("msdos", Ground::PlainFilesystem),
    ("yaffs2", Ground::PlainFilesystem),
    ("kubernetes", Ground::Orchestrated),
    ("k8s", Ground::Orchestrated),
    ("k3s", Ground::Orchestrated),
    ("helm", Ground::Orchestrated),
    ("eks", Ground::Orchestrated),
    ("aks", Ground::Orchestrated),
    ("gke", Ground::Orchestrated),
    ("swarm", Ground::Orchestrated),
    ("nomad", Ground::Orchestrated),
    ("ecs", Ground::Orchestrated),
    ("fargate", Ground::Orchestrated),
    ("openshift", Ground::Orchestrated),
    ("statefulset", Ground::Orchestrated),
    ("deployment", Ground::Orchestrated),
    ("two pods", Ground::SeveralReplicas),
    ("two replicas", Ground::SeveralReplicas),
    ("multiple pods", Ground::SeveralReplicas),
    ("multiple replicas", Ground::SeveralReplicas),
    ("several replicas", Ground::SeveralReplicas),
    ("hpa", Ground::SeveralReplicas),
    ("rolling update", Ground::RollingUpdate),
    ("rollingupdate", Ground::RollingUpdate),
    ("start-first", Ground::RollingUpdate),
    ("blue-green", Ground::RollingUpdate),
    ("zero-downtime", Ground::RollingUpdate),
    ("zero downtime", Ground::RollingUpdate),
    ("rolling", Ground::RollingUpdate),
    ("rolling deploy", Ground::RollingUpdate),
    ("maxsurge", Ground::RollingUpdate),
    ("blue/green", Ground::RollingUpdate),
    ("force detach", Ground::ForceDetach),
    ("force-detach", Ground::ForceDetach),
    ("force delete", Ground::ForceDetach),
    ("nodedownpoddeletionpolicy", Ground::ForceDetach),
    ("readonlyrootfilesystem", Ground::ReadOnlyRoot),
    ("read-only root", Ground::ReadOnlyRoot),
    ("--read-only", Ground::ReadOnlyRoot),
    ("distroless", Ground::ReadOnlyRoot),
    ("read_only: true", Ground::ReadOnlyRoot),
    ("scratch image", Ground::ReadOnlyRoot),
    ("ro", Ground::ReadOnlyMount),
    ("mode=ro", Ground::ReadOnlyMount),
    ("read-only", Ground::ReadOnlyMount),
    ("readonly", Ground::ReadOnlyMount),
    ("selinux", Ground::Selinux),
    ("rootless", Ground::OtherUser),
    ("user namespace", Ground::OtherUser),
    ("userns", Ground::OtherUser),
    ("subuid", Ground::OtherUser),
    ("uid", Ground::OtherUser),
    ("puid", Ground::OtherUser),
    ("runasuser", Ground::OtherUser),
    ("fsgroup", Ground::OtherUser),
    ("non-root", Ground::OtherUser),
    ("nonroot", Ground::OtherUser),
    ("root-owned", Ground::OtherUser),
    ("owned by root", Ground::OtherUser),
    ("unprivileged", Ground::OtherUser),
    ("chown", Ground::OtherUser),
    ("litestream", Ground::Replicator),
    ("litefs", Ground::Replicator),
    ("sidecar", Ground::Replicator),
    ("restic", Ground::Backup),
    ("velero", Ground::Backup),
    ("k8up", Ground::Backup),
    ("borg", Ground::Backup),
    ("duplicati", Ground::Backup),
    ("rsync", Ground::Backup),
    ("syncthing", Ground::Backup),
    ("backup", Ground::Backup),
    ("restore", Ground::Backup),
    ("cp", Ground::Backup),
    ("copy", Ground::Backup),
    ("copied", Ground::Backup),
    ("snapshot", Ground::Backup),
    ("kopia", Ground::Backup),
    ("duplicity", Ground::Backup),
    ("dropbox", Ground::Backup),
    ("onedrive", Ground::Backup),
    ("icloud", Ground::Backup),
    ("google drive", Ground::Backup),
    ("alpine", Ground::Musl),
    ("musl", Ground::Musl),
    ("two processes", Ground::SeveralOpeners),
    ("two containers", Ground::SeveralOpeners),
    ("kubectl exec", Ground::SeveralOpeners),
    ("on the host", Ground::SeveralOpeners),
    ("multiple processes", Ground::SeveralOpeners),
    ("several processes", Ground::SeveralOpeners),
    ("multi-process", Ground::SeveralOpeners),
    ("two writers", Ground::SeveralOpeners),
    ("gunicorn", Ground::SeveralOpeners),
    ("pm2", Ground::SeveralOpeners),
    ("fork", Ground::Fork),
    ("forked", Ground::Fork),
    ("prefork", Ground::Fork),
    ("os.fork", Ground::Fork),
];

/// Systems on which containers live in a virtual machine, so that what is mounted from them crosses it.
const HOSTS_OF_VIRTUAL_MACHINES: &[&str] = &["macos", "mac", "osx", "windows"];

/// Distributions on which SELinux enforces by default; it matters to containers where Podman or CRI-O starts them.
const SELINUX_SYSTEMS: &[&str] = &["almalinux", "rocky", "rhel", "red hat", "fedora", "centos", "coreos", "openshift"];

/// All words in one pass: a provisioner of NFS writes the word in every line.
static AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let kind = Some(AhoCorasickKind::ContiguousNFA);
    AhoCorasick::builder().kind(kind).build(WORDS.iter().map(|(word, _)| *word)).expect("a few hundred short words")
});

/// The words of this file.
#[cfg(test)]
pub fn words_known() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

/// Words of a log line that name storage; the rest of the vocabulary is too common in log text to mean anything.
pub fn of_line(text: &str) -> Vec<Ground> {
    let mut found = of_text(text);
    found.retain(|ground| ground.is_odd_storage() || *ground == Ground::LocksNotSent);
    found
}

/// Everything that a text in lower case names. What lies on top decides: odd storage over a local file system is odd.
pub fn of_text(text: &str) -> Vec<Ground> {
    let matches = AUTOMATON.find_overlapping_iter(text).filter(|found| stands_alone(text, found.start(), found.end()));
    let mut found: Vec<Ground> = matches.map(|found| WORDS[found.pattern().as_usize()].1).collect();
    found.sort_unstable();
    found.dedup();
    if contains_word(text, "podman") && SELINUX_SYSTEMS.iter().any(|system| text.contains(system)) {
        found.push(Ground::Selinux);
    }
    let in_containers = ["docker", "podman", "container"].iter().any(|word| text.contains(word));
    if in_containers && HOSTS_OF_VIRTUAL_MACHINES.iter().any(|host| contains_word(text, host)) {
        found.push(Ground::VirtualMachineShare);
    }
    if names_several_replicas(text) {
        found.push(Ground::SeveralReplicas);
    }
    if names_single_file(text) {
        found.push(Ground::SingleFile);
    }
    settle(&mut found);
    found
}

/// Sorted, once each, without `Local` where something lies on top of it, and without "many nodes may mount it" where it is
/// known what they mount.
pub fn settle(found: &mut Vec<Ground>) {
    if found.iter().any(|ground| ground.is_odd_storage()) {
        found.retain(|ground| !matches!(ground, Ground::Local | Ground::SharedVolume));
    }
    found.sort_unstable();
    found.dedup();
}

/// Whether a word stands alone in a text.
pub fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| stands_alone(text, at, at + word.len()))
}

fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    !is_part(before) && !is_part(text.as_bytes().get(end))
}

fn names_several_replicas(text: &str) -> bool {
    text.match_indices("replicas").any(|(at, word)| {
        let after = text[at + word.len()..].trim_start_matches([' ', ':', '=', '>']);
        let above = text[at + word.len()..].trim_start().starts_with('>');
        let count = after.split(|letter: char| !letter.is_ascii_digit()).next().and_then(|text| text.parse().ok());
        count.is_some_and(|count: u32| count > 1 || (above && count == 1))
    })
}

/// `./app.db:/data/app.db`: both sides of a bind mount end as databases do.
fn names_single_file(text: &str) -> bool {
    let is_database = |path: &str| [".db", ".sqlite", ".sqlite3"].iter().any(|ending| path.ends_with(ending));
    text.split(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | ',')).any(|word| {
        let mut parts = word.split(':');
        let (host, inside) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        is_database(host) && is_database(inside) && inside.starts_with('/')
    })
}

/// A fact that the user gave (`fs=nfs4`), or that `check` found where the user pointed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// As it was given.
    pub text: String,
    /// What it names; empty: walproof does not know the words.
    pub grounds: Vec<Ground>,
    /// Where `check` found it: `compose.yaml:12:9`. `None`: the user said it.
    pub from: Option<String>,
    /// The cause that a finding of `check` speaks for.
    pub raises: Option<&'static str>,
}

/// What can be given, and what for.
pub static KEYS: &[(&str, &str)] = &[
    ("fs", "type of the file system, as `findmnt -T PATH` prints it: nfs4, cifs, virtiofs, fuse.mergerfs, ext4"),
    ("runtime", "what containers run in: docker, docker-desktop, podman, gvisor, kata, wsl2, alpine"),
    ("orchestrator", "who starts them: compose, swarm, kubernetes, a rolling update, replicas=2"),
    ("mount", "how the database is mounted: options, `ro`, `./app.db:/data/app.db`"),
    ("tool", "what else works on the files: litestream, restic, a restore"),
];

/// A fact that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenError {
    /// No `=`, or nothing behind it.
    NotAPair,
    /// Not a key of [`KEYS`].
    UnknownKey(String),
}

impl Given {
    /// Reads `KEY=VALUE`.
    pub fn parse(text: &str) -> Result<Self, GivenError> {
        let (key, value) = text.split_once('=').ok_or(GivenError::NotAPair)?;
        if value.trim().is_empty() {
            return Err(GivenError::NotAPair);
        }
        if !KEYS.iter().any(|(known, _)| *known == key) {
            return Err(GivenError::UnknownKey(key.to_owned()));
        }
        let mut grounds = of_text(&value.to_ascii_lowercase());
        if key != "mount" {
            // `ro` and `uid` are options of mounts; elsewhere they are parts of prose.
            grounds.retain(|ground| *ground != Ground::ReadOnlyMount || key == "fs");
        }
        Ok(Self { text: text.to_owned(), grounds, from: None, raises: None })
    }

    /// Whether it says what the database lies on, so that lines need not be asked.
    pub(super) fn states_storage(&self) -> bool {
        let is_of_storage = self.text.starts_with("fs=") || self.from.is_some();
        is_of_storage && self.grounds.iter().any(|ground| ground.is_storage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn names(text: &str, expected: &[Ground]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(of_text(text), expected, "{text}");
    }

    #[test]
    fn storage_is_known_by_its_words() {
        names("nfs4 with nolock,soft", &[Ground::NetworkFilesystem, Ground::LocksNotSent]);
        names("fuse.mergerfs", &[Ground::Fuse]);
        names("9p over zfs", &[Ground::VirtualMachineShare]);
        names("overlayfs on jffs2", &[Ground::PlainFilesystem]);
        names("ext4 on ebs", &[Ground::Local]);
        names("podman almalinux 9", &[Ground::Selinux]);
        names("almalinux 9", &[]);
        names("kubernetes rolling update", &[Ground::Orchestrated, Ground::RollingUpdate]);
        names("replicas 1", &[]);
        names("replicas: 3", &[Ground::SeveralReplicas]);
        names("replicas > 1", &[Ground::SeveralReplicas]);
        names("-v ./evcc.db:/root/.evcc/evcc.db", &[Ground::SingleFile]);
        names("./data:/data", &[]);
        names("configs of transformers", &[]);
        names("docker on macos", &[Ground::VirtualMachineShare]);
        names("macos", &[]);
        names("/users/a/app on /data", &[Ground::VirtualMachineShare]);
    }

    #[test]
    fn facts_are_pairs_with_known_keys() {
        assert_eq!(Given::parse("fs=nfs4").expect("a fact").grounds, [Ground::NetworkFilesystem]);
        assert_eq!(Given::parse("fs="), Err(GivenError::NotAPair));
        assert_eq!(Given::parse("nfs4"), Err(GivenError::NotAPair));
        assert_eq!(Given::parse("colour=red"), Err(GivenError::UnknownKey("colour".into())));
        assert!(Given::parse("fs=never-heard-of").expect("a fact").grounds.is_empty());
    }
}
