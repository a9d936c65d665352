//! One line, read: what signatures look at.
//!
//! What it must not do: decide. It says what stands in the line, once, so that no signature reads it again.

use super::code;
use super::driver;
use super::envelope::{Format, Opened};
use super::ground::{self, Ground};
use super::needles::Seen;
use super::time::Time;

/// A line without its wrapping, and what stands in it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How it was wrapped.
    pub format: Format,
    /// When it was written, if it says so.
    pub time: Option<Time>,
    /// The message for people.
    pub message: String,
    /// All of it in lower case.
    pub text: String,
    /// SQLite's most special result code in it.
    pub code: Option<u32>,
    /// The operating system's error in it, by name.
    pub errno: Option<&'static str>,
    /// The driver that wrote it.
    pub driver: Option<&'static str>,
    /// The words of the lexicon in it.
    pub(super) seen: Seen,
}

/// Words without which an error of the operating system has nothing to do with a database.
const ABOUT_A_DATABASE: &[&str] =
    &["sqlite", "database", ".db", "-wal", "-shm", "-journal", "disk i/o error", "wal file", "os_unix.c"];

impl Reading {
    /// Reads an opened line.
    pub fn new(opened: Opened) -> Self {
        let text = opened.text;
        let seen = Seen::of(&text);
        let code = code::of_seen(&text, &seen);
        let errno = code::errno_seen(&text, &seen);
        let driver = code.and_then(|_| driver::of(&seen));
        Self { format: opened.format, time: opened.time, message: opened.message, code, errno, driver, seen, text }
    }

    /// Whether the line speaks of a database at all.
    pub fn is_about_a_database(&self) -> bool {
        self.code.is_some() || ABOUT_A_DATABASE.iter().any(|word| self.text.contains(word))
    }

    /// Storage that the line names.
    pub fn grounds(&self) -> Vec<Ground> {
        ground::of_line(&self.text)
    }

    /// Whether the line names this, whatever kind of ground it is.
    pub fn names(&self, ground: Ground) -> bool {
        ground::of_text(&self.text).contains(&ground)
    }

    /// Whether a word stands alone in the line.
    pub fn has_word(&self, word: &str) -> bool {
        ground::contains_word(&self.text, word)
    }

    /// The first path in the line that ends as a database or one of its files does.
    pub fn path(&self) -> Option<&str> {
        const ENDINGS: [&str; 6] = [".db", ".sqlite", ".sqlite3", "-wal", "-shm", "-journal"];
        let is_edge = |letter: char| letter.is_whitespace() || "\"'`()[]{},;|<>=".contains(letter);
        let words = self.message.split(is_edge).map(|word| word.trim_matches([':', '.']));
        words.into_iter().find(|word| word.contains('/') && ENDINGS.iter().any(|ending| word.ends_with(ending)))
    }
}
