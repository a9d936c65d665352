//! What lab and agent say to each other: one JSON document a line, commands on the agent's standard input, replies
//! on its standard output.
//!
//! The agent speaks first ([`Reply::Hello`] with [`VERSION`]). It answers every command with exactly one reply, in
//! order, except [`Command::Run`], whose reply comes when the workload has begun. While a workload runs, the agent
//! looks for the next command between two transactions. When its standard input ends, it exits at once.

use serde::{Deserialize, Serialize};

use crate::ledger::FinalState;
use crate::measure::{Measure, Measured};
use crate::probe_step::{ProbeAnswer, ProbeStep};

/// Version of the protocol; an agent of another version is refused.
pub const VERSION: u32 = 3;

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
    /// From now on, working means this.
    Turn {
        /// What to do.
        duty: Duty,
    },
    /// Begin a read transaction and keep its snapshot until the next `run`, `close` or `final`.
    Hold,
    /// Run VACUUM once.
    Vacuum,
    /// Allocate and touch so many bytes beside the workload, beyond any limit: the kernel is to kill this agent for want
    /// of memory.
    Starve {
        /// Bytes.
        bytes: u64,
    },
    /// Steps of a probe, carried out one after the other, whether or not the one before failed.
    Probe {
        /// In this order.
        steps: Vec<ProbeStep>,
    },
    /// One slice of a measurement.
    Measure(Box<Measure>),
}

/// What working means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "duty", rename_all = "kebab-case")]
pub enum Duty {
    /// The workload: reads and writes.
    #[default]
    Work,
    /// The workload's reads alone.
    Read,
    /// Opens the database, reads once and closes it again, over and over; the shape of a script for each request.
    Visit,
    /// Nothing but `PRAGMA wal_checkpoint(...)`, one after another; the shape of a replication sidecar.
    Checkpoint {
        /// Which; `None`: all four in turn.
        mode: Option<CheckpointMode>,
    },
}

impl Duty {
    /// Whether nothing of it has a place in commit order.
    pub fn abstains(self) -> bool {
        matches!(self, Self::Checkpoint { .. })
    }

    /// Whether it commits.
    pub fn writes(self) -> bool {
        self == Self::Work
    }
}

/// SQLite's checkpoint modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointMode {
    /// Holds CKPT alone.
    Passive,
    /// Waits for writers.
    Full,
    /// Waits for readers as well: the next writer restarts the log.
    Restart,
    /// The same, and cuts the log to nothing.
    Truncate,
}

impl CheckpointMode {
    /// All four, in SQLite's order.
    pub const ALL: [Self; 4] = [Self::Passive, Self::Full, Self::Restart, Self::Truncate];

    /// The word that `PRAGMA wal_checkpoint` takes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passive => "PASSIVE",
            Self::Full => "FULL",
            Self::Restart => "RESTART",
            Self::Truncate => "TRUNCATE",
        }
    }
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
    /// A read transaction is open and stays so.
    Held,
    /// VACUUM has returned success.
    Vacuumed,
    /// The duty was taken.
    Turned,
    /// Memory is being taken; the workload goes on meanwhile.
    Starving,
    /// What the steps of a probe gave, one answer each.
    Probe {
        /// In the order of the steps.
        answers: Vec<ProbeAnswer>,
    },
    /// What a slice of a measurement gave.
    Measured(Box<Measured>),
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
    /// What working means at first.
    pub duty: Duty,
    /// What this agent does to itself.
    pub quirks: Quirks,
}

/// What agents do to the database, and how they open it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Which workload: `ledger`, `bank`, ...
    #[serde(default = "ledger")]
    pub name: String,
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
    /// How a statement waits for a lock.
    #[serde(default)]
    pub busy: Busy,
    /// The user's own statements, of the workload `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<CustomWorkload>,
    /// Ledgers in the database, each with a head row of its own; 0: as many as the workload usually has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keys: u8,
    /// Rows that the workload's own tables begin with, where that can be chosen; 0: its usual number. For `custom` the
    /// range of `:row`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u32,
    /// Whether agents of the workload `append` keep the lists that they saw, for an export.
    #[serde(default, skip_serializing_if = "is_false")]
    pub keep_lists: bool,
}

impl Workload {
    /// Settles what follows from the number of agents: `counter-free` has a ledger for each.
    pub fn fit(&mut self, agents: u16) {
        if self.name == COUNTER_FREE {
            self.keys = agents.clamp(1, u8::MAX.into()) as u8;
        }
    }

    /// How many ledgers the database holds.
    pub fn key_count(&self) -> u8 {
        match (self.name.as_str(), self.keys) {
            (REGISTER, 0) => REGISTERS,
            (REGISTER | COUNTER_FREE, keys) => keys.max(1),
            _ => 1,
        }
    }

    /// Whether each key has a ledger of its own and nothing is shared by all.
    pub fn is_keyed(&self) -> bool {
        matches!(self.name.as_str(), REGISTER | COUNTER_FREE)
    }
}

/// The workload with a few ledgers that everybody writes.
pub const REGISTER: &str = "register";
/// The workload with a ledger for each agent, which nobody else writes.
pub const COUNTER_FREE: &str = "counter-free";
/// How many registers there usually are.
const REGISTERS: u8 = 8;

fn is_zero<T: PartialEq + Default>(number: &T) -> bool {
    *number == T::default()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn ledger() -> String {
    "ledger".into()
}

/// How a statement waits for a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Busy {
    /// A short random back-off, scaled with the time that a commit takes.
    #[default]
    FairBackOff,
    /// `PRAGMA busy_timeout`, as applications do.
    BusyTimeout,
}

/// The user's own statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomWorkload {
    /// SQL that makes tables and rows, once, after the ledger's own.
    pub setup: String,
    /// What agents do, drawn by weight.
    #[serde(rename = "transaction")]
    pub transactions: Vec<CustomTransaction>,
    /// What must hold in every snapshot.
    #[serde(rename = "invariant", default)]
    pub invariants: Vec<Invariant>,
}

/// One transaction of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomTransaction {
    /// Its name in reports.
    pub name: String,
    /// How often, against the others.
    #[serde(default = "one")]
    pub weight: u32,
    /// Whether it writes: then it begins IMMEDIATE and its commit is numbered in the ledger.
    pub writes: bool,
    /// Statements, in order; they may name `:agent`, `:number`, `:random` and `:row`.
    pub sql: Vec<String>,
}

fn one() -> u32 {
    1
}

/// A query and what it must return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invariant {
    /// Its name in reports.
    pub name: String,
    /// A query that gives one row of one column.
    pub sql: String,
    /// That column as text.
    pub returns: String,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            name: ledger(),
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
            busy: Busy::default(),
            custom: None,
            keys: 0,
            rows: 0,
            keep_lists: false,
        }
    }
}

/// What an agent does to itself, to make a world broken on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Inside and between transactions it opens and closes the database's files, which drops its POSIX locks on them.
    pub cancel_locks: bool,
    /// System calls that are answered and not carried out (seccomp filter); they stay so for the agent's life.
    pub refusals: Vec<RefusedCall>,
    /// The VFS by name (`unix-none`, `unix-dotfile`, `unix-excl`); `None`: the default one.
    pub vfs: Option<String>,
    /// The URI parameter `nolock=1`.
    pub nolock: bool,
    /// Opens read-only; its duty must be [`Duty::Read`].
    pub read_only: bool,
}

impl Quirks {
    /// Whose system calls of one kind are answered with an error number; 0: with success.
    pub fn refusing(call: Call, errno: i32) -> Self {
        Self { refusals: vec![RefusedCall { call, errno }], ..Self::default() }
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// System calls that are answered and not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedCall {
    /// Which calls.
    pub call: Call,
    /// The error number of the answer; 0: success.
    pub errno: i32,
}

/// Kinds of system calls that SQLite's unix VFS makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// fcntl with F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW.
    Lock,
    /// mmap of a 32 KiB region, the wal-index.
    SharedMemory,
    /// fsync and fdatasync.
    Sync,
    /// ftruncate.
    Truncate,
    /// unlink and unlinkat.
    Unlink,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_line_and_survives_the_round_trip() {
        let command =
            Command::Probe { steps: vec![ProbeStep::Load { handle: 1, offset: 8, until: u64::MAX, wait_ms: 3 }] };
        let line = serde_json::to_string(&command).expect("serializes");
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Command>(&line).expect("parses"), command);
    }

    #[test]
    fn garbage_is_an_error_and_no_panic() {
        assert!(serde_json::from_str::<Reply>("{\"is\":\"gone\"}").is_err());
    }
}
