//! Whose pages are: tables and indexes that a set of pages belongs to.
//!
//! What it must not do: read files; a `Snapshot` does.

use std::collections::BTreeMap;

use serde::Serialize;
use walproof_format::sqlite::owners::{OwnerMap, Role};
use walproof_format::sqlite::pages::PageSource;

use crate::render::several;

/// Pages that are walked over when somebody asked for a table of them: 16 GiB of pages of 4096 bytes.
pub const PAGES_MAX: u32 = 4 << 20;
/// And when nobody did.
pub const PAGES_UNASKED_MAX: u32 = 32 << 10;
/// Names in a sentence.
const NAMES_SHOWN: usize = 6;

/// Pages of one table, index, or use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// `table t`, `freelist`.
    pub what: String,
    /// How many pages of it.
    pub pages: u64,
}

/// The whole map, or none when it would be too large or page 1 cannot be read.
pub fn map(source: &impl PageSource, pages_max: u32) -> Option<OwnerMap> {
    if source.page_count() > pages_max {
        return None;
    }
    OwnerMap::read(source, pages_max)
}

/// Whose a page is, in words.
pub fn name(map: &OwnerMap, page: u32) -> String {
    let Some(owner) = map.owner(page) else { return "not in the database any more".into() };
    match (owner.object, owner.role) {
        (Some(object), _) => format!("{} {}", object.kind.word(), object.name),
        (None, Role::FreelistTrunk | Role::FreelistLeaf) => "freelist".into(),
        (None, Role::PointerMap) => "pointer map".into(),
        (None, Role::LockPage) => "lock page".into(),
        (None, _) => "nobody's".into(),
    }
}

/// What these pages belong to, the most pages first.
pub fn touched(map: &OwnerMap, pages: impl Iterator<Item = u32>) -> Vec<Touched> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for page in pages {
        *counts.entry(name(map, page)).or_default() += 1;
    }
    let mut all: Vec<Touched> = counts.into_iter().map(|(what, pages)| Touched { what, pages }).collect();
    all.sort_by(|one, two| two.pages.cmp(&one.pages).then_with(|| one.what.cmp(&two.what)));
    all
}

/// `table t (3 pages), index i (1 page) and 2 more`.
pub fn sentence(touched: &[Touched]) -> String {
    let all: Vec<String> =
        touched.iter().take(NAMES_SHOWN).map(|one| format!("{} ({})", one.what, several(one.pages, "page"))).collect();
    let more = touched.len().saturating_sub(NAMES_SHOWN);
    format!("{}{}", all.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}
