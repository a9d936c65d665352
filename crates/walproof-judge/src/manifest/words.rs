//! Words in which stretches may stand that only the machine knows: `$HOME/data:/data:ro`, `%h/data`, `$(pwd)`.
//!
//! Such a stretch is kept as one hidden character while a word is taken apart, so that a colon in `${A:-b}` separates
//! nothing, and is shown as written in everything that comes out.
//!
//! What it must not do: know where words end; `docker_run::shell` knows for shells, [`split`] for units of systemd and
//! Dockerfiles.
//!
//! Where to look next: `docker_run::mounts`, which takes words apart.

use std::ops::Range;

use super::compose::Pair;
use super::placed::Placed;
use super::span::{Span, Spanned};

/// The first of the characters that stand for what is not known.
const HIDDEN_FIRST: u32 = 0xe000;
/// So many of them in one word; further ones are joined to the last.
const HIDDEN_MAX: u32 = 0x1000;
/// No real variable with its default is longer.
const VARIABLE_CHARS_MAX: usize = 1000;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Quotes removed, with a hidden character for each stretch that is not known.
    hidden: String,
    /// These stretches as written.
    unknown: Vec<String>,
    /// Some of it stood in quotes.
    pub quoted: bool,
    pub span: Span,
}

impl Word {
    pub fn empty(span: Span) -> Self {
        Self { hidden: String::new(), unknown: Vec::new(), quoted: false, span }
    }

    #[cfg(test)]
    pub fn of(text: &str, span: Span) -> Self {
        let mut word = Self::empty(span);
        text.chars().for_each(|c| word.push(c));
        word
    }

    pub fn push(&mut self, c: char) {
        let is_hidden = (HIDDEN_FIRST..HIDDEN_FIRST + HIDDEN_MAX).contains(&u32::from(c));
        self.hidden.push(if is_hidden { '\u{fffd}' } else { c });
    }

    pub fn push_unknown(&mut self, written: String) {
        let count = u32::try_from(self.unknown.len()).unwrap_or(HIDDEN_MAX);
        match char::from_u32(HIDDEN_FIRST + count).filter(|_| count < HIDDEN_MAX) {
            Some(c) => {
                self.hidden.push(c);
                self.unknown.push(written);
            }
            None => self.unknown.iter_mut().last().into_iter().for_each(|last| last.push_str(&written)),
        }
    }

    /// As it is taken apart.
    pub fn hidden(&self) -> &str {
        &self.hidden
    }

    /// A part of what was taken apart, as written.
    pub fn reveal(&self, part: &str) -> String {
        let mut shown = String::with_capacity(part.len());
        for c in part.chars() {
            match self.unknown_of(c) {
                Some(written) => shown.push_str(written),
                None => shown.push(c),
            }
        }
        shown
    }

    /// The stretch that this character stands for.
    pub fn unknown_of(&self, c: char) -> Option<&str> {
        let index = u32::from(c).checked_sub(HIDDEN_FIRST)?;
        self.unknown.get(usize::try_from(index).ok()?).map(String::as_str)
    }

    /// As written, without quotes.
    pub fn shown(&self) -> String {
        self.reveal(&self.hidden)
    }

    /// As written, with its place.
    pub fn spanned(&self) -> Spanned<String> {
        Spanned::new(self.shown(), self.span)
    }

    /// `NAME=value` or `NAME`.
    pub fn pair(&self) -> Pair {
        let spanned = |text: &str| Spanned::new(self.reveal(text), self.span);
        match self.hidden.split_once('=') {
            Some((name, value)) => Pair { name: spanned(name), value: Some(spanned(value)) },
            None => Pair { name: spanned(&self.hidden), value: None },
        }
    }

    /// The first stretch that is not known.
    pub fn first_unknown(&self) -> Option<&str> {
        self.unknown.first().map(String::as_str)
    }

    /// Nothing of it is known.
    pub fn is_all_unknown(&self) -> bool {
        !self.unknown.is_empty() && self.hidden.chars().all(|c| self.unknown_of(c).is_some())
    }

    /// The word without this many bytes of its hidden form, at the same place.
    pub fn after(&self, byte_count: usize) -> Self {
        let hidden = self.hidden.get(byte_count..).unwrap_or("").to_owned();
        Self { hidden, unknown: self.unknown.clone(), quoted: self.quoted, span: self.span }
    }
}

/// By whose rules words are split and what in them is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Of systemd: backslashes hold characters, `%h` is not known.
    Systemd,
    /// Of a Dockerfile: its escape character holds characters, `$A` and `${A}` are not known.
    Dockerfile {
        /// `\` or a backtick.
        escape: char,
    },
}

/// The words of a value: blanks separate, quotes hold together.
pub(super) fn split(value: &Placed, rules: Rules) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < value.chars.len() {
        if value.at(at).is_some_and(char::is_whitespace) {
            at += 1;
            continue;
        }
        let (word, end) = split_one(value, at, rules);
        words.push(word);
        at = end;
    }
    words
}

fn split_one(value: &Placed, start: usize, rules: Rules) -> (Word, usize) {
    let escape = match rules {
        Rules::Systemd => '\\',
        Rules::Dockerfile { escape } => escape,
    };
    let mut word = Word::empty(value.span(start..start));
    let mut quote = None;
    let mut at = start;
    while let Some(c) = value.at(at) {
        match (c, quote) {
            (c, None) if c.is_whitespace() => break,
            ('"' | '\'', None) => (quote, word.quoted) = (Some(c), true),
            (c, Some(open)) if c == open => quote = None,
            (c, _) if c == escape && value.at(at + 1).is_some() => {
                at = match rules {
                    Rules::Systemd => escaped(value, at + 1, &mut word),
                    Rules::Dockerfile { .. } => {
                        word.push(value.at(at + 1).unwrap_or(escape));
                        at + 2
                    }
                };
                continue;
            }
            ('%', _) if rules == Rules::Systemd => {
                at = specifier(value, at, &mut word);
                continue;
            }
            ('$', None | Some('"')) if rules != Rules::Systemd => {
                at = variable(value, at, &mut word);
                continue;
            }
            (c, _) => word.push(c),
        }
        at += 1;
    }
    word.span = value.span(start..at);
    (word, at)
}

/// `$A` or `${A...}` is not known; any other dollar is itself.
fn variable(value: &Placed, at: usize, word: &mut Word) -> usize {
    let is_name = |index: &usize| value.at(*index).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let end = match value.at(at + 1) {
        // Braces in braces do not occur; a brace that does not close within a line's length is no variable.
        Some('{') => {
            (at + 2..at + 2 + VARIABLE_CHARS_MAX).find(|index| value.at(*index) == Some('}')).map(|end| end + 1)
        }
        Some(c) if c.is_ascii_alphanumeric() || c == '_' => Some(at + 1 + (at + 1..).take_while(is_name).count()),
        _ => None,
    };
    match end {
        Some(end) => {
            word.push_unknown(value.text(at..end));
            end
        }
        None => {
            word.push('$');
            at + 1
        }
    }
}

/// What stands after a backslash, as in C: `n`, `t`, `s`, `x41`, `101`, or the character itself. Where it ends.
fn escaped(value: &Placed, at: usize, word: &mut Word) -> usize {
    let number = |start: usize, end: usize, radix: u32| {
        let digits = value.text(start..end);
        let is_whole = digits.len() == end - start && digits.chars().all(|c| c.is_digit(radix));
        u32::from_str_radix(&digits, radix).ok().filter(|_| is_whole).and_then(char::from_u32)
    };
    let (c, end) = match value.at(at) {
        Some('n') => ('\n', at + 1),
        Some('t') => ('\t', at + 1),
        Some('s') => (' ', at + 1),
        Some('x') => number(at + 1, at + 3, 16).map_or(('x', at + 1), |c| (c, at + 3)),
        Some(c @ '0'..='7') => number(at, at + 3, 8).map_or((c, at + 1), |c| (c, at + 3)),
        Some(c) => (c, at + 1),
        None => ('\\', at),
    };
    word.push(c);
    end
}

/// A whole value of a systemd unit as one word: nothing separates, quotes around all of it are removed.
pub(super) fn whole(value: &Placed) -> Word {
    let len = value.chars.len();
    let quote = value.at(0).filter(|c| len >= 2 && matches!(c, '"' | '\'') && value.at(len - 1) == Some(*c));
    let inner: Range<usize> = if quote.is_some() { 1..len - 1 } else { 0..len };
    let mut word = Word::empty(value.whole());
    word.quoted = quote.is_some();
    let mut at = inner.start;
    while at < inner.end {
        match value.at(at) {
            Some('%') => at = specifier(value, at, &mut word),
            Some(c) => {
                word.push(c);
                at += 1;
            }
            None => break,
        }
    }
    word
}

/// `%%` is a percent sign, `%` with a letter is not known here.
fn specifier(value: &Placed, at: usize, word: &mut Word) -> usize {
    match value.at(at + 1) {
        Some('%') => word.push('%'),
        Some(letter) if letter.is_ascii_alphabetic() => word.push_unknown(format!("%{letter}")),
        _ => {
            word.push('%');
            return at + 1;
        }
    }
    at + 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::span::Source;

    fn placed(text: &str) -> Placed {
        Placed::of(0, Source { name: "f", text }).expect("text")
    }

    #[track_caller]
    fn splits(text: &str, expected: &[&str]) -> Vec<Word> {
        let words = split(&placed(text), Rules::Systemd);
        assert_eq!(words.iter().map(Word::shown).collect::<Vec<_>>(), expected, "{text}");
        words
    }

    #[test]
    fn values_split_as_systemd_splits_them() {
        splits("", &[]);
        splits(" a  b ", &["a", "b"]);
        splits("\"A=b c\" 'd \"e' f\\ g", &["A=b c", "d \"e", "f g"]);
        splits("'\\110ello \\x57orld' \\xz \\9 a\\", &["Hello World", "xz", "9", "a\\"]);
        splits("50%% 100% %", &["50%", "100%", "%"]);
        assert_eq!(splits("a 'b c' d", &["a", "b c", "d"])[1].span.shown(), "1:3-1:8");
    }

    #[test]
    fn specifiers_are_not_known() {
        let word = &splits("%h/data:/data", &["%h/data:/data"])[0];
        assert_eq!((word.first_unknown(), word.is_all_unknown()), (Some("%h"), false));
        assert_eq!(word.hidden().split_once(':').map(|(source, _)| word.reveal(source)).as_deref(), Some("%h/data"));
        assert!(splits("%h", &["%h"])[0].is_all_unknown());
    }

    #[test]
    fn values_split_as_in_a_dockerfile() {
        let words = split(&placed("a\\ b \"$C d\" '$E' ${F:-g}h $ 50%"), Rules::Dockerfile { escape: '\\' });
        assert_eq!(words.iter().map(Word::shown).collect::<Vec<_>>(), ["a b", "$C d", "$E", "${F:-g}h", "$", "50%"]);
        let unknown: Vec<bool> = words.iter().map(|word| word.first_unknown().is_some()).collect();
        assert_eq!(unknown, [false, true, false, true, false, false]);
    }

    #[test]
    fn a_whole_value_is_one_word() {
        assert_eq!(whole(&placed("'a b %t'")).shown(), "a b %t");
        assert_eq!(whole(&placed("a 'b'")).shown(), "a 'b'");
        assert_eq!(whole(&placed("'")).shown(), "'");
    }

    #[test]
    fn hidden_characters_of_the_text_itself_are_no_danger() {
        let mut word = Word::of("\u{e000}", placed("").whole());
        word.push_unknown("$A".to_owned());
        assert_eq!(word.shown(), "\u{fffd}$A");
        (0..5000).for_each(|_| word.push_unknown("$B".to_owned()));
        assert_eq!(word.shown().matches("$B").count(), 5000);
    }
}
