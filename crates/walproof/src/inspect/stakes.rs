//! What is at stake, in plain words: whose pages a log or a journal holds that the database file does not.
//!
//! What it must not do: read a large database through only to say so: beyond [`UNASKED_BYTES_MAX`] it is not said.

use std::collections::BTreeSet;

use walproof_format::sqlite::journal;
use walproof_format::sqlite::journal_header::JournalState;
use walproof_lab::collect::quiet::{Part, Source};
use walproof_lab::error::LabError;
use walproof_lab::rescue::snapshot::{Log, Snapshot};

use super::gather::Sighting;
use super::whose;
use crate::render::several;

/// A log or a database that is larger is not read once more for a sentence.
const UNASKED_BYTES_MAX: u64 = 128 << 20;

/// The lines; none when there is nothing to say, or it would take long.
pub fn lines(seen: &Sighting) -> Vec<String> {
    let of_log = log(seen).unwrap_or_default();
    let of_journal = journal(seen).unwrap_or_default();
    of_log.into_iter().chain(of_journal).collect()
}

fn log(seen: &Sighting) -> Result<Option<String>, LabError> {
    let Some(wal) = &seen.wal else { return Ok(None) };
    let Some(pending) = wal.pending.as_ref().filter(|pending| pending.commits > 0) else { return Ok(None) };
    let Some(first) = pending.first_frame.filter(|_| wal.bytes <= UNASKED_BYTES_MAX) else { return Ok(None) };
    let database = Source::open(&seen.path)?.filter(|database| database.bytes <= UNASKED_BYTES_MAX);
    let Some(source) = Source::open(&Part::Wal.of(&seen.path))? else { return Ok(None) };
    let (Some(log), Some(database)) = (Log::read(source)?, database) else { return Ok(None) };
    let Some(last) = log.commits().last() else { return Ok(None) };
    let snapshot = Snapshot::at(&log, Some(&database), last);
    let Some(map) = whose::map(&snapshot, whose::PAGES_UNASKED_MAX) else { return Ok(None) };
    let pages: BTreeSet<u32> = (first..=last.last_frame).filter_map(|frame| log.page_of(frame)).collect();
    let touched = whose::touched(&map, pages.into_iter());
    Ok(Some(format!(
        "without its -wal it would lose {}, which touch {}",
        several(pending.commits, "commit"),
        whose::sentence(&touched)
    )))
}

fn journal(seen: &Sighting) -> Result<Vec<String>, LabError> {
    let is_hot = |state: JournalState| state == JournalState::HotOrInUse;
    let Some(found) = seen.journal.as_ref().filter(|journal| is_hot(journal.header.state)) else {
        return Ok(Vec::new());
    };
    if found.bytes > UNASKED_BYTES_MAX || !found.header.damage.is_empty() {
        return Ok(Vec::new());
    }
    let Some(source) = Source::open(&Part::Journal.of(&seen.path))? else { return Ok(Vec::new()) };
    let database = Source::open(&seen.path)?;
    let page_size = seen.database.as_ref().and_then(|database| database.header.page_size);
    let mut pages = BTreeSet::new();
    let summary = journal::read(&source, page_size, |record| {
        pages.insert(record.page);
    });
    let map = database.zip(page_size).filter(|(database, _)| database.bytes <= UNASKED_BYTES_MAX);
    let map =
        map.and_then(|(database, size)| whose::map(&Snapshot::of_file(&database, size), whose::PAGES_UNASKED_MAX));
    let touched = map.map(|map| whose::sentence(&whose::touched(&map, pages.iter().copied())));
    let touched = touched.map(|touched| format!(": {touched}")).unwrap_or_default();
    let mut lines = vec![format!(
        "rolling back would restore {} and cut the file to {}{touched}",
        several(pages.len() as u64, "page"),
        several(summary.initial_pages.unwrap_or_default().into(), "page")
    )];
    if let Some(name) = &summary.super_journal {
        // A relative name cannot be; a container's path may lead elsewhere here.
        let there = std::path::Path::new(name).exists();
        lines.push(match there {
            true => format!("the journal names the super-journal `{name}`, which is there: it counts"),
            false => format!(
                "the journal names the super-journal `{name}`, which is not there: SQLite takes the transaction for committed and the journal for stale, if it sees the same paths"
            ),
        });
    }
    Ok(lines)
}
