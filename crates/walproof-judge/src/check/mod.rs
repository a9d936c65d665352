//! `check` without its eyes: a graph in, findings with their severity out.
//!
//! What this room is: [`judge`] runs every rule and picks the severity that holds in the database's journal mode. Where
//! the modes differ and the mode is not known the answer is `unknown`, with both said. [`checked`] puts everything
//! together that one run has to say, [`projects`] is where what was read goes into the graph, `allow` and [`baseline`]
//! accept findings, [`config`] reads `.walproof.toml` and the words of the command line.
//!
//! What it must not do: read files, print, drop a finding. What is suppressed stays, with its reason.
//!
//! Where to look next: `crate::rules` for what is found, `crate::render` for how it is shown.

mod allow;
pub mod baseline;
pub mod checked;
pub mod config;
pub mod projects;

use serde::Serialize;
use walproof_format::sqlite::db_header::JournalFamily;

use crate::rules::{Finding, Judged, RULES, Severity};
use crate::sharing::Graph;

/// A finding, and how bad it is in the mode that the database has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// How bad.
    pub severity: Severity,
    /// What.
    #[serde(flatten)]
    pub finding: Finding,
    /// What the severity depends on: the mode is not known, and these differ. Empty if it does not.
    pub depends: String,
}

/// Everything that the rules find, the worst first, then by place.
///
/// `assumed`: the family of journal modes of every database of which it is not known.
pub fn judge(graph: &Graph, assumed: Option<JournalFamily>) -> Vec<Weighed> {
    let found = RULES.iter().flat_map(|rule| (rule.judge)(graph));
    let mut weighed: Vec<Weighed> = found.filter_map(|finding| weigh(graph, finding, assumed)).collect();
    weighed.sort_by(|one, two| order(one).cmp(&order(two)));
    weighed.dedup();
    weighed
}

fn order(weighed: &Weighed) -> (std::cmp::Reverse<Severity>, Option<crate::manifest::Span>, &str, &str) {
    let finding = &weighed.finding;
    (std::cmp::Reverse(weighed.severity), finding.span, finding.rule, &finding.message)
}

fn weigh(graph: &Graph, finding: Finding, assumed: Option<JournalFamily>) -> Option<Weighed> {
    let database = finding.about.database.map(|id| graph.database(id));
    let family = database.and_then(|database| database.mode.family).or(assumed);
    let (severity, depends) = held(finding.judged, family)?;
    Some(Weighed { severity, finding, depends })
}

/// The severity in a family, or in a family that is not known.
fn held(judged: Judged, family: Option<JournalFamily>) -> Option<(Severity, String)> {
    let Judged { wal, rollback } = judged;
    match family {
        Some(JournalFamily::Wal) => Some((wal?, String::new())),
        Some(JournalFamily::Rollback) => Some((rollback?, String::new())),
        None if wal == rollback => Some((wal?, String::new())),
        None => {
            let word = |severity: Option<Severity>| severity.map_or("no finding", Severity::word);
            let depends =
                format!("{} in WAL mode, {} in DELETE; the mode is not known here", word(wal), word(rollback));
            // What is merely risky in one mode is no question that decides.
            let worst = wal.max(rollback)?;
            Some((worst.min(Severity::Unknown), depends))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_decides_and_not_knowing_it_is_unknown() {
        let judged = Judged::each(Severity::Unsafe, Severity::Risky);
        let severity = |judged, family| held(judged, family).map(|(severity, _)| severity);
        assert_eq!(severity(judged, Some(JournalFamily::Wal)), Some(Severity::Unsafe));
        assert_eq!(severity(judged, Some(JournalFamily::Rollback)), Some(Severity::Risky));
        assert_eq!(severity(judged, None), Some(Severity::Unknown));
        assert_eq!(severity(Judged::wal(Severity::Risky), None), Some(Severity::Risky));
        assert_eq!(severity(Judged::wal(Severity::Unsafe), Some(JournalFamily::Rollback)), None);
        assert_eq!(severity(Judged::always(Severity::Unsafe), None), Some(Severity::Unsafe));
    }
}
