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
    reading.text.split(|letter: char| letter.is_whitespace() || "(),:=".contains(letter)).enumerate().any(
        |(index, word)| {
            let digits =
                word.len() - word.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
            let Ok(number) = word[..digits].parse::<f64>() else { return false };
            let next = if digits < word.len() { Some(&word[digits..]) } else { word_after(&reading.text, index) };
            number * unit(next.unwrap_or("")) >= LARGE_BYTES
        },
    )
}

fn word_after(text: &str, index: usize) -> Option<&str> {
    text.split(|letter: char| letter.is_whitespace() || "(),:=".contains(letter)).nth(index + 1)
}

/// What a size is counted in; a bare number counts bytes.
fn unit(word: &str) -> f64 {
    match word.trim_matches(|letter: char| !letter.is_ascii_alphabetic()) {
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "" => 1.0,
        // A date, an inode, a user: 9 digits before another word are still bytes.
        _ => 1.0,
    }
}
