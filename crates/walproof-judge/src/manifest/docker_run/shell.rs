//! Commands and their words in the text of a shell, well enough to find those that start containers.
//!
//! Quotes, backslashes, comments, here-documents, redirections and operators are followed; variables, substitutions and
//! `<placeholders>` of manuals are kept as stretches that are not known, and the commands inside of `$(...)` are read
//! as commands of their own. A line also goes on after a backtick (PowerShell) or `^` (cmd) at its end.
//!
//! What it must not do: expand, follow functions or arrays. A quote that does not end is a character.
//!
//! Where to look next: `options`, which reads the words.

use std::collections::HashMap;
use std::ops::Range;

use crate::manifest::placed::Placed;
use crate::manifest::words::Word;

/// Substitutions in substitutions: deeper ones are not read.
const NESTING_MAX: usize = 8;
/// No manual describes what to fill in at more length.
const PLACEHOLDER_CHARS_MAX: usize = 60;

/// The commands of a stretch of text, those in substitutions after the others.
pub(in crate::manifest) fn commands(text: &Placed, range: Range<usize>) -> Vec<Vec<Word>> {
    let pairs = pairs(text, range.clone());
    let mut found = Vec::new();
    let mut waiting = vec![range];
    for _ in 0..NESTING_MAX {
        let mut inner = Vec::new();
        for range in waiting {
            let mut lexer = Lexer {
                text,
                pairs: &pairs,
                at: range.start,
                end: range.end,
                word: None,
                skip_next: false,
                here_documents: Vec::new(),
                command: Vec::new(),
                commands: Vec::new(),
                inner: Vec::new(),
                open_quotes: Vec::new(),
            };
            lexer.run();
            found.append(&mut lexer.commands);
            inner.append(&mut lexer.inner);
        }
        waiting = inner;
    }
    found
}

/// Which bracket closes which, quotes or not: found once, so that no text takes time out of proportion.
fn pairs(text: &Placed, range: Range<usize>) -> HashMap<usize, usize> {
    let mut pairs = HashMap::new();
    let (mut round, mut curly) = (Vec::new(), Vec::new());
    for index in range {
        match text.at(index) {
            Some('(') => round.push(index),
            Some('{') => curly.push(index),
            Some(')') => pairs.extend(round.pop().map(|open| (open, index))),
            Some('}') => pairs.extend(curly.pop().map(|open| (open, index))),
            _ => {}
        }
    }
    pairs
}

struct Lexer<'a> {
    text: &'a Placed,
    pairs: &'a HashMap<usize, usize>,
    at: usize,
    end: usize,
    /// The word under construction, and where it began.
    word: Option<(Word, usize)>,
    /// The next word is the target of a redirection.
    skip_next: bool,
    /// What ends the here-documents that begin after this line.
    here_documents: Vec<String>,
    command: Vec<Word>,
    commands: Vec<Vec<Word>>,
    /// Substitutions, to be read as commands.
    inner: Vec<Range<usize>>,
    /// Quotes that never end, so that nobody looks for their end again.
    open_quotes: Vec<char>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            match c {
                ' ' | '\t' => self.end_word(),
                '\n' => {
                    self.end_command();
                    self.at += 1;
                    self.skip_here_documents();
                    continue;
                }
                ';' | '|' | '&' | '(' | ')' => self.end_command(),
                '<' if self.placeholder_end().is_some() => {
                    self.placeholder();
                    continue;
                }
                '<' | '>' => {
                    self.redirection(c);
                    continue;
                }
                '#' if self.word.is_none() => {
                    self.skip_line();
                    continue;
                }
                '\\' => {
                    self.backslash();
                    continue;
                }
                '`' | '^' if self.peek(1) == Some('\n') => {
                    self.at += 2;
                    continue;
                }
                _ => {
                    self.part(c, false);
                    continue;
                }
            }
            self.at += 1;
        }
        self.end_command();
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.at(self.at + ahead).filter(|_| self.at + ahead < self.end)
    }

    fn word(&mut self) -> &mut Word {
        let (text, at) = (self.text, self.at);
        &mut self.word.get_or_insert_with(|| (Word::empty(text.span(at..at)), at)).0
    }

    fn end_word(&mut self) {
        let Some((mut word, start)) = self.word.take() else { return };
        word.span = self.text.span(start..self.at);
        if std::mem::take(&mut self.skip_next) {
            return;
        }
        self.command.push(word);
    }

    fn end_command(&mut self) {
        self.end_word();
        self.skip_next = false;
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    fn backslash(&mut self) {
        match self.peek(1) {
            Some('\n') => {}
            Some(c) => self.word().push(c),
            None => self.word().push('\\'),
        }
        self.at += 2;
    }

    /// Where `<your folder>` ends, which manuals write where the reader is to fill something in.
    fn placeholder_end(&self) -> Option<usize> {
        let is_letter = self.peek(1)?.is_alphabetic();
        let ends_it = |c: char| matches!(c, '\n' | '<' | '>' | '|' | ';' | '&' | '$' | '"' | '\'');
        let count = (1..PLACEHOLDER_CHARS_MAX).take_while(|n| self.peek(*n).is_some_and(|c| !ends_it(c))).count();
        let is_closed = self.peek(count + 1) == Some('>') && self.peek(count).is_some_and(|c| !c.is_whitespace());
        (is_letter && is_closed).then_some(self.at + count + 2)
    }

    fn placeholder(&mut self) {
        let Some(end) = self.placeholder_end() else { return self.literal('<') };
        let written = self.text.text(self.at..end);
        self.word().push_unknown(written);
        self.at = end;
    }

    /// `>file`, `2>&1`, `<<END`, `<<<word`: none of it is a word of the command.
    fn redirection(&mut self, c: char) {
        let is_number = self.word.as_ref().is_some_and(|(word, _)| word.hidden().bytes().all(|b| b.is_ascii_digit()));
        if is_number {
            self.word = None;
        }
        self.end_word();
        let count = (0..3).take_while(|ahead| self.peek(*ahead) == Some(c)).count();
        self.at += count;
        if c == '<' && count == 2 {
            self.here_document();
            return;
        }
        while matches!(self.peek(0), Some('&' | '|' | '>')) {
            self.at += 1;
        }
        self.skip_next = true;
    }

    fn here_document(&mut self) {
        while matches!(self.peek(0), Some('-' | '~' | ' ' | '\t' | '"' | '\'' | '\\')) {
            self.at += 1;
        }
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        if self.at > start {
            self.here_documents.push(self.text.text(start..self.at));
        }
        if matches!(self.peek(0), Some('"' | '\'')) {
            self.at += 1;
        }
    }

    fn skip_here_documents(&mut self) {
        for end in std::mem::take(&mut self.here_documents) {
            while self.at < self.end {
                let start = self.at;
                self.skip_line();
                let line = self.text.trimmed(start..self.at);
                self.at = (self.at + 1).min(self.end);
                if line.len() == end.chars().count() && self.text.text(line) == end {
                    break;
                }
            }
        }
    }

    /// A piece of a word.
    fn part(&mut self, c: char, in_quotes: bool) {
        match c {
            '\'' if !in_quotes => self.single_quoted(),
            '"' if !in_quotes => self.double_quoted(),
            '$' => self.dollar(),
            '`' => self.backticks(),
            '<' => self.placeholder(),
            c => {
                self.word().push(c);
                self.at += 1;
            }
        }
    }

    /// Where this quote ends; remembered if nowhere.
    fn closing(&mut self, quote: char) -> Option<usize> {
        if self.open_quotes.contains(&quote) {
            return None;
        }
        let mut at = self.at + 1;
        while at < self.end {
            match self.text.at(at) {
                Some('\\') if quote != '\'' => at += 1,
                Some(c) if c == quote => return Some(at),
                _ => {}
            }
            at += 1;
        }
        self.open_quotes.push(quote);
        None
    }

    fn literal(&mut self, c: char) {
        self.word().push(c);
        self.at += 1;
    }

    fn single_quoted(&mut self) {
        let Some(close) = self.closing('\'') else { return self.literal('\'') };
        let inside = self.text.text(self.at + 1..close);
        let word = self.word();
        word.quoted = true;
        inside.chars().for_each(|c| word.push(c));
        self.at = close + 1;
    }

    fn double_quoted(&mut self) {
        if self.open_quotes.contains(&'"') {
            return self.literal('"');
        }
        let before = (self.at, self.word.clone(), self.inner.len());
        self.word().quoted = true;
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('"'), _) => {
                    self.at += 1;
                    return;
                }
                (Some('\\'), Some('\n')) => self.at += 2,
                (Some('\\'), Some(c @ ('"' | '\\' | '$' | '`'))) => {
                    self.word().push(c);
                    self.at += 2;
                }
                (Some(c), _) => self.part(c, true),
                (None, _) => break,
            }
        }
        self.open_quotes.push('"');
        (self.at, self.word) = (before.0, before.1);
        self.inner.truncate(before.2);
        self.literal('"');
    }

    /// `$A`, `${A}`, `$(...)`, `$((...))`, or a dollar.
    fn dollar(&mut self) {
        let start = self.at;
        let end = match self.peek(1) {
            Some('(' | '{') => {
                self.pairs.get(&(start + 1)).copied().filter(|close| *close < self.end).map(|close| close + 1)
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let is_name = |ahead: &usize| self.peek(*ahead).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
                Some(start + 1 + (1..).take_while(is_name).count())
            }
            Some('@' | '*' | '#' | '?' | '$' | '!' | '0'..='9') => Some(start + 2),
            _ => None,
        };
        let Some(end) = end else { return self.literal('$') };
        if self.peek(1) == Some('(') {
            self.inner.push(start + 2..end - 1);
        }
        let written = self.text.text(start..end);
        self.word().push_unknown(written);
        self.at = end;
    }

    fn backticks(&mut self) {
        let Some(close) = self.closing('`') else { return self.literal('`') };
        self.inner.push(self.at + 1..close);
        let written = self.text.text(self.at..close + 1);
        self.word().push_unknown(written);
        self.at = close + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::span::Source;

    fn read(text: &str) -> Vec<Vec<Word>> {
        let placed = Placed::of(0, Source { name: "f", text }).expect("text");
        commands(&placed, 0..placed.chars.len())
    }

    #[track_caller]
    fn reads(text: &str, expected: &[&[&str]]) {
        let found: Vec<Vec<String>> = read(text).iter().map(|words| words.iter().map(Word::shown).collect()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn quotes_and_backslashes_hold_words_together() {
        reads("a 'b  \"c' \"d 'e\" f\\ g h''i", &[&["a", "b  \"c", "d 'e", "f g", "hi"]]);
        reads("a \\\n  b \\\r\n c `\n d ^\n e", &[&["a", "b", "c", "d", "e"]]);
        reads("a \"b\\\"c\\n\" it's", &[&["a", "b\"c\\n", "it's"]]);
    }

    #[test]
    fn operators_and_lines_end_commands() {
        reads("a b; c && d || e | f & g\nh", &[&["a", "b"], &["c"], &["d"], &["e"], &["f"], &["g"], &["h"]]);
        reads("a # b\n# c\nd#e", &[&["a"], &["d#e"]]);
        reads("a 2>&1 >/dev/null <in b", &[&["a", "b"]]);
    }

    #[test]
    fn here_documents_are_no_commands() {
        reads("cat <<EOF >f\ndocker run x\nEOF\nb", &[&["cat"], &["b"]]);
        reads("cat <<-'END' | c\n x\n\tEND\nb <<< word d", &[&["cat"], &["c"], &["b", "d"]]);
    }

    #[test]
    fn substitutions_are_not_known_and_their_commands_are_read() {
        reads("a=$(b \"$(c d)\") e", &[&["a=$(b \"$(c d)\")", "e"], &["b", "$(c d)"], &["c", "d"]]);
        reads("a \"$(b \"c d\" e)\" f", &[&["a", "$(b \"c d\" e)", "f"], &["b", "c d", "e"]]);
        reads("a `b c`", &[&["a", "`b c`"], &["b", "c"]]);
        let words = read("-v \"$PWD/a:${B:-/c}\" $@ 5$ $(").remove(0);
        assert_eq!(
            words[1].hidden().split(':').map(|part| words[1].reveal(part)).collect::<Vec<_>>(),
            ["$PWD/a", "${B:-/c}"]
        );
        assert_eq!((words[2].is_all_unknown(), words[3].shown().as_str()), (true, "5$"));
    }

    #[test]
    fn placeholders_of_manuals_are_not_known() {
        reads("-v <YOUR VOLUME>:/b \"<путь>\":/c d", &[&["-v", "<YOUR VOLUME>:/b", "<путь>:/c", "d"]]);
        reads("a <in >out b </dev/null c", &[&["a", "b", "c"]]);
    }

    #[test]
    fn words_know_their_places() {
        let words = read("a \\\n  'b c' $D").remove(0);
        let places: Vec<String> = words.iter().map(|word| word.span.shown()).collect();
        assert_eq!(places, ["1:1-1:2", "2:3-2:8", "2:9-2:11"]);
    }

    #[test]
    fn deep_and_open_brackets_take_no_time() {
        for text in ["$(", "`", "'", "\"", "${", "$(a ", "a;("] {
            let _read = read(&text.repeat(100_000));
        }
        let _read = read(&format!("{}{}", "$(".repeat(100_000), ")".repeat(100_000)));
    }
}
