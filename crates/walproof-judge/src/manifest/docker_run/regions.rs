//! Where commands of a shell stand in files of other kinds: code blocks of Markdown, `Exec...=` of units of systemd.
//!
//! What it must not do: read commands.
//!
//! Where to look next: `shell`, which does.

use std::ops::Range;

use crate::manifest::placed::Placed;
use crate::manifest::span::Warning;
use crate::manifest::unit_file;

/// Languages of code blocks that hold commands; none is one of them.
const LANGUAGES: &[&str] = &[
    "",
    "ash",
    "bash",
    "bat",
    "batch",
    "cmd",
    "console",
    "dash",
    "docker",
    "fish",
    "plaintext",
    "powershell",
    "ps1",
    "pwsh",
    "sh",
    "shell",
    "shell-session",
    "shellsession",
    "terminal",
    "text",
    "txt",
    "zsh",
];

/// Texts in which commands stand, each with its range.
pub(super) fn regions(file: Placed, name: &str, warnings: &mut Vec<Warning>) -> Vec<(Placed, Range<usize>)> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if ends(&[".md", ".markdown", ".mdx"]) {
        let texts = blocks(&file).into_iter().map(|block| without_prompts(&file, block));
        return texts.map(|text| (text.clone(), 0..text.chars.len())).collect();
    }
    if ends(&[".service", ".conf"]) {
        let assignments = unit_file::assignments(&file, warnings).into_iter();
        let commands = assignments.filter(|one| one.section == "Service" && one.key.value.starts_with("Exec"));
        return commands.map(|one| (one.value.clone(), after_prefixes(&one.value))).collect();
    }
    let whole = 0..file.chars.len();
    vec![(file, whole)]
}

/// `-`, `@`, `+`, `!` and `:` before a command have a meaning to systemd.
fn after_prefixes(value: &Placed) -> Range<usize> {
    let is_prefix = |(c, _): &&(char, _)| matches!(c, '-' | '@' | '+' | '!' | ':');
    value.chars.iter().take_while(is_prefix).count()..value.chars.len()
}

/// A block without the `> ` by which a shell asks for the rest of a command: it would be taken for a redirection.
fn without_prompts(file: &Placed, block: Range<usize>) -> Placed {
    let mut chars = file.chars[block].to_vec();
    let mut begins = true;
    chars.retain(|(c, _)| {
        let is_prompt = begins && *c == '>';
        begins = *c == '\n' || (begins && matches!(c, ' ' | '\t'));
        !is_prompt
    });
    file.with(chars)
}

/// The code blocks of Markdown: between fences, or indented by four blanks or a tab.
fn blocks(file: &Placed) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut fence: Option<(char, usize, bool)> = None;
    let mut open: Option<Range<usize>> = None;
    for line in file.lines() {
        let text = file.trimmed(line.clone());
        let mark = file.at(text.start).filter(|c| matches!(c, '`' | '~') && !text.is_empty());
        let count = text.clone().take_while(|index| mark.is_some() && file.at(*index) == mark).count();
        match (fence, mark) {
            (Some((c, opened, _)), Some(mark)) if mark == c && count >= opened && count == text.len() => {
                blocks.extend(open.take());
                fence = None;
            }
            (Some((_, _, true)), _) => open = Some(extended(open, line)),
            (Some(_), _) => {}
            (None, Some(mark)) if count >= 3 => {
                blocks.extend(open.take());
                let language = language(&file.text(text.start + count..text.end));
                fence = Some((mark, count, LANGUAGES.contains(&language.as_str())));
            }
            (None, _) if is_indented(file, &line) => open = Some(extended(open, line)),
            (None, _) if text.is_empty() => {}
            (None, _) => blocks.extend(open.take()),
        }
    }
    blocks.extend(open);
    blocks
}

fn extended(open: Option<Range<usize>>, line: Range<usize>) -> Range<usize> {
    open.map_or(line.start, |open| open.start)..line.end
}

fn is_indented(file: &Placed, line: &Range<usize>) -> bool {
    let is_blank = |ahead: usize| file.at(line.start + ahead) == Some(' ');
    !line.is_empty() && (file.at(line.start) == Some('\t') || (line.len() > 4 && (0..4).all(is_blank)))
}

/// The language after a fence: `bash`, `bash title="x"`, `{.bash}`.
fn language(after_fence: &str) -> String {
    let first = after_fence.split([' ', '\t', ',', '{', '}']).find(|word| !word.is_empty()).unwrap_or("");
    first.trim_start_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::span::Source;

    #[track_caller]
    fn holds(text: &str, expected: &[&str]) {
        let placed = Placed::of(0, Source { name: "f", text }).expect("text");
        let found: Vec<String> = blocks(&placed).into_iter().map(|block| placed.text(block)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn code_blocks_are_found() {
        holds("a\n```sh\nb\nc\n```\nd", &["b\nc"]);
        holds("~~~\nb\n```\nc\n~~~~\n", &["b\n```\nc"]);
        holds("- x\n  ```bash title=\"y\"\n  b\n  ```\n```yaml\nc\n```\n", &["  b"]);
        holds("x\n\n    b \\\n      c\n\nx\n\td\n", &["    b \\\n      c", "\td"]);
        holds("```\nnever closed", &["never closed"]);
        holds("`inline`\n``` {.console}\nb\n```", &["b"]);
        holds("", &[]);
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(LANGUAGES.is_sorted());
    }
}
