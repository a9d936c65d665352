//! Signature `wal-large`: a -wal of 64 MB or more.

use super::{Gravity, Signature};
use crate::logs::Reading;

/// A -wal of 64 MB or more.
pub static SIGNATURE: Signature = Signature {
    name: "wal-large",
    line: "A -wal of 64 MB or more",
    explain: include_str!("wal_large.md"),
    gravity: Gravity::Notice,
    phrases: &[
        &["-wal"],
        &["wal size"],
        &["wal file"],
        &["wal grew"],
        &["wal grows"],
        &["wal growth"],
        &["wal is "],
        &["wal reached"],
        &["wal bloat"],
    ],
    unless: &["postgres", "pg_wal"],
    confirm: Some(is_large),
    ..Signature::NOTHING
};

/// SQLite checkpoints at about 4 MB by default; 16 times that is no accident.
const LARGE_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

fn is_large(reading: &Reading) -> bool {
    let is_edge = |letter: char| letter.is_whitespace() || "(),:=\"'{}".contains(letter);
    let words: Vec<&str> = reading.text.split(is_edge).filter(|word| !word.is_empty()).collect();
    // `ls -l` and `lsof` print sizes without a unit; elsewhere a bare number is a time, an inode, a port.
    let is_listing = words.iter().any(|word| word.starts_with("-rw") || word.starts_with("-r-") || *word == "reg");
    words.iter().enumerate().any(|(index, word)| {
        let digits =
            word.len() - word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
        let Ok(number) = word[..digits].parse::<f64>() else { return false };
        let unit_text = if digits < word.len() { &word[digits..] } else { words.get(index + 1).copied().unwrap_or("") };
        let is_named = index > 0 && ["size", "bytes", "wal_bytes", "wal_size"].contains(&words[index - 1]);
        unit(unit_text, is_listing || is_named).is_some_and(|unit| number * unit >= LARGE_BYTES)
    })
}

/// What a size is counted in; a bare number counts bytes where sizes stand bare.
fn unit(word: &str, bare: bool) -> Option<f64> {
    match word.trim_matches(|letter: char| !letter.is_ascii_alphabetic()) {
        "b" | "byte" | "bytes" => Some(1.0),
        "k" | "kb" | "kib" => Some(1024.0),
        "m" | "mb" | "mib" => Some(1024.0 * 1024.0),
        "g" | "gb" | "gib" => Some(1024.0 * 1024.0 * 1024.0),
        _ => bare.then_some(1.0),
    }
}
