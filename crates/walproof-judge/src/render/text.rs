//! For people: each finding with its place and the line it stands in, then what was looked at and what was not.
//!
//! What it must not do: say `safe`. That nothing was found in texts says nothing about what storage does.
//!
//! Where to look next: `excerpt` for the lines, docs/check.md for how to read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{counts, excerpt, harmless, several};
use crate::check::checked::{Checked, LeftOutWhy, Level, Reported, Said, SuppressedBy, mode_word};
use crate::manifest::Span;
use crate::rules::Severity;
use crate::sharing::EvidenceKind;

/// So many findings of one kind are shown as one.
const ALIKE_MIN: usize = 4;
/// So many of them are named.
const ALIKE_SHOWN_MAX: usize = 5;
/// So many related places are shown with their line.
const RELATED_MAX: usize = 3;
/// So many names are listed at the end.
const NAMES_MAX: usize = 4;

/// How it is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colours.
    pub colour: bool,
    /// Columns.
    pub width: usize,
}

/// The whole text.
pub fn render(checked: &Checked, style: Style) -> String {
    let mut page = Page { out: String::new(), style, checked };
    for group in groups(checked) {
        page.group(&group);
    }
    checked.said.iter().for_each(|said| page.said(said));
    page.summary();
    page.out
}

/// Findings that count, those that are alike together.
fn groups(checked: &Checked) -> Vec<Vec<&Reported>> {
    let shape = |reported: &Reported| {
        let finding = &reported.weighed.finding;
        let outside: Vec<&str> = finding.message.split('`').step_by(2).collect();
        (reported.weighed.severity, finding.rule, outside.join("`"))
    };
    let mut count: BTreeMap<_, usize> = BTreeMap::new();
    checked.counting().for_each(|reported| *count.entry(shape(reported)).or_default() += 1);
    let mut groups: Vec<Vec<&Reported>> = Vec::new();
    let mut begun: BTreeMap<_, usize> = BTreeMap::new();
    for reported in checked.counting() {
        let shape = shape(reported);
        let many = count.get(&shape).is_some_and(|count| *count >= ALIKE_MIN);
        match begun.get(&shape).filter(|_| many) {
            Some(at) => groups[*at].push(reported),
            None => {
                begun.insert(shape, groups.len());
                groups.push(vec![reported]);
            }
        }
    }
    groups
}

struct Page<'a> {
    out: String,
    style: Style,
    checked: &'a Checked,
}

impl Page<'_> {
    fn group(&mut self, group: &[&Reported]) {
        let Some((first, others)) = group.split_first() else { return };
        self.finding(first);
        if !others.is_empty() {
            self.part("alike", &format!("{} more", others.len()));
            for reported in others.iter().take(ALIKE_SHOWN_MAX) {
                self.part("", &self.line_of(reported));
            }
            if others.len() > ALIKE_SHOWN_MAX {
                self.part("", &format!("and {} more (`--format json` has all)", others.len() - ALIKE_SHOWN_MAX));
            }
        }
        self.out.push('\n');
    }

    /// `path:line`, or where it was seen.
    fn line_of(&self, reported: &Reported) -> String {
        let checked = self.checked;
        let line = |span: Span| format!("{}:{}", checked.graph.file_of(span), span.start.line);
        reported.weighed.finding.span.map_or_else(|| checked.place_of(reported), line)
    }

    fn finding(&mut self, reported: &Reported) {
        let weighed = &reported.weighed;
        let (finding, severity) = (&weighed.finding, weighed.severity);
        let head = format!("{} {}", severity.word(), finding.rule);
        let head = self.painted(&head, colour_of(severity));
        let message = wrapped(&harmless(&finding.message), self.style.width.saturating_sub(2));
        let _ = writeln!(self.out, "{head}");
        message.iter().for_each(|line| self.line(&format!("  {line}")));
        match finding.span {
            Some(span) => self.excerpt(span, '^', "", severity),
            None => self.part("at", &finding.seen_at),
        }
        for (index, related) in finding.related.iter().enumerate() {
            if index < RELATED_MAX {
                self.excerpt(related.span, '-', &related.what, severity);
            } else {
                self.part("also", &format!("{}: {}", self.checked.place(related.span), related.what));
            }
        }
        self.part("because", &finding.because);
        self.part("depends", &weighed.depends);
        self.part("try", &finding.remedy);
        self.part("settle", finding.settle.as_deref().unwrap_or(""));
        self.part("sure", &format!("{}; `walproof explain {}` says more", finding.certainty.word(), finding.rule));
    }

    fn excerpt(&mut self, span: Span, mark: char, what: &str, severity: Severity) {
        let gutter = span.start.line.to_string().len().max(2);
        let arrow = self.painted(&format!("{}-->", " ".repeat(gutter)), BLUE);
        let place = harmless(&self.checked.place(span));
        let _ = writeln!(self.out, "{arrow} {place}");
        let room = self.style.width.saturating_sub(gutter + 4);
        let Some(excerpt) = self.checked.text_of(span).and_then(|text| excerpt::of(text, span, room)) else {
            self.part("", what);
            return;
        };
        let bar = self.painted(&format!("{} |", " ".repeat(gutter)), BLUE);
        let number = self.painted(&format!("{:>gutter$} |", excerpt.number), BLUE);
        let colour = if mark == '^' { colour_of(severity) } else { BLUE };
        let marks = self.painted(&mark.to_string().repeat(excerpt.length), colour);
        let _ = writeln!(self.out, "{number} {}", excerpt.line);
        let what = harmless(what);
        let beside = excerpt.indent + excerpt.length + 1 + excerpt::width_of(&what) <= room;
        let said = if beside && !what.is_empty() { format!(" {what}") } else { String::new() };
        let _ = writeln!(self.out, "{bar} {}{marks}{said}", " ".repeat(excerpt.indent));
        if !beside {
            self.part("", &what);
        }
    }

    fn said(&mut self, said: &Said) {
        let (word, colour) = match said.level {
            Level::Error => ("error", RED),
            Level::Note => ("note", BLUE),
        };
        let head = self.painted(word, colour);
        let place = said.place.map_or(String::new(), |place| format!(":{}:{}", place.line, place.column));
        let text = harmless(&format!("{}{place}: {}", said.file, said.what));
        let _ = writeln!(self.out, "{head} {text}");
        self.part("because", &said.because);
        self.part("try", &said.try_this);
    }

    /// A label and a text, wrapped beside it; nothing if there is no text.
    fn part(&mut self, label: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        for (index, line) in wrapped(&harmless(text), self.style.width.saturating_sub(11)).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let label = self.painted(&format!("  {label:<8}"), BOLD);
            self.line(&format!("{label} {line}"));
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn painted(&self, text: &str, colour: &str) -> String {
        if self.style.colour && !text.trim().is_empty() { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }

    // ---- the end ----

    fn summary(&mut self) {
        let checked = self.checked;
        let suppressed: Vec<String> = [
            (SuppressedBy::Comment, "by comments"),
            (SuppressedBy::Baseline, "by the baseline"),
            (SuppressedBy::Skip, "of skipped rules"),
        ]
        .into_iter()
        .map(|(by, words)| (checked.suppressed_count(by), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} suppressed {words}"))
        .collect();
        let mut line = counts(checked);
        suppressed.iter().for_each(|words| line += &format!(", {words}"));
        let line = self.painted(&line, checked.worst().map_or(BOLD, colour_of));
        self.line(&line);
        self.judged();
        self.not_seen();
        let advice = match (checked.graph.databases.is_empty(), checked.worst()) {
            (true, _) => "no database is known here, so nothing was judged: name one with `--database WORKLOAD:/path`",
            (false, None) => {
                "that nothing was found is not `safe`: text does not show what storage does; `walproof verify` and \
                 `walproof probe` measure it"
            }
            (false, Some(_)) => "",
        };
        self.part("means", advice);
        let of_mode = |one: &&Reported| {
            let weighed = &one.weighed;
            one.suppressed.is_none()
                && weighed.severity == Severity::Unknown
                && weighed.finding.judged.wal == Some(Severity::Unsafe)
        };
        match checked.findings.iter().filter(of_mode).count() {
            0 => {}
            count => {
                let are = if count == 1 { "is" } else { "are" };
                let text = format!(
                    "{count} of the unknown {are} unsafe in WAL mode, which is not known here: `--mode wal` if the \
                     application turns it on, `--fail-on unknown` to fail meanwhile"
                );
                self.part("means", &text);
            }
        }
    }

    fn judged(&mut self) {
        let checked = self.checked;
        let files: usize = checked.read.judged.values().sum();
        let kinds: Vec<String> = checked.read.judged.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let workloads = several(checked.graph.workloads.len(), "workload");
        self.part("judged", &format!("{}{kinds}: {workloads}", several(files, "file")));
        if let Some((databases, openers, containers)) = checked.read.seen {
            let openers = match openers {
                1 => "1 process that has one open".to_owned(),
                count => format!("{count} processes that have one open"),
            };
            let containers = several(containers, "container");
            self.part("", &format!("on this machine: {}, {openers}, {containers}", several(databases, "database")));
        }
        let mut by: BTreeMap<EvidenceKind, usize> = BTreeMap::new();
        checked.graph.databases.iter().for_each(|database| *by.entry(database.evidence.kind).or_default() += 1);
        let known: Vec<String> = by.into_iter().map(|(kind, count)| format!("{count} {}", known_by(kind))).collect();
        let known = if known.is_empty() { String::new() } else { format!(": {}", known.join(", ")) };
        self.part("", &format!("{}{known}", several(checked.graph.databases.len(), "database")));
        let mode = checked.policy.mode.map_or("as each database has it", mode_word);
        let host = checked.host().word();
        self.part("", &format!("host {host} (`--host`), journal mode {mode} (`--mode`)"));
    }

    fn not_seen(&mut self) {
        let checked = self.checked;
        let without = checked.without_database();
        let mut label = "not seen";
        if !without.is_empty() {
            let names = without.iter().map(|id| format!("`{}`", checked.graph.workload(*id).name));
            let names: Vec<String> = names.collect::<BTreeSet<String>>().into_iter().collect();
            let text = format!("{} of which no database is known: {}", several(without.len(), "workload"), few(&names));
            self.part(std::mem::take(&mut label), &text);
        }
        let unplaced = checked.unplaced();
        if !unplaced.is_empty() {
            let shown = unplaced.iter().map(|(id, text)| format!("`{text}` of `{}`", checked.graph.workload(*id).name));
            let shown: Vec<String> = shown.collect::<BTreeSet<String>>().into_iter().collect();
            let noun = if shown.len() == 1 { "address of SQLite whose" } else { "addresses of SQLite whose" };
            let text = format!("{} {noun} place is not known: {}", shown.len(), few(&shown));
            self.part(std::mem::take(&mut label), &text);
        }
        for (why, one, many, advice) in [
            (LeftOutWhy::Template, "template", "templates", "render them: `helm template . | walproof check -`"),
            (LeftOutWhy::Empty, "empty file", "empty files", "there is nothing in it to judge"),
            (LeftOutWhy::OtherKind, "other file", "other files", "it is of no kind that is judged"),
        ] {
            let files: Vec<String> =
                checked.read.left_out.iter().filter(|one| one.why == why).map(|one| one.file.clone()).collect();
            if !files.is_empty() {
                let noun = if files.len() == 1 { one } else { many };
                let text = format!("{} {noun}: {} ({advice})", files.len(), few(&files));
                self.part(std::mem::take(&mut label), &text);
            }
        }
        for text in unread(checked) {
            self.part(std::mem::take(&mut label), &text);
        }
        for text in &checked.read.not_seen {
            self.part(std::mem::take(&mut label), text);
        }
    }
}

/// Objects that start pods and are not judged, those of a kind in one line.
fn unread(checked: &Checked) -> Vec<String> {
    let mut kinds: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for left in &checked.read.left_out {
        if let Some(object) = &left.object {
            kinds.entry((&object.kind, object.advice)).or_default().push(object.name.clone());
        }
    }
    let line = |((kind, advice), names): ((&str, &str), Vec<String>)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("{} `{kind}` not judged: {}: {advice}", names.len(), few(&names))
    };
    kinds.into_iter().map(line).collect()
}

/// How databases are known.
const fn known_by(kind: EvidenceKind) -> &'static str {
    match kind {
        EvidenceKind::Seen => "seen",
        EvidenceKind::Named => "named by you",
        EvidenceKind::Address => "by an address",
        EvidenceKind::Application => "by the application table",
        EvidenceKind::FileName => "by a file's name alone",
    }
}

fn few(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<String>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[34m";

const fn colour_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Unsafe => RED,
        Severity::Unknown => "\x1b[1;33m",
        Severity::Refuses => "\x1b[1;35m",
        Severity::Risky => "\x1b[1;36m",
    }
}

/// Lines of at most so many columns; a word that is longer stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = excerpt::width_of(word);
        if used > 0 && used + 1 + length > width.max(20) {
            lines.push(String::new());
            used = 0;
        }
        let line = lines.last_mut().expect("it begins with one");
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALLOWED, UNSAFE, of};
    use super::*;
    use crate::check::checked::Policy;

    fn text(compose: &str, width: usize) -> String {
        render(&of(compose, Policy::default()), Style { colour: false, width })
    }

    #[test]
    fn a_finding_shows_its_line_and_what_to_do() {
        let text = text(UNSAFE, 80);
        for words in
            ["unsafe single-file-mount", "--> compose.yaml:4:15", " 4 |     volumes: [", "because", "try", "1 unsafe"]
        {
            assert!(text.contains(words), "{words}\n{text}");
        }
        let mark = text.lines().find(|line| line.contains('^')).expect("a mark");
        assert!(mark.ends_with("  ^^^^^^^^^^^^^^^^^^^^^^^^^"), "{mark}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn what_is_suppressed_is_counted() {
        let text = text(ALLOWED, 80);
        assert!(text.contains("no finding, 1 suppressed by comments"), "{text}");
        assert!(text.contains("is not `safe`"), "{text}");
    }

    #[test]
    fn many_alike_are_one_with_places() {
        let mut compose = "services:\n".to_owned();
        for index in 0..30 {
            compose += &format!(
                "  app{index}:\n    image: vaultwarden/server\n    volumes: [\"./{index}.db:/data/db.sqlite3\"]\n"
            );
        }
        let text = text(&compose, 100);
        assert!(text.contains("29 more") && text.contains("and 24 more"), "{text}");
        assert!(text.contains("30 unsafe"), "{text}");
        let places = text.lines().filter(|line| line.trim_start().starts_with("compose.yaml:")).count();
        assert_eq!(places, 5, "{text}");
    }

    #[test]
    fn colours_are_asked_for() {
        let checked = of(UNSAFE, Policy::default());
        assert!(render(&checked, Style { colour: true, width: 80 }).contains("\x1b[1;31m"));
        assert!(!render(&checked, Style { colour: false, width: 80 }).contains('\x1b'));
    }

    #[test]
    fn texts_wrap() {
        assert_eq!(wrapped("aaaaaaaaaa bbbbbbbbbb cc", 20), ["aaaaaaaaaa", "bbbbbbbbbb cc"]);
        assert_eq!(wrapped("", 20), [""]);
    }
}
