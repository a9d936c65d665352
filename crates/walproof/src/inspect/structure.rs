//! Whether a database, with the commits of its log if there are any, hangs together: the walk over all pages that
//! `--salvage` makes, made unasked where it is cheap.
//!
//! What it must not do: conclude anything (`weigh.rs` does); take for damage what is only unknown here, such as a page
//! that could not be read or a row of the schema in words of a later SQLite.

use serde::Serialize;
use walproof_format::sqlite::owners::{Fault, OwnerMap, Wrong};
use walproof_lab::collect::quiet::{Part, Source};
use walproof_lab::error::LabError;
use walproof_lab::rescue::snapshot::{Log, Snapshot};

use super::whose;

/// A log or a database that is larger is not walked over unasked.
const UNASKED_BYTES_MAX: u64 = 128 << 20;
/// Faults that are shown.
const FAULTS_SHOWN: usize = 5;

/// What the walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Structure {
    /// Pages that were walked over.
    pub pages: u32,
    /// The log has commits, which lie over the file.
    pub with_log: bool,
    /// Faults of the database, under its log where that has commits.
    pub faults: u64,
    /// The first of them, each with its page.
    pub first_faults: Vec<String>,
    /// Faults of the database file alone; none when it has no log, or could not be walked over.
    pub faults_of_file_alone: Option<u64>,
    /// Page 1 is no page of a b-tree: encrypted with its header left plain, or damaged; which, cannot be told.
    pub page_one_is_strange: bool,
}

/// Walks over it; `None`: it would take long, and nobody asked for its pages.
pub fn read(database: &std::path::Path, page_size: u32, asked: bool) -> Result<Option<Structure>, LabError> {
    let small = |source: &Source| asked || source.bytes <= UNASKED_BYTES_MAX;
    let pages_max = if asked { whose::PAGES_MAX } else { whose::PAGES_UNASKED_MAX };
    let Some(file) = Source::open(database)?.filter(small) else { return Ok(None) };
    let wal = Source::open(&Part::Wal.of(database))?;
    if wal.as_ref().is_some_and(|wal| !small(wal)) {
        return Ok(None);
    }
    let log = wal.map_or(Ok(None), Log::read)?;
    let last = log.as_ref().and_then(|log| Some((log, log.commits().last()?)));
    let alone = Snapshot::of_file(&file, page_size);
    let snapshot =
        last.map_or_else(|| Snapshot::of_file(&file, page_size), |(log, last)| Snapshot::at(log, Some(&file), last));
    let Some(map) = whose::map(&snapshot, pages_max) else { return Ok(None) };
    let faults: Vec<&Fault> = map.faults.iter().filter(|fault| is_certain(fault)).collect();
    let compare = last.is_some() && !faults.is_empty();
    Ok(Some(Structure {
        pages: snapshot.pages(),
        with_log: last.is_some(),
        faults: faults.len() as u64,
        first_faults: faults.iter().take(FAULTS_SHOWN).map(ToString::to_string).collect(),
        faults_of_file_alone: if compare { whose::map(&alone, pages_max).map(|map| certain(&map)) } else { None },
        page_one_is_strange: faults
            .iter()
            .any(|fault| fault.page == 1 && matches!(fault.what, Wrong::NoBtreePage | Wrong::Btree { .. })),
    }))
}

fn certain(map: &OwnerMap) -> u64 {
    map.faults.iter().filter(|fault| is_certain(fault)).count() as u64
}

/// What is merely not known here is no damage.
fn is_certain(fault: &Fault) -> bool {
    !matches!(fault.what, Wrong::Unreadable | Wrong::SchemaRow)
}
