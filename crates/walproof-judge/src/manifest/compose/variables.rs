//! `$X`, `${X}`, `${X:-default}` and the like, put in as Compose does.
//!
//! ```text
//! $X ${X}          the value, or nothing
//! ${X:-d} ${X-d}   d if X is unset or empty; if it is unset
//! ${X:?e} ${X?e}   Compose refuses with the message e if X is unset or empty; if it is unset
//! ${X:+a} ${X+a}   a if X is set and not empty; if it is set
//! $$               one `$`
//! ```
//! What follows an operator may hold variables itself, and is looked at only where it is used.
//!
//! What it must not do: ask the environment; refuse a file. A variable that has no value here may have one on the
//! machine where the file is used, so every lack is a note and the reading goes on.
//!
//! Where to look next: `files`, which does this to every scalar before anything is merged, as Compose does.

use std::collections::HashMap;

/// Variables in defaults in defaults: deeper ones stay as written.
const NESTING_MAX: usize = 32;
/// No real value is longer.
pub(super) const EXPANDED_BYTES_MAX: usize = 1 << 20;

/// What was noticed while variables were put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// No value and no default.
    Unset(String),
    /// No value, and the file says with this message that there must be one.
    Required(String, String),
    /// This stretch begins with a `$` and is no variable.
    Broken(String),
}

/// A text with its variables put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    pub text: String,
    pub notes: Vec<Note>,
    /// It would be longer than [`EXPANDED_BYTES_MAX`] and was cut.
    pub too_long: bool,
}

/// How a variable is asked for.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Puts the variables in.
pub(super) fn expand(text: &str, variables: Lookup<'_>) -> Expanded {
    let mut expanded = Expanded::default();
    expand_into(&mut expanded, text, variables, 0);
    expanded
}

fn expand_into(expanded: &mut Expanded, text: &str, variables: Lookup<'_>, depth: usize) {
    let braces = braces(text);
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        expanded.push(&text[at..dollar]);
        let close = braces.get(&dollar).copied();
        at = after_dollar(expanded, text, dollar, close, variables, depth).unwrap_or_else(|| {
            expanded.notes.push(Note::Broken(text[dollar..].chars().take(20).collect()));
            expanded.push("$");
            dollar + 1
        });
        if expanded.too_long {
            return;
        }
    }
    expanded.push(&text[at..]);
}

/// Takes the variable or `$$` at this `$`; where it ends. `None`: there is no such thing.
fn after_dollar(
    expanded: &mut Expanded,
    text: &str,
    dollar: usize,
    close: Option<usize>,
    variables: Lookup<'_>,
    depth: usize,
) -> Option<usize> {
    let after = &text[dollar + 1..];
    if after.starts_with('$') {
        expanded.push("$");
        return Some(dollar + 2);
    }
    if after.starts_with('{') {
        braced(expanded, &text[dollar + 2..close?], variables, depth)?;
        return Some(close? + 1);
    }
    let name = &after[..name_length(after)];
    if name.is_empty() {
        return None;
    }
    plain(expanded, name, variables);
    Some(dollar + 1 + name.len())
}

fn plain(expanded: &mut Expanded, name: &str, variables: Lookup<'_>) {
    match variables(name) {
        Some(value) => expanded.push(&value),
        None => expanded.notes.push(Note::Unset(name.to_owned())),
    }
}

/// What stands between the braces.
fn braced(expanded: &mut Expanded, inside: &str, variables: Lookup<'_>, depth: usize) -> Option<()> {
    let (name, after) = inside.split_at(name_length(inside));
    if name.is_empty() || depth >= NESTING_MAX {
        return None;
    }
    if after.is_empty() {
        plain(expanded, name, variables);
        return Some(());
    }
    let (empty_is_unset, after) = match after.strip_prefix(':') {
        Some(after) => (true, after),
        None => (false, after),
    };
    let word = after.get(1..)?;
    let value = variables(name).filter(|value| !(empty_is_unset && value.is_empty()));
    match (after.as_bytes()[0], value) {
        (b'-' | b'?', Some(value)) => expanded.push(&value),
        (b'+', Some(_)) | (b'-', None) => expand_into(expanded, word, variables, depth + 1),
        (b'+', None) => {}
        (b'?', None) => {
            let mut message = Expanded::default();
            expand_into(&mut message, word, variables, depth + 1);
            let message = message.text;
            expanded.notes.push(Note::Required(name.to_owned(), message));
        }
        _ => return None,
    }
    Some(())
}

/// How many bytes at the beginning are a name.
fn name_length(text: &str) -> usize {
    let is_name =
        |(index, byte): (usize, u8)| byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit());
    text.bytes().enumerate().take_while(|&pair| is_name(pair)).count()
}

/// For every `${` the place of its `}`; only `${` opens a brace. In one pass, so that no text takes long.
fn braces(text: &str) -> HashMap<usize, usize> {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut pairs = HashMap::new();
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'$' if bytes.get(index + 1) == Some(&b'{') => open.push(index),
            b'}' => pairs.extend(open.pop().map(|opened| (opened, index))),
            _ => {}
        }
    }
    pairs
}

impl Expanded {
    fn push(&mut self, text: &str) {
        if self.text.len() + text.len() > EXPANDED_BYTES_MAX {
            self.too_long = true;
        } else {
            self.text.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            "LONG" => Some("x".repeat(1 << 16)),
            _ => None,
        }
    }

    #[track_caller]
    fn becomes(text: &str, expected: &str) {
        let expanded = expand(text, &value);
        assert_eq!((expanded.text.as_str(), expanded.notes.len()), (expected, 0), "{text}: {:?}", expanded.notes);
    }

    #[track_caller]
    fn notes(text: &str, expected: &str, note: Note) {
        let expanded = expand(text, &value);
        assert_eq!((expanded.text.as_str(), expanded.notes), (expected, vec![note]), "{text}");
    }

    #[test]
    fn values_are_put_in() {
        becomes("$A/${A}b$A.c", "a/aba.c");
        becomes("no variable", "no variable");
        becomes("$$A $${A}", "$A ${A}");
        becomes("ü$Aü", "üaü");
    }

    #[test]
    fn defaults_and_alternatives_follow_their_colon() {
        becomes("${A:-d}${A-d}${A:+s}${A+s}", "aass");
        becomes("${EMPTY:-d}|${EMPTY-d}|${EMPTY:+s}|${EMPTY+s}", "d|||s");
        becomes("${NO:-d}|${NO-d}|${NO:+s}|${NO+s}", "d|d||");
        becomes("${A:?e}${A?e}${EMPTY?e}", "aa");
    }

    #[test]
    fn defaults_nest() {
        becomes("${NO:-${A}/x}", "a/x");
        becomes("${NO:-${ALSO-${A}}}y", "ay");
        becomes("${NO:-$$}", "$");
        becomes("${NO:-./d:/e}", "./d:/e");
        becomes("${NO:-a-b:?c}", "a-b:?c");
        becomes("${A:-$NO}", "a");
    }

    #[test]
    fn a_lack_is_noted() {
        notes("[$NO]", "[]", Note::Unset("NO".into()));
        notes("${NO}", "", Note::Unset("NO".into()));
        notes("${NO:-$ALSO}", "", Note::Unset("ALSO".into()));
        notes("${NO:?set $A}", "", Note::Required("NO".into(), "set a".into()));
        notes("${EMPTY:?}", "", Note::Required("EMPTY".into(), String::new()));
    }

    #[test]
    fn what_is_no_variable_stays_and_is_noted() {
        for text in ["$", "a$ b", "${", "${A", "${1}", "${}", "${A!b}", "${A:}", "$1", "${A:=x}", "${A ü}", "$ü"] {
            let expanded = expand(text, &value);
            assert!(expanded.text == text && matches!(expanded.notes[..], [Note::Broken(_)]), "{text}: {expanded:?}");
        }
    }

    #[test]
    fn depth_and_length_have_bounds() {
        let deep = "${NO:-".repeat(10_000) + &"}".repeat(10_000);
        assert!(matches!(expand(&deep, &value).notes.first(), Some(Note::Broken(_))));
        assert!(expand(&"$LONG".repeat(100), &value).too_long);
    }
}
