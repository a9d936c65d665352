//! The examples on the pages of rules: the unsafe one gives a finding of its rule, the safe one gives none of it and
//! nothing unsafe.
//!
//! A block's language says what it is: `yaml`, `sh`, `ini` (a `.container` unit), `dockerfile`.
//!
//! What it must not do: stand for the fixtures, which have the cases where a rule can be wrong.
//!
//! Where to look next: `tests/rules.rs`.

mod graphs;

use std::path::Path;

use walproof_judge::check::{self, Weighed};
use walproof_judge::manifest::Source;
use walproof_judge::manifest::recognise::kind_of;
use walproof_judge::rules::{RULES, Rule, Severity};
use walproof_judge::sharing::Host;

const FILES: &[(&str, &str)] =
    &[("dockerfile", "Dockerfile"), ("ini", "app.container"), ("sh", "run.sh"), ("yaml", "example.yaml")];

/// What is found in the block under a heading; `None`: there is none that is read here, or the rule is about what runs
/// and its blocks show what to type there.
fn found(rule: &Rule, heading: &str) -> Option<Vec<Weighed>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/manifests").join(rule.name);
    if fixtures.join("unsafe/live.json").exists() {
        return None;
    }
    let (_, after) = rule.section(heading).split_once("```")?;
    let (language, rest) = after.split_once('\n')?;
    let (text, _) = rest.split_once("```")?;
    let (_, name) = FILES.iter().find(|(known, _)| *known == language)?;
    let kind = kind_of(name, text)?;
    Some(check::judge(&graphs::graph(kind, &[Source { name, text }], Host::Unknown), None))
}

#[test]
fn pages_show_what_their_rules_find() {
    let mut count = 0;
    for rule in RULES {
        if let Some(found) = found(rule, "Unsafe example") {
            assert!(found.iter().any(|weighed| weighed.finding.rule == rule.name), "{}: {found:?}", rule.name);
            count += 1;
        }
        for weighed in found(rule, "Safe example").unwrap_or_default() {
            assert!(weighed.finding.rule != rule.name, "{}: {weighed:?}", rule.name);
            assert!(weighed.severity < Severity::Unsafe, "{}: {weighed:?}", rule.name);
        }
    }
    assert!(count >= 10, "only {count} pages were read");
}
