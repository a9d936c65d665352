//! `short-grace-period`: thirty seconds between the signal to stop and `SIGKILL`.
//!
//! What it must not do: shorten a longer one.
//!
//! Where to look next: the rule's page, for why a kill is no damage by itself.

use super::question::Question;
use super::{Change, Fix};
use crate::manifest::recognise::Kind;

pub(super) static CHANGE: Change =
    Change { rule: "short-grace-period", line: "gives a container thirty seconds to close its databases", make };

const SECONDS: u64 = 30;

fn make(question: &Question<'_>) -> Result<Fix, String> {
    let (_, workload) = question.workload()?;
    if workload.stop_time.ms.is_some_and(|ms| ms >= SECONDS * 1000) {
        return Err("it has thirty seconds or more".to_owned());
    }
    let span = Question::place(workload.stop_time.span)?;
    let time = match question.written(span)?.format {
        Some(Kind::Compose) => format!("{SECONDS}s"),
        Some(Kind::Kubernetes) => SECONDS.to_string(),
        _ => return Err("the time is not written in YAML".to_owned()),
    };
    question.scalar(Some(span), &time, format!("{} has {SECONDS} s to close its databases", workload.shown()))
}
