//! Signature `version-with-reset-bug`: a version of SQLite that has the WAL-reset bug.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A version of SQLite that has the WAL-reset bug.
pub static SIGNATURE: Signature = Signature {
    name: "version-with-reset-bug",
    line: "A version of SQLite that has the WAL-reset bug",
    explain: include_str!("version_with_reset_bug.md"),
    gravity: Gravity::Context,
    phrases: &[
        &["sqlite 3."],
        &["sqlite version"],
        &["sqlite_version"],
        &["sqlite3 version"],
        &["sqlite3_version"],
        &["wal-reset"],
        &["wal reset bug"],
    ],
    confirm: Some(names_such_a_version),
    ..Signature::NOTHING
};

fn names_such_a_version(reading: &Reading) -> bool {
    let text = &reading.text;
    let named = text.match_indices("3.").any(|(at, _)| {
        let mut parts = text[at..].split(|letter: char| !letter.is_ascii_digit()).skip(1);
        let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
        let stands_alone = !text[..at].ends_with(|before: char| before.is_ascii_digit() || before == '.');
        stands_alone && matches!((next(), next()), (Some(minor), Some(patch)) if has_the_bug(minor, patch))
    });
    named || text.contains("wal-reset") || text.contains("wal reset bug")
}

/// Fixed in 3.51.3 and carried back to 3.50.7 and 3.44.6.
fn has_the_bug(minor: u32, patch: u32) -> bool {
    match minor {
        44 => patch < 6,
        50 => patch < 7,
        51 => patch < 3,
        7..=50 => true,
        _ => false,
    }
}
