//! `start-first-rollout`: an update stops the old container before it starts the new one.
//!
//! What it must not do: touch other settings of the update.
//!
//! Where to look next: `recreate`, the same for Kubernetes.

use super::question::Question;
use super::{Change, Fix};

pub(super) static CHANGE: Change =
    Change { rule: "start-first-rollout", line: "sets the order of updates to stop-first", make };

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let (_, workload) = question.workload()?;
    let title = format!("{} ends the old container before it starts the new one", workload.shown());
    question.scalar(workload.rollout.span, "stop-first", title)
}
