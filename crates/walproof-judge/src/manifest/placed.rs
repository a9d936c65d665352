//! Text as characters with their places, for formats that are not YAML: lines joined by backslashes, words in quotes.
//!
//! What it must not do: know a format.
//!
//! Where to look next: `words` for what is made of it, `unit_file` for the files of systemd.

use std::ops::Range;

use super::error::{ManifestError, ManifestErrorKind, not_text, place_at_end};
use super::span::{Place, Source, Span};

/// No real script, unit or README is larger.
pub(super) const SOURCE_BYTES_MAX: usize = 1 << 20;

/// Characters with their places. Lines end with `\n` alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placed {
    /// Which file.
    pub source: usize,
    pub chars: Vec<(char, Place)>,
}

impl Placed {
    /// The characters of a file, without a byte order mark; the error is for what is no text or beyond every measure.
    pub fn of(number: usize, source: Source<'_>) -> Result<Self, ManifestError> {
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(source.text);
        if text.len() > SOURCE_BYTES_MAX {
            return Err(too_long(source.name, text.len()));
        }
        let is_binary = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
        if let Some(at) = text.find(is_binary) {
            let mut error = not_text(source.name, place_at_end(&text[..at]), "there is a control character");
            error.try_this = "name a text file in UTF-8".to_owned();
            return Err(error);
        }
        let mut chars = Vec::with_capacity(text.len());
        let (mut line, mut column) = (1, 1);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if c == '\r' && rest.peek() == Some(&'\n') {
                continue;
            }
            chars.push((c, Place::at(line, column)));
            column += 1;
            if c == '\n' {
                (line, column) = (line + 1, 1);
            }
        }
        Ok(Self { source: number, chars })
    }

    /// The same file with other characters of it.
    pub fn with(&self, chars: Vec<(char, Place)>) -> Self {
        Self { source: self.source, chars }
    }

    pub fn at(&self, index: usize) -> Option<char> {
        self.chars.get(index).map(|(c, _)| *c)
    }

    pub fn text(&self, range: Range<usize>) -> String {
        self.chars.get(range).unwrap_or(&[]).iter().map(|(c, _)| *c).collect()
    }

    /// From the first of these characters to the place after the last one.
    pub fn span(&self, range: Range<usize>) -> Span {
        let start = match self.chars.get(range.start) {
            Some((_, place)) => *place,
            None => self.chars.last().map_or(Place::START, |last| after(*last)),
        };
        let last = range.end.checked_sub(1).filter(|last| *last >= range.start).and_then(|last| self.chars.get(last));
        let end = last.map_or(start, |last| after(*last));
        Span { source: self.source, start, end }
    }

    /// All of it.
    pub fn whole(&self) -> Span {
        self.span(0..self.chars.len())
    }

    /// The ranges of its lines, without their ends.
    pub fn lines(&self) -> Vec<Range<usize>> {
        let mut lines = Vec::new();
        let mut start = 0;
        for (index, (c, _)) in self.chars.iter().enumerate() {
            if *c == '\n' {
                lines.push(start..index);
                start = index + 1;
            }
        }
        lines.push(start..self.chars.len());
        lines
    }

    /// The range without blanks at both ends.
    pub fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let is_blank = |index: usize| self.at(index).is_none_or(char::is_whitespace);
        let mut range = range;
        while range.start < range.end && is_blank(range.start) {
            range.start += 1;
        }
        while range.start < range.end && is_blank(range.end - 1) {
            range.end -= 1;
        }
        range
    }
}

/// The place after a character.
fn after((c, place): (char, Place)) -> Place {
    match c {
        '\n' => Place { line: place.line.saturating_add(1), column: 1 },
        _ => Place { line: place.line, column: place.column.saturating_add(1) },
    }
}

fn too_long(file: &str, byte_count: usize) -> ManifestError {
    ManifestError {
        kind: ManifestErrorKind::TooMuch,
        file: file.to_owned(),
        place: Some(Place::START),
        what: "is larger than any script or unit".to_owned(),
        because: format!("it has {byte_count} bytes, and more than {SOURCE_BYTES_MAX} are not read"),
        try_this: "name a smaller file that says the same".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(text: &str) -> Placed {
        Placed::of(0, Source { name: "f", text }).expect("text")
    }

    #[test]
    fn places_count_characters_and_lines_end_as_on_windows() {
        let placed = placed("\u{feff}aü\r\nb\n");
        assert_eq!(placed.text(0..9), "");
        assert_eq!(placed.text(0..4), "aü\nb");
        assert_eq!(placed.span(1..2).shown(), "1:2-1:3");
        assert_eq!(placed.span(3..4).shown(), "2:1-2:2");
        assert_eq!(placed.span(9..9).shown(), "3:1-3:1");
        assert_eq!(placed.lines(), [0..2, 3..4, 5..5]);
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused() {
        let refused = |text: &str| Placed::of(0, Source { name: "f", text }).expect_err("refused");
        assert_eq!(refused("a\0").place, Some(Place { line: 1, column: 2 }));
        assert_eq!(refused(&" ".repeat(100 << 20)).kind, ManifestErrorKind::TooMuch);
    }
}
