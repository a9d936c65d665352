//! What a [`Checked`] looks like: for people, for programs, for those who show places in code.
//!
//! | room | for |
//! |---|---|
//! | [`text`] | people, with excerpts of the files |
//! | [`json`] | programs; versioned, described in docs/check.md |
//! | [`sarif`] | code scanning |
//! | [`junit`] | test reports |
//! | [`github`] | annotations of GitHub Actions |
//!
//! What it must not do: print, judge, leave a finding out (what is suppressed is shown as such where the form has a word
//! for it). Names and texts of files are the user's: what could move a terminal's cursor is replaced.
//!
//! Where to look next: `crate::check::checked` for what is shown.

pub mod excerpt;
pub mod github;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod text;

use crate::check::checked::Checked;
use crate::rules::Severity;

/// Every severity, the worst first.
pub const SEVERITIES: [Severity; 4] = [Severity::Unsafe, Severity::Unknown, Severity::Refuses, Severity::Risky];

/// `1 file`, `2 files`.
pub(crate) fn several(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, noun) => format!("1 {noun}"),
        (count, noun) => format!("{count} {noun}s"),
    }
}

/// Without characters that a terminal obeys.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// Controls, and marks that change the order of what is shown.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `2 unsafe, 1 risky`, or `no finding`.
pub(crate) fn counts(checked: &Checked) -> String {
    let found = SEVERITIES.iter().map(|severity| (checked.count(*severity), severity.word()));
    let words: Vec<String> = found.filter(|(count, _)| *count > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if words.is_empty() { "no finding".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use crate::check::checked::{self, Checked, Given, Policy};
    use crate::manifest::Source;
    use crate::manifest::compose::{self, Profiles};
    use crate::sharing::lower::{self, Builder};
    use crate::sharing::{Applications, Host};

    /// A Compose file, judged.
    pub fn of(text: &str, policy: Policy) -> Checked {
        let applications = Applications::built_in();
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        let source = Source { name: "compose.yaml", text };
        let read = compose::parse(&[source], &|_| None, &mut |_| Err(String::new()), &Profiles::none());
        lower::compose::add(&mut builder, &read.expect("a Compose file"), None);
        let texts = BTreeMap::from([("compose.yaml".to_owned(), text.to_owned())]);
        checked::of(builder.finish(), Given { texts, policy, ..Given::default() })
    }

    pub const UNSAFE: &str =
        "services:\n  app:\n    image: vaultwarden/server\n    volumes: [\"./a.db:/data/db.sqlite3\"]\n";
    pub const ALLOWED: &str = "services:\n  app:\n    image: vaultwarden/server\n    # walproof: allow single-file-mount: <known> & \"kept\"\n    volumes: [\"./a.db:/data/db.sqlite3\"]\n";
}
