//! What lab and agent say to each other: one JSON document a line, commands on the agent's standard input, replies
//! on its standard output.
//!
//! The agent speaks first ([`Reply::Hello`] with [`VERSION`]). It answers every command with exactly one reply, in
//! order, except [`Command::Run`], whose reply comes when the workload has begun. While a workload runs, the agent
//! looks for the next command between two transactions. When its standard input ends, it exits at once.

use serde::{Deserialize, Serialize};

use crate::ledger::FinalState;

/// Version of the protocol; an agent of another version is refused.
pub const VERSION: u32 = 1;

/// What the lab asks of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
    /// Who the agent is, where its files are, what its workload is. Comes first, once.
    Configure(Box<Configuration>),
    /// Create the database, its schema and its rows; close it.
    Create,
    /// Open a connection when there is none and work until the next command.
    Run,
    /// Stop working; the connection stays open.
    Halt,
    /// Stop working and close the connection.
    Close,
    /// Change more pages than the cache holds inside one transaction, so that it spills; then wait to be killed.
    Park,
    /// Reopen the database and tell all that is there.
    Final,
    /// One step of a probe.
    Probe(ProbeStep),
}

/// What an agent answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Reply {
    /// The agent lives.
    Hello(Hello),
    /// [`Command::Configure`] was carried out.
    Configured,
    /// The database was created; the journal mode is what the pragma answered.
    Created {
        /// What `PRAGMA journal_mode` answered.
        journal_mode: String,
    },
    /// The workload has begun; the first connection may still wait for a lock.
    Running,
    /// The workload has stopped.
    Halted,
    /// The connection is closed.
    Closed,
    /// The agent stands inside a transaction that it will never finish.
    Parked {
        /// Pages spilled to the database file or the WAL (DBSTATUS_CACHE_SPILL).
        spilled_pages: u32,
    },
    /// Everything that a reopening reader found.
    Final(Box<FinalState>),
    /// What a probe step gave.
    Probe(ProbeAnswer),
    /// The command failed.
    Failed {
        /// What the agent was doing.
        place: String,
        /// SQLite's extended result code; 0: not from SQLite.
        extended_code: u32,
        /// The operating system's error number; 0: none known.
        errno: i32,
        /// The message, for people.
        message: String,
    },
}

/// The agent's first words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub protocol: u32,
    /// The agent's pid as it sees itself: 1 in a container of its own.
    pub pid: u32,
    /// SQLite's version.
    pub sqlite: String,
    /// `/proc/sys/kernel/random/boot_id`, when readable: one kernel has one.
    pub boot_id: Option<String>,
    /// CLOCK_MONOTONIC in nanoseconds while saying hello.
    pub monotonic_ns: u64,
}

/// Who an agent is and what it works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Which agent, from 0.
    pub agent: u16,
    /// Which life of it, from 0.
    pub incarnation: u16,
    /// The database as this agent sees it.
    pub database: String,
    /// The folder for its history as it sees it; `None`: it keeps none (probe).
    pub history: Option<String>,
    /// Seed of its own choices.
    pub seed: u64,
    /// The workload.
    pub workload: Workload,
    /// What this agent does to itself.
    pub quirks: Quirks,
}

/// The ledger workload's options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// SQLite's word: `wal`, `delete`, `truncate`, `persist`.
    pub journal_mode: String,
    /// SQLite's word: `off`, `normal`, `full`, `extra`.
    pub synchronous: String,
    /// Bytes.
    pub page_size_bytes: u32,
    /// Share of reads among transactions, in percent.
    pub read_percent: u32,
    /// Rows of `cells` changed by a write transaction.
    pub row_changes: u32,
    /// Frames in the WAL after which a commit checkpoints (PASSIVE); 0: never.
    pub autocheckpoint_frames: u32,
    /// One transaction in so many is followed by closing and reopening the connection; 0: never.
    pub reopen_every: u32,
    /// One operation in so many is an explicit checkpoint in a random mode; 0: never.
    pub checkpoint_every: u32,
    /// How long a statement waits for a lock, in milliseconds.
    pub busy_timeout_ms: u32,
    /// Ledger rows kept above the horizon; older ones are folded.
    pub ledger_rows_max: u32,
    /// Pause between two transactions, in microseconds; 0: none.
    pub think_us: u32,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            journal_mode: "wal".into(),
            synchronous: "normal".into(),
            page_size_bytes: 4096,
            read_percent: 30,
            row_changes: 4,
            autocheckpoint_frames: 100,
            reopen_every: 100,
            checkpoint_every: 60,
            busy_timeout_ms: 2_000,
            ledger_rows_max: 4096,
            think_us: 0,
        }
    }
}

/// What an agent does to itself, to make a world broken on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quirks {
    /// Its F_SETLK, F_SETLKW and F_OFD_SETLK answer success and lock nothing (seccomp filter).
    pub fake_locks: bool,
    /// Inside and between transactions it opens and closes the database's files, which drops its POSIX locks on them.
    pub cancel_locks: bool,
    /// Its mmap of a 32 KiB region (the wal-index) answers EPERM (seccomp filter).
    pub deny_shared_memory: bool,
}

/// One step of a probe, carried out in the agent. Handles name what an earlier step opened.
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
    /// fcntl(F_SETLK, F_WRLCK) of one byte; the answer is 1: got it, 0: refused.
    Lock {
        /// The file.
        handle: u32,
        /// The byte.
        offset: u64,
    },
    /// fcntl(F_SETLK, F_UNLCK) of one byte.
    Unlock {
        /// The file.
        handle: u32,
        /// The byte.
        offset: u64,
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
    /// stat(path); the answer is the size, or ENOENT as errno.
    Size {
        /// Path as the agent sees it.
        path: String,
    },
    /// unlink(path).
    Unlink {
        /// Path as the agent sees it.
        path: String,
    },
    /// `/proc/self/mountinfo` as the agent sees it; the answer is its text.
    Mountinfo,
}

/// What a probe step gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    /// The value read, the size, or 1 and 0 for yes and no.
    pub value: u64,
    /// Why it failed; `None`: it did not.
    pub errno: Option<i32>,
    /// Text, where the step gives text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_and_survives_the_round_trip() {
        let command = Command::Probe(ProbeStep::Load { handle: 1, offset: 8, until: u64::MAX, wait_ms: 3 });
        let line = serde_json::to_string(&command).expect("serializes");
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Command>(&line).expect("parses"), command);
    }

    #[test]
    fn garbage_is_an_error_and_no_panic() {
        assert!(serde_json::from_str::<Reply>("{\"is\":\"gone\"}").is_err());
    }
}
