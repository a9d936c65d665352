//! What came of a run, against what had to come of it: the detector's own examination.
//!
//! A verdict weighs floors, probe and control as well and may be `unknown`; an outcome looks at the histories alone.
//! It is what `selftest`, `shrink` and the field `expected` of reports go by.

use walproof_judge::checkers::{AnomalyKind, Manner};
use walproof_judge::verdict::is_loud;

use crate::nemeses::Effect;
use crate::run::verify::Evidence;
use crate::worlds::Expectation;

/// Commits that every writer must have made before nothing found means anything.
pub const COMMITS_MIN: u64 = 10;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everybody worked, everything was accounted for, nothing was wrong.
    Clean,
    /// SQLite said no, and nothing was lost.
    Loud,
    /// Something was lost, doubled, torn, stale or damaged: these kinds.
    Broken(Vec<AnomalyKind>),
    /// Too little was seen to say any of this.
    Blind(String),
}

impl Outcome {
    /// In words, for tables.
    pub fn words(&self) -> String {
        match self {
            Self::Clean => "clean".to_owned(),
            Self::Loud => "loud".to_owned(),
            Self::Broken(kinds) => kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" "),
            Self::Blind(why) => format!("blind: {why}"),
        }
    }
}

/// What came of a run.
pub fn outcome(evidence: &Evidence) -> Outcome {
    let stress = &evidence.stress;
    let mut hard: Vec<AnomalyKind> =
        stress.anomalies.iter().filter(|anomaly| !is_loud(anomaly)).map(|anomaly| anomaly.kind).collect();
    hard.dedup();
    let mut seen = Vec::new();
    hard.retain(|kind| {
        !seen.contains(kind) && {
            seen.push(*kind);
            true
        }
    });
    if !hard.is_empty() {
        return Outcome::Broken(hard);
    }
    if stress.first_refusal.is_some() || !stress.anomalies.is_empty() {
        return Outcome::Loud;
    }
    blindness(evidence).map_or(Outcome::Clean, Outcome::Blind)
}

fn blindness(evidence: &Evidence) -> Option<String> {
    let stress = &evidence.stress;
    if let Some(why) = stress.not_seen.first() {
        return Some(why.clone());
    }
    if stress.finals.len() < usize::from(evidence.options.agents) {
        return Some("not every agent could tell the final state".into());
    }
    let idle = evidence.writers.iter().find(|&&writer| stress.exposures.commits_of(writer) < COMMITS_MIN);
    idle.map(|writer| format!("agent {writer} committed only {} times", stress.exposures.commits_of(*writer)))
}

/// Whether a world's expectation is met; else why not.
pub fn meets(expectation: Expectation, names: &[AnomalyKind], evidence: &Evidence) -> Result<(), String> {
    let (outcome, commits) = (outcome(evidence), evidence.stress.exposures.commits);
    match (expectation, &outcome) {
        (Expectation::Safe, Outcome::Clean) | (Expectation::Refuses, Outcome::Loud) => Ok(()),
        (Expectation::Unsafe, Outcome::Broken(kinds)) => named(kinds, names),
        // Some do not get in; the others work, and nothing is wrong.
        (Expectation::Starves, Outcome::Clean | Outcome::Blind(_)) if commits >= COMMITS_MIN => Ok(()),
        (Expectation::UnsafeAfterCrash, Outcome::Broken(_)) if !after_crash(evidence) => {
            Err("it broke before anybody was killed".into())
        }
        (Expectation::UnsafeAfterCrash, Outcome::Broken(kinds)) => named(kinds, names),
        _ => Err(format!("it came out {}", outcome.words())),
    }
}

/// Whether a nemesis had the effect that it must have; else why not.
pub fn has_effect(effect: Effect, evidence: &Evidence) -> Result<(), String> {
    let outcome = outcome(evidence);
    let manner = evidence.stress.conduct.as_ref().map(|conduct| conduct.manner);
    match (effect, &outcome) {
        (Effect::Breaks(names), Outcome::Broken(kinds)) => named(kinds, names),
        (Effect::Harmless, Outcome::Clean) => match manner {
            None | Some(Manner::NotAtAll) => Ok(()),
            Some(manner) => Err(format!("it failed {}", manner.words())),
        },
        (Effect::Loud, Outcome::Clean | Outcome::Loud) => match (manner, blindness(evidence)) {
            (Some(Manner::LoudlyAlone | Manner::LoudlyTogether), None) => Ok(()),
            // Nobody is crippled where the storage fails all alike.
            (None, _) if outcome == Outcome::Loud || evidence.stress.exposures.errors > 0 => Ok(()),
            (_, Some(why)) => Err(format!("it did not heal: {why}")),
            (manner, None) => Err(format!("it was not loud: {}", manner.map_or("nobody was crippled", Manner::words))),
        },
        _ => Err(format!("it came out {}", outcome.words())),
    }
}

fn named(kinds: &[AnomalyKind], names: &[AnomalyKind]) -> Result<(), String> {
    if names.is_empty() || kinds.iter().any(|kind| names.contains(kind)) {
        return Ok(());
    }
    let expected: Vec<&str> = names.iter().map(|kind| kind.name()).collect();
    Err(format!("named {}, not {}", Outcome::Broken(kinds.to_vec()).words(), expected.join(" or ")))
}

fn after_crash(evidence: &Evidence) -> bool {
    match (evidence.stress.caught_ns, evidence.stress.tally.first_kill_ns) {
        (Some(caught), Some(kill)) => caught >= kill,
        _ => false,
    }
}
