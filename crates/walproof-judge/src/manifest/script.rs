//! The commands in the words that a container starts, those of `sh -c "..."` included.
//!
//! A command's first word is the program; what only stands before it (`exec`, `sudo`, `nice`, `do`, `A=b`) is taken
//! off. Variables stay as written: a word with a dollar is not known.
//!
//! What it must not do: run, expand, follow functions or files of scripts.
//!
//! Where to look next: `docker_run::shell`, which takes texts of shells apart.

use super::docker_run::shell;
use super::placed::Placed;
use super::span::{Source, Span, Spanned};
use super::words::Word;

const SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "sh", "zsh"];
/// Words that stand before a command without being one.
const BEFORE: &[&str] = &[
    "!", "{", "builtin", "command", "do", "else", "env", "eval", "exec", "if", "nohup", "sudo", "then", "time",
    "until", "while",
];
/// Programs that start another one, with the number of words of their own that have no dash.
const STARTERS: &[(&str, usize)] = &[
    ("chroot", 1),
    ("dumb-init", 0),
    ("gosu", 1),
    ("ionice", 0),
    ("nice", 0),
    ("su-exec", 1),
    ("timeout", 1),
    ("tini", 0),
];

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program, without its directory.
    pub program: String,
    /// The words after it, without redirections.
    pub arguments: Vec<String>,
    /// The directory that a `cd` before it went to, if that is absolute and written.
    pub directory: Option<String>,
    /// Where it stands: the whole script, if it is in one.
    pub span: Span,
}

impl Command {
    /// The words after the program that are no options.
    pub fn operands(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-') || *word == "-")
    }

    /// Whether this word is among them.
    pub fn has(&self, word: &str) -> bool {
        self.arguments.iter().any(|argument| argument == word)
    }

    /// Whether an option of one letter is set, also among others: `-rn`.
    pub fn has_letter(&self, letter: char) -> bool {
        self.arguments.iter().any(|word| {
            word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.contains(letter))
        })
    }

    /// A path among its words against the directory it is started in; `None`: only the machine knows.
    pub fn absolute(&self, path: &str) -> Option<String> {
        let known = !path.contains(['$', '`']) && !path.contains("://") && path != "-";
        match (path.starts_with('/'), &self.directory) {
            _ if !known => None,
            (true, _) => Some(super::compose::paths::normal(path)),
            (false, Some(directory)) => Some(super::compose::paths::normal(&format!("{directory}/{path}"))),
            (false, None) => None,
        }
    }
}

/// The commands of the words that are started: those of a script, or the words themselves. `program`: what the image
/// starts with these words as its arguments, if that is known.
pub fn commands(words: &[Spanned<String>], program: Option<&str>) -> Vec<Command> {
    let Some(first) = words.first() else { return Vec::new() };
    if let Some(script) = script(words) {
        return of_script(script);
    }
    let words: Vec<String> = program.iter().map(|program| (*program).to_owned()).chain(texts(words)).collect();
    command(&words, None, first.span).into_iter().collect()
}

fn texts(words: &[Spanned<String>]) -> impl Iterator<Item = String> + '_ {
    words.iter().map(|word| word.value.clone())
}

/// What stands after `sh -c`.
pub fn script(words: &[Spanned<String>]) -> Option<&Spanned<String>> {
    let shell = words.iter().position(|word| SHELLS.contains(&name_of(&word.value)))?;
    let mut after = words[shell + 1..].iter().skip_while(|word| {
        let is_option = word.value.starts_with(['-', '+']) || word.value == "pipefail";
        is_option && !is_script_option(&word.value)
    });
    after.next().filter(|word| is_script_option(&word.value))?;
    after.find(|word| !word.value.starts_with('-') && word.value != "pipefail")
}

/// `-c`, `-ec`, `-lc`.
fn is_script_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.ends_with('c'))
}

fn of_script(script: &Spanned<String>) -> Vec<Command> {
    let Ok(placed) = Placed::of(0, Source { name: "", text: &script.value }) else { return Vec::new() };
    let mut directory = None;
    let mut found = Vec::new();
    for words in shell::commands(&placed, 0..placed.chars.len()) {
        let words: Vec<String> = words.iter().map(Word::shown).collect();
        let Some(command) = command(&words, directory.clone(), script.span) else { continue };
        if command.program == "cd" {
            directory = command.operands().next().and_then(|path| command.absolute(path));
        }
        found.push(command);
    }
    found
}

fn command(words: &[String], directory: Option<String>, span: Span) -> Option<Command> {
    let mut rest = words;
    loop {
        let word = rest.first()?;
        let name = name_of(word);
        rest = &rest[1..];
        if BEFORE.contains(&name) || is_assignment(word) {
            rest = after_options(rest, 0);
        } else if let Some((_, own)) = STARTERS.iter().find(|(starter, _)| *starter == name) {
            rest = after_options(rest, *own);
        } else {
            return Some(Command { program: name.to_owned(), arguments: rest.to_vec(), directory, span });
        }
    }
}

fn after_options(words: &[String], own: usize) -> &[String] {
    let options = words.iter().take_while(|word| word.starts_with('-')).count();
    words.get(options + own..).unwrap_or(&[])
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// The last part of a path.
fn name_of(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Place;

    fn read(words: &[&str]) -> Vec<String> {
        let place = Place { line: 1, column: 1 };
        let span = Span { source: 0, start: place, end: place };
        let words: Vec<Spanned<String>> = words.iter().map(|word| Spanned::new((*word).to_owned(), span)).collect();
        let shown = |command: Command| {
            let directory = command.directory.map_or(String::new(), |directory| format!("{directory}: "));
            format!("{directory}{} {}", command.program, command.arguments.join("|"))
        };
        commands(&words, None).into_iter().map(shown).collect()
    }

    #[test]
    fn words_are_one_command() {
        assert_eq!(read(&["/usr/bin/restic", "backup", "/data"]), ["restic backup|/data"]);
        assert_eq!(read(&["/sbin/tini", "--", "app", "--db", "/data/a.db"]), ["app --db|/data/a.db"]);
        assert_eq!(read(&[]), [""; 0]);
    }

    #[test]
    fn scripts_are_taken_apart() {
        assert_eq!(
            read(&["/bin/sh", "-c", "while true; do cp /data/a.db /b/ && sleep 10; done"]),
            ["true ", "cp /data/a.db|/b/", "sleep 10", "done "]
        );
        assert_eq!(read(&["tini", "--", "bash", "-eu", "-o", "pipefail", "-c", "A=1 exec app x > y"]), ["app x"]);
        assert_eq!(read(&["sh", "-ec", "cd /data && tar czf /b/x.tgz ."]), ["cd /data", "/data: tar czf|/b/x.tgz|."]);
        assert_eq!(read(&["sh", "-c", "if [ ! -f /d/a.db ]; then nice -n cp /s /d; fi"])[1], "cp /s|/d");
    }

    #[test]
    fn a_shell_without_a_script_is_a_command() {
        assert_eq!(read(&["sh", "/entrypoint.sh"]), ["sh /entrypoint.sh"]);
    }
}
