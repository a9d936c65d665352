//! Unit files of systemd, as sections with their assignments.
//!
//! ```text
//! [Section]
//! # comment, or with `;`
//! Key=value, blanks at both ends left out; keys may repeat
//! Key=a line that ends with a backslash \
//!   goes on in the next one that is no comment
//! ```
//! An empty value takes back what the same key said before, where lists are concerned.
//!
//! What it must not do: know keys. A line that is none of these is noticed and left out.
//!
//! Where to look next: `quadlet` and `docker_run`, which know keys.

use std::ops::Range;

use super::placed::Placed;
use super::span::{Spanned, Warning, WarningKind};

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// The section's name, without brackets.
    pub section: String,
    pub key: Spanned<String>,
    /// The value with lines joined.
    pub value: Placed,
}

/// The assignments of a file, in order.
pub(super) fn assignments(file: &Placed, warnings: &mut Vec<Warning>) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut section = String::new();
    let lines = file.lines();
    let mut rest = lines.iter();
    while let Some(line) = rest.next() {
        let line = file.trimmed(line.clone());
        match file.at(line.start).filter(|_| !line.is_empty()) {
            None | Some('#' | ';') => {}
            Some('[') if file.at(line.end - 1) == Some(']') => section = file.text(line.start + 1..line.end - 1),
            Some(_) => {
                let whole = joined(file, line.clone(), &mut rest);
                match assignment(&section, whole) {
                    Some(assignment) => found.push(assignment),
                    None => {
                        let message = "this is no `Key=value`, no `[Section]` and no comment";
                        warnings.push(Warning::new(WarningKind::WrongValue, file.span(line), message));
                    }
                }
            }
        }
    }
    found
}

/// A line with those that continue it.
fn joined<'a>(file: &Placed, line: Range<usize>, rest: &mut impl Iterator<Item = &'a Range<usize>>) -> Placed {
    let mut chars = Vec::new();
    let mut line = line;
    loop {
        let goes_on = !line.is_empty() && file.at(line.end - 1) == Some('\\');
        let end = if goes_on { line.end - 1 } else { line.end };
        chars.extend_from_slice(&file.chars[line.start..end]);
        if !goes_on {
            return file.with(chars);
        }
        // The backslash stands for a blank.
        chars.push((' ', file.chars[end].1));
        let is_comment = |line: &Range<usize>| matches!(file.at(file.trimmed(line.clone()).start), Some('#' | ';'));
        match rest.find(|line| line.is_empty() || !is_comment(line)) {
            Some(next) => line = next.start..file.trimmed(next.clone()).end.max(next.start),
            None => return file.with(chars),
        }
    }
}

fn assignment(section: &str, whole: Placed) -> Option<Assignment> {
    let equals = whole.chars.iter().position(|(c, _)| *c == '=')?;
    let key = whole.trimmed(0..equals);
    let value = whole.trimmed(equals + 1..whole.chars.len());
    if key.is_empty() {
        return None;
    }
    let key = Spanned::new(whole.text(key.clone()), whole.span(key));
    let value = whole.with(whole.chars[value].to_vec());
    Some(Assignment { section: section.to_owned(), key, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::span::Source;

    #[track_caller]
    fn reads(text: &str, expected: &[(&str, &str, &str)]) -> Vec<Assignment> {
        let placed = Placed::of(0, Source { name: "f", text }).expect("text");
        let mut warnings = Vec::new();
        let found = assignments(&placed, &mut warnings);
        let told: Vec<(String, String, String)> = found
            .iter()
            .map(|one| (one.section.clone(), one.key.value.clone(), one.value.text(0..one.value.chars.len())))
            .collect();
        let told: Vec<(&str, &str, &str)> = told.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!((told.as_slice(), warnings), (expected, Vec::new()), "{text:?}");
        found
    }

    #[test]
    fn sections_comments_and_blanks_are_read() {
        let found = reads(
            "[A]\n# no\n; no\n k = v w \r\n\n[B C]\nk=\nk=a=b",
            &[("A", "k", "v w"), ("B C", "k", ""), ("B C", "k", "a=b")],
        );
        assert_eq!(found[0].key.span.shown(), "4:2-4:3");
        assert_eq!(found[0].value.whole().shown(), "4:6-4:9");
    }

    #[test]
    fn lines_that_end_with_a_backslash_go_on() {
        let found = reads("[A]\nk=a \\\n# no\n  b\\\nc\nd=e\\", &[("A", "k", "a    b c"), ("A", "d", "e")]);
        assert_eq!(found[0].value.span(5..6).shown(), "4:3-4:4");
    }

    #[test]
    fn what_is_no_assignment_is_noticed() {
        let placed = Placed::of(0, Source { name: "f", text: "[A]\nwords\n=x\n" }).expect("text");
        let mut warnings = Vec::new();
        assert_eq!(assignments(&placed, &mut warnings), []);
        let places: Vec<String> = warnings.iter().map(|warning| warning.span.shown()).collect();
        assert_eq!(places, ["2:1-2:6", "3:1-3:3"]);
    }
}
