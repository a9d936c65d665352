//! The history: one fixed-size record per transaction, per agent.
//!
//! An agent maps a preallocated segment file and stores into it: no system call per record, and whatever was
//! stored before a SIGKILL stays in the page cache. A segment is a 64-byte header followed by 64-byte records.
//!
//! ```text
//! segment header                          record
//! offset size field                       offset size field
//!  0      8   magic "WALPROOF"             0      8   start_ns       CLOCK_MONOTONIC when the operation began
//!  8      4   version (2)                  8      8   end_ns         ... when it returned; 0 while it has not
//! 12      4   record size (64)            16      8   number         commit number written, or snapshot read
//! 16      4   agent                       24      8   token          of a write: unique to this attempt
//! 20      4   incarnation                 32      8   hash           chain hash at `number`
//! 24      4   segment index               40      4   counter        own counter of this incarnation, from 1
//! 28      4   capacity in records         44      4   wal_frames     frames in the WAL after a commit, 0: unknown
//! 32      8   commits acknowledged so far 48      4   extended_code  SQLite's extended result code, 0: none
//! 40     24   zero                        52      2   agent
//!                                         54      2   incarnation
//!                                         56      1   operation      see [`Operation`]
//!                                         57      1   phase          see [`Phase`]; stored last (release)
//!                                         58      2   flags          see the `FLAG_` constants
//!                                         60      1   place          see [`Place`]: which statement an error came from
//!                                         61      1   key            which ledger of the database, see [`Record::key`]
//!                                         62      2   wait           see [`Wait`]: how long BEGIN IMMEDIATE waited
//! ```
//!
//! A record is valid when (1) its operation byte is known, (2) its phase byte is known and not 0. Records of a
//! segment are contiguous: the first one with phase 0 ends it. All integers are little-endian.

/// Size of a record and of the segment header, in bytes.
pub const RECORD_SIZE: usize = 64;
/// Size of every segment, full or not.
pub const SEGMENT_SIZE: usize = 1 << 20;
/// First eight bytes of every segment.
pub const MAGIC: [u8; 8] = *b"WALPROOF";
/// Version of the history format.
pub const VERSION: u32 = 2;
/// Offset in the segment header of the count of commits that this life has been told succeeded, up to now.
pub const ACKNOWLEDGED_OFFSET: usize = 32;
/// Offset of the phase byte in a record: the byte that an agent stores last.
pub const PHASE_OFFSET: usize = 57;

/// The parts of the database that a read saw did not belong to one commit: head against newest ledger row.
pub const FLAG_LEDGER_DISAGREES: u16 = 1;
/// The parts of the database that a read saw did not belong to one commit: head against the cells' digest.
pub const FLAG_CELLS_DISAGREE: u16 = 2;
/// Ledger rows above the horizon are not contiguous or do not chain.
pub const FLAG_CHAIN_BROKEN: u16 = 4;
/// First transaction of a fresh connection.
pub const FLAG_FRESH_CONNECTION: u16 = 8;
/// The transaction spilled its page cache before it was told to commit (DBSTATUS_CACHE_SPILL grew).
pub const FLAG_SPILLED: u16 = 16;
/// BEGIN IMMEDIATE succeeded: from here on a kill leaves a transaction open.
pub const FLAG_IN_TRANSACTION: u16 = 64;
/// `operation` is [`Operation::Fold`] and the rows to fold were not what the horizon promised.
pub const FLAG_FOLD_REFUSED: u16 = 32;
/// What the workload promises of every snapshot does not hold in the one that was read.
pub const FLAG_INVARIANT_BROKEN: u16 = 128;

macro_rules! byte_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $byte:literal => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $byte),+ }
        impl $name {
            /// All variants in byte order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The variant of a byte, if it is known.
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte { $($byte => Some($name::$variant),)+ _ => None }
            }
            /// The word for people and for JSON.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
    };
}

byte_enum! {
    /// What an agent did.
    Operation {
        /// A write transaction: reads the commit number, adds one, changes rows.
        Write = 1 => "write",
        /// A read transaction: records the snapshot it saw.
        Read = 2 => "read",
        /// Opened a connection.
        Open = 3 => "open",
        /// Closed the connection.
        Close = 4 => "close",
        /// `PRAGMA wal_checkpoint(...)`.
        Checkpoint = 5 => "checkpoint",
        /// A write transaction that also folds old ledger rows into the horizon.
        Fold = 6 => "fold",
    }
}

byte_enum! {
    /// How far it came. Only `Committed` promises anything to the application.
    Phase {
        /// A write that has not called COMMIT: after a kill it must not be there.
        Began = 1 => "began",
        /// COMMIT was called and has not returned: after a kill it may or may not be there ("maybe").
        Committing = 2 => "committing",
        /// The operation returned success. For a write: acknowledged.
        Done = 3 => "done",
        /// The operation failed and SQLite said that nothing was committed (rolled back).
        Failed = 4 => "failed",
        /// COMMIT returned an error that leaves the outcome open: may or may not be there ("maybe").
        Unsettled = 5 => "unsettled",
        /// BUSY after the whole busy timeout; nothing was done.
        Busy = 6 => "busy",
    }
}

byte_enum! {
    /// Which statement an error came from; stands in the `place` field (0: no error).
    Place {
        /// sqlite3_open_v2 and the first pragmas.
        Open = 1 => "open",
        /// BEGIN or BEGIN IMMEDIATE.
        Begin = 2 => "begin",
        /// SELECT from ledger_head.
        ReadHead = 3 => "read head",
        /// SELECT from ledger.
        ReadLedger = 4 => "read ledger",
        /// SELECT from cells.
        ReadCells = 5 => "read cells",
        /// UPDATE, INSERT or DELETE.
        Change = 6 => "change",
        /// COMMIT.
        Commit = 7 => "commit",
        /// PRAGMA wal_checkpoint.
        Checkpoint = 8 => "checkpoint",
        /// sqlite3_close.
        Close = 9 => "close",
        /// ROLLBACK.
        Rollback = 10 => "rollback",
    }
}

/// One record of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// CLOCK_MONOTONIC in nanoseconds when the operation began.
    pub start_ns: u64,
    /// CLOCK_MONOTONIC in nanoseconds when it returned; 0 while it has not.
    pub end_ns: u64,
    /// The commit number written, or the number of the snapshot read.
    pub number: u64,
    /// Of a write: unique to this attempt.
    pub token: u64,
    /// The chain hash at `number` (see [`crate::ledger::chain`]).
    pub hash: u64,
    /// Of a write: the incarnation's own counter of attempts, from 1. Of a checkpoint: its mode. Of a read that saw an
    /// invariant broken: which one, from 0.
    pub counter: u32,
    /// Frames in the WAL after a commit; 0: unknown or not WAL.
    pub wal_frames: u32,
    /// SQLite's extended result code; 0: none.
    pub extended_code: u32,
    /// Which agent.
    pub agent: u16,
    /// Which life of that agent.
    pub incarnation: u16,
    /// What it did.
    pub operation: Operation,
    /// How far it came.
    pub phase: Phase,
    /// `FLAG_` constants.
    pub flags: u16,
    /// Which statement an error came from; `None`: no error.
    pub place: Option<Place>,
    /// Which ledger of the database: 0 where there is one, else the register, or the agent that owns it.
    pub key: u8,
    /// Of a write: how long BEGIN IMMEDIATE took.
    pub wait: Wait,
}

/// Microseconds in 16 bits: 11 bits of value, 5 of exponent. Exact below 2,048, then true to one part in 1,024; a
/// record has no room for more, and a percentile needs no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(u16);

impl Wait {
    /// Nothing was waited for.
    pub const NONE: Self = Self(0);
    const VALUE_BITS: u32 = 11;

    /// The nearest that fits, rounded down.
    pub const fn from_us(us: u64) -> Self {
        let us = if us > u32::MAX as u64 { u32::MAX as u64 } else { us };
        let bits = u64::BITS - us.leading_zeros();
        let exponent = bits.saturating_sub(Self::VALUE_BITS);
        Self((exponent << Self::VALUE_BITS) as u16 | (us >> exponent) as u16)
    }

    /// Microseconds.
    pub const fn us(self) -> u64 {
        let value = (self.0 & ((1 << Self::VALUE_BITS) - 1)) as u64;
        value << (self.0 >> Self::VALUE_BITS)
    }
}

impl Record {
    /// A record to fill in: agent 0, a write that began, everything else 0.
    pub const BLANK: Record = Record {
        start_ns: 0,
        end_ns: 0,
        number: 0,
        token: 0,
        hash: 0,
        counter: 0,
        wal_frames: 0,
        extended_code: 0,
        agent: 0,
        incarnation: 0,
        operation: Operation::Write,
        phase: Phase::Began,
        flags: 0,
        place: None,
        key: 0,
        wait: Wait::NONE,
    };

    /// The 64 bytes of this record.
    pub fn encode(&self) -> [u8; RECORD_SIZE] {
        let mut bytes = [0u8; RECORD_SIZE];
        bytes[0..8].copy_from_slice(&self.start_ns.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.end_ns.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.token.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.hash.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.counter.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.wal_frames.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.extended_code.to_le_bytes());
        bytes[52..54].copy_from_slice(&self.agent.to_le_bytes());
        bytes[54..56].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[56] = self.operation as u8;
        bytes[57] = self.phase as u8;
        bytes[58..60].copy_from_slice(&self.flags.to_le_bytes());
        bytes[60] = self.place.map_or(0, |place| place as u8);
        bytes[61] = self.key;
        bytes[62..64].copy_from_slice(&self.wait.0.to_le_bytes());
        bytes
    }

    /// The record in 64 bytes, or `None` when they hold none (an unused slot, or damage).
    #[inline]
    pub fn decode(bytes: &[u8; RECORD_SIZE]) -> Option<Self> {
        Some(Self {
            operation: Operation::from_byte(bytes[56])?,
            phase: Phase::from_byte(bytes[57])?,
            start_ns: u64_at(bytes, 0),
            end_ns: u64_at(bytes, 8),
            number: u64_at(bytes, 16),
            token: u64_at(bytes, 24),
            hash: u64_at(bytes, 32),
            counter: u32_at(bytes, 40),
            wal_frames: u32_at(bytes, 44),
            extended_code: u32_at(bytes, 48),
            agent: u16_at(bytes, 52),
            incarnation: u16_at(bytes, 54),
            flags: u16_at(bytes, 58),
            place: Place::from_byte(bytes[60]),
            key: bytes[61],
            wait: Wait(u16_at(bytes, 62)),
        })
    }

    /// Whether this is a write transaction (plain or folding).
    #[inline]
    pub fn is_write(&self) -> bool {
        matches!(self.operation, Operation::Write | Operation::Fold)
    }

    /// Whether this is a write whose success the application was told of.
    #[inline]
    pub fn is_acknowledged(&self) -> bool {
        self.is_write() && self.phase == Phase::Done
    }

    /// Whether this is a write whose outcome nobody was told ("maybe").
    #[inline]
    pub fn is_maybe(&self) -> bool {
        self.is_write() && matches!(self.phase, Phase::Committing | Phase::Unsettled)
    }
}

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Which agent.
    pub agent: u32,
    /// Which life of that agent.
    pub incarnation: u32,
    /// Position of this segment in the incarnation's history, from 0.
    pub segment: u32,
    /// How many records fit.
    pub capacity: u32,
}

impl SegmentHeader {
    /// The 64 bytes of this header.
    pub fn encode(&self) -> [u8; RECORD_SIZE] {
        let mut bytes = [0u8; RECORD_SIZE];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(RECORD_SIZE as u32).to_le_bytes());
        bytes[16..20].copy_from_slice(&self.agent.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.segment.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.capacity.to_le_bytes());
        bytes
    }

    /// The header in 64 bytes, or `None` when they are not a header of this version.
    pub fn decode(bytes: &[u8; RECORD_SIZE]) -> Option<Self> {
        let known = bytes[0..8] == MAGIC && u32_at(bytes, 8) == VERSION && u32_at(bytes, 12) == RECORD_SIZE as u32;
        known.then(|| Self {
            agent: u32_at(bytes, 16),
            incarnation: u32_at(bytes, 20),
            segment: u32_at(bytes, 24),
            capacity: u32_at(bytes, 28),
        })
    }
}

/// The file name of a segment: `agent-2.life-0.segment-00003.history`.
pub fn segment_file_name(agent: u16, incarnation: u16, segment: u32) -> String {
    format!("agent-{agent}.life-{incarnation}.segment-{segment:05}.history")
}

#[inline]
fn u64_at(bytes: &[u8; RECORD_SIZE], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

#[inline]
fn u32_at(bytes: &[u8; RECORD_SIZE], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

#[inline]
fn u16_at(bytes: &[u8; RECORD_SIZE], offset: usize) -> u16 {
    u16::from_le_bytes(bytes[offset..offset + 2].try_into().expect("two bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            start_ns: 1,
            end_ns: 2,
            number: u64::MAX,
            token: 4,
            hash: 5,
            counter: 6,
            wal_frames: 7,
            extended_code: 5386,
            agent: 9,
            incarnation: 10,
            operation: Operation::Write,
            phase: Phase::Unsettled,
            flags: FLAG_SPILLED,
            place: Some(Place::Commit),
            key: 11,
            wait: Wait::from_us(1_234_567),
        }
    }

    #[test]
    fn a_wait_is_true_to_a_thousandth() {
        for us in [0, 1, 50, 2_047, 2_048, 150_001, 2_000_000, 64_000_000, u64::from(u32::MAX)] {
            let kept = Wait::from_us(us).us();
            assert!(kept <= us && us - kept <= us / 1024, "{us} became {kept}");
        }
        assert_eq!(Wait::from_us(u64::MAX), Wait::from_us(u64::from(u32::MAX)));
        assert!(std::mem::size_of::<Record>() <= RECORD_SIZE, "the checker keeps many of them");
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        assert_eq!(Record::decode(&record().encode()), Some(record()));
    }

    #[test]
    fn an_unused_slot_is_no_record() {
        assert_eq!(Record::decode(&[0; RECORD_SIZE]), None);
    }

    #[test]
    fn damage_is_no_record_and_no_panic() {
        for byte in 0..RECORD_SIZE {
            let mut bytes = record().encode();
            bytes[byte] = 0xff;
            let _ = Record::decode(&bytes);
        }
        assert_eq!(Record::decode(&[0xff; RECORD_SIZE]), None);
    }

    #[test]
    fn a_header_survives_the_round_trip_and_refuses_other_versions() {
        let header = SegmentHeader { agent: 1, incarnation: 2, segment: 3, capacity: 4 };
        assert_eq!(SegmentHeader::decode(&header.encode()), Some(header));
        let mut other = header.encode();
        other[8] = 9;
        assert_eq!(SegmentHeader::decode(&other), None);
    }
}
