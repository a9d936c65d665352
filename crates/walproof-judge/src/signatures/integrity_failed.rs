//! Signature `integrity-failed`: integrity_check, or SQLite itself, names broken structure.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// integrity_check, or SQLite itself, names broken structure.
pub static SIGNATURE: Signature = Signature {
    name: "integrity-failed",
    line: "integrity_check, or SQLite itself, names broken structure",
    explain: include_str!("integrity_failed.md"),
    gravity: Gravity::Damage,
    phrases: &[
        &["wrong # of entries in index"],
        &["btreeinitpage() returns"],
        &["missing from index"],
        &["non-unique entry in index"],
        &["2nd reference to page"],
        &["unable to get the page. error code"],
        &["multiple uses for byte"],
        &["never used", "page "],
        &["freelist: size is"],
        &["freelist", "but should be"],
        &["rowid", "out of order"],
        &["database corruption at line"],
    ],
    confirm: Some(is_an_answer),
    ..Signature::NOTHING
};

/// "Page 12: never used" counts pages; "row 17 missing from index" counts rows. Without a number it is prose.
fn is_an_answer(reading: &Reading) -> bool {
    let text = &reading.text;
    let number_after = |word: &str| {
        text.match_indices(word).any(|(at, _)| text[at + word.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    let only_words = ["never used", "missing from index", "out of order"].iter().any(|word| text.contains(word));
    !only_words || number_after("page ") || number_after("row ") || number_after("rowid ")
}
