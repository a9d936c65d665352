//! Rules whose findings are not changed by a program, and why.
//!
//! What it must not do: name a rule that has a change. A test compares with the slice of rules.
//!
//! Where to look next: the remedy in the page of each rule.

/// The rule and the reason, sorted by the rule.
pub static BY_HAND: &[(&str, &str)] = &[
    ("attribute-cache", "with the caches off the storage is still one of several machines: choose another one"),
    ("database-in-image-layer", "where the database should lie, and who moves it there, is yours to say"),
    (
        "deleted-sidecar-held",
        "what runs now decides what is lost: stop every opener in the order that the remedy gives",
    ),
    ("different-users", "which user owns the files is yours to say"),
    ("disk-nearly-full", "room is made on the machine, not in a text"),
    ("emptydir-database", "which storage the database should lie on is yours to say"),
    ("foreign-vfs", "somebody chose the VFS for a reason that the text does not hold"),
    ("fuse-without-shared-memory", "the options of the mount are set on the machine, not in these files"),
    ("hard-linked-database", "which of the names stays is yours to say"),
    ("lock-missing", "what runs now decides: the fault lies in the program"),
    ("mixed-file-systems", "which of the mounts is the right one is yours to say"),
    ("mixed-journal-modes", "which of the modes is the right one is yours to say"),
    (
        "object-store-as-filesystem",
        "there is no option that makes an object store a file system: choose another storage",
    ),
    ("old-sqlite", "which version the image has is decided where it is built"),
    ("overlay-lower-database", "where the database should lie instead is yours to say"),
    (
        "read-only-reader",
        "choose: give the reader the directory to write, or a copy made by `VACUUM INTO`; both are right for somebody",
    ),
    ("shared-by-two-kernels", "which of the openers moves to the kernel of the other is yours to say"),
    (
        "sidecar-mounted-apart",
        "the sidecar must be moved while nobody has the database open, and only you can stop them",
    ),
    ("sidecar-of-another-database", "which of the files is worth keeping is yours to say: copy all of them first"),
    ("stale-sidecar-beside-restore", "which of the two states is wanted is yours to say"),
    ("storage-not-known", "what the storage is made of is a question to you: `walproof probe` answers it"),
    (
        "three-file-mount",
        "the three files must be moved into one directory while nobody has them open, and only you can stop them",
    ),
    ("tmpfs-database", "memory may be what you want; if not, which storage instead is yours to say"),
    ("two-sqlite-copies", "which of the copies goes is decided where the program is built"),
    ("unsafe-copy", "a copy by `VACUUM INTO` or the backup API is a command of another form, with another target"),
    ("unwritable-directory", "which user owns the directory is yours to say"),
    ("user-namespace-shift", "which ids the files should have is yours to say"),
    ("wal-grows", "a reader or a setting of the application holds the log"),
    ("wal-on-host-share", "which storage instead, and how the data gets there, is yours to say: a named volume is one"),
    ("wal-on-network-filesystem", "which storage instead, and how the data gets there, is yours to say"),
];
