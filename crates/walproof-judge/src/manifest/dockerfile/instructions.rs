//! A Dockerfile as instructions: lines joined, comments, directives and here-documents left out.
//!
//! ```text
//! # escape=`            a directive, only before anything else
//! # comment             also between the lines of one instruction
//! KEYWORD text \        goes on in the next line
//!   more
//! RUN <<END             here-documents of RUN, COPY and ADD last until a line with their word
//! ```
//!
//! What it must not do: know what instructions mean.
//!
//! Where to look next: `stages`, which does.

use std::ops::Range;

use crate::manifest::placed::Placed;
use crate::manifest::span::{Span, Spanned};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// In capitals.
    pub keyword: Spanned<String>,
    /// What follows, lines joined.
    pub text: Placed,
    pub span: Span,
}

/// The instructions of a file and its escape character.
pub(super) fn instructions(file: &Placed) -> (Vec<Instruction>, char) {
    let lines = file.lines();
    let (directive_count, escape) = directives(file, &lines);
    let mut found = Vec::new();
    let mut at = directive_count;
    while let Some(line) = lines.get(at) {
        let line = file.trimmed(line.clone());
        at += 1;
        if line.is_empty() || file.at(line.start) == Some('#') {
            continue;
        }
        let joined;
        (joined, at) = join(file, &lines, line, at, escape);
        let instruction = instruction(joined);
        for end in here_documents(&instruction) {
            at = after_here_document(file, &lines, at, &end);
        }
        found.push(instruction);
    }
    (found, escape)
}

/// How many lines are directives, and which character escapes.
fn directives(file: &Placed, lines: &[Range<usize>]) -> (usize, char) {
    let mut escape = '\\';
    for (count, line) in lines.iter().enumerate() {
        let text = file.text(file.trimmed(line.clone()));
        let directive = text.strip_prefix('#').and_then(|rest| rest.split_once('='));
        let Some((name, value)) = directive.filter(|(name, _)| is_directive(name)) else { return (count, escape) };
        if name.trim().eq_ignore_ascii_case("escape") && value.trim() == "`" {
            escape = '`';
        }
    }
    (lines.len(), escape)
}

fn is_directive(name: &str) -> bool {
    ["escape", "syntax", "check"].iter().any(|known| name.trim().eq_ignore_ascii_case(known))
}

/// An instruction's lines as one, and the number of the line after it.
fn join(file: &Placed, lines: &[Range<usize>], first: Range<usize>, next: usize, escape: char) -> (Placed, usize) {
    let mut chars = Vec::new();
    let (mut line, mut at) = (first, next);
    loop {
        let goes_on = !line.is_empty() && file.at(line.end - 1) == Some(escape);
        let end = if goes_on { line.end - 1 } else { line.end };
        chars.extend_from_slice(&file.chars[line.start..end]);
        if !goes_on {
            return (file.with(chars), at);
        }
        let is_skipped = |line: &Range<usize>| {
            let text = file.trimmed(line.clone());
            text.is_empty() || file.at(text.start) == Some('#')
        };
        while lines.get(at).is_some_and(is_skipped) {
            at += 1;
        }
        let Some(following) = lines.get(at) else { return (file.with(chars), at) };
        at += 1;
        // Blanks before the text separate, as they would within a line.
        line = following.start..file.trimmed(following.clone()).end;
    }
}

fn instruction(joined: Placed) -> Instruction {
    let is_blank = |(c, _): &(char, _)| c.is_whitespace();
    let keyword_end = joined.chars.iter().position(is_blank).unwrap_or(joined.chars.len());
    let keyword = joined.text(0..keyword_end).to_ascii_uppercase();
    let keyword = Spanned::new(keyword, joined.span(0..keyword_end));
    let text = joined.trimmed(keyword_end..joined.chars.len());
    Instruction { keyword, text: joined.with(joined.chars[text].to_vec()), span: joined.whole() }
}

/// The words that end the here-documents of an instruction.
fn here_documents(instruction: &Instruction) -> Vec<String> {
    if !matches!(instruction.keyword.value.as_str(), "RUN" | "COPY" | "ADD") {
        return Vec::new();
    }
    let text = instruction.text.text(0..instruction.text.chars.len());
    let mut found = Vec::new();
    for (at, _) in text.match_indices("<<") {
        let is_first = !text[..at].ends_with('<');
        let rest = text[at + 2..].trim_start_matches('-').trim_start_matches(['"', '\'']);
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let begins_with_letter = rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if is_first && begins_with_letter {
            found.push(rest[..end].to_owned());
        }
    }
    found
}

/// The line after the one that ends a here-document; the next line, if none does.
fn after_here_document(file: &Placed, lines: &[Range<usize>], at: usize, end: &str) -> usize {
    let is_end = |line: &Range<usize>| file.text(file.trimmed(line.clone())) == end;
    match lines[at.min(lines.len())..].iter().position(is_end) {
        Some(position) => at + position + 1,
        None => lines.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::span::Source;

    #[track_caller]
    fn reads(text: &str, expected: &[(&str, &str)]) -> Vec<Instruction> {
        let placed = Placed::of(0, Source { name: "f", text }).expect("text");
        let (found, _) = instructions(&placed);
        let told: Vec<(String, String)> =
            found.iter().map(|one| (one.keyword.value.clone(), one.text.text(0..one.text.chars.len()))).collect();
        let told: Vec<(&str, &str)> = told.iter().map(|(one, two)| (one.as_str(), two.as_str())).collect();
        assert_eq!(told, expected, "{text}");
        found
    }

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        let found = reads(
            "# a\nfrom b\n\nRUN c \\\n# d\n\n  e \\  \n f\nCMD",
            &[("FROM", "b"), ("RUN", "c   e  f"), ("CMD", "")],
        );
        assert_eq!((found[0].span.shown().as_str(), found[1].span.shown().as_str()), ("2:1-2:7", "4:1-8:3"));
        reads("FROM a \\", &[("FROM", "a")]);
    }

    #[test]
    fn the_escape_character_can_be_chosen() {
        reads("# escape=`\nFROM a\nWORKDIR C:\\\nRUN b `\n c", &[("FROM", "a"), ("WORKDIR", "C:\\"), ("RUN", "b  c")]);
        reads("# no\n# escape=`\nRUN b \\\n c", &[("RUN", "b  c")]);
    }

    #[test]
    fn here_documents_are_left_out() {
        reads("RUN <<END cat\nUSER no\nEND\nUSER yes", &[("RUN", "<<END cat"), ("USER", "yes")]);
        reads("COPY <<-'A' <<B /x/\n\tA\nb\nB\nUSER u", &[("COPY", "<<-'A' <<B /x/"), ("USER", "u")]);
        reads("RUN cat <<< x\nUSER u\n", &[("RUN", "cat <<< x"), ("USER", "u")]);
        reads("RUN <<END\nnever closed", &[("RUN", "<<END")]);
    }
}
