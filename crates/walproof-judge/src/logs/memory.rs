//! What lines said that come again and again: an application that fails writes one message a million times.
//!
//! The key is what a line says without what differs from one to the next and means nothing: digits of numbers too long to
//! be a code, and those of the time after its first number. Nothing that recognises a line reads these:
//!
//! - a code has at most five digits (`code.rs`), an error of the system three; both end at a word's edge;
//! - no word that is looked for holds a long number or ends inside of one (a test of `needles.rs`);
//! - of a time only the first number can stand behind a word such as `code`, and it stays;
//! - signatures that ask more than words (a size, a version) are asked about every line; their lines are not kept here.
//!
//! What it must not do: change what comes out (`Scanner::without_memory` comes to the same, and is tested to); grow. Where
//! lines do not repeat it costs time, so it rests for a while when it was of no use.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::rc::Rc;

use super::envelope::{Format, Outline};

/// A number of so many digits is no code and no error.
pub const LONG_NUMBER_DIGITS: usize = 6;
/// Longer lines are read each time.
const LINE_BYTES_MAX: usize = 2048;
/// How many are kept: 4 MiB at most, usually a tenth of it.
const ENTRIES_MAX: usize = 2048;
/// Kept lines that did not come again so often on average were not worth keeping.
const HITS_MIN: u64 = ENTRIES_MAX as u64 / 4;
/// So many lines are passed by after that.
const REST_LINES: u32 = 16 * ENTRIES_MAX as u32;
/// A time is no longer.
const TIME_BYTES_MAX: usize = 40;

/// What a line was.
#[derive(Clone, Debug)]
pub struct Known {
    /// The kinds, by their place in the scan's list; none: it is nothing.
    pub kinds: Rc<[usize]>,
}

/// What lines were.
#[derive(Debug)]
pub struct Memory {
    known: HashMap<Vec<u8>, Known, BuildHasherDefault<DefaultHasher>>,
    /// The key of the line that was asked about last.
    key: Vec<u8>,
    hits: u64,
    resting: u32,
    is_on: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { known: HashMap::default(), key: Vec::new(), hits: 0, resting: 0, is_on: true }
    }
}

impl Memory {
    /// One that remembers nothing.
    pub fn none() -> Self {
        Self { is_on: false, ..Self::default() }
    }

    /// Whether this line may be one of those that are kept.
    pub fn wants(&mut self, line: &[u8]) -> bool {
        if self.resting > 0 {
            self.resting -= 1;
            return false;
        }
        self.is_on && line.len() <= LINE_BYTES_MAX
    }

    /// What a line was that says the same.
    pub fn find(&mut self, outline: &Outline<'_>) -> Option<&Known> {
        self.key.clear();
        self.key.push(match outline.format {
            Format::Plain => b'p',
            Format::DockerJson => b'd',
            Format::JournaldJson => b'j',
            Format::JournaldExport => b'x',
            Format::JsonLines => b'l',
            Format::KubernetesCri => b'c',
        });
        self.key.extend_from_slice(outline.says);
        if let Some(at) = outline.time_at {
            blur_time(&mut self.key[1 + at..]);
        }
        blur_long_numbers(&mut self.key[1..]);
        let found = self.known.get(self.key.as_slice());
        self.hits += u64::from(found.is_some());
        found
    }

    /// What the line was that was asked about last.
    pub fn keep(&mut self, kinds: Rc<[usize]>) {
        if self.known.len() == ENTRIES_MAX {
            if self.hits < HITS_MIN {
                self.resting = REST_LINES;
            }
            self.known.clear();
            self.hits = 0;
        }
        self.known.insert(self.key.clone(), Known { kinds });
    }
}

/// What stands before the number in words that end with one: behind `exit code 135` a longer number begins the same.
pub const BEFORE_A_NUMBER: &[&str] = &["code ", "signal ", "nolock=", "immutable="];

/// A digit that does not matter.
const BLURRED: u8 = b'0';

/// The digits of a time behind its first number, to the end of its clock.
fn blur_time(text: &mut [u8]) {
    let near = text.len().min(TIME_BYTES_MAX);
    let Some(begin) = text[..near].iter().position(u8::is_ascii_digit) else { return };
    let first = begin + digits(&text[begin..]);
    // Seconds since 1970 hold no clock: one that follows is of the message.
    if first - begin >= LONG_NUMBER_DIGITS {
        return;
    }
    let Some(clock) = (begin..near).find(|at| is_clock(text, *at)) else { return };
    let is_of_web_server = text.get(2) == Some(&b'/');
    let is_of_time = |byte: &u8| {
        byte.is_ascii_digit() || b"-/.:_ Tt".contains(byte) || (is_of_web_server && byte.is_ascii_alphabetic())
    };
    let mut end = clock + 8;
    if matches!(text.get(end), Some(b'.' | b',')) {
        end += 1 + digits(&text[end + 1..]);
    }
    let is_edge = text.get(end).is_none_or(|next| !next.is_ascii_alphanumeric() || matches!(next, b'Z' | b'z'));
    if is_edge && first <= end && text[first.min(clock)..clock].iter().all(is_of_time) {
        text[first..end].iter_mut().filter(|byte| byte.is_ascii_digit()).for_each(|byte| *byte = BLURRED);
    }
}

/// `03:04:05`, not the end of a longer number.
fn is_clock(text: &[u8], at: usize) -> bool {
    let Some(clock) = text.get(at..at + 8) else { return false };
    let is_part = at > 0 && text[at - 1].is_ascii_digit();
    let fits = |(place, byte): (usize, &u8)| if place % 3 == 2 { *byte == b':' } else { byte.is_ascii_digit() };
    !is_part && clock.iter().enumerate().all(fits)
}

/// The end is in lower case.
fn ends_with(text: &[u8], end: &[u8]) -> bool {
    text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The digits of long numbers that stand alone.
fn blur_long_numbers(text: &mut [u8]) {
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let end = at + digits(&text[at..]);
        let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let stands_alone = !is_part(at.checked_sub(1).and_then(|before| text.get(before))) && !is_part(text.get(end));
        let before = &text[..at];
        let is_of_a_word = BEFORE_A_NUMBER.iter().any(|word| ends_with(before, word.as_bytes()));
        if end - at >= LONG_NUMBER_DIGITS && stands_alone && !is_of_a_word {
            text[at..end].fill(BLURRED);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn blurs(text: &str, expected: &str) {
        let mut bytes = text.as_bytes().to_vec();
        blur_time(&mut bytes);
        blur_long_numbers(&mut bytes);
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    #[test]
    fn what_differs_from_line_to_line_is_blurred_and_codes_stay() {
        blurs("2024-01-02T03:04:05.123456789Z x (5386)", "2024-00-00T00:00:00.000000000Z x (5386)");
        blurs("2024-01-02 03:04:05,123 17 x", "2024-00-00 00:00:00,000 17 x");
        blurs("Jan  2 03:04:05 host app[1234567]: (517)", "Jan  2 00:00:00 host app[0000000]: (517)");
        blurs("02/Jan/2024:03:04:05 +0000 x", "02/Jan/0000:00:00:00 +0000 x");
        blurs("I0102 03:04:05.123456 x", "I0102 00:00:00.000000 x");
        blurs("1704164645123 rc=10:20:30 x", "0000000000000 rc=10:20:30 x");
        blurs("2024-01-02 rc=10:20:30 x", "2024-01-02 rc=10:20:30 x");
        blurs("exit code 1350000", "exit code 1350000");
        blurs("id=1234567 a1234567 1234567b 12345", "id=0000000 a1234567 1234567b 12345");
    }
}
