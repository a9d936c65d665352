//! `several-writers-by-replicas` and `autoscaled-database`: one copy, written where the number stands.
//!
//! What it must not do: pretend that an autoscaler with one copy is of use; its finding says to delete it.
//!
//! Where to look next: `recreate`, for two copies during an update.

use super::question::{Question, object};
use super::{Change, Fix, Step};
use crate::sharing::CopiesBy;

pub(super) static REPLICAS: Change =
    Change { rule: "several-writers-by-replicas", line: "sets the number of copies to 1", make: replicas };
pub(super) static AUTOSCALED: Change =
    Change { rule: "autoscaled-database", line: "sets the largest number of an autoscaler to 1", make: autoscaled };

fn replicas(question: &Question<'_>) -> Result<Fix, String> {
    let (_, workload) = question.workload()?;
    match workload.copies.by {
        CopiesBy::Written => {
            let title = format!("{} runs once", workload.shown());
            let fix = question.scalar(workload.copies.span, "1", title)?;
            Ok(Fix { needs: vec![looked_at()], ..fix })
        }
        CopiesBy::Autoscaler => autoscaled(question),
        CopiesBy::Node => Err("one on each node is what its kind is for: make it one that runs once".to_owned()),
        CopiesBy::Default | CopiesBy::Unreadable => Err("the number of copies is not written as a number".to_owned()),
    }
}

fn autoscaled(question: &Question<'_>) -> Result<Fix, String> {
    let (_, workload) = question.workload()?;
    if workload.copies.by != CopiesBy::Autoscaler {
        return Err("the number of copies is not an autoscaler's".to_owned());
    }
    let title = format!("the autoscaler leaves {} at one copy; deleting it says the same", workload.shown());
    let mut fix = question.scalar(workload.copies.span, "1", title)?;
    let span = Question::place(workload.copies.span)?;
    let sheet = question.sheet(span)?;
    let chain = sheet.layout.chain(question.written(span)?.start);
    let spec = sheet.layout.walk(object(&chain)?, &["spec"])?;
    let least = spec.get("minReplicas").filter(|least| least.scalar().is_some_and(|text| text != "1"));
    if let Some(least) = least {
        sheet.layout.own(least)?;
        fix.edits.push(sheet.replace_scalar(least, "1"));
    }
    fix.needs.push(looked_at());
    Ok(fix)
}

fn looked_at() -> Step {
    Step::new(
        "several copies may have written already: look at the database before you trust it (`walproof inspect PATH`)",
        [],
    )
}
