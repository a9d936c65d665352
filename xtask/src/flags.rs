//! The flags of a chore: `--name value` pairs and nothing else; each is taken once, and what is left is a misuse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was given and has not been taken yet.
#[derive(Debug)]
pub struct Flags {
    given: BTreeMap<String, String>,
}

impl Flags {
    /// Reads pairs of `--name value`.
    pub fn new(arguments: &[String]) -> Result<Self, String> {
        let mut given = BTreeMap::new();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return Err(format!("`{}` has no value", pair[0])) };
            let name = name.strip_prefix("--").ok_or_else(|| format!("`{name}` is no flag\ntry: `--name value`"))?;
            if given.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(format!("`--{name}` was given twice"));
            }
        }
        Ok(Self { given })
    }

    /// A number, or `default`.
    pub fn number(&mut self, name: &str, default: u32) -> Result<u32, String> {
        let Some(text) = self.given.remove(name) else { return Ok(default) };
        text.parse().map_err(|error| format!("`--{name} {text}` is no number\nbecause: {error}"))
    }

    /// A word, or `default`.
    pub fn word(&mut self, name: &str, default: &str) -> String {
        self.given.remove(name).unwrap_or_else(|| default.to_owned())
    }

    /// A time as `walproof verify --time` takes it, or `default`: the words and the duration.
    pub fn time(&mut self, name: &str, default: &str) -> Result<(String, Duration), String> {
        let text = self.word(name, default);
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit_ms = match &text[split..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => return Err(format!("`--{name} {text}` is no time\ntry: `20s`, `5m` or `500ms`")),
        };
        let number: u64 = text[..split].parse().map_err(|error| format!("`--{name} {text}`\nbecause: {error}"))?;
        Ok((text.clone(), Duration::from_millis(number * unit_ms)))
    }

    /// Some of `known`, in the order of `known`; all of them when nothing was given.
    pub fn choice<'a>(&mut self, name: &str, known: &[&'a str]) -> Result<Vec<&'a str>, String> {
        self.choice_or(name, known, known)
    }

    /// Some of `known`, in the order of `known`; `default` when nothing was given.
    pub fn choice_or<'a>(
        &mut self,
        name: &str,
        known: &[&'a str],
        default: &[&'a str],
    ) -> Result<Vec<&'a str>, String> {
        let Some(text) = self.given.remove(name) else { return Ok(default.to_vec()) };
        let asked: Vec<&str> = text.split(',').collect();
        match asked.iter().find(|word| !known.contains(word)) {
            Some(word) => Err(format!("`--{name}` does not know `{word}`\ntry: some of {}", known.join(","))),
            None => Ok(known.iter().copied().filter(|word| asked.contains(word)).collect()),
        }
    }

    /// The folder that results go to.
    pub fn result_folder(&mut self) -> PathBuf {
        self.given.remove("result").map_or_else(|| repository().join("benchsuite/runs"), PathBuf::from)
    }

    /// Whatever was given and not taken is a misuse.
    pub fn finish(self) -> Result<(), String> {
        match self.given.keys().next() {
            Some(name) => Err(format!("this chore has no flag `--{name}`\ntry: `cargo xtask` for the list")),
            None => Ok(()),
        }
    }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &[&str]) -> Flags {
        Flags::new(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).expect("pairs")
    }

    #[test]
    fn what_is_given_is_taken_and_what_is_left_is_a_misuse() {
        let mut some = flags(&["--runs", "3", "--time", "500ms", "--only", "xfs,ext4"]);
        assert_eq!(some.number("runs", 20), Ok(3));
        assert_eq!(some.time("time", "20s").map(|time| time.1), Ok(Duration::from_millis(500)));
        assert_eq!(some.choice("only", &["ext4", "tmpfs", "xfs"]), Ok(vec!["ext4", "xfs"]));
        assert!(some.finish().is_ok());
        assert!(flags(&["--rnus", "3"]).finish().is_err());
        assert!(flags(&["--only", "zfs"]).choice("only", &["ext4"]).is_err());
    }
}
