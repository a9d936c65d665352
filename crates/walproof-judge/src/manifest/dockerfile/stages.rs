//! From instructions to stages.
//!
//! What it must not do: refuse a file because of one instruction. What does not read is a warning at its place.
//!
//! Where to look next: `model` for what comes out.

use super::instructions::Instruction;
use super::model::{Command, Copied, HealthCheck, Stage};
use crate::manifest::compose::Pair;
use crate::manifest::placed::Placed;
use crate::manifest::reader::shortened;
use crate::manifest::span::{Span, Spanned, Warning, WarningKind};
use crate::manifest::words::{self, Rules, Word};

/// Instructions that say nothing that is held here.
const OTHERS: &[&str] = &["EXPOSE", "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL"];

/// Puts stages together.
pub(super) struct Builder {
    rules: Rules,
    pub stages: Vec<Stage>,
    pub arguments: Vec<Pair>,
    pub warnings: Vec<Warning>,
}

impl Builder {
    pub fn new(escape: char) -> Self {
        let rules = Rules::Dockerfile { escape };
        Self { rules, stages: Vec::new(), arguments: Vec::new(), warnings: Vec::new() }
    }

    pub fn take(&mut self, instruction: &Instruction) {
        match instruction.keyword.value.as_str() {
            "FROM" => self.from(instruction),
            "ARG" => {
                let pairs = self.pairs(instruction);
                match self.stages.last_mut() {
                    Some(stage) => stage.arguments.extend(pairs),
                    None => self.arguments.extend(pairs),
                }
            }
            _ => self.in_stage(instruction),
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.span.end = stage.span.end.max(instruction.span.end);
        }
    }

    fn warn(&mut self, span: Span, message: String) {
        self.warnings.push(Warning::new(WarningKind::WrongValue, span, message));
    }

    /// The words after the keyword, what is not known noted.
    fn words(&mut self, text: &Placed) -> Vec<Word> {
        let words = words::split(text, self.rules);
        for word in &words {
            if let Some(unknown) = word.first_unknown() {
                let message = format!("`{}` is only known to whoever builds", shortened(unknown));
                self.warnings.push(Warning::new(WarningKind::NotKnownHere, word.span, message));
            }
        }
        words
    }

    /// `FROM [--platform=p] image [AS name]`.
    fn from(&mut self, instruction: &Instruction) {
        let words = self.words(&instruction.text);
        let (flags, words) = flags_of(&words);
        let Some(base) = words.first() else {
            self.warn(instruction.span, "`FROM` names no image".to_owned());
            return;
        };
        let is_as = words.get(1).is_some_and(|word| word.hidden().eq_ignore_ascii_case("as"));
        let name = words.get(2).filter(|_| is_as).map(Word::spanned);
        self.stages.push(Stage {
            base: base.spanned(),
            name,
            platform: flag(flags, "--platform"),
            volumes: Vec::new(),
            users: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            working_directories: Vec::new(),
            command: None,
            entrypoint: None,
            health_check: None,
            stop_signal: None,
            copies: Vec::new(),
            span: instruction.span,
        });
    }

    fn in_stage(&mut self, instruction: &Instruction) {
        let keyword = instruction.keyword.value.as_str();
        let is_known = self.in_stage_kept(keyword, instruction);
        if !is_known && !OTHERS.contains(&keyword) {
            let message = format!("`{}` is no instruction of a Dockerfile", shortened(keyword));
            self.warn(instruction.keyword.span, message);
        }
    }

    /// Whether this is an instruction that is held.
    fn in_stage_kept(&mut self, keyword: &str, instruction: &Instruction) -> bool {
        let kept = &mut Kept::default();
        match keyword {
            "VOLUME" => kept.volumes = self.exec_or_words(&instruction.text),
            "USER" => kept.users = self.spanned_words(&instruction.text).into_iter().take(1).collect(),
            "WORKDIR" => kept.directories = self.spanned_words(&instruction.text).into_iter().take(1).collect(),
            "STOPSIGNAL" => kept.stop_signal = self.spanned_words(&instruction.text).into_iter().next(),
            "ENV" => kept.environment = self.pairs(instruction),
            "CMD" => kept.command = Some(self.command(&instruction.text, instruction.span)),
            "ENTRYPOINT" => kept.entrypoint = Some(self.command(&instruction.text, instruction.span)),
            "HEALTHCHECK" => kept.health_check = Some(self.health_check(instruction)),
            "COPY" | "ADD" => kept.copies = self.copied(instruction).into_iter().collect(),
            _ => return false,
        }
        match self.stages.last_mut() {
            Some(stage) => std::mem::take(kept).into_stage(stage),
            None => self.warn(instruction.span, format!("`{keyword}` stands before the first `FROM`")),
        }
        true
    }

    fn spanned_words(&mut self, text: &Placed) -> Vec<Spanned<String>> {
        self.words(text).iter().map(Word::spanned).collect()
    }

    fn exec_or_words(&mut self, text: &Placed) -> Vec<Spanned<String>> {
        exec_form(text).unwrap_or_else(|| self.spanned_words(text))
    }

    fn command(&mut self, text: &Placed, span: Span) -> Command {
        match exec_form(text) {
            Some(words) => Command { is_exec: true, words, span },
            None => {
                // The shell puts its variables in when the container runs.
                let words = words::split(text, self.rules).iter().map(Word::spanned).collect();
                Command { is_exec: false, words, span }
            }
        }
    }

    /// `ENV a=b c="d e"`, or `ENV a all of this`.
    fn pairs(&mut self, instruction: &Instruction) -> Vec<Pair> {
        let words = self.words(&instruction.text);
        let is_old =
            instruction.keyword.value == "ENV" && words.first().is_some_and(|word| !word.hidden().contains('='));
        if !is_old {
            return words.iter().map(Word::pair).collect();
        }
        let Some((name, rest)) = words.split_first() else { return Vec::new() };
        let value: Vec<String> = rest.iter().map(Word::shown).collect();
        let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
            self.warn(instruction.span, "`ENV` needs a value".to_owned());
            return Vec::new();
        };
        let span = Span { end: last.span.end, ..first.span };
        vec![Pair { name: name.spanned(), value: Some(Spanned::new(value.join(" "), span)) }]
    }

    /// `HEALTHCHECK NONE`, or `HEALTHCHECK [--interval=30s ...] CMD command`.
    fn health_check(&mut self, instruction: &Instruction) -> HealthCheck {
        let all = words::split(&instruction.text, self.rules);
        let (flags, words) = flags_of(&all);
        let options = flags.iter().map(|flag| flag.after(2).pair()).collect();
        let is_command = words.first().is_some_and(|word| word.hidden().eq_ignore_ascii_case("cmd"));
        let start = words.get(1).filter(|_| is_command).map(|word| word.span.start);
        let command = start.map(|start| {
            let at = instruction.text.chars.iter().position(|(_, place)| *place == start).unwrap_or(0);
            let text = instruction.text.with(instruction.text.chars[at..].to_vec());
            let span = text.whole();
            self.command(&text, span)
        });
        let is_none = words.first().is_some_and(|word| word.hidden().eq_ignore_ascii_case("none"));
        if command.is_none() && !is_none {
            self.warn(instruction.span, "`HEALTHCHECK` needs `NONE` or `CMD` with a command".to_owned());
        }
        HealthCheck { command, options, span: instruction.span }
    }

    /// `COPY [--from=x] source... target`, also as a list of words in quotes.
    fn copied(&mut self, instruction: &Instruction) -> Option<Copied> {
        let all = self.words(&instruction.text);
        let (flags, rest) = flags_of(&all);
        let listed = rest.first().filter(|word| word.hidden().starts_with('[')).and_then(|first| {
            let at = instruction.text.chars.iter().position(|(_, place)| *place == first.span.start)?;
            exec_form(&instruction.text.with(instruction.text.chars[at..].to_vec()))
        });
        let mut sources = listed.unwrap_or_else(|| rest.iter().map(Word::spanned).collect());
        let Some(target) = sources.pop().filter(|_| !sources.is_empty()) else {
            let message = format!("`{}` needs what is copied and where to", instruction.keyword.value);
            self.warn(instruction.span, message);
            return None;
        };
        sources.retain(|source| !source.value.starts_with("<<"));
        Some(Copied { sources, target, from: flag(flags, "--from"), span: instruction.span })
    }
}

/// What one instruction adds to its stage.
#[derive(Default)]
struct Kept {
    volumes: Vec<Spanned<String>>,
    users: Vec<Spanned<String>>,
    directories: Vec<Spanned<String>>,
    environment: Vec<Pair>,
    copies: Vec<Copied>,
    command: Option<Command>,
    entrypoint: Option<Command>,
    health_check: Option<HealthCheck>,
    stop_signal: Option<Spanned<String>>,
}

impl Kept {
    fn into_stage(self, stage: &mut Stage) {
        stage.volumes.extend(self.volumes);
        stage.users.extend(self.users);
        stage.working_directories.extend(self.directories);
        stage.environment.extend(self.environment);
        stage.copies.extend(self.copies);
        stage.command = self.command.or(stage.command.take());
        stage.entrypoint = self.entrypoint.or(stage.entrypoint.take());
        stage.health_check = self.health_check.or(stage.health_check.take());
        stage.stop_signal = self.stop_signal.or(stage.stop_signal.take());
    }
}

/// The words that begin with two dashes, and the others.
fn flags_of(words: &[Word]) -> (&[Word], &[Word]) {
    let count = words.iter().take_while(|word| word.hidden().starts_with("--")).count();
    words.split_at(count)
}

fn flag(flags: &[Word], name: &str) -> Option<Spanned<String>> {
    let found = flags.iter().find_map(|flag| Some((flag, flag.hidden().strip_prefix(name)?.strip_prefix('=')?)));
    found.map(|(flag, value)| Spanned::new(flag.reveal(value), flag.span))
}

/// `["a", "b"]`; `None`: it is not that, so that the shell takes it.
fn exec_form(text: &Placed) -> Option<Vec<Spanned<String>>> {
    let range = text.trimmed(0..text.chars.len());
    if range.len() < 2 || text.at(range.start) != Some('[') || text.at(range.end - 1) != Some(']') {
        return None;
    }
    let mut words = Vec::new();
    let mut at = range.start + 1;
    let mut needs_comma = false;
    while at < range.end - 1 {
        match text.at(at)? {
            c if c.is_whitespace() => at += 1,
            ',' if needs_comma => (needs_comma, at) = (false, at + 1),
            '"' if !needs_comma => {
                let (word, end) = json_text(text, at)?;
                words.push(word);
                (needs_comma, at) = (true, end);
            }
            _ => return None,
        }
    }
    Some(words)
}

/// A text of JSON that begins here, and where it ends.
fn json_text(text: &Placed, start: usize) -> Option<(Spanned<String>, usize)> {
    let mut value = String::new();
    let mut at = start + 1;
    loop {
        match text.at(at)? {
            '"' => return Some((Spanned::new(value, text.span(start..at + 1)), at + 1)),
            '\\' => {
                at += 1;
                match text.at(at)? {
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    'r' => value.push('\r'),
                    'u' => {
                        let code = u32::from_str_radix(&text.text(at + 1..at + 5), 16).ok()?;
                        value.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                        at += 4;
                    }
                    c @ ('"' | '\\' | '/') => value.push(c),
                    _ => return None,
                }
            }
            c => value.push(c),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(OTHERS.is_sorted());
    }
}
