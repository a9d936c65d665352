//! Comments that accept a finding, with a reason.
//!
//! ```text
//! volumes:
//!   - ./app.db:/data/app.db   # walproof: allow single-file-mount: one opener, removed next week
//!   # walproof: allow single-file-mount: the same, on the line above
//!   - ./app.db:/data/app.db
//! ```
//! At the head of a file, before anything else stands there, `# walproof: allow-file RULE: reason` accepts the rule in
//! the whole file. Several rules are separated by commas. `;`, `//` and `<!--` begin a comment as well. In Markdown only
//! `<!--` at the beginning of a line does: everything else there is text about comments.
//!
//! What it must not do: accept without a reason; keep silent about a comment that accepts nothing.
//!
//! Where to look next: `checked::of`, which calls it.

use std::collections::BTreeMap;

use super::checked::{Checked, Level, Said, Suppressed, SuppressedBy};
use crate::manifest::{Place, Span};
use crate::rules;

/// What a comment may begin with.
const MARKS: &[&str] = &["#", ";", "//", "<!--", "--"];

/// One rule that a comment accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowance {
    file: String,
    /// Where the comment stands.
    place: Place,
    rule: String,
    reason: String,
    /// The line that it is about; `None`: the whole file.
    line: Option<u32>,
    used: bool,
}

/// A comment as it is written.
struct Written<'a> {
    place: Place,
    in_file: bool,
    rest: &'a str,
    /// Nothing but the comment stands on its line.
    alone: bool,
}

/// Suppresses what comments accept, and tells what is wrong with comments.
pub(super) fn apply(checked: &mut Checked) {
    let mut allowances: BTreeMap<String, Vec<Allowance>> = BTreeMap::new();
    for (file, text) in checked.texts.iter().filter(|(_, text)| text.contains("walproof:")) {
        let found = of_file(file, text, &mut checked.said);
        allowances.insert(file.clone(), found);
    }
    if allowances.is_empty() {
        return;
    }
    for reported in &mut checked.findings {
        let Some(span) = reported.weighed.finding.span else { continue };
        let Some(here) = allowances.get_mut(checked.graph.file_of(span)) else { continue };
        let rule = reported.weighed.finding.rule;
        if let Some(allowance) = here.iter_mut().find(|one| one.rule == rule && one.covers(span)) {
            allowance.used = true;
            let reason = allowance.reason.clone();
            reported.suppressed = Some(Suppressed { by: SuppressedBy::Comment, reason });
        }
    }
    for allowance in allowances.into_values().flatten().filter(|one| !one.used) {
        let is_run = checked.policy.only.is_empty() || checked.policy.only.contains(&allowance.rule);
        if is_run {
            checked.said.push(allowance.idle());
        }
    }
}

impl Allowance {
    fn covers(&self, span: Span) -> bool {
        self.line.is_none_or(|line| (span.start.line..=span.end.line).contains(&line))
    }

    fn idle(self) -> Said {
        let known = rules::find(&self.rule).is_some();
        let (because, try_this) = match known {
            true => (format!("`{}` finds nothing there", self.rule), "remove the comment"),
            false => (format!("there is no rule `{}`", self.rule), "`walproof explain` lists the rules"),
        };
        said(Level::Note, &self.file, self.place, "this comment accepts nothing", because, try_this)
    }
}

fn said(level: Level, file: &str, place: Place, what: &str, because: String, try_this: &str) -> Said {
    let (file, what, try_this) = (file.to_owned(), what.to_owned(), try_this.to_owned());
    Said { level, file, place: Some(place), what, because, try_this }
}

fn of_file(file: &str, text: &str, problems: &mut Vec<Said>) -> Vec<Allowance> {
    let mut found = Vec::new();
    // Comments that stand alone wait for the next line that holds something else.
    let mut waiting: Vec<Allowance> = Vec::new();
    let mut at_head = true;
    let is_page = [".md", ".markdown", ".mdx"].iter().any(|ending| file.to_ascii_lowercase().ends_with(ending));
    for (index, line) in text.lines().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let is_comment = MARKS[..4].iter().any(|mark| line.trim_start().starts_with(mark));
        let written = written(line, number).filter(|_| !is_page || line.starts_with("<!--"));
        let is_other = !line.trim().is_empty() && !is_comment;
        if is_other {
            found.extend(waiting.drain(..).map(|one| Allowance { line: Some(number), ..one }));
        }
        if let Some(written) = written {
            let allowances = taken(file, &written, at_head, problems);
            match (written.in_file, written.alone) {
                (true, _) => found.extend(allowances),
                (false, true) => waiting.extend(allowances),
                (false, false) => {
                    found.extend(allowances.into_iter().map(|one| Allowance { line: Some(number), ..one }))
                }
            }
        }
        at_head &= !is_other || line.trim() == "---" || line.starts_with("#!");
    }
    found.extend(waiting.into_iter().map(|one| Allowance { line: Some(u32::MAX), ..one }));
    found
}

/// The comment of a line, if it speaks to walproof.
fn written(line: &str, number: u32) -> Option<Written<'_>> {
    let at = line.find("walproof:")?;
    let before = line[..at].trim_end();
    let mark = MARKS.iter().find(|mark| before.ends_with(*mark))?;
    let rest = line[at + "walproof:".len()..].trim().trim_end_matches("-->").trim_end();
    let (verb, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let place = Place { line: number, column: u32::try_from(line[..at].chars().count() + 1).unwrap_or(u32::MAX) };
    let in_file = match verb {
        "allow" => false,
        "allow-file" => true,
        _ => return None,
    };
    let alone = before.trim_end_matches(*mark).trim().is_empty();
    Some(Written { place, in_file, rest, alone })
}

/// The rules that it accepts, or what is wrong with it.
fn taken(file: &str, written: &Written<'_>, at_head: bool, problems: &mut Vec<Said>) -> Vec<Allowance> {
    let (rules, reason) = written.rest.split_once(':').unwrap_or((written.rest, ""));
    let reason = reason.trim();
    let wrong = if reason.is_empty() {
        Some(("it gives no reason", "`# walproof: allow RULE: the reason`"))
    } else if written.in_file && !at_head {
        Some(("`allow-file` stands at the head of a file, before everything else", "move it there, or `allow`"))
    } else {
        None
    };
    if let Some((because, try_this)) = wrong {
        problems.push(said(
            Level::Error,
            file,
            written.place,
            "this comment does not hold",
            because.to_owned(),
            try_this,
        ));
        return Vec::new();
    }
    let names = rules.split(',').map(str::trim).filter(|name| !name.is_empty());
    let allowance = |name: &str| Allowance {
        file: file.to_owned(),
        place: written.place,
        rule: name.to_owned(),
        reason: reason.to_owned(),
        line: None,
        used: false,
    };
    names.map(allowance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(String, Option<u32>)> {
        lines_of("f", text)
    }

    fn lines_of(file: &str, text: &str) -> Vec<(String, Option<u32>)> {
        let mut problems = Vec::new();
        let found = of_file(file, text, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        found.into_iter().map(|one| (one.rule, one.line)).collect()
    }

    fn problem(text: &str) -> String {
        let mut problems = Vec::new();
        assert!(of_file("f", text, &mut problems).is_empty());
        problems.remove(0).because
    }

    #[test]
    fn comments_speak_of_their_line_or_the_next() {
        assert_eq!(lines("a: b # walproof: allow x: y"), [("x".to_owned(), Some(1))]);
        assert_eq!(lines("# walproof: allow x, z: y\n# more\n\na: b"), [("x".into(), Some(4)), ("z".into(), Some(4))]);
        assert_eq!(lines("---\n# walproof: allow-file x: y\na: b"), [("x".into(), None)]);
        assert_eq!(lines("<!-- walproof: allow x: y -->\n    docker run"), [("x".into(), Some(2))]);
        assert_eq!(lines("walproof: allow x: y\nimage: walproof: allow"), []);
    }

    #[test]
    fn pages_may_speak_of_comments() {
        let page =
            "```yaml\n# walproof: allow x\n```\nWrite `<!-- walproof: allow x -->`.\n<!-- walproof: allow x: y -->\n";
        assert_eq!(lines_of("docs/README.md", &format!("{page}docker run\n")), [("x".to_owned(), Some(6))]);
    }

    #[test]
    fn a_reason_is_asked_for() {
        assert_eq!(problem("a # walproof: allow x"), "it gives no reason");
        assert_eq!(problem("a # walproof: allow x:  "), "it gives no reason");
        assert!(problem("a: b\n# walproof: allow-file x: y").contains("head"));
    }
}
