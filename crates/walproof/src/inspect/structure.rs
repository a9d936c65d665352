//! Whether database and log, put together, hang together: the walk over all pages that `--salvage` makes, made unasked
//! where it is cheap.
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
    /// Faults of the database under its log.
    pub faults: u64,
    /// The first of them, each with its page.
    pub first_faults: Vec<String>,
    /// Faults of the database file alone; none when it could not be walked over.
    pub faults_of_file_alone: Option<u64>,
    /// Page 1 is no page of a b-tree: encrypted with its header left plain, or damaged; which, cannot be told.
    pub page_one_is_strange: bool,
}

/// Walks over it; `None`: there is no commit in the log, or it would take long.
pub fn read(database: &std::path::Path) -> Result<Option<Structure>, LabError> {
    let small = |source: &Source| source.bytes <= UNASKED_BYTES_MAX;
    let Some(file) = Source::open(database)?.filter(small) else { return Ok(None) };
    let Some(wal) = Source::open(&Part::Wal.of(database))?.filter(small) else { return Ok(None) };
    let Some(log) = Log::read(wal)? else { return Ok(None) };
    let Some(last) = log.commits().last() else { return Ok(None) };
    let Some(map) = whose::map(&Snapshot::at(&log, Some(&file), last), whose::PAGES_UNASKED_MAX) else {
        return Ok(None);
    };
    let faults: Vec<&Fault> = map.faults.iter().filter(|fault| is_certain(fault)).collect();
    let alone = || whose::map(&Snapshot::of_file(&file, log.page_size), whose::PAGES_UNASKED_MAX);
    Ok(Some(Structure {
        faults: faults.len() as u64,
        first_faults: faults.iter().take(FAULTS_SHOWN).map(ToString::to_string).collect(),
        faults_of_file_alone: if faults.is_empty() { None } else { alone().map(|map| certain(&map)) },
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
