//! Manifests in the fences of Markdown: Compose and Kubernetes, as manuals show them.
//!
//! Each comes out as a text with as many lines as the page, all others blank, so that places in it are places in the
//! page. Columns stay too: YAML takes a document that is indented as a whole.
//!
//! What it must not do: parse YAML, take fences of other languages, put several fences together.
//!
//! Where to look next: `recognise`, which tells the kind; `docker_run` for the command lines of pages.

use super::recognise::{Kind, kind_of};

/// Languages of fences with manifests; none is one of them.
const LANGUAGES: &[&str] =
    &["", "compose", "docker-compose", "docker-compose.yaml", "docker-compose.yml", "yaml", "yml"];

/// Each text is as long as the page in lines: more are not made.
const TREES_MAX: usize = 100;

/// The manifests of a page, each with its kind.
pub fn trees(text: &str) -> Vec<(Kind, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut fence: Option<(char, usize, bool, usize)> = None;
    for (index, line) in lines.iter().enumerate() {
        if found.len() == TREES_MAX {
            return found;
        }
        let (mark, count, rest) = begun(line);
        match fence {
            Some((opened, least, is_read, start)) if mark == opened && count >= least && rest.is_empty() => {
                found.extend(is_read.then(|| tree(&lines, start..index)).flatten());
                fence = None;
            }
            None if count >= 3 => {
                fence = Some((mark, count, LANGUAGES.contains(&language(rest).as_str()), index + 1));
            }
            _ => {}
        }
    }
    if let Some((_, _, true, start)) = fence {
        found.extend(tree(&lines, start..lines.len()));
    }
    found
}

/// The mark of a fence, how many of it, and what stands behind them. A fence may open an item of a list.
fn begun(line: &str) -> (char, usize, &str) {
    let line = line.trim();
    let text = line.strip_prefix(['-', '*', '+']).map_or(line, str::trim_start);
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~')).unwrap_or(' ');
    let rest = text.trim_start_matches(mark);
    (mark, if mark == ' ' { 0 } else { text.len() - rest.len() }, rest)
}

/// The language after a fence: `yaml`, `yaml title="x"`, `{.yaml}`, `yaml:compose.yaml`.
fn language(after_fence: &str) -> String {
    let first = after_fence.split([' ', '\t', ',', ':', '{', '}']).find(|word| !word.is_empty()).unwrap_or("");
    first.trim_start_matches('.').to_ascii_lowercase()
}

/// The text of a fence, where it is a manifest.
fn tree(lines: &[&str], range: std::ops::Range<usize>) -> Option<(Kind, String)> {
    let blanks = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let own = &lines[range.clone()];
    let indent = own.iter().filter(|line| !line.trim().is_empty()).map(|line| blanks(line)).min()?;
    let without: Vec<&str> = own.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
    let kind = kind_of("fence.yaml", &without.join("\n"))?;
    let mut text = "\n".repeat(range.start);
    for (line, bare) in own.iter().zip(without) {
        // What parts documents stands in the first column, or is none.
        text += if bare.trim_end() == "---" { bare } else { line };
        text.push('\n');
    }
    text += &"\n".repeat(lines.len() - range.end);
    Some((kind, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn holds(text: &str, expected: &[(Kind, &str)]) {
        let expected: Vec<(Kind, String)> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        assert_eq!(trees(text), expected, "{text}");
    }

    #[test]
    fn manifests_keep_their_places() {
        holds("a\n```yaml\nservices: {}\n```\nb", &[(Kind::Compose, "\n\nservices: {}\n\n\n")]);
        holds("1. x\n   ~~~yml\n   services: {}\n   ~~~", &[(Kind::Compose, "\n\n   services: {}\n\n")]);
        holds(
            "- ```yaml\n  apiVersion: v1\n  kind: A\n  ---\n  kind: B\n  ```",
            &[(Kind::Kubernetes, "\n  apiVersion: v1\n  kind: A\n---\n  kind: B\n\n")],
        );
        holds("```\nservices: {}\n", &[(Kind::Compose, "\nservices: {}\n")]);
        holds("````yaml:a.yml\nservices: {}\n```\n````\n", &[(Kind::Compose, "\nservices: {}\n```\n\n")]);
    }

    #[test]
    fn other_fences_are_none() {
        holds("```bash\nservices: {}\n```\n```yaml\na: b\n```\nservices: {}\n", &[]);
        holds("```yaml\n\n```\n```yaml\n```", &[]);
        holds("```yaml\n\u{e4}\n services: {}\n```\n`x`\n", &[]);
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(LANGUAGES.is_sorted());
    }
}
