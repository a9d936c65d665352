//! For GitHub Actions: workflow commands that become annotations.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>
//!
//! Unsafe is an error, unknown and refuses are warnings, risky is a notice. Suppressed findings are not shown.
//!
//! What it must not do: let a file's name or text end a command and begin another.
//!
//! Where to look next: `sarif`, for code scanning.

use std::fmt::Write;

use super::{counts, harmless, is_obeyed};
use crate::check::checked::{Checked, Level};
use crate::rules::Severity;

/// The lines.
pub fn render(checked: &Checked) -> String {
    let mut out = String::new();
    for reported in checked.counting() {
        let weighed = &reported.weighed;
        let finding = &weighed.finding;
        let command = match weighed.severity {
            Severity::Unsafe => "error",
            Severity::Unknown | Severity::Refuses => "warning",
            Severity::Risky => "notice",
        };
        let place = finding.span.map_or(String::new(), |span| {
            let file = value(checked.graph.file_of(span));
            // Columns make sense to GitHub only within one line.
            let columns = if span.start.line == span.end.line {
                format!(",col={},endColumn={}", span.start.column, span.end.column)
            } else {
                String::new()
            };
            format!("file={file},line={},endLine={}{columns},", span.start.line, span.end.line)
        });
        let title = value(&format!("{}: {}", weighed.severity.word(), finding.rule));
        let mut text = format!("{}\nbecause: {}\ntry: {}", finding.message, finding.because, finding.remedy);
        if finding.span.is_none() {
            text = format!("{}: {text}", finding.seen_at);
        }
        let _ = writeln!(out, "::{command} {place}title={title}::{}", message(&text));
    }
    for said in &checked.said {
        let command = if said.level == Level::Error { "error" } else { "notice" };
        let line = said.place.map_or(String::new(), |place| format!(",line={},col={}", place.line, place.column));
        let text = format!("{}\nbecause: {}\ntry: {}", said.what, said.because, said.try_this);
        let _ = writeln!(out, "::{command} file={}{line},title=walproof::{}", value(&said.file), message(&text));
    }
    let _ = writeln!(out, "walproof check: {}", harmless(&counts(checked)));
    out
}

fn message(text: &str) -> String {
    let obeyed = |c: char| is_obeyed(c) && !matches!(c, '\n' | '\r' | '\t');
    let text: String = text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect();
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn value(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALLOWED, UNSAFE, of};
    use super::*;
    use crate::check::checked::Policy;

    #[test]
    fn findings_are_annotations() {
        let text = render(&of(UNSAFE, Policy::default()));
        let start =
            "::error file=compose.yaml,line=4,endLine=4,col=15,endColumn=40,title=unsafe%3A single-file-mount::";
        assert!(text.starts_with(start), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(render(&of(ALLOWED, Policy::default())).lines().count(), 1);
    }

    #[test]
    fn no_text_ends_a_command() {
        assert_eq!(value("a,b:c\n::error::x"), "a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax");
        assert_eq!(message("a\u{1b}]0;x\u{9b}\u{202e}\n"), "a\u{fffd}]0;x\u{fffd}\u{fffd}%0A");
    }
}
