//! `overlapping-rollout`: the Deployment's strategy becomes `Recreate`, so that the old pod ends before the new one begins;
//! a CronJob forbids a second one.
//!
//! What it must not do: leave `rollingUpdate` beside it, which the API server refuses.
//!
//! Where to look next: `run_one_copy`, for those that run several all the time.

use super::layout::Node;
use super::question::{Question, object};
use super::write::{New, Sheet};
use super::{Change, Edit, Fix};
use crate::sharing::{Workload, WorkloadKind};

pub(super) static CHANGE: Change = Change {
    rule: "overlapping-rollout",
    line: "sets the strategy of a Deployment to Recreate, that of a CronJob to Forbid",
    make,
};

const FLOW: &str = "{type: Recreate}";
const NEW: New<'_> = New { block: "strategy:\n\ttype: Recreate", flow: "strategy: {type: Recreate}" };

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let (_, workload) = question.workload()?;
    if workload.kind == WorkloadKind::CronJob {
        return forbid(question, workload);
    }
    if workload.kind != WorkloadKind::Deployment {
        return Err(format!("a {} has no strategy `Recreate`", workload.kind.word()));
    }
    let span = Question::place(workload.span)?;
    let start = question.own(span)?.start;
    let sheet = question.sheet(span)?;
    let deployment = object(&sheet.layout.chain(start))?;
    let spec = sheet.layout.walk(deployment, &["spec"])?;
    let title = format!("{} ends the old pod before it starts the new one", workload.shown());
    Ok(question.fix(title, edits(&sheet, spec)?))
}

/// A CronJob that does not start while the last one still runs.
fn forbid(question: &Question<'_>, workload: &Workload) -> Result<Fix, String> {
    let title = format!("{} does not start while the last one runs", workload.shown());
    if workload.rollout.span.is_some() {
        return question.scalar(workload.rollout.span, "Forbid", title);
    }
    let span = Question::place(workload.span)?;
    let start = question.own(span)?.start;
    let sheet = question.sheet(span)?;
    let spec = sheet.layout.walk(object(&sheet.layout.chain(start))?, &["spec"])?;
    let line = "concurrencyPolicy: Forbid";
    let edit = sheet.insert_entry(spec, &["schedule"], &New { block: line, flow: line })?;
    Ok(question.fix(title, vec![edit]))
}

fn edits(sheet: &Sheet<'_>, spec: &Node) -> Result<Vec<Edit>, String> {
    let Some((key, value)) = spec.entries().iter().find(|(key, _)| key.scalar() == Some("strategy")) else {
        return Ok(vec![sheet.insert_entry(spec, &["replicas", "revisionHistoryLimit"], &NEW)?]);
    };
    if value.entries().is_empty() {
        // Nothing, `{}`, or an alias: the word in its place changes nothing for others.
        sheet.layout.refuses(&[value]).map_or(Ok(()), Err)?;
        return Ok(vec![sheet.replace_value(key, value, FLOW)]);
    }
    sheet.layout.own(value)?;
    if value.merges() {
        return Err("what the strategy holds is merged from somewhere else".to_owned());
    }
    let rolling = value.get("rollingUpdate");
    if let Some(rolling) = rolling {
        sheet.layout.refuses(&[rolling]).map_or(Ok(()), Err)?;
    }
    match value.get("type") {
        Some(kind) if kind.scalar().is_some() => {
            sheet.layout.own(kind)?;
            let mut edits = vec![sheet.replace_scalar(kind, "Recreate")];
            edits.extend(sheet.remove_entry(value, "rollingUpdate")?);
            Ok(edits)
        }
        Some(_) => Err("`type` of the strategy is no single value".to_owned()),
        None => type_alone(sheet, key, value),
    }
}

/// A strategy with `rollingUpdate` alone: `type: Recreate` in its place.
fn type_alone(sheet: &Sheet<'_>, key: &Node, value: &Node) -> Result<Vec<Edit>, String> {
    let [(name, rolling)] = value.entries() else { return Err("the strategy holds something unknown".to_owned()) };
    let end = rolling.end.max(name.end);
    let holds_comment = sheet.layout.comments().iter().any(|(start, _)| name.outer <= *start && *start < end);
    if name.scalar() != Some("rollingUpdate") || holds_comment {
        return Err("what stands under `strategy` cannot be replaced without losing a comment".to_owned());
    }
    let json = sheet.layout.text[key.start..].starts_with('"');
    let text = if json { "\"type\": \"Recreate\"" } else { "type: Recreate" };
    let colon = sheet.layout.text[name.end..].find(':').map_or(name.end, |at| name.end + at + 1);
    Ok(vec![sheet.edit(name.outer, end.max(colon), text)])
}
