//! The automata: one over raw bytes that most lines pass unseen, one that finds every phrase of a line that was hit.
//!
//! A signature's phrase is a list of words that must all stand in the line. The first is the rare one: it alone is
//! looked for in raw bytes. The others are looked for once a line is hit.
//! What it must not do: allocate for lines that hold nothing.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

use super::code::MESSAGES;
use super::envelope::NUMBERED_MESSAGE;
use super::reading::Reading;
use crate::signatures::{SIGNATURES, Signature};

/// Words that make a line worth reading although no phrase starts with them: codes by name and by number.
const CODE_WORDS: &[&str] = &["sqlite_", "sqlite error", "error code", "extended_code", "sqlitelog", NUMBERED_MESSAGE];

/// The automata and what their patterns mean.
pub struct Needles {
    raw: AhoCorasick,
    words: AhoCorasick,
    /// For each signature its phrases, for each phrase the numbers of its words.
    phrases: Vec<Vec<Vec<usize>>>,
    /// For each signature the numbers of the words that must not be there.
    unless: Vec<Vec<usize>>,
    count: usize,
}

/// The needles of all signatures.
pub static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles::new(SIGNATURES));

impl Needles {
    fn new(signatures: &[&'static Signature]) -> Self {
        let mut raw: Vec<&str> = CODE_WORDS.to_vec();
        raw.extend(MESSAGES.iter().map(|(message, _)| *message));
        raw.extend(signatures.iter().flat_map(|signature| signature.phrases).map(|phrase| phrase[0]));
        raw.sort_unstable();
        raw.dedup();
        let mut words: Vec<&str> = Vec::new();
        let mut number = |word: &'static str| {
            words.iter().position(|known| *known == word).unwrap_or_else(|| {
                words.push(word);
                words.len() - 1
            })
        };
        let mut numbers = |phrase: &[&'static str]| phrase.iter().map(|word| number(word)).collect::<Vec<usize>>();
        let phrases = signatures.iter().map(|one| one.phrases.iter().map(|phrase| numbers(phrase)).collect()).collect();
        let unless = signatures.iter().map(|one| numbers(one.unless)).collect();
        let count = words.len();
        Self {
            // Log drivers escape quotes and nothing else that stands in a phrase; case differs between drivers.
            raw: automaton(&raw, MatchKind::LeftmostFirst),
            words: automaton(&words, MatchKind::Standard),
            phrases,
            unless,
            count,
        }
    }

    /// Where the next line worth reading is hit.
    pub fn next_hit(&self, bytes: &[u8]) -> Option<usize> {
        self.raw.find(bytes).map(|found| found.start())
    }

    /// The signatures that recognise a line.
    pub fn recognise(&self, reading: &Reading) -> Vec<usize> {
        let mut seen = vec![false; self.count];
        for found in self.words.find_overlapping_iter(&reading.text) {
            seen[found.pattern().as_usize()] = true;
        }
        let by_code = reading.code.and_then(of_code);
        let recognises = |(index, signature): &(usize, &&'static Signature)| {
            let phrased = self.phrases[*index].iter().any(|phrase| phrase.iter().all(|word| seen[*word]));
            (by_code == Some(*index) || phrased)
                && !self.unless[*index].iter().any(|word| seen[*word])
                && signature.confirm.is_none_or(|confirm| confirm(reading))
        };
        SIGNATURES.iter().enumerate().filter(recognises).map(|(index, _)| index).collect()
    }
}

/// The signature of a code; a details code that none names is its primary code's.
fn of_code(code: u32) -> Option<usize> {
    let named = |code: u32| SIGNATURES.iter().position(|signature| signature.codes.contains(&code));
    named(code).or_else(|| named(walproof_format::sqlite::error_code::primary(code)))
}

/// A table of words that is searched in one pass.
pub struct Table(AhoCorasick);

impl Table {
    /// Of words in lower case.
    pub fn new(words: &[&str]) -> Self {
        Self(automaton(words, MatchKind::Standard))
    }

    /// The first row of the table that stands anywhere in the text.
    pub fn first(&self, text: &str) -> Option<usize> {
        self.0.find_overlapping_iter(text).map(|found| found.pattern().as_usize()).min()
    }
}

fn automaton(patterns: &[&str], kind: MatchKind) -> AhoCorasick {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(kind)
        .kind(Some(AhoCorasickKind::DFA))
        .build(patterns)
        .expect("a few hundred short patterns")
}
