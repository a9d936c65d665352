//! Signature `another-engine`: a file of BoltDB or another engine, not of SQLite.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A file of BoltDB or another engine, not of SQLite.
pub static SIGNATURE: Signature = Signature {
    name: "another-engine",
    line: "A file of BoltDB or another engine, not of SQLite",
    explain: include_str!("another_engine.md"),
    gravity: Gravity::Loud,
    phrases: &[&["invalid database"]],
    unless: &["sqlite"],
    confirm: Some(is_the_whole_message),
    ..Signature::NOTHING
};

/// `invalid database name` and the like are other engines' complaints about a name.
fn is_the_whole_message(reading: &Reading) -> bool {
    reading.text.match_indices("invalid database").any(|(at, words)| {
        let after = reading.text[at + words.len()..].trim_start();
        !after.starts_with(|letter: char| letter.is_ascii_alphanumeric())
    })
}
