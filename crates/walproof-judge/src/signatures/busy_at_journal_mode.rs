//! Signature `busy-at-journal-mode`: SQLITE_BUSY while the journal mode is set.

use super::{Gravity, Signature};

/// SQLITE_BUSY while the journal mode is set.
pub static SIGNATURE: Signature = Signature {
    name: "busy-at-journal-mode",
    line: "SQLITE_BUSY while the journal mode is set",
    explain: include_str!("busy_at_journal_mode.md"),
    gravity: Gravity::Loud,
    phrases: &[
        &["journal_mode", "database is locked"],
        &["journal_mode", "sqlite_busy"],
        &["journal_mode", "database busy"],
    ],
    ..Signature::NOTHING
};
