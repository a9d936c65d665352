//! `nolock-mount`, `nobrl-mount`, `soft-mount`: the option's opposite in its place.
//!
//! What it must not do: say that the storage is safe then. A network file system with locks is still one, and other
//! rules say so.
//!
//! Where to look next: `crate::storage::mount_options`, which reads the same words.

use super::question::Question;
use super::{Change, Edit, Fix, Step};

pub(super) static NOLOCK: Change =
    Change { rule: "nolock-mount", line: "mounts with locks that other clients see", make };
pub(super) static NOBRL: Change = Change { rule: "nobrl-mount", line: "sends locks of bytes to the server", make };
pub(super) static SOFT: Change = Change { rule: "soft-mount", line: "waits for the server instead of failing", make };

/// The option and what says the opposite, both as the kernel takes them (fs/nfs and fs/smb/client, `fs_context.c`).
const OPPOSITES: &[(&str, &str, &str)] = &[
    ("nolock-mount", "nolock", "lock"),
    ("nolock-mount", "local_lock=all", "local_lock=none"),
    ("nolock-mount", "local_lock=posix", "local_lock=none"),
    ("nobrl-mount", "nobrl", "brl"),
    ("soft-mount", "soft", "hard"),
    ("soft-mount", "softerr", "hard"),
];

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let id = question.finding.about.storage.ok_or("the finding names no storage")?;
    let storage = question.graph.storage(id);
    let wanted = |text: &str| {
        let of_rule = OPPOSITES.iter().filter(|(rule, ..)| *rule == question.finding.rule);
        of_rule.into_iter().find(|(_, option, _)| *option == text)
    };
    let mut edits = Vec::new();
    let mut done = Vec::new();
    for option in &storage.options {
        let Some((_, old, new)) = wanted(option.value.trim()) else { continue };
        let written = question.own(option.span)?;
        let at = word(written.text, old).ok_or("the option is not found where it is written")?;
        let start = written.start + at;
        let edit = Edit { file: written.file.to_owned(), start, end: start + old.len(), text: (*new).to_owned() };
        if !edits.contains(&edit) {
            edits.push(edit);
            done.push(format!("`{old}` becomes `{new}`"));
        }
    }
    if edits.is_empty() {
        return Err("the option is not written in these files".to_owned());
    }
    let needs = vec![Step::new(
        "a volume keeps the options it was made with: unmount or make it anew, its data stays on the server",
        [],
    )];
    Ok(Fix { needs, ..question.fix(done.join(", "), edits) })
}

/// Where a word stands between commas, quotes or spaces.
fn word(text: &str, word: &str) -> Option<usize> {
    let bounds = |c: Option<char>| c.is_none_or(|c| matches!(c, ',' | '"' | '\'' | ' ' | '\r' | '\n' | '[' | ']'));
    let found = text.match_indices(word).map(|(at, _)| at);
    let mut whole =
        found.filter(|at| bounds(text[..*at].chars().next_back()) && bounds(text[at + word.len()..].chars().next()));
    let at = whole.next()?;
    // Twice the same: which of them counts is not for us to say.
    whole.next().is_none().then_some(at)
}
