//! Fixes: for a finding, the smallest edits of the text that take its cause away, and what must be done by hand first.
//!
//! What this room is: one file for each change, named after what it does, and the [`FIXES`] slice, which says for each
//! rule what changes, or why nothing is changed for it. [`propose`] gives the [`Fix`] of one finding, [`plan`] those of many,
//! [`apply`] the new text, [`diff`] what a person reads.
//!
//! To add one: `fixes/WHAT_IT_DOES.rs`, a line in [`FIXES`]; for a rule without one a line in [`BY_HAND`].
//!
//! What it must not do: read or write files; change a value that other places use by an anchor; lose a comment; call an
//! edit harmless that hides or leaves behind data ([`Fix::moves_data`]: it is applied only when named).
//!
//! Where to look next: `layout` and `write` for how text is changed, `crate::rules` for what is found.

mod by_hand;
mod claim_for_one_pod;
mod drop_parameter;
mod edits;
mod keep_locks;
mod label_shared;
mod layout;
mod make_temporary_directory;
mod mount_directory;
mod plan;
mod question;
mod recreate;
mod run_one_copy;
mod stop_first;
mod unified_diff;
mod write;

#[cfg(test)]
mod mount_directory_tests;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::check::Weighed;
use crate::manifest::recognise::is_page;
use crate::sharing::{Graph, WorkloadKind};

pub use by_hand::BY_HAND;
pub use edits::{Edit, EditError, apply};
pub(crate) use mount_directory::filled_by_images;
pub use plan::{Changed, Left, Plan, comments, plan};
pub use unified_diff::{diff, shown};

use question::Question;

/// What can be changed for which rule, sorted by the rule.
pub static FIXES: &[&Change] = &[
    &claim_for_one_pod::CHANGE,
    &run_one_copy::AUTOSCALED,
    &drop_parameter::IMMUTABLE,
    &make_temporary_directory::CHANGE,
    &keep_locks::NOBRL,
    &keep_locks::NOLOCK,
    &drop_parameter::NOLOCK,
    &recreate::CHANGE,
    &label_shared::CHANGE,
    &run_one_copy::REPLICAS,
    &mount_directory::CHANGE,
    &keep_locks::SOFT,
    &stop_first::CHANGE,
];

/// A change for the findings of one rule.
pub struct Change {
    /// The rule's name.
    pub rule: &'static str,
    /// What it does, in one line.
    pub line: &'static str,
    /// The fix of one finding, or why there is none.
    make: fn(&Question<'_>) -> Result<Fix, String>,
}

/// What to change for a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// The rule.
    pub rule: &'static str,
    /// What it does, in a few words: lower-case, no full stop, values in backticks.
    pub title: String,
    /// The edits, in one file or several.
    pub edits: Vec<Edit>,
    /// What is to be done by hand, in this order, before the new text is used.
    pub needs: Vec<Step>,
    /// The edit alone would hide data or leave it behind: it is applied only when its rule is named.
    pub moves_data: bool,
    /// What else changes: others that use the same words.
    pub also: Vec<String>,
    /// Paths of the host that the new text mounts and that must not be there yet.
    pub makes: Vec<String>,
}

/// Something to be done by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What, and why.
    pub what: String,
    /// The commands, if there are any, for the directory of the file.
    pub commands: Vec<String>,
}

impl Step {
    fn new(what: impl Into<String>, commands: impl IntoIterator<Item = String>) -> Self {
        Self { what: what.into(), commands: commands.into_iter().collect() }
    }
}

/// A text under the name that it has in the graph.
pub type Named<'a> = (&'a str, &'a str);

/// The fix of a finding, or why there is none.
pub fn offer(graph: &Graph, finding: &Weighed, texts: &[Named<'_>]) -> Result<Fix, String> {
    let rule = finding.finding.rule;
    let about = finding.finding.about.workload.map(|id| graph.workload(id).kind);
    let file = finding.finding.span.map_or("", |span| graph.file_of(span));
    if is_page(file) && about != Some(WorkloadKind::CommandLine) {
        return Err("it stands in Markdown: change it by hand".to_owned());
    }
    match FIXES.iter().find(|change| change.rule == rule) {
        Some(change) => (change.make)(&Question { graph, finding: &finding.finding, texts }),
        None => Err(BY_HAND
            .iter()
            .find(|(name, _)| *name == rule)
            .map_or("there is no fix for it: see its remedy", |(_, reason)| reason)
            .to_owned()),
    }
}

/// The fix of a finding, if there is one.
pub fn propose(graph: &Graph, finding: &Weighed, texts: &[Named<'_>]) -> Option<Fix> {
    offer(graph, finding, texts).ok()
}
