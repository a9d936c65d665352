//! For code scanning: SARIF 2.1.0. <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>
//!
//! One run, with every rule and its page, every finding with its region, suppressed ones as such. Columns count
//! characters and end after the last one, as spans do.
//!
//! What it must not do: hold a path that only this machine knows, where the file lies below the current folder.
//!
//! Where to look next: `json`, which says more.

use serde_json::{Value, json};

use crate::check::checked::{Checked, Level, Reported, SuppressedBy};
use crate::manifest::Span;
use crate::rules::{RULES, Rule, Severity};

/// The document.
pub fn render(checked: &Checked) -> String {
    let results: Vec<Value> = checked.findings.iter().map(|reported| result(checked, reported)).collect();
    let notifications: Vec<Value> = checked.said.iter().map(notification).collect();
    let failed = checked.said.iter().any(|said| said.level == Level::Error);
    let driver = json!({
        "name": "walproof",
        "version": env!("CARGO_PKG_VERSION"),
        "informationUri": "https://sqlite.org/wal.html",
        "rules": RULES.iter().map(|rule| described(rule)).collect::<Vec<Value>>(),
    });
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": !failed, "toolExecutionNotifications": notifications }],
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).expect("plain data") + "\n"
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.line },
        "fullDescription": { "text": rule.section("Why it breaks SQLite") },
        "help": { "text": rule.explain, "markdown": rule.explain },
        "properties": { "tags": ["sqlite", "reliability"] },
    })
}

fn result(checked: &Checked, reported: &Reported) -> Value {
    let weighed = &reported.weighed;
    let finding = &weighed.finding;
    let parts = [
        (finding.message.as_str(), ""),
        (finding.because.as_str(), "because: "),
        (weighed.depends.as_str(), "depends: "),
        (finding.remedy.as_str(), "try: "),
        (finding.settle.as_deref().unwrap_or(""), "settle: "),
    ];
    let parts = parts.iter().filter(|(text, _)| !text.is_empty());
    let text: Vec<String> = parts.map(|(text, label)| format!("{label}{text}")).collect();
    let location = finding.span.map_or_else(
        || json!({ "logicalLocations": [{ "fullyQualifiedName": finding.seen_at }] }),
        |span| json!({ "physicalLocation": physical(checked, span) }),
    );
    let related = finding.related.iter().enumerate().map(|(index, related)| {
        json!({
            "id": index + 1,
            "message": { "text": related.what },
            "physicalLocation": physical(checked, related.span),
        })
    });
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(weighed.severity),
        "message": { "text": text.join("\n") },
        "locations": [location],
        "relatedLocations": related.collect::<Vec<Value>>(),
        "partialFingerprints": { "walproof/v1": reported.fingerprint },
        "properties": { "severity": weighed.severity.word(), "certainty": finding.certainty },
    });
    if let Some(index) = RULES.iter().position(|rule| rule.name == finding.rule) {
        result["ruleIndex"] = index.into();
    }
    if let Some(suppressed) = &reported.suppressed {
        let kind = if suppressed.by == SuppressedBy::Comment { "inSource" } else { "external" };
        result["suppressions"] = json!([{ "kind": kind, "justification": suppressed.reason }]);
    }
    result
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Unsafe => "error",
        Severity::Unknown | Severity::Refuses => "warning",
        Severity::Risky => "note",
    }
}

fn physical(checked: &Checked, span: Span) -> Value {
    json!({
        "artifactLocation": { "uri": uri(checked.graph.file_of(span)) },
        "region": {
            "startLine": span.start.line,
            "startColumn": span.start.column,
            "endLine": span.end.line,
            "endColumn": span.end.column,
        },
    })
}

fn notification(said: &crate::check::checked::Said) -> Value {
    let level = if said.level == Level::Error { "error" } else { "note" };
    let place = said.place.map_or(String::new(), |place| format!(":{}:{}", place.line, place.column));
    let text = format!("{}{place}: {}\nbecause: {}\ntry: {}", said.file, said.what, said.because, said.try_this);
    json!({ "level": level, "message": { "text": text } })
}

/// A path as a reference: relative ones stay relative.
fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALLOWED, UNSAFE, of};
    use super::*;
    use crate::check::checked::Policy;

    fn document(compose: &str) -> Value {
        serde_json::from_str(&render(&of(compose, Policy::default()))).expect("JSON")
    }

    #[test]
    fn what_the_standard_asks_for_is_there() {
        let document = document(UNSAFE);
        assert_eq!(document["version"], "2.1.0");
        let run = &document["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(RULES.len()));
        let result = &run["results"][0];
        assert_eq!((&result["level"], &result["ruleId"]), (&"error".into(), &"single-file-mount".into()));
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!((&region["startLine"], &region["endColumn"]), (&4.into(), &40.into()), "{region}");
        let index = result["ruleIndex"].as_u64().expect("an index") as usize;
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    }

    #[test]
    fn suppressions_are_told() {
        let document = document(ALLOWED);
        assert_eq!(document["runs"][0]["results"][0]["suppressions"][0]["kind"], "inSource");
    }

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("a b/ü.yaml"), "a%20b/%C3%BC.yaml");
        assert_eq!(uri("/etc/x"), "file:///etc/x");
    }
}
