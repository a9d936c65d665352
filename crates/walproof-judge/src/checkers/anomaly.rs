//! What a history can show that no sound database shows, and the evidence for it.
//!
//! One kind per `.md` beside this file; [`AnomalyKind::ALL`] is the slice of them all.

use serde::{Deserialize, Serialize};
use walproof_format::history::{Operation, Phase, Place, Record};
use walproof_format::ledger::FinalState;
use walproof_format::sqlite::error_code;

use crate::finding::Certainty;

/// The names of what can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// One commit number was acknowledged twice.
    DoubleCommit,
    /// An acknowledged commit is not there.
    LostCommit,
    /// A transaction did not see what was committed before it began.
    StaleRead,
    /// A transaction saw parts of different commits.
    TornRead,
    /// Content that was never committed.
    PhantomRow,
    /// One agent saw the database go back.
    Regress,
    /// A clean re-read finds the file damaged.
    StructuralDamage,
    /// SQLite answered with an error that a sound boundary does not give.
    UnexpectedError,
    /// An agent died by a signal that nobody sent.
    UnexpectedDeath,
}

impl AnomalyKind {
    /// All kinds, in the order in which reports list them.
    pub const ALL: &'static [AnomalyKind] = &[
        AnomalyKind::DoubleCommit,
        AnomalyKind::LostCommit,
        AnomalyKind::StaleRead,
        AnomalyKind::TornRead,
        AnomalyKind::PhantomRow,
        AnomalyKind::Regress,
        AnomalyKind::StructuralDamage,
        AnomalyKind::UnexpectedError,
        AnomalyKind::UnexpectedDeath,
    ];

    /// The one name, in kebab-case.
    pub const fn name(self) -> &'static str {
        match self {
            AnomalyKind::DoubleCommit => "double-commit",
            AnomalyKind::LostCommit => "lost-commit",
            AnomalyKind::StaleRead => "stale-read",
            AnomalyKind::TornRead => "torn-read",
            AnomalyKind::PhantomRow => "phantom-row",
            AnomalyKind::Regress => "regress",
            AnomalyKind::StructuralDamage => "structural-damage",
            AnomalyKind::UnexpectedError => "unexpected-error",
            AnomalyKind::UnexpectedDeath => "unexpected-death",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The documentation of this kind.
    pub const fn explain(self) -> &'static str {
        match self {
            AnomalyKind::DoubleCommit => include_str!("double_commit.md"),
            AnomalyKind::LostCommit => include_str!("lost_commit.md"),
            AnomalyKind::StaleRead => include_str!("stale_read.md"),
            AnomalyKind::TornRead => include_str!("torn_read.md"),
            AnomalyKind::PhantomRow => include_str!("phantom_row.md"),
            AnomalyKind::Regress => include_str!("regress.md"),
            AnomalyKind::StructuralDamage => include_str!("structural_damage.md"),
            AnomalyKind::UnexpectedError => include_str!("unexpected_error.md"),
            AnomalyKind::UnexpectedDeath => include_str!("unexpected_death.md"),
        }
    }

    /// The position in [`AnomalyKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Something that no sound database shows, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anomaly {
    /// What it is.
    pub kind: AnomalyKind,
    /// One sentence.
    pub summary: String,
    /// The smallest set of records that shows it.
    pub witness: Vec<WitnessLine>,
    /// End of the last record that was needed to show it (CLOCK_MONOTONIC).
    pub provable_ns: u64,
    /// How sure it is.
    pub certainty: Certainty,
}

/// One record of a witness, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WitnessLine {
    /// Which agent.
    pub agent: u16,
    /// Which life of that agent.
    pub life: u16,
    /// When it began (CLOCK_MONOTONIC).
    pub start_ns: u64,
    /// When it returned; `None`: it did not.
    pub end_ns: Option<u64>,
    /// The commit number written or read; `None`: not known.
    pub number: Option<u64>,
    /// Of a write: the token of the attempt.
    pub token: Option<u64>,
    /// What it was.
    pub operation: &'static str,
    /// How far it came.
    pub phase: &'static str,
    /// The SQL that the operation stands for.
    pub sql: &'static str,
    /// SQLite's extended result code by name, with its number.
    pub extended_code: Option<String>,
    /// Which statement an error came from.
    pub place: Option<&'static str>,
    /// The part this line plays in the story.
    pub role: String,
}

impl WitnessLine {
    /// The line of a record.
    pub fn of_record(record: &Record, role: impl Into<String>) -> Self {
        Self {
            agent: record.agent,
            life: record.incarnation,
            start_ns: record.start_ns,
            end_ns: (record.end_ns != 0).then_some(record.end_ns),
            number: carries_number(record).then_some(record.number),
            token: record.is_write().then_some(record.token),
            operation: record.operation.word(),
            phase: record.phase.word(),
            sql: sql(record.operation),
            extended_code: (record.extended_code != 0).then(|| error_code::quoted(record.extended_code)),
            place: record.place.map(Place::word),
            role: role.into(),
        }
    }

    /// The line of an agent's last look at the database.
    pub fn of_final(state: &FinalState, role: impl Into<String>) -> Self {
        Self {
            agent: state.agent,
            life: 0,
            start_ns: state.start_ns,
            end_ns: None,
            number: state.error.is_none().then_some(state.number),
            token: None,
            operation: "final read",
            phase: if state.error.is_some() { "failed" } else { "done" },
            sql: "SELECT head, horizon, ledger, cells; PRAGMA integrity_check",
            extended_code: state.error.as_ref().map(|(code, _)| error_code::quoted(*code)),
            place: None,
            role: role.into(),
        }
    }

    /// Whether this line stands for this record.
    pub fn is_of(&self, record: &Record) -> bool {
        self.agent == record.agent
            && self.life == record.incarnation
            && self.start_ns == record.start_ns
            && self.operation == record.operation.word()
    }
}

fn carries_number(record: &Record) -> bool {
    (record.is_write() && record.number != 0) || (record.operation == Operation::Read && record.phase == Phase::Done)
}

/// The SQL that an operation stands for.
pub const fn sql(operation: Operation) -> &'static str {
    match operation {
        Operation::Write => "BEGIN IMMEDIATE; SELECT head; UPDATE cells; INSERT ledger; UPDATE head; COMMIT",
        Operation::Read => "BEGIN; SELECT head; SELECT ledger; SELECT cells; COMMIT",
        Operation::Open => "sqlite3_open_v2; PRAGMA journal_mode",
        Operation::Close => "sqlite3_close",
        Operation::Checkpoint => "PRAGMA wal_checkpoint",
        Operation::Fold => {
            "BEGIN IMMEDIATE; SELECT head; DELETE old ledger; UPDATE horizon; INSERT ledger; UPDATE head; COMMIT"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_in_its_place() {
        for (index, kind) in AnomalyKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index);
            assert_eq!(AnomalyKind::from_name(kind.name()), Some(*kind));
        }
        assert_eq!(AnomalyKind::from_name("write-skew"), None);
    }

    #[test]
    fn every_kind_is_documented_under_the_same_headings() {
        for kind in AnomalyKind::ALL {
            let text = kind.explain();
            assert!(text.starts_with(&format!("# {}\n", kind.name())), "{}", kind.name());
            let sections = ["What it detects", "Why it breaks SQLite", "Example", "How sure we are", "References"];
            for section in sections {
                assert!(text.contains(&format!("\n## {section}\n")), "{} lacks `{section}`", kind.name());
            }
        }
    }
}
