//! Baselines: findings that are known and accepted for now, so that only new ones count.
//!
//! What this file is: a text file, one line for each finding, sorted, so that it can be read in a review:
//!
//! ```text
//! # walproof baseline 1
//! 0123456789abcdef single-file-mount compose.yaml service `app`, `/data/app.db`
//! ```
//!
//! Only the first word counts. It survives other lines, other columns and other words of messages: it is made of the
//! rule, the file and the names of workload, mount and database. A line accepts one finding; two that are alike need
//! two lines.
//!
//! What it must not do: accept a finding for ever without anybody seeing it: lines that accept nothing are told.
//!
//! Where to look next: `allow`, for accepting one with a reason.

use std::collections::BTreeMap;

use super::checked::{Checked, Level, Said, Suppressed, SuppressedBy};
use crate::rules::Finding;
use crate::sharing::Graph;

const HEAD: &str = "# walproof baseline 1";

/// Fingerprints with how often each is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The file's name, for messages.
    pub file: String,
    accepted: BTreeMap<String, usize>,
}

impl Baseline {
    /// Reads one; the error says what is wrong and where.
    pub fn read(file: &str, text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next().map(str::trim) != Some(HEAD) {
            return Err(format!("the first line is not `{HEAD}`"));
        }
        let mut accepted = BTreeMap::new();
        for (index, line) in lines.enumerate() {
            let Some(word) = line.split_whitespace().next().filter(|word| !word.starts_with('#')) else { continue };
            if word.len() != 16 || !word.chars().all(|c| c.is_ascii_hexdigit()) {
                return Err(format!("line {}: `{word}` is no fingerprint of 16 hex digits", index + 2));
            }
            *accepted.entry(word.to_ascii_lowercase()).or_insert(0) += 1;
        }
        Ok(Self { file: file.to_owned(), accepted })
    }

    /// The baseline of everything that counts, and of what a baseline accepts already.
    pub fn write(checked: &Checked) -> String {
        let is_kept = |by: Option<SuppressedBy>| matches!(by, None | Some(SuppressedBy::Baseline));
        let kept = checked.findings.iter().filter(|one| is_kept(one.suppressed.as_ref().map(|one| one.by)));
        let mut lines: Vec<String> = kept
            .map(|reported| {
                let finding = &reported.weighed.finding;
                let file = finding.span.map_or(finding.seen_at.as_str(), |span| checked.graph.file_of(span));
                let words = words(&checked.graph, finding).join(", ");
                let line = format!("{} {} {file} {words}", reported.fingerprint, finding.rule);
                line.replace(char::is_control, " ")
            })
            .collect();
        lines.sort_by(|one, two| one[17..].cmp(&two[17..]));
        format!("{HEAD}\n{}", lines.into_iter().map(|line| line + "\n").collect::<String>())
    }

    /// Suppresses what is accepted, and tells what accepts nothing.
    pub(super) fn apply(mut self, checked: &mut Checked) {
        for reported in checked.findings.iter_mut().filter(|reported| reported.suppressed.is_none()) {
            if let Some(left) = self.accepted.get_mut(&reported.fingerprint).filter(|left| **left > 0) {
                *left -= 1;
                let reason = format!("`{}` accepts it", self.file);
                reported.suppressed = Some(Suppressed { by: SuppressedBy::Baseline, reason });
            }
        }
        let left: usize = self.accepted.values().sum();
        if left > 0 && checked.policy.only.is_empty() {
            checked.said.push(Said {
                level: Level::Note,
                file: self.file.clone(),
                place: None,
                what: format!("{left} of its lines accept nothing that was found"),
                because: "what they stand for is gone, or was not checked this time".to_owned(),
                try_this: format!("`--write-baseline {}` over everything that is checked", self.file),
            });
        }
    }
}

/// What a finding is called, whatever its line: 16 hex digits.
pub(super) fn fingerprint(graph: &Graph, finding: &Finding) -> String {
    let file = finding.span.map_or(finding.seen_at.as_str(), |span| graph.file_of(span));
    let mut parts = vec![finding.rule.to_owned(), file.to_owned()];
    parts.extend(words(graph, finding));
    format!("{:016x}", hashed(&parts.join("\0")))
}

/// The names of what a finding is about.
fn words(graph: &Graph, finding: &Finding) -> Vec<String> {
    let about = finding.about;
    let workload = about.workload.map(|id| graph.workload(id).shown());
    let mount = about.mount.map(|id| format!("`{}`", graph.mount(id).target));
    let database = about.database.map(|id| graph.database(id).shown());
    [workload, mount, database].into_iter().flatten().collect()
}

/// FNV-1a, 64 bits: the same everywhere and for ever.
fn hashed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_reads_and_says_what_is_wrong() {
        let read =
            Baseline::read("b", "# walproof baseline 1\n\n0123456789ABCDEF x\n0123456789abcdef y\n").expect("one");
        assert_eq!(read.accepted.get("0123456789abcdef"), Some(&2));
        assert!(Baseline::read("b", "").is_err());
        assert!(Baseline::read("b", "# walproof baseline 1\nwhat is this\n").expect_err("no").contains("line 2"));
    }

    #[test]
    fn fingerprints_stay() {
        assert_eq!(format!("{:016x}", hashed("a")), "af63dc4c8601ec8c");
    }
}
