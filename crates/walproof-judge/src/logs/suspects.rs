//! Which causes what was seen speaks for, and whether it can be told at all.
//!
//! For each cause: its prior, what lines speak for it (the strongest in full, the others by half: lines of one accident
//! are not independent), what is known of the ground, and all that speaks against it. A line that a cause does not
//! explain does not count against it: a log holds the traces of several things. But a cause that loses nothing stands
//! behind those that explain the damage which was seen, however surely a line names it: then two things are going on.
//! What it must not do: say more than the text does. A first suspect without a clear lead is no answer.
//! Where to look next: `crate::causes` for the weights.

use super::ground::{self, Given, Ground};
use super::scan::{Kind, Scan};
use crate::causes::{CAUSES, Cause, Sign};
use crate::finding::Certainty;
use crate::signatures::Gravity;

/// Lead of the first suspect, in decibans, from which on it is told: ten to one.
const LEAD_TOLD: i32 = 10;
/// The same where a line names the cause by definition: two to one.
const LEAD_TOLD_BY_DEFINITION: i32 = 3;
/// What a finding of `check` that speaks for a cause adds to it, once, where the ground that it names does not count there
/// already.
const FINDING_DECIBANS: i32 = 8;
/// Refusals that no cause in an application makes: where nothing is damaged, these have to be explained.
const REFUSED_BY_STORAGE: &[&str] = &["shared-memory-refused", "lock-refused"];
/// A suspect further behind the first is not worth a line: a hundred to one.
const BEHIND_MAX: i32 = 20;
/// How many are shown.
const SUSPECTS_MAX: usize = 5;

/// What the log and the facts amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that matters was recognised.
    Nothing,
    /// Only what a sound life brings.
    Harmless,
    /// Nothing complained; something was named under which databases suffer.
    Hints,
    /// One cause leads clearly.
    Told,
    /// It cannot be told from this alone.
    CannotBeTold,
}

impl Answer {
    /// The word for people and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Harmless => "harmless",
            Self::Hints => "hints",
            Self::Told => "told",
            Self::CannotBeTold => "cannot-be-told",
        }
    }
}

/// The suspects, the most likely first.
#[derive(Clone, Debug)]
pub struct Diagnosis<'s> {
    /// Whether it can be told.
    pub answer: Answer,
    /// Lines point at lost or damaged data.
    pub damage: bool,
    /// The most likely causes.
    pub suspects: Vec<Suspect<'s>>,
}

/// One cause and what speaks for it.
#[derive(Clone, Debug)]
pub struct Suspect<'s> {
    /// Which.
    pub cause: &'static Cause,
    /// How sure.
    pub certainty: Certainty,
    /// All weights together, in decibans; only differences between suspects mean something.
    pub decibans: i32,
    /// It explains its own lines and not the damage (or the refusal of the storage) that was seen as well.
    pub is_beside: bool,
    /// What was counted.
    pub support: Vec<Support<'s>>,
}

/// Something that was counted for or against a suspect.
#[derive(Clone, Debug)]
pub struct Support<'s> {
    /// The lines, where it is lines.
    pub kind: Option<&'s Kind>,
    /// The ground, where it is a fact.
    pub ground: Option<Ground>,
    /// The fact, where it is a finding of `check`.
    pub finding: Option<&'s Given>,
    /// Its weight.
    pub decibans: i32,
}

impl Diagnosis<'_> {
    /// By how much the first suspect leads those that explain the same, in decibans.
    pub fn lead(&self) -> i32 {
        match self.suspects.as_slice() {
            [first, second, ..] if first.is_beside == second.is_beside => first.decibans - second.decibans,
            [_, ..] => i32::MAX,
            [] => 0,
        }
    }

    /// A suspect that explains its own lines and not the damage; then two things are going on.
    pub fn beside(&self) -> Option<&Suspect<'_>> {
        self.suspects.iter().find(|suspect| suspect.is_beside)
    }
}

/// Ranks the causes.
pub fn suspects<'s>(scan: &'s Scan, given: &'s [Given]) -> Diagnosis<'s> {
    let mut stated: Vec<Ground> = given.iter().flat_map(|fact| fact.grounds.clone()).collect();
    ground::settle(&mut stated);
    // What a line names may be another mount (media on NFS beside a local configuration): it counts a third, which alone
    // never makes a lead. Where the user speaks, lines are not asked.
    let said_fs = |fact: &Given| fact.text.starts_with("fs=") && !fact.grounds.is_empty();
    let storage_is_stated = given.iter().any(|fact| said_fs(fact) || fact.states_storage());
    let read = scan.grounds.iter().map(|(ground, _)| *ground).filter(|ground| !stated.contains(ground));
    let read: Vec<Ground> = read.filter(|_| !storage_is_stated).collect();
    // Of what `check` read, silence about storage says nothing: it could not be told.
    if given.iter().any(|fact| fact.from.is_none())
        && read.is_empty()
        && !stated.iter().any(|ground| ground.is_storage())
    {
        stated.push(Ground::StorageNotNamed);
    }
    let mut found: Vec<Suspect<'s>> =
        CAUSES.iter().filter_map(|cause| suspect(cause, scan, (&stated, &read), given)).collect();
    // Facts alone make a suspect only of a log in which nothing speaks for any cause.
    let by_lines = |suspect: &Suspect<'_>| suspect.support.iter().any(|one| one.kind.is_some() && one.decibans > 0);
    if found.iter().any(by_lines) {
        found.retain(by_lines);
    }
    set_beside(scan, &mut found);
    let found = order(found);
    let damage = scan.kinds.iter().any(|kind| kind.signature.gravity == Gravity::Damage);
    let mut diagnosis = Diagnosis { answer: Answer::Nothing, damage, suspects: found };
    diagnosis.answer = answer(scan, &diagnosis);
    diagnosis
}

/// Marks what explains nothing of the damage, or where there is none of what storage refused.
fn set_beside(scan: &Scan, found: &mut [Suspect<'_>]) {
    let is_damage = |kind: &Kind| kind.signature.gravity == Gravity::Damage;
    let is_refusal = |kind: &Kind| REFUSED_BY_STORAGE.contains(&kind.signature.name);
    let damaged = scan.kinds.iter().any(is_damage);
    if !damaged && !scan.kinds.iter().any(is_refusal) {
        return;
    }
    for suspect in found {
        let lines = suspect.support.iter().filter(|one| one.decibans > 0).filter_map(|one| one.kind);
        let explains = lines.into_iter().any(|kind| if damaged { is_damage(kind) } else { is_refusal(kind) });
        suspect.is_beside = !explains && !suspect.cause.loses;
    }
}

/// The most likely first, those beside the damage behind all others; two of them are kept, so that it can be said.
fn order(mut found: Vec<Suspect<'_>>) -> Vec<Suspect<'_>> {
    found.sort_by(|a, b| {
        (a.is_beside.cmp(&b.is_beside)).then(b.decibans.cmp(&a.decibans)).then(a.cause.name.cmp(b.cause.name))
    });
    let (mut beside, mut found): (Vec<_>, Vec<_>) = found.into_iter().partition(|suspect| suspect.is_beside);
    for group in [&mut found, &mut beside] {
        let best = group.first().map_or(0, |first| first.decibans);
        group.retain(|suspect| best - suspect.decibans <= BEHIND_MAX);
    }
    found.truncate(SUSPECTS_MAX - beside.len().min(2));
    found.extend(beside);
    found.truncate(SUSPECTS_MAX);
    found
}

fn answer(scan: &Scan, diagnosis: &Diagnosis<'_>) -> Answer {
    let matters = scan.kinds.iter().filter(|kind| kind.signature.name != "storage-named");
    let by_definition = diagnosis.suspects.first().is_some_and(|first| first.certainty < Certainty::Suspected);
    match matters.map(|kind| kind.signature.gravity).max() {
        None => return Answer::Nothing,
        Some(Gravity::Notice) => return Answer::Harmless,
        // A version, a mount, a rollout in a log is no complaint; a kernel's own account of an accident is one.
        Some(Gravity::Context) if !by_definition => return Answer::Hints,
        Some(_) => {}
    }
    // Nothing that is left explains the damage.
    if diagnosis.suspects.first().is_some_and(|first| first.is_beside) {
        return Answer::CannotBeTold;
    }
    let enough = if by_definition { LEAD_TOLD_BY_DEFINITION } else { LEAD_TOLD };
    if diagnosis.lead() >= enough { Answer::Told } else { Answer::CannotBeTold }
}

fn suspect<'s>(
    cause: &'static Cause,
    scan: &'s Scan,
    (stated, read): (&[Ground], &[Ground]),
    given: &'s [Given],
) -> Option<Suspect<'s>> {
    let mut support: Vec<Support<'s>> = Vec::new();
    let mut certainty = Certainty::Suspected;
    for evidence in cause.evidence {
        match evidence.sign {
            Sign::Seen(name) => {
                let Some(kind) = scan.kinds.iter().find(|kind| kind.signature.name == name) else { continue };
                certainty = certainty.min(evidence.certainty);
                support.push(Support { kind: Some(kind), ground: None, finding: None, decibans: evidence.decibans });
            }
            Sign::Named(ground) if stated.contains(&ground) => {
                support.push(of_ground(ground, evidence.decibans));
            }
            Sign::Named(ground) if read.contains(&ground) => {
                support.push(of_ground(ground, evidence.decibans / 3));
            }
            Sign::Named(_) => {}
        }
    }
    let counts = |ground: &Ground| support.iter().any(|one| one.ground == Some(*ground) && one.decibans > 0);
    let speaks = |fact: &&Given| fact.raises == Some(cause.name) && !fact.grounds.iter().any(counts);
    if let Some(finding) = given.iter().find(speaks) {
        let decibans = FINDING_DECIBANS;
        support.push(Support { kind: None, ground: None, finding: Some(finding), decibans });
    }
    if !support.iter().any(|one| one.decibans > 0) {
        return None;
    }
    Some(Suspect { cause, certainty, decibans: cause.prior + sum(&support), is_beside: false, support })
}

const fn of_ground(ground: Ground, decibans: i32) -> Support<'static> {
    Support { kind: None, ground: Some(ground), finding: None, decibans }
}

/// Facts and all that speaks against in full; of lines that speak for it the strongest in full, the others by half.
fn sum(support: &[Support<'_>]) -> i32 {
    let lines = || support.iter().filter(|one| one.kind.is_some() && one.decibans > 0).map(|one| one.decibans);
    let strongest = lines().max().unwrap_or(0);
    let rest = support.iter().filter(|one| one.kind.is_none() || one.decibans <= 0).map(|one| one.decibans);
    rest.sum::<i32>() + strongest + (lines().sum::<i32>() - strongest) / 2
}

#[cfg(test)]
mod tests {
    use super::super::Scanner;
    use super::*;

    fn scanned(lines: &[&str]) -> Scan {
        let mut scanner = Scanner::new();
        lines.iter().for_each(|line| scanner.feed(format!("{line}\n").as_bytes()));
        scanner.finish()
    }

    #[track_caller]
    fn suspects_first(lines: &[&str], facts: &[&str], cause: &str, answer: Answer) {
        let scan = scanned(lines);
        let given: Vec<Given> = facts.iter().map(|fact| Given::parse(fact).expect("a fact")).collect();
        let diagnosis = suspects(&scan, &given);
        let first = diagnosis.suspects.first().map(|first| first.cause.name);
        assert_eq!((first, diagnosis.answer), (Some(cause), answer), "{lines:?} {facts:?}");
    }

    #[test]
    fn what_names_its_cause_is_told() {
        suspects_first(&["database is locked (517)"], &[], "busy-made-by-application", Answer::Told);
        suspects_first(
            &["attempt to write a readonly database (1032)"],
            &[],
            "files-replaced-while-open",
            Answer::Told,
        );
        suspects_first(&["database or disk is full"], &[], "disk-full", Answer::Told);
        suspects_first(
            &["kernel: nfs: server nas not responding, still trying"],
            &[],
            "storage-server-away",
            Answer::Told,
        );
    }

    #[test]
    fn a_harmless_cause_is_not_told_for_damage() {
        let snapshot = "database is locked (517)";
        let malformed = "database disk image is malformed";
        for (lines, beside) in [
            (&[malformed, snapshot][..], "busy-made-by-application"),
            (&["kernel: Out of memory: Killed process 12 (app) total-vm:1kB", malformed], "killed-for-memory"),
            (&["file is not a database (26)", "database table is locked"], "busy-made-by-application"),
            (&["btreeInitPage() returns error code 11", "database or disk is full"], "disk-full"),
            (&["disk I/O error (5386)", snapshot], "busy-made-by-application"),
        ] {
            let scan = scanned(lines);
            let diagnosis = suspects(&scan, &[]);
            let first = &diagnosis.suspects[0];
            assert!(!first.is_beside && first.cause.name != beside, "{lines:?}: {}", first.cause.name);
            assert_eq!(diagnosis.beside().map(|one| one.cause.name), Some(beside), "{lines:?}");
            assert_eq!(diagnosis.answer, Answer::CannotBeTold, "{lines:?}");
        }
        let unlinked = "(28) file unlinked while open: /data/app.db";
        let (moved, directory) =
            ("attempt to write a readonly database (1032)", "attempt to write a readonly database (1544)");
        for lines in [&[unlinked, malformed, snapshot][..], &[moved, directory]] {
            suspects_first(lines, &[], "files-replaced-while-open", Answer::Told);
        }
    }

    #[test]
    fn a_bare_message_cannot_be_told() {
        suspects_first(&["database is locked"], &[], "busy-made-by-application", Answer::CannotBeTold);
        suspects_first(&["database is locked"], &["fs=nfs4"], "wal-on-network-filesystem", Answer::Told);
        suspects_first(&["database is locked"], &["fs=ext4"], "busy-made-by-application", Answer::Told);
        let malformed = scanned(&["database disk image is malformed"]);
        assert_eq!(suspects(&malformed, &[]).answer, Answer::CannotBeTold);
    }

    #[test]
    fn the_sandbox_is_not_blamed_for_busy() {
        suspects_first(
            &["database is locked"],
            &["runtime=gvisor", "fs=ext4"],
            "busy-made-by-application",
            Answer::CannotBeTold,
        );
    }

    #[test]
    fn storage_in_a_line_counts_a_third_of_a_fact_and_nothing_against_one() {
        let lines = ["database disk image is malformed", "nas:/x on /data type nfs4 (rw,vers=4.2)"];
        suspects_first(&lines, &[], "wal-on-network-filesystem", Answer::CannotBeTold);
        let scan = scanned(&lines);
        let ext4 = [Given::parse("fs=ext4").expect("a fact")];
        let local = suspects(&scan, &ext4);
        assert_ne!(local.suspects[0].cause.name, "wal-on-network-filesystem");
    }

    #[test]
    fn who_names_no_storage_probably_has_none_worth_naming() {
        let malformed = scanned(&["database disk image is malformed"]);
        let facts = [Given::parse("runtime=docker").expect("a fact")];
        let (alone, docker) = (suspects(&malformed, &[]), suspects(&malformed, &facts));
        assert_eq!(alone.suspects[0].cause.name, "shared-through-virtual-machine");
        assert_ne!(docker.suspects[0].cause.name, "shared-through-virtual-machine");
        assert_eq!(docker.answer, Answer::CannotBeTold);
    }

    #[test]
    fn repetition_does_not_weigh() {
        let once = scanned(&["database is locked"]);
        let often = scanned(&["database is locked"; 1000]);
        assert_eq!(suspects(&once, &[]).suspects[0].decibans, suspects(&often, &[]).suspects[0].decibans);
        assert_eq!(often.kinds[0].count, 1000);
    }

    #[test]
    fn a_recovery_is_harmless_and_silence_is_nothing() {
        let recovered = scanned(&["(283) recovered 42 frames from WAL file /data/app.db-wal"]);
        assert_eq!(suspects(&recovered, &[]).answer, Answer::Harmless);
        assert_eq!(suspects(&scanned(&["hello"]), &[]).answer, Answer::Nothing);
        assert_eq!(suspects(&scanned(&["using sqlite version 3.40.1"]), &[]).answer, Answer::Hints);
    }
}
