//! SQLite's locks as byte ranges, and the matrix of every pair of them between two parties.
//!
//! | lock | file | bytes | as |
//! |---|---|---|---|
//! | PENDING | database | 0x40000000 | write (a reader's knock: read) |
//! | RESERVED | database | 0x40000001 | write |
//! | SHARED | database | 0x40000002, 510 bytes | read |
//! | EXCLUSIVE | database | 0x40000002, 510 bytes | write |
//! | WAL_WRITE_LOCK, WAL_CKPT_LOCK, WAL_RECOVER_LOCK | -shm | 120, 121, 122 | write |
//! | WAL_READ_LOCK(0) to (4) | -shm | 123 to 127 | read, write |
//! | DMS | -shm | 128 | read, write |
//!
//! Source: os_unix.c and wal.c of SQLite. A scratch file stands for both files, since their bytes lie apart.

use serde::{Deserialize, Serialize};
use walproof_format::probe_step::{ByteRange, LockKind};

use super::facts::Answer;
use super::table::{Reason, breaks, refuses, unknown};
use crate::finding::Certainty;
use crate::verdict::{JournalMode, VerdictKind};

/// In which file a lock lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockPlace {
    /// The database.
    Database,
    /// The wal-index.
    Shm,
}

/// One of SQLite's locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteLock {
    /// SQLite's name of it; a shared one of those that exist in both ways says so.
    pub name: &'static str,
    /// In which file.
    pub place: LockPlace,
    /// Which bytes.
    pub range: ByteRange,
    /// Read or write.
    pub kind: LockKind,
}

impl SqliteLock {
    /// Whether two processes cannot have both.
    pub fn conflicts_with(&self, other: &SqliteLock) -> bool {
        self.range.overlaps(other.range) && (self.kind == LockKind::Write || other.kind == LockKind::Write)
    }
}

const fn database(name: &'static str, start: u64, length: u64, kind: LockKind) -> SqliteLock {
    SqliteLock { name, place: LockPlace::Database, range: ByteRange { start, length }, kind }
}

const fn shm(name: &'static str, byte: u64, kind: LockKind) -> SqliteLock {
    SqliteLock { name, place: LockPlace::Shm, range: ByteRange::byte(byte), kind }
}

/// Every lock that SQLite takes on a database and its wal-index.
pub static SQLITE_LOCKS: &[SqliteLock] = &[
    database("PENDING", 0x4000_0000, 1, LockKind::Write),
    database("PENDING (a reader's knock)", 0x4000_0000, 1, LockKind::Read),
    database("RESERVED", 0x4000_0001, 1, LockKind::Write),
    database("SHARED", 0x4000_0002, 510, LockKind::Read),
    database("EXCLUSIVE", 0x4000_0002, 510, LockKind::Write),
    shm("WAL_WRITE_LOCK", 120, LockKind::Write),
    shm("WAL_CKPT_LOCK", 121, LockKind::Write),
    shm("WAL_RECOVER_LOCK", 122, LockKind::Write),
    shm("WAL_READ_LOCK(0) shared", 123, LockKind::Read),
    shm("WAL_READ_LOCK(0)", 123, LockKind::Write),
    shm("WAL_READ_LOCK(1) shared", 124, LockKind::Read),
    shm("WAL_READ_LOCK(1)", 124, LockKind::Write),
    shm("WAL_READ_LOCK(2) shared", 125, LockKind::Read),
    shm("WAL_READ_LOCK(2)", 125, LockKind::Write),
    shm("WAL_READ_LOCK(3) shared", 126, LockKind::Read),
    shm("WAL_READ_LOCK(3)", 126, LockKind::Write),
    shm("WAL_READ_LOCK(4) shared", 127, LockKind::Read),
    shm("WAL_READ_LOCK(4)", 127, LockKind::Write),
    shm("DMS shared", 128, LockKind::Read),
    shm("DMS", 128, LockKind::Write),
];

/// What was found out about locks in one direction: the acting party holds, the looking party wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockFacts {
    /// How many pairs of locks were tried.
    pub pairs_tried: u32,
    /// Those that came out otherwise than POSIX says.
    pub wrong: Vec<LockCell>,
    /// While both hold SHARED, the acting party's EXCLUSIVE is refused.
    pub upgrade_refused: Answer,
    /// After the looking party let go, it is granted, and given back so that SHARED is granted again.
    pub upgrade_granted: Answer,
    /// A process that closes the file loses its lock.
    pub released_on_close: Release,
    /// So does one that exits.
    pub released_on_exit: Release,
    /// So does one that SIGKILL ends.
    pub released_on_kill: Release,
    /// One that SIGSTOP stopped keeps it.
    pub held_while_paused: Answer,
    /// Locks of open file descriptions meet each other, and those of processes, as they must. SQLite takes none.
    pub open_file_locks: Answer,
    /// The pid that F_GETLK names to the looking party: 0 where it cannot be seen from its pid namespace.
    pub holder_pid: Option<i32>,
}

/// A pair of locks that came out otherwise than it must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockCell {
    /// What the acting party held.
    pub held: String,
    /// What the looking party wanted.
    pub wanted: String,
    /// In which file the wanted one lies.
    pub place: LockPlace,
    /// `No`: granted although it conflicts; `Yes`: refused although it does not; an errno otherwise.
    pub refused: Answer,
}

/// Whether a lock went with its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// `Yes`: the looking party got it in time.
    pub released: Answer,
    /// How long it took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_us: Option<u64>,
}

/// What follows for a journal mode.
pub(super) fn reasons(facts: &LockFacts, acting: &str, looking: &str, mode: JournalMode) -> Vec<Reason> {
    let matters = |place| mode == JournalMode::Wal || place == LockPlace::Database;
    let wrong = facts.wrong.iter().filter(|cell| matters(cell.place));
    let mut reasons = of_cells(&wrong.collect::<Vec<_>>(), acting, looking);
    let all = (SQLITE_LOCKS.len() * SQLITE_LOCKS.len()) as u32;
    if facts.pairs_tried < all {
        let tried = facts.pairs_tried;
        reasons.push(unknown(format!(
            "only {tried} of {all} pairs of SQLite's locks were tried between {acting} and {looking}"
        )));
    }
    let endings = [&facts.released_on_close, &facts.released_on_exit, &facts.released_on_kill];
    let others = [&facts.upgrade_refused, &facts.upgrade_granted, &facts.held_while_paused];
    let unanswered = others.into_iter().chain(endings.map(|release| &release.released));
    if let Some(Answer::Unknown(why)) = unanswered.into_iter().find(|answer| matches!(answer, Answer::Unknown(_))) {
        reasons.push(unknown(format!("how locks end and change between {acting} and {looking}: {why}")));
    }
    if facts.upgrade_refused == Answer::No {
        reasons.push(breaks(format!("{acting} is granted EXCLUSIVE while {looking} holds SHARED")));
    }
    if facts.upgrade_granted == Answer::No {
        reasons.push(refuses(format!(
            "{acting} cannot upgrade SHARED to EXCLUSIVE although nobody else holds a lock: BUSY"
        )));
    }
    if facts.held_while_paused == Answer::No {
        reasons.push(breaks(format!("{looking} is granted a lock that a paused process beside {acting} holds")));
    }
    let endings = [
        ("closed", &facts.released_on_close),
        ("exited", &facts.released_on_exit),
        ("was killed", &facts.released_on_kill),
    ];
    reasons.extend(endings.into_iter().filter(|(_, release)| release.released == Answer::No).map(|(ended, _)| {
        Reason {
            kind: VerdictKind::Risky,
            text: format!(
                "a lock stays after its holder beside {acting} {ended}: {looking} is BUSY until the server lets go"
            ),
            certainty: Certainty::Measured,
        }
    }));
    reasons
}

/// One reason for each kind of wrong answer, with the first pair that gave it.
fn of_cells(cells: &[&LockCell], acting: &str, looking: &str) -> Vec<Reason> {
    let mut kinds: Vec<&Answer> = cells.iter().map(|cell| &cell.refused).collect();
    kinds.sort_by_key(|kind| format!("{kind:?}"));
    kinds.dedup();
    let of_kind = |kind: &Answer| {
        let same: Vec<&&LockCell> = cells.iter().filter(|cell| cell.refused == *kind).collect();
        let others = same.len() - 1;
        let others = if others > 0 { format!(" (and {others} more pairs of SQLite's locks)") } else { String::new() };
        of_cell(same[0], acting, looking, &others)
    };
    kinds.into_iter().map(of_kind).collect()
}

fn of_cell(cell: &LockCell, acting: &str, looking: &str, others: &str) -> Reason {
    let LockCell { held, wanted, .. } = cell;
    let both = format!("{wanted} while {acting} holds {held}{others}");
    match &cell.refused {
        Answer::No => breaks(format!("{looking} is granted {both}")),
        Answer::Yes => refuses(format!("{looking} is refused {both}, which do not conflict: BUSY")),
        Answer::Errno(errno) => refuses(format!("{looking} asks for {both}: F_SETLK fails with errno {errno}")),
        Answer::Unknown(why) => unknown(format!("whether {looking} gets {both}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{PairFacts, decide};

    fn decides(facts: LockFacts, mode: JournalMode) -> VerdictKind {
        let mut pair = PairFacts::sound();
        pair.a_to_b.locks = Some(facts);
        decide(&pair, mode).kind
    }

    fn wrong(place: LockPlace, refused: Answer) -> LockFacts {
        let cell = LockCell { held: "DMS".into(), wanted: "DMS shared".into(), place, refused };
        LockFacts { wrong: vec![cell], ..sound() }
    }

    #[test]
    fn conflicts_are_those_of_posix() {
        let lock = |name: &str| SQLITE_LOCKS.iter().find(|lock| lock.name == name).expect(name);
        assert!(!lock("SHARED").conflicts_with(lock("SHARED")));
        assert!(!lock("SHARED").conflicts_with(lock("RESERVED")));
        assert!(lock("SHARED").conflicts_with(lock("EXCLUSIVE")));
        assert!(lock("RESERVED").conflicts_with(lock("RESERVED")));
        assert!(lock("PENDING").conflicts_with(lock("PENDING (a reader's knock)")));
        assert!(lock("DMS").conflicts_with(lock("DMS shared")));
        assert!(!lock("DMS").conflicts_with(lock("WAL_READ_LOCK(4)")));
        let conflicting =
            SQLITE_LOCKS.iter().flat_map(|held| SQLITE_LOCKS.iter().filter(|lock| held.conflicts_with(lock)));
        assert_eq!(conflicting.count(), 1 + 1 + 1 + 1 + 2 + 1 + 1 + 1 + 1 + 6 * 3);
    }

    /// Everything as it must be.
    fn sound() -> LockFacts {
        let released = || Release { released: Answer::Yes, after_us: Some(100) };
        LockFacts {
            pairs_tried: 400,
            upgrade_refused: Answer::Yes,
            upgrade_granted: Answer::Yes,
            released_on_close: released(),
            released_on_exit: released(),
            released_on_kill: released(),
            held_while_paused: Answer::Yes,
            ..LockFacts::default()
        }
    }

    #[test]
    fn a_matrix_that_was_cut_short_is_unknown() {
        assert_eq!(decides(sound(), JournalMode::Wal), VerdictKind::Safe);
        assert_eq!(decides(LockFacts { pairs_tried: 399, ..sound() }, JournalMode::Wal), VerdictKind::Unknown);
        let paused = LockFacts { held_while_paused: Answer::not_asked(), ..sound() };
        assert_eq!(decides(paused, JournalMode::Delete), VerdictKind::Unknown);
    }

    #[test]
    fn a_granted_conflict_breaks_where_the_mode_needs_the_file() {
        assert_eq!(decides(wrong(LockPlace::Shm, Answer::No), JournalMode::Wal), VerdictKind::Unsafe);
        assert_eq!(decides(wrong(LockPlace::Shm, Answer::No), JournalMode::Delete), VerdictKind::Safe);
        assert_eq!(decides(wrong(LockPlace::Database, Answer::No), JournalMode::Delete), VerdictKind::Unsafe);
    }

    #[test]
    fn a_refused_peace_is_loud() {
        assert_eq!(decides(wrong(LockPlace::Database, Answer::Yes), JournalMode::Wal), VerdictKind::Refuses);
    }

    #[test]
    fn a_lock_that_outlives_its_holder_is_risky_and_one_that_does_not_outlive_a_pause_breaks() {
        let kept = Release { released: Answer::No, after_us: None };
        let facts = LockFacts { released_on_kill: kept, ..sound() };
        assert_eq!(decides(facts, JournalMode::Delete), VerdictKind::Risky);
        let facts = LockFacts { held_while_paused: Answer::No, ..sound() };
        assert_eq!(decides(facts, JournalMode::Delete), VerdictKind::Unsafe);
    }
}
