//! The journal mode of a database goes to and fro between WAL and a rollback journal.
//!
//! What it must not do: alarm for one change, or for a journal that lies about (PERSIST leaves it on purpose).
//! Where to look next: `rules/mixed_journal_modes.rs`, which finds it in manifests.

use super::{Alarm, Found, Level, Seen, span};
use crate::sharing::live::JournalFamilyWord;
use crate::watch::Raised;
use crate::watch::moment::Watched;
use crate::watch::past::DatabasePast;

/// The alarm.
pub static ALARM: Alarm = Alarm {
    name: "journal-mode-flapping",
    line: "the journal mode of a database goes to and fro",
    explain: include_str!("journal_mode_flapping.md"),
    look,
};

/// There, back, and there again.
const CHANGES: usize = 3;

fn look(seen: &Seen<'_>) -> Vec<Found> {
    seen.databases().filter_map(|(watched, past)| flaps(seen, watched, past)).map(Found::from).collect()
}

fn flaps(seen: &Seen<'_>, watched: &Watched, past: &DatabasePast) -> Option<Raised> {
    let within_ms = seen.thresholds.restarts_within_ms;
    let recent: Vec<u64> =
        past.family_changes_ms.iter().copied().filter(|at| seen.lasts_ms(*at) <= within_ms).collect();
    let first = *recent.first().filter(|_| recent.len() >= CHANGES)?;
    let now = match watched.header.as_ref().and_then(|header| header.family) {
        Some(JournalFamilyWord::Wal) => "WAL now",
        Some(JournalFamilyWord::Rollback) => "a rollback journal now",
        None => "not known now",
    };
    let mut witness = vec![format!("{} changes within {}; it is {now}", recent.len(), span(seen.lasts_ms(first)))];
    witness.extend(watched.openers.iter().map(|opener| format!("{} has it open", seen.moment.who(opener))));
    let raised = Raised {
        since_unix_ms: seen.unix_ms(first),
        says: format!(
            "the journal mode of `{}` goes to and fro: {} changes within {}",
            watched.path,
            recent.len(),
            span(seen.lasts_ms(first))
        ),
        witness,
        try_this:
            "let one program set `PRAGMA journal_mode`, once: it is kept in the file, and each change asks for the \
                   database alone"
                .to_owned(),
        ..seen.of_database(&ALARM, Level::Notice, watched)
    };
    Some(match watched.openers.first() {
        Some(opener) => seen.by(raised, opener),
        None => raised,
    })
}
