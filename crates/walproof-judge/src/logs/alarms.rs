//! What is new while a log grows: a cause becomes the first suspect, another one overtakes it, a line proves one, a line
//! points at damage for the first time.
//!
//! Suspects change only when something is recognised that was not seen before, so a log that repeats itself is silent,
//! and there are at most as many alarms as kinds of lines. That there is damage is said once. Repetition is counted by the scan and told in the summary.
//! What it must not do: raise an alarm for what is harmless, or for facts that no line speaks of.

use std::collections::BTreeSet;

use super::ground::Given;
use super::scan::{Kind, Scan};
use super::suspects::{Answer, Suspect, suspects};
use crate::causes::Cause;
use crate::finding::Certainty;
use crate::signatures::Gravity;

/// Remembers what was raised.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    raised: BTreeSet<&'static str>,
    first: Option<&'static Cause>,
    /// An alarm said that lines point at damage.
    is_damage_told: bool,
    /// How many kinds and grounds there were when it was last asked.
    known: (usize, usize),
}

/// Why an alarm is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing was suspected before.
    First,
    /// It overtakes the first suspect.
    Overtakes(&'static str),
    /// It is not the first suspect, and a line names it by definition.
    NamedByDefinition,
    /// It stays the first suspect, and a line points at lost or damaged data, as none did before.
    PointsAtDamage,
}

/// One alarm.
#[derive(Clone, Debug)]
pub struct Alarm<'s> {
    /// What is suspected.
    pub cause: &'static Cause,
    /// Why now.
    pub why: Why,
    /// How sure.
    pub certainty: Certainty,
    /// Whether it leads clearly.
    pub answer: Answer,
    /// Lines point at lost or damaged data.
    pub damage: bool,
    /// It explains its own line and not the damage, or the refusal of the storage, that was seen as well.
    pub is_beside: bool,
    /// The line that speaks for it the most.
    pub kind: &'s Kind,
}

impl Alarms {
    /// What is new; usually nothing.
    pub fn look<'s>(&mut self, scan: &'s Scan, given: &'s [Given]) -> Vec<Alarm<'s>> {
        let known = (scan.kinds.len(), scan.grounds.len());
        if std::mem::replace(&mut self.known, known) == known {
            return Vec::new();
        }
        let diagnosis = suspects(scan, given);
        if matches!(diagnosis.answer, Answer::Nothing | Answer::Harmless | Answer::Hints) {
            return Vec::new();
        }
        let damaged = scan.kinds.iter().find(|kind| kind.signature.gravity == Gravity::Damage);
        let mut alarms = Vec::new();
        for (rank, suspect) in diagnosis.suspects.iter().enumerate() {
            let why = match (rank, self.first) {
                (0, None) => Why::First,
                (0, Some(before)) if before.name != suspect.cause.name => Why::Overtakes(before.name),
                (0, Some(_)) if diagnosis.damage && !self.is_damage_told => Why::PointsAtDamage,
                (1.., _) if suspect.certainty < Certainty::Suspected && !self.raised.contains(suspect.cause.name) => {
                    Why::NamedByDefinition
                }
                _ => continue,
            };
            let lines = suspect.support.iter().filter(|one| one.decibans > 0);
            let strongest = lines.filter_map(|one| one.kind.map(|kind| (one.decibans, kind)));
            let strongest = strongest.max_by_key(|(decibans, _)| *decibans).map(|(_, kind)| kind);
            let kind = if why == Why::PointsAtDamage { damaged } else { strongest };
            let Some(kind) = kind else { continue };
            self.raised.insert(suspect.cause.name);
            let Suspect { cause, certainty, is_beside, .. } = *suspect;
            // Only the first leads.
            let answer = if rank == 0 { diagnosis.answer } else { Answer::CannotBeTold };
            alarms.push(Alarm { cause, why, certainty, answer, damage: diagnosis.damage, is_beside, kind });
        }
        self.first = diagnosis.suspects.first().map(|first| first.cause).or(self.first);
        self.is_damage_told |= diagnosis.damage && !alarms.is_empty();
        alarms
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scanner;
    use super::*;

    #[test]
    fn a_cause_is_told_once_and_again_when_it_is_overtaken() {
        let (mut scanner, mut alarms) = (Scanner::new(), Alarms::default());
        let mut told = Vec::new();
        let lines =
            ["fine", "database is locked", "database is locked", "database is locked (517)", "recovered 3 frames"];
        for line in lines.into_iter().chain(["database disk image is malformed", "database or disk is full"]) {
            for _ in 0..100 {
                scanner.feed(format!("{line}\n").as_bytes());
                let raised = alarms.look(scanner.so_far(), &[]);
                told.extend(raised.into_iter().map(|alarm| (line, alarm.cause.name, alarm.why)));
            }
        }
        let busy = ("database is locked", "busy-made-by-application", Why::First);
        assert_eq!(told[0], busy, "{told:?}");
        assert!(told.len() <= 5, "{told:?}");
        let full = told.iter().filter(|(line, cause, _)| *line == "database or disk is full" && *cause == "disk-full");
        assert_eq!(full.count(), 1, "{told:?}");
    }

    #[test]
    fn a_harmless_cause_does_not_overtake_damage() {
        let (mut scanner, mut alarms) = (Scanner::new(), Alarms::default());
        let mut told = Vec::new();
        for line in ["database disk image is malformed", "database is locked (517)"] {
            scanner.feed(format!("{line}\n").as_bytes());
            let raised = alarms.look(scanner.so_far(), &[]);
            told.extend(raised.into_iter().map(|alarm| (alarm.cause.name, alarm.why, alarm.is_beside)));
        }
        assert_eq!(told[1..], [("busy-made-by-application", Why::NamedByDefinition, true)], "{told:?}");
    }

    #[test]
    fn damage_is_told_once_where_the_first_suspect_stays() {
        let (mut scanner, mut alarms) = (Scanner::new(), Alarms::default());
        let mut told = Vec::new();
        let lines = ["disk I/O error", "database disk image is malformed", "file is not a database", "disk I/O error"];
        for line in lines.into_iter().cycle().take(40) {
            scanner.feed(format!("{line}\n").as_bytes());
            let raised = alarms.look(scanner.so_far(), &[]);
            told.extend(raised.into_iter().map(|alarm| (alarm.why, alarm.damage, alarm.kind.signature.name)));
        }
        assert_eq!(told[0], (Why::First, false, "io-error"), "{told:?}");
        assert_eq!(told[1], (Why::PointsAtDamage, true, "corrupt"), "{told:?}");
        assert_eq!(told.iter().filter(|(why, ..)| *why == Why::PointsAtDamage).count(), 1, "{told:?}");
    }

    #[test]
    fn what_is_harmless_raises_nothing() {
        let (mut scanner, mut alarms) = (Scanner::new(), Alarms::default());
        scanner.feed(b"(283) recovered 42 frames from WAL file /data/app.db-wal\n");
        scanner.feed(b"using sqlite version 3.40.1\n");
        assert!(alarms.look(scanner.so_far(), &[]).is_empty());
    }
}
