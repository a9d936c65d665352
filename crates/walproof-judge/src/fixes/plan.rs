//! The fixes of many findings together: what can be done in one go, and what is left for which reason.
//!
//! What it must not do: apply a fix that moves data and was not named; apply half of a fix; let through a text that is no
//! YAML any more or has lost a comment.
//!
//! Where to look next: whoever applies it reads the new texts again and asks once more: a second round finds what one
//! change opened or held up.

use serde::Serialize;

use super::edits::{Edit, apply};
use super::layout::Layout;
use super::{Fix, Named, offer};
use crate::check::Weighed;
use crate::manifest::recognise::{Kind, kind_of};
use crate::sharing::Graph;

/// What to do about many findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Fixes that are done, in the order of the findings.
    pub fixes: Vec<Fix>,
    /// The files that they change: name, old text, new text.
    pub changed: Vec<Changed>,
    /// Fixes that move data and were not named: what they would do.
    pub unnamed: Vec<Fix>,
    /// What is left.
    pub left: Vec<Left>,
    /// A fix was held up by another one's edits: another round may do it.
    pub again: bool,
}

/// A file with another text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its name in the graph.
    pub name: String,
    /// What it says.
    #[serde(skip)]
    pub old: String,
    /// What it would say.
    #[serde(skip)]
    pub new: String,
}

/// A finding that is not fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its place in the list of findings.
    pub finding: usize,
    /// Its rule.
    pub rule: &'static str,
    /// Why.
    pub reason: String,
    /// There is a fix, in [`Plan::unnamed`]: it waits for its rule to be named.
    pub moves_data: bool,
}

/// What can be done about these findings at once. `named`: rules whose fixes may move data. `refuses`: what the caller
/// knows against a fix, such as a path that is there already.
pub fn plan(
    graph: &Graph,
    findings: &[Weighed],
    texts: &[Named<'_>],
    named: &[&str],
    refuses: &dyn Fn(&Fix) -> Option<String>,
) -> Plan {
    let mut plan = Plan::default();
    let mut edits: Vec<Edit> = Vec::new();
    for (finding, weighed) in findings.iter().enumerate() {
        let rule = weighed.finding.rule;
        let leave = |plan: &mut Plan, reason: String| plan.left.push(Left { finding, rule, reason, moves_data: false });
        let offered = offer(graph, weighed, texts).and_then(|fix| refuses(&fix).map_or(Ok(fix), Err));
        let fix = match offered {
            Ok(fix) => fix,
            Err(reason) => {
                leave(&mut plan, reason);
                continue;
            }
        };
        if fix.moves_data && !named.contains(&rule) {
            let reason = format!("it needs data to be moved first: `--move-data {rule}` applies it");
            plan.left.push(Left { finding, rule, reason, moves_data: true });
            if !plan.unnamed.contains(&fix) {
                plan.unnamed.push(fix);
            }
            continue;
        }
        let new: Vec<Edit> = fix.edits.iter().filter(|edit| !edits.contains(edit)).cloned().collect();
        if new.iter().any(|edit| edits.iter().any(|known| known.overlaps(edit))) {
            plan.again = true;
            leave(&mut plan, "another fix changes the same words".to_owned());
            continue;
        }
        let mut all = edits.clone();
        all.extend(new);
        if !texts.iter().all(|text| keeps_comments(text, &all)) {
            leave(&mut plan, "the change would not leave the comments as they are".to_owned());
            continue;
        }
        edits = all;
        if !plan.fixes.contains(&fix) {
            plan.fixes.push(fix);
        }
    }
    plan.changed = texts.iter().filter_map(|text| changed(text, &edits)).collect();
    plan
}

/// Whether a file of YAML is one after the edits, with the same comments in the same order. True of all other files.
fn keeps_comments((name, old): &Named<'_>, edits: &[Edit]) -> bool {
    let own: Vec<Edit> = edits.iter().filter(|edit| edit.file == *name).cloned().collect();
    if own.is_empty() || !matches!(kind_of(name, old), Some(Kind::Compose | Kind::Kubernetes)) {
        return true;
    }
    apply(old, &own).is_ok_and(|new| comments(&new).is_some_and(|after| Some(after) == comments(old)))
}

/// The comments of YAML, in order; `None`: it is none.
pub fn comments(text: &str) -> Option<Vec<&str>> {
    let layout = Layout::of(text)?;
    Some(layout.comments().into_iter().map(|(start, end)| &text[start..end]).collect())
}

fn changed((name, old): &Named<'_>, edits: &[Edit]) -> Option<Changed> {
    let own: Vec<Edit> = edits.iter().filter(|edit| edit.file == *name).cloned().collect();
    // Edits of one plan do not overlap, so this applies.
    let new = apply(old, &own).ok().filter(|new| new != old)?;
    Some(Changed { name: (*name).to_owned(), old: (*old).to_owned(), new })
}
