//! `.walproof.toml`: what a repository says about itself, so that every run of `check` there says the same.
//!
//! What it must not do: open files. Paths in it start at the file's own folder; whoever reads it joins them.
//!
//! Where to look next: docs/check.md, which explains the fields.

use serde::Deserialize;
use walproof_format::sqlite::db_header::JournalFamily;

use crate::rules::Severity;
use crate::sharing::Host;
use crate::sharing::lower::NamedDatabase;

/// The file's name, looked for from the current folder upwards.
pub const FILE_NAME: &str = ".walproof.toml";

/// What it may say; every field may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Where the containers run, as `--host` takes it.
    pub host: Option<String>,
    /// The journal mode where it is not known, as `--mode` takes it.
    pub mode: Option<String>,
    /// What fails besides `unsafe`.
    pub fail_on: Vec<String>,
    /// Rules whose findings do not count.
    pub skip: Vec<String>,
    /// Databases, as `--database` takes them.
    pub databases: Vec<String>,
    /// Files with rows for the application table.
    pub applications: Vec<String>,
    /// Paths that are not walked into and files that are not read, with `*`, `**` and `?`.
    pub exclude: Vec<String>,
    /// Profiles of Compose.
    pub profiles: Vec<String>,
    /// The baseline.
    pub baseline: Option<String>,
}

impl Config {
    /// Reads one; the error says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        config.host.as_deref().map(parse_host).transpose()?;
        config.mode.as_deref().map(parse_mode).transpose()?;
        config.fail_on.iter().try_for_each(|word| parse_severity(word).map(|_| ()))?;
        config.databases.iter().try_for_each(|text| parse_database(text).map(|_| ()))?;
        Ok(config)
    }
}

/// The word of a host.
pub fn parse_host(word: &str) -> Result<Host, String> {
    let found = Host::ALL.iter().find(|(_, known)| *known == word).map(|(host, _)| *host);
    found.ok_or_else(|| {
        let words: Vec<&str> = Host::ALL.iter().map(|(_, word)| *word).collect();
        format!("`{word}` is no kind of host; one of {}", words.join(", "))
    })
}

/// The word of a family of journal modes.
pub fn parse_mode(word: &str) -> Result<JournalFamily, String> {
    match word {
        "wal" => Ok(JournalFamily::Wal),
        "rollback" | "delete" | "truncate" | "persist" => Ok(JournalFamily::Rollback),
        _ => Err(format!("`{word}` is no journal mode; `wal` or `rollback`")),
    }
}

/// The word of a severity.
pub fn parse_severity(word: &str) -> Result<Severity, String> {
    let all = [Severity::Unsafe, Severity::Unknown, Severity::Refuses, Severity::Risky];
    let found = all.into_iter().find(|severity| severity.word() == word);
    found.ok_or_else(|| format!("`{word}` is no severity; unsafe, unknown, refuses or risky"))
}

/// `[WORKLOAD:]/path[=wal|rollback]`.
pub fn parse_database(text: &str) -> Result<NamedDatabase, String> {
    let (text, family) = match text.rsplit_once('=') {
        Some((rest, mode)) if !mode.contains('/') => (rest, Some(parse_mode(mode)?)),
        _ => (text, None),
    };
    let (workload, path) = match text.find(":/") {
        Some(at) if at > 0 => (Some(text[..at].to_owned()), &text[at + 1..]),
        _ => (None, text),
    };
    if !path.starts_with('/') {
        return Err(format!("`{text}` names no absolute path in a container; try `web:/data/app.db`"));
    }
    Ok(NamedDatabase { workload, path: path.to_owned(), family })
}

/// Whether a path matches a pattern: `*` and `?` within a part, `**` over parts. A pattern that matches a folder
/// matches all below it; one without a slash matches a name anywhere.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    if !pattern.contains('/') {
        return path.split('/').any(|part| part_matches(pattern.as_bytes(), part.as_bytes()));
    }
    let patterns: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    let parts: Vec<&str> = path.split('/').collect();
    parts_match(&patterns, &parts)
}

/// Dynamic in the number of patterns, so that no pattern takes long.
fn parts_match(patterns: &[&str], parts: &[&str]) -> bool {
    // `reached[i]`: the first i patterns match the parts so far.
    let mut reached = vec![false; patterns.len() + 1];
    reached[0] = true;
    spread(patterns, &mut reached);
    for part in parts {
        let mut next = vec![false; patterns.len() + 1];
        for (index, pattern) in patterns.iter().enumerate() {
            if reached[index] && *pattern == "**" {
                next[index] = true;
            } else if reached[index] && part_matches(pattern.as_bytes(), part.as_bytes()) {
                next[index + 1] = true;
            }
        }
        spread(patterns, &mut next);
        if next[patterns.len()] {
            return true;
        }
        reached = next;
    }
    false
}

/// `**` may stand for nothing.
fn spread(patterns: &[&str], reached: &mut [bool]) {
    for (index, pattern) in patterns.iter().enumerate() {
        reached[index + 1] |= reached[index] && *pattern == "**";
    }
}

fn part_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[here] => (at, here) = (at + 1, here + 1),
            _ => {
                let Some((star_at, from)) = star else { return false };
                star = Some((star_at, from + 1));
                (at, here) = (star_at + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_reads_and_says_what_is_wrong() {
        let config = Config::read("host = \"linux\"\nfail-on = [\"risky\"]\nexclude = [\"x/**\"]\n").expect("a config");
        assert_eq!((config.host.as_deref(), config.fail_on.len()), (Some("linux"), 1));
        for wrong in ["hots = 1", "host = \"mars\"", "mode = \"x\"", "fail-on = [\"safe\"]", "databases = [\"x\"]"] {
            assert!(Config::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn databases_are_named_in_one_word() {
        let named = parse_database("web:/data/app.db=wal").expect("one");
        assert_eq!((named.workload.as_deref(), named.path.as_str()), (Some("web"), "/data/app.db"));
        assert_eq!(named.family, Some(JournalFamily::Wal));
        assert_eq!(parse_database("/data/a=b/app.db").expect("one").path, "/data/a=b/app.db");
        assert_eq!(parse_database("default/web:/d/").expect("one").workload.as_deref(), Some("default/web"));
        assert!(parse_database("app.db").is_err() && parse_database("/a=off").is_err());
    }

    #[test]
    fn patterns_match_as_in_gitignore() {
        for (pattern, path) in [
            ("examples", "a/examples/x.yaml"),
            ("*.md", "docs/a.md"),
            ("docs/**", "docs/a/b.md"),
            ("docs/*.md", "docs/a.md"),
            ("**/old/*", "a/b/old/c"),
            ("a/**/z", "a/z"),
            ("./a/b", "a/b/c.yaml"),
            ("a?c", "abc"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("docs/*.md", "docs/a/b.md"), ("a/b", "x/a/b"), ("*.md", "a.mdx"), ("", "a")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        assert!(!matches(&"*a".repeat(2000), &"a".repeat(1000)));
    }
}
