//! What a probe asks of an agent: single system calls, and short races on shared memory, on scratch files.
//!
//! Handles name what an earlier step opened or mapped; children are processes that the agent forks. Every answer says
//! how long its step took. What the answers mean is decided elsewhere (`walproof_judge::probe`).

use serde::{Deserialize, Serialize};

/// One step, carried out in the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum ProbeStep {
    /// open(O_RDWR), with O_CREAT|O_EXCL when `create`.
    Open {
        /// Name for later steps.
        handle: u32,
        /// Path as the agent sees it.
        path: String,
        /// Whether it must not exist and is made.
        create: bool,
    },
    /// close().
    Close {
        /// The file.
        handle: u32,
    },
    /// pwrite() of eight bytes, little-endian.
    Write {
        /// The file.
        handle: u32,
        /// Bytes from the start.
        offset: u64,
        /// What to write.
        value: u64,
    },
    /// pread() of eight bytes.
    Read {
        /// The file.
        handle: u32,
        /// Bytes from the start.
        offset: u64,
    },
    /// ftruncate().
    Truncate {
        /// The file.
        handle: u32,
        /// New size in bytes.
        size: u64,
    },
    /// fdatasync().
    Sync {
        /// The file.
        handle: u32,
    },
    /// fcntl(F_SETLK or F_OFD_SETLK); the answer is 1: got it, 0: refused.
    Lock {
        /// The file.
        handle: u32,
        /// Which bytes.
        range: ByteRange,
        /// Which lock, or none any more.
        kind: LockKind,
        /// Whose the lock is.
        owner: LockOwner,
    },
    /// fcntl(F_GETLK); the answer is 1 when somebody is in the way, and `pid` is who the kernel says it is.
    Holder {
        /// The file.
        handle: u32,
        /// Which bytes.
        range: ByteRange,
        /// Which lock one would want.
        kind: LockKind,
    },
    /// A forked child opens a file by itself and takes a lock; the answer is 1: it got it, 0: it was refused.
    Hold {
        /// Name for later steps.
        child: u32,
        /// Path as the agent sees it.
        path: String,
        /// Which bytes.
        range: ByteRange,
        /// Which lock.
        kind: LockKind,
    },
    /// Something happens to a child that holds a lock; answers when it has happened.
    Child {
        /// Which.
        child: u32,
        /// What.
        fate: Fate,
    },
    /// mmap(MAP_SHARED, 32 KiB), and touch it.
    Map {
        /// The file.
        handle: u32,
    },
    /// A store of eight bytes into the mapping.
    Store {
        /// The file.
        handle: u32,
        /// Bytes from the start.
        offset: u64,
        /// What to store.
        value: u64,
    },
    /// A load of eight bytes from the mapping, repeated until it gives `until` or `wait_ms` have passed.
    Load {
        /// The file.
        handle: u32,
        /// Bytes from the start.
        offset: u64,
        /// The value waited for.
        until: u64,
        /// How long, in milliseconds.
        wait_ms: u32,
    },
    /// A load of eight bytes from the mapping, in a forked child that may die of it: `signal` says of what.
    Touch {
        /// The file.
        handle: u32,
        /// Bytes from the start.
        offset: u64,
    },
    /// One part of a race on the mapping. The answer counts what was seen, and how often it was wrong.
    Litmus {
        /// The file.
        handle: u32,
        /// Path of the file as the agent sees it.
        path: String,
        /// Which race.
        test: LitmusTest,
        /// Which part.
        role: LitmusRole,
        /// How long, in milliseconds.
        time_ms: u32,
        /// Where parties take turns: how many rounds are enough; 0: as many as there is time for.
        rounds_max: u64,
    },
    /// stat(path); the answer is the size, or ENOENT as errno.
    Size {
        /// Path as the agent sees it.
        path: String,
    },
    /// rename(from, to).
    Rename {
        /// Path as the agent sees it.
        from: String,
        /// Path as the agent sees it.
        to: String,
    },
    /// unlink(path).
    Unlink {
        /// Path as the agent sees it.
        path: String,
    },
    /// `/proc/self/mountinfo` as the agent sees it; the answer is its text.
    Mountinfo,
}

/// Bytes of a file that a lock is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// The first.
    pub start: u64,
    /// How many.
    pub length: u64,
}

impl ByteRange {
    /// One byte.
    pub const fn byte(start: u64) -> Self {
        Self { start, length: 1 }
    }

    /// Whether two ranges have a byte in common.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.start + other.length && other.start < self.start + self.length
    }
}

/// Which lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    /// F_RDLCK.
    Read,
    /// F_WRLCK.
    Write,
    /// F_UNLCK.
    None,
}

/// Whose a lock is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockOwner {
    /// The process: POSIX locks, which SQLite takes.
    #[default]
    Process,
    /// The open file description: OFD locks.
    OpenFile,
}

/// What happens to a child that holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It closes the file and lives on.
    Close,
    /// It exits.
    Exit,
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
}

/// A race of two parties on 32 KiB that are laid out as a wal-index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LitmusTest {
    /// One stores data and then a flag; who sees the flag must see the data.
    MessagePassing,
    /// Each stores, makes a barrier and looks at the other's store; not both may miss it.
    StoreBuffering,
    /// One counts up; nobody may see it count down.
    Coherence,
    /// One stores eight equal bytes, others each time; nobody may see a mixture.
    TornStore,
    /// One writes the header's second copy and then the first, as wal.c does; two equal copies must be whole.
    Header,
    /// One counts up by write(); who looks through the mapping may not see it count down.
    WriteAgainstMap,
    /// One counts up by write(); who opens, reads and closes over and over may not see it count down.
    WriteAgainstReopen,
}

impl LitmusTest {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MessagePassing,
        Self::StoreBuffering,
        Self::Coherence,
        Self::TornStore,
        Self::Header,
        Self::WriteAgainstMap,
        Self::WriteAgainstReopen,
    ];

    /// Whether it goes through a mapping.
    pub const fn needs_mapping(self) -> bool {
        !matches!(self, Self::WriteAgainstReopen)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessagePassing => "message-passing",
            Self::StoreBuffering => "store-buffering",
            Self::Coherence => "coherence",
            Self::TornStore => "torn-store",
            Self::Header => "header",
            Self::WriteAgainstMap => "write-against-map",
            Self::WriteAgainstReopen => "write-against-reopen",
        }
    }
}

/// Which part in a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LitmusRole {
    /// Changes, and where both do, the first.
    Writer,
    /// Looks, and where both do, the second.
    Reader,
}

/// What a step gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProbeAnswer {
    /// The value read, the size, 1 and 0 for yes and no, or how often a race went wrong.
    pub value: u64,
    /// Why it failed; `None`: it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// Of what the child died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Who holds a lock, as the kernel says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How much of a race was seen: rounds, or changes.
    #[serde(skip_serializing_if = "is_zero")]
    pub observed: u64,
    /// How long it took, in nanoseconds.
    pub took_ns: u64,
    /// Text, where the step gives text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_overlap_by_a_byte() {
        let shared = ByteRange { start: 2, length: 510 };
        assert!(shared.overlaps(ByteRange::byte(2)) && shared.overlaps(ByteRange::byte(511)));
        assert!(!shared.overlaps(ByteRange::byte(1)) && !shared.overlaps(ByteRange::byte(512)));
    }

    #[test]
    fn an_answer_says_only_what_there_is() {
        let answer = ProbeAnswer { value: 1, took_ns: 5, ..ProbeAnswer::default() };
        assert_eq!(serde_json::to_string(&answer).expect("serializes"), r#"{"value":1,"took_ns":5}"#);
        assert_eq!(serde_json::from_str::<ProbeAnswer>("{}").expect("parses"), ProbeAnswer::default());
    }
}
