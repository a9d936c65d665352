//! For test reports: JUnit's XML. A suite for each file; a case for each finding, or one that passed.
//!
//! A finding that makes the exit code other than 0 is a failure, a suppressed one is skipped, the rest passes with its
//! text. What could not be read is an error.
//!
//! What it must not do: hold characters that XML does not know.
//!
//! Where to look next: `json`, which says more.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::check::checked::{Checked, Level, Reported};

/// The document.
pub fn render(checked: &Checked) -> String {
    let mut suites: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in &checked.graph.files {
        suites.entry(&file.name).or_default();
    }
    let (mut failures, mut errors, mut skipped) = (0, 0, 0);
    for reported in &checked.findings {
        let finding = &reported.weighed.finding;
        let file = finding.span.map_or(finding.seen_at.as_str(), |span| checked.graph.file_of(span));
        failures += usize::from(checked.fails(reported));
        skipped += usize::from(reported.suppressed.is_some());
        suites.entry(file).or_default().push(case(checked, reported));
    }
    for said in checked.said.iter().filter(|said| said.level == Level::Error) {
        errors += 1;
        let text = format!("{}\nbecause: {}\ntry: {}", said.what, said.because, said.try_this);
        let line = format!(
            "    <testcase classname=\"{0}\" name=\"it can be read\"><error message=\"{1}\">{2}</error></testcase>\n",
            escaped(&said.file),
            escaped(&said.what),
            escaped(&text)
        );
        suites.entry(&said.file).or_default().push(line);
    }
    let total: usize = suites.values().map(|cases| cases.len().max(1)).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"walproof check\" tests=\"{total}\" \
         failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n"
    );
    for (file, cases) in &suites {
        let count = |word: &str| cases.iter().filter(|case| case.contains(word)).count();
        let (failures, errors, skipped) = (count("<failure "), count("<error "), count("<skipped "));
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">",
            escaped(file),
            cases.len().max(1)
        );
        cases.iter().for_each(|case| out.push_str(case));
        if cases.is_empty() {
            let _ = writeln!(out, "    <testcase classname=\"{}\" name=\"no finding\"/>", escaped(file));
        }
        out.push_str("  </testsuite>\n");
    }
    out + "</testsuites>\n"
}

fn case(checked: &Checked, reported: &Reported) -> String {
    let weighed = &reported.weighed;
    let finding = &weighed.finding;
    let file = finding.span.map_or(finding.seen_at.as_str(), |span| checked.graph.file_of(span));
    let line = finding.span.map_or(0, |span| span.start.line);
    let text = format!(
        "{} ({}): {}\nbecause: {}\ntry: {}",
        checked.place_of(reported),
        weighed.severity.word(),
        finding.message,
        finding.because,
        finding.remedy
    );
    let inside = match &reported.suppressed {
        Some(suppressed) => format!("<skipped message=\"{}\"/>", escaped(&suppressed.reason)),
        None if checked.fails(reported) => format!(
            "<failure message=\"{}\" type=\"{}\">{}</failure>",
            escaped(&finding.message),
            weighed.severity.word(),
            escaped(&text)
        ),
        None => format!("<system-out>{}</system-out>", escaped(&text)),
    };
    format!(
        "    <testcase classname=\"{}\" name=\"{}:{line} {}\" file=\"{0}\" line=\"{line}\">{inside}</testcase>\n",
        escaped(file),
        finding.rule,
        escaped(&finding.message)
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALLOWED, UNSAFE, of};
    use super::*;
    use crate::check::checked::Policy;

    #[test]
    fn failures_and_skips_are_cases() {
        let xml = render(&of(UNSAFE, Policy::default()));
        assert!(xml.contains("failures=\"1\"") && xml.contains("<failure message="), "{xml}");
        let xml = render(&of(ALLOWED, Policy::default()));
        assert!(xml.contains("<skipped message=\"&lt;known&gt; &amp; &quot;kept&quot;\"/>"), "{xml}");
        assert!(xml.contains("failures=\"0\""), "{xml}");
    }

    #[test]
    fn a_file_without_findings_passes() {
        let xml = render(&of("services: {a: {image: b}}\n", Policy::default()));
        assert!(xml.contains("name=\"no finding\"") && xml.contains("tests=\"1\""), "{xml}");
    }
}
