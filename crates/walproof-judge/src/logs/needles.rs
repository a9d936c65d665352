//! The automata: one over raw bytes that most lines pass unseen, one that finds every phrase of a line that was hit.
//!
//! A signature's phrase is a list of words that must all stand in the line. The first is the rare one: it alone is
//! looked for in raw bytes. All others, and the words of codes, drivers and errors, are looked for in one pass once a line
//! is hit: an application that does nothing but fail hits with every line.
//! What it must not do: allocate for lines that hold nothing.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

use super::code::{self, MESSAGES};
use super::driver::DRIVERS;
use super::envelope::NUMBERED_MESSAGE;
use super::reading::Reading;
use crate::signatures::{SIGNATURES, Signature};

/// Words that make a line worth reading although no phrase starts with them: codes by name and by number, and what hides
/// a phrase from raw bytes: ASCII letters escaped by number, and the stroke as PHP escapes it, once and inside of JSON.
const CODE_WORDS: &[&str] = &[
    "sqlite_",
    "sqlite error",
    "error code",
    "extended_code",
    "sqlitelog",
    NUMBERED_MESSAGE,
    "\\u004",
    "\\u005",
    "\\u006",
    "\\u007",
    "disk i\\/o error",
    "disk i\\\\/o error",
];

/// The automaton over raw bytes, and what the words of signatures are in the lexicon.
pub struct Needles {
    raw: AhoCorasick,
    /// For each signature its phrases, for each phrase its words.
    phrases: Vec<Vec<Vec<Word>>>,
    /// For each signature the words that must not be there.
    unless: Vec<Vec<Word>>,
    /// For each word of the lexicon the signatures that have a phrase beginning with it: to ask all of them about every
    /// line took a quarter of the time.
    begun_by: Vec<Vec<usize>>,
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
        let words = |words: &[&'static str]| words.iter().map(|word| LEXICON.word(word)).collect::<Vec<Word>>();
        let mut begun_by = vec![Vec::new(); LEXICON.words.len()];
        for (index, signature) in signatures.iter().enumerate() {
            for phrase in signature.phrases {
                begun_by[usize::from(LEXICON.word(phrase[0]).0)].push(index);
            }
        }
        Self {
            // Log drivers escape quotes and hardly anything else that stands in a phrase; case differs between drivers.
            raw: automaton(&raw, MatchKind::LeftmostFirst),
            phrases: signatures.iter().map(|one| one.phrases.iter().map(|phrase| words(phrase)).collect()).collect(),
            unless: signatures.iter().map(|one| words(one.unless)).collect(),
            begun_by,
        }
    }

    /// Where the next line worth reading is hit.
    pub fn next_hit(&self, bytes: &[u8]) -> Option<usize> {
        self.raw.find(bytes).map(|found| found.start())
    }

    /// Where something is that makes a line worth reading.
    pub fn hits(&self, bytes: &[u8]) -> impl Iterator<Item = usize> {
        self.raw.find_iter(bytes).map(|found| found.start())
    }

    /// The signatures that recognise a line.
    pub fn recognise(&self, reading: &Reading) -> Recognised {
        let mut asked: Vec<usize> = reading.code.and_then(of_code).into_iter().collect();
        let by_code = asked.first().copied();
        asked.extend(reading.seen.words().flat_map(|word| &self.begun_by[usize::from(word.0)]));
        asked.sort_unstable();
        asked.dedup();
        let by_words_alone = asked.iter().all(|index| SIGNATURES[*index].confirm.is_none());
        let seen = |word: &Word| reading.seen.has(*word);
        asked.retain(|index| {
            let phrased = || self.phrases[*index].iter().any(|phrase| phrase.iter().all(seen));
            (by_code == Some(*index) || phrased())
                && !self.unless[*index].iter().any(seen)
                && SIGNATURES[*index].confirm.is_none_or(|confirm| confirm(reading))
        });
        Recognised { signatures: asked, by_words_alone }
    }
}

/// What recognised a line.
pub struct Recognised {
    /// Places in the list of signatures, sorted.
    pub signatures: Vec<usize>,
    /// No signature was asked a question that words cannot answer: lines of the same words get the same answer.
    pub by_words_alone: bool,
}

/// The signature of a code; a details code that none names is its primary code's.
fn of_code(code: u32) -> Option<usize> {
    let named = |code: u32| SIGNATURES.iter().position(|signature| signature.codes.contains(&code));
    named(code).or_else(|| named(walproof_format::sqlite::error_code::primary(code)))
}

/// A word of the lexicon.
#[derive(Clone, Copy, Debug)]
pub struct Word(u16);

/// How many words the lexicon can hold.
const WORDS_MAX: usize = 512;

/// Which words of the lexicon stand in a text.
#[derive(Clone, Debug, Default)]
pub struct Seen([u64; WORDS_MAX / 64]);

impl Seen {
    /// Looks through a text in lower case, once.
    pub fn of(text: &str) -> Self {
        let mut seen = Self::default();
        for found in LEXICON.automaton.find_overlapping_iter(text) {
            let word = found.pattern().as_usize();
            seen.0[word / 64] |= 1 << (word % 64);
        }
        seen
    }

    /// The words that stand in it.
    fn words(&self) -> impl Iterator<Item = Word> {
        let bits = |(place, bits): (usize, &u64)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(Word((place * 64) as u16 + bit as u16))
            })
        };
        self.0.iter().enumerate().flat_map(bits)
    }

    /// Whether this word stands in it.
    pub fn has(&self, word: Word) -> bool {
        self.0[usize::from(word.0) / 64] >> (word.0 % 64) & 1 == 1
    }
}

/// A table of words, asked for its first row that stands in a text.
pub struct Table(Vec<Word>);

impl Table {
    /// Of words that the lexicon holds.
    pub fn new<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self(words.into_iter().map(|word| LEXICON.word(word)).collect())
    }

    /// The first row of the table that stands anywhere in the text.
    pub fn first(&self, seen: &Seen) -> Option<usize> {
        self.0.iter().position(|word| seen.has(*word))
    }
}

/// All words that are looked for in lines that were hit.
struct Lexicon {
    automaton: AhoCorasick,
    /// Sorted.
    words: Vec<&'static str>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let phrases = SIGNATURES.iter().flat_map(|signature| signature.phrases.iter().flat_map(|phrase| phrase.iter()));
    let unless = SIGNATURES.iter().flat_map(|signature| signature.unless);
    let mut words: Vec<&str> = phrases.chain(unless).copied().collect();
    words.extend(MESSAGES.iter().map(|(message, _)| *message));
    words.extend(DRIVERS.iter().map(|(word, _)| *word));
    words.extend(code::words());
    words.sort_unstable();
    words.dedup();
    assert!(words.len() <= WORDS_MAX, "{} words: raise WORDS_MAX", words.len());
    Lexicon { automaton: automaton(&words, MatchKind::Standard), words }
});

impl Lexicon {
    fn word(&self, word: &str) -> Word {
        let place = self.words.binary_search(&word).unwrap_or_else(|_| panic!("`{word}` is not in the lexicon"));
        Word(place as u16)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `memory.rs` takes lines for the same that differ in long numbers only. So no word may hold a long number, or end in
    /// the middle of one.
    #[test]
    fn no_word_depends_on_the_digits_of_a_long_number() {
        let grounds = super::super::ground::words_known();
        let raw = CODE_WORDS.iter().copied();
        for word in LEXICON.words.iter().copied().chain(grounds).chain(raw) {
            let runs = word.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max();
            assert!(runs < Some(super::super::memory::LONG_NUMBER_DIGITS), "{word}");
            let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            let begins_alone = is_digit(word.as_bytes().first())
                && word
                    .trim_start_matches(|letter: char| letter.is_ascii_digit())
                    .chars()
                    .next()
                    .is_none_or(|next| !next.is_ascii_alphanumeric());
            let ends_alone = is_digit(word.as_bytes().last())
                && word
                    .trim_end_matches(|letter: char| letter.is_ascii_digit())
                    .chars()
                    .next_back()
                    .is_none_or(|next| !next.is_ascii_alphanumeric());
            let stem = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
            let is_code = super::super::memory::BEFORE_A_NUMBER.iter().any(|end| stem.ends_with(end));
            assert!(!begins_alone && (!ends_alone || is_code), "{word}");
        }
    }

    #[test]
    fn no_everyday_word_is_looked_for_in_raw_bytes() {
        const EVERYDAY: &[&str] = &["sqlite", "database", "error", "wal", "failed", "locked", "docker", "disk", "file"];
        let first = SIGNATURES.iter().flat_map(|signature| signature.phrases).map(|phrase| phrase[0]);
        let everyday: Vec<&str> = first.filter(|word| EVERYDAY.contains(word) || word.len() < 3).collect();
        assert!(everyday.is_empty(), "put the rare word of the phrase first: {everyday:?}");
    }
}
