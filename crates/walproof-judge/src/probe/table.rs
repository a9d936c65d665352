//! The table: facts of a pair in, a decision for a journal mode out.
//!
//! Where to look next: the table as text is in `mod.rs`, the questions are in `facts`.

use serde::Serialize;

use super::facts::{Answer, PairFacts, SideFacts};
use super::{litmus, locks};
use crate::finding::Certainty;
use crate::verdict::{JournalMode, VerdictKind};

/// One reason of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What this reason alone leads to.
    pub kind: VerdictKind,
    /// One sentence.
    pub text: String,
    /// How sure it is.
    pub certainty: Certainty,
}

/// What the table says for one journal mode; the worst of its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The worst of the reasons; `Safe` where there is none.
    pub kind: VerdictKind,
    /// Why; empty for `Safe`.
    pub reasons: Vec<Reason>,
}

/// Decide for a pair of parties, called A and B.
pub fn decide(pair: &PairFacts, mode: JournalMode) -> Decision {
    decide_between(pair, ["A", "B"], mode)
}

/// Decide for a pair of parties by their names.
pub fn decide_between(pair: &PairFacts, names: [&str; 2], mode: JournalMode) -> Decision {
    let table = Table { pair, names, mode };
    let refusals = table.refusals();
    if !refusals.is_empty() {
        return Decision::of(refusals);
    }
    Decision::of(table.breakages())
}

/// Decide for all pairs of a boundary, each with the names of its parties: one careful and one careless party are broken
/// together.
pub fn decide_all<'a>(pairs: impl IntoIterator<Item = (&'a PairFacts, [&'a str; 2])>, mode: JournalMode) -> Decision {
    let mut pairs = pairs.into_iter().peekable();
    if pairs.peek().is_none() {
        return Decision::of(vec![unknown("no pair of parties was probed".to_owned())]);
    }
    Decision::of(pairs.flat_map(|(pair, names)| decide_between(pair, names, mode).reasons).collect())
}

impl Decision {
    fn of(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.kind));
        reasons.dedup();
        Self { kind: reasons.first().map_or(VerdictKind::Safe, |reason| reason.kind), reasons }
    }
}

/// The mappings that one party tried.
enum Mapping {
    Works,
    Fails(i32),
    Mixed,
    Unknown(String),
}

struct Table<'a> {
    pair: &'a PairFacts,
    names: [&'a str; 2],
    mode: JournalMode,
}

impl Table<'_> {
    /// What keeps SQLite from working at all on a side: nothing can break then, as nothing is shared.
    fn refusals(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for (acting, looking, facts) in self.directions() {
            if let Answer::Errno(errno) = facts.creates {
                reasons.push(refuses(format!("{acting} cannot make a file beside the database (errno {errno})")));
            }
            if let Answer::Errno(errno) = facts.opens_read_write {
                reasons.push(refuses(format!("{looking} cannot open the file read-write (errno {errno})")));
            }
            if let Answer::Errno(errno) = facts.lock_conflict_seen {
                reasons.push(refuses(format!(
                    "{looking} cannot lock what {acting} has locked: F_SETLK fails with errno {errno}"
                )));
            }
        }
        if self.mode == JournalMode::Wal {
            reasons.extend(self.mappings().into_iter().filter_map(|(party, mapping)| match mapping {
                Mapping::Fails(errno) => {
                    Some(refuses(format!("{party} cannot map shared memory (errno {errno}): IOERR_SHMMAP 5386")))
                }
                _ => None,
            }));
        }
        reasons
    }

    fn breakages(&self) -> Vec<Reason> {
        let mut reasons = self.mode_reasons();
        for (acting, looking, facts) in self.directions() {
            reasons.extend(self.direction(acting, looking, facts));
        }
        if self.mode == JournalMode::Wal {
            reasons.extend(self.mappings().into_iter().filter_map(|(party, mapping)| match mapping {
                Mapping::Mixed => Some(unknown(format!("{party} can map shared memory through some opens only"))),
                Mapping::Unknown(why) => Some(unknown(format!("whether {party} can map shared memory: {why}"))),
                Mapping::Works | Mapping::Fails(_) => None,
            }));
        }
        reasons
    }

    /// What no boundary can mend.
    fn mode_reasons(&self) -> Vec<Reason> {
        match self.mode {
            JournalMode::Memory | JournalMode::Off => vec![Reason {
                kind: VerdictKind::Unsafe,
                text: format!(
                    "journal_mode={} leaves damage after a crash in the middle of a transaction",
                    self.mode.word()
                ),
                certainty: Certainty::Documented,
            }],
            _ => Vec::new(),
        }
    }

    fn direction(&self, acting: &str, looking: &str, facts: &SideFacts) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut ask = |answer: &Answer, question: &str, no: Reason| match answer {
            Answer::Yes => {}
            Answer::No => reasons.push(no),
            Answer::Errno(errno) => reasons.push(unknown(format!("{question}: it failed with errno {errno}"))),
            Answer::Unknown(why) => reasons.push(unknown(format!("{question}: {why}"))),
        };
        let wal = self.mode == JournalMode::Wal;
        let creates = format!("whether {acting} can make files beside the database");
        ask(&facts.creates, &creates, refuses(format!("{acting} cannot make a file beside the database")));
        let opens = format!("whether {looking} can open the file read-write");
        ask(&facts.opens_read_write, &opens, refuses(format!("{looking} cannot open the file read-write")));
        let sibling = format!("whether {looking} finds the files of {acting}");
        let three_files = facts.sidecars_mounted == Some(Answer::Yes);
        ask(&facts.sibling, &sibling, self.no_sibling(acting, looking, three_files));
        let lock = format!("whether {looking} sees the locks of {acting}");
        ask(&facts.lock_conflict_seen, &lock, breaks(format!("{looking} is granted a lock that {acting} holds")));
        let hand_off = format!("whether {looking} reads fresh pages after {acting} wrote");
        ask(
            &facts.hand_off_fresh,
            &hand_off,
            breaks(format!("after a lock hand-over {looking} reads old pages of {acting}")),
        );
        let size = format!("whether {looking} sees the new size after {acting} appended");
        ask(&facts.size_fresh, &size, breaks(format!("{looking} sees an old size after {acting} appended")));
        let new_file = format!("whether {looking} sees a new file of {acting}");
        if !three_files {
            ask(&facts.new_file_seen, &new_file, self.new_file_missed(acting, looking));
        }
        if wal && self.all_mappings_work() {
            let store = format!("whether {looking} sees stores of {acting} into shared memory");
            ask(
                &facts.store_seen,
                &store,
                breaks(format!("{looking} does not see stores of {acting} into shared memory")),
            );
            if self.directions().iter().all(|(_, _, facts)| facts.store_seen == Answer::Yes) {
                let turns = format!("whether {looking} sees one store of {acting} after the other");
                let late = format!("{looking} saw a store of {acting} late, by a write-back, and then no other");
                ask(&facts.stores_seen_in_turn, &turns, breaks(late));
            }
        }
        if self.mode == JournalMode::Delete {
            reasons.extend(unlink(acting, &facts.unlink_while_open));
        }
        if !facts.unanswered.is_empty() {
            let asked = facts.unanswered.join(", ");
            reasons.push(unknown(format!("not answered between {acting} and {looking}: {asked}")));
        }
        for seen in [&facts.truncation_seen, &facts.unlink_seen, &facts.truncation_seen_in_mapping] {
            if let Some(Answer::Unknown(why)) = seen {
                reasons.push(unknown(format!("what {looking} sees of what {acting} takes away: {why}")));
            }
        }
        reasons.extend(self.ended_journal(acting, looking, facts));
        reasons.extend(facts.locks.iter().flat_map(|facts| locks::reasons(facts, acting, looking, self.mode)));
        reasons.extend(litmus::reasons(&facts.litmus, acting, looking, self.mode));
        if wal && facts.truncation_seen_in_mapping == Some(Answer::No) {
            reasons.push(breaks(format!("{looking} still has in its mapping what {acting} has cut off")));
        }
        reasons
    }

    /// A journal that is cut or unlinked is a commit: whoever still sees the old one rolls the commit back.
    fn ended_journal(&self, acting: &str, looking: &str, facts: &SideFacts) -> Option<Reason> {
        let (seen, how) = match self.mode {
            JournalMode::Truncate => (&facts.truncation_seen, "cut"),
            JournalMode::Delete => (&facts.unlink_seen, "unlinked"),
            _ => return None,
        };
        let text = format!("{looking} still sees a journal that {acting} has {how}: it would roll a commit back");
        (*seen == Some(Answer::No)).then_some(Reason {
            kind: VerdictKind::Unsafe,
            text,
            certainty: Certainty::Suspected,
        })
    }

    fn no_sibling(&self, acting: &str, looking: &str, three_files: bool) -> Reason {
        if self.mode == JournalMode::Wal && three_files && self.sidecars_go() {
            return breaks(
                "`-wal` and `-shm` are mounted one by one at one party, and the other has them by their directory: its last \
                 close deletes them"
                    .to_owned(),
            );
        }
        if self.mode == JournalMode::Wal && three_files {
            let text = "`-wal` and `-shm` are shared only because they are mounted one by one: whoever opens the database by \
                        its directory deletes them";
            return Reason { kind: VerdictKind::Risky, text: text.to_owned(), certainty: Certainty::Measured };
        }
        if self.mode == JournalMode::Wal {
            return breaks(format!(
                "{looking} does not find the files beside the database that {acting} made: two logs"
            ));
        }
        breaks(format!(
            "after a crash {looking} does not find the hot journal of {acting}: safe until then, then damaged"
        ))
    }

    fn sidecars_go(&self) -> bool {
        self.directions().iter().any(|(_, _, facts)| facts.sidecars_stay == Some(Answer::No))
    }

    fn new_file_missed(&self, acting: &str, looking: &str) -> Reason {
        if self.mode == JournalMode::Wal {
            let text = format!("{looking} does not see a new file of {acting}: a new log may be missed");
            return Reason { kind: VerdictKind::Unsafe, text, certainty: Certainty::Suspected };
        }
        breaks(format!("{looking} does not see a new file of {acting}: after a crash the hot journal is missed"))
    }

    fn directions(&self) -> [(&str, &str, &SideFacts); 2] {
        let [one, other] = self.names;
        [(one, other, &self.pair.a_to_b), (other, one, &self.pair.b_to_a)]
    }

    /// Each party maps as creator, through a second open, and as the other party: refused only if all fail.
    fn mappings(&self) -> [(&str, Mapping); 2] {
        let (ab, ba) = (&self.pair.a_to_b, &self.pair.b_to_a);
        [
            (self.names[0], mapping([&ab.mmap_creator, &ab.mmap_second_open, &ba.mmap_other_party])),
            (self.names[1], mapping([&ba.mmap_creator, &ba.mmap_second_open, &ab.mmap_other_party])),
        ]
    }

    fn all_mappings_work(&self) -> bool {
        self.mappings().iter().all(|(_, mapping)| matches!(mapping, Mapping::Works | Mapping::Mixed))
    }
}

fn mapping(opens: [&Answer; 3]) -> Mapping {
    let failed = opens.iter().filter(|answer| matches!(answer, Answer::Errno(_))).count();
    match opens.iter().find(|answer| !matches!(answer, Answer::Yes)) {
        None => Mapping::Works,
        Some(Answer::Errno(errno)) if failed == opens.len() => Mapping::Fails(*errno),
        Some(_) => match opens.iter().find(|answer| matches!(answer, Answer::Unknown(_) | Answer::No)) {
            Some(Answer::Unknown(why)) => Mapping::Unknown(why.clone()),
            Some(_) => Mapping::Unknown("it answered no without an errno".to_owned()),
            None => Mapping::Mixed,
        },
    }
}

fn unlink(acting: &str, answer: &Answer) -> Option<Reason> {
    match answer {
        Answer::Yes => None,
        Answer::No => Some(refuses(format!("{acting} cannot unlink a file that is open elsewhere: IOERR_DELETE 2570"))),
        Answer::Errno(errno) => Some(refuses(format!(
            "{acting} cannot unlink a file that is open elsewhere (errno {errno}): IOERR_DELETE 2570"
        ))),
        Answer::Unknown(why) => {
            Some(unknown(format!("whether {acting} can unlink a file that is open elsewhere: {why}")))
        }
    }
}

pub(super) fn breaks(text: String) -> Reason {
    Reason { kind: VerdictKind::Unsafe, text, certainty: Certainty::Measured }
}

pub(super) fn refuses(text: String) -> Reason {
    Reason { kind: VerdictKind::Refuses, text, certainty: Certainty::Measured }
}

pub(super) fn unknown(text: String) -> Reason {
    Reason { kind: VerdictKind::Unknown, text, certainty: Certainty::Measured }
}

#[cfg(test)]
mod tests {
    use super::*;
    use VerdictKind::{Refuses, Risky, Safe, Unknown, Unsafe};

    const ENODEV: i32 = 19;

    /// The decisions for WAL, DELETE and TRUNCATE after `change` was made to a sound pair.
    fn decides(change: impl FnOnce(&mut PairFacts), expected: [VerdictKind; 3]) {
        let mut pair = PairFacts::sound();
        change(&mut pair);
        let modes = [JournalMode::Wal, JournalMode::Delete, JournalMode::Truncate];
        assert_eq!(modes.map(|mode| decide(&pair, mode).kind), expected, "{:#?}", decide(&pair, modes[0]));
    }

    fn fail_all_mappings(pair: &mut PairFacts) {
        for side in [&mut pair.a_to_b, &mut pair.b_to_a] {
            fail_mappings(side);
            side.mmap_other_party = Answer::Errno(ENODEV);
        }
    }

    fn fail_mappings(side: &mut SideFacts) {
        side.mmap_creator = Answer::Errno(ENODEV);
        side.mmap_second_open = Answer::Errno(ENODEV);
        side.store_seen = Answer::not_asked();
    }

    #[test]
    fn all_yes_is_safe() {
        decides(|_| {}, [Safe, Safe, Safe]);
        assert!(decide(&PairFacts::sound(), JournalMode::Wal).reasons.is_empty());
    }

    #[test]
    fn fact_0_a_side_that_cannot_open_refuses() {
        decides(|pair| pair.a_to_b.opens_read_write = Answer::Errno(1), [Refuses, Refuses, Refuses]);
    }

    #[test]
    fn fact_1_no_sibling_breaks_wal_and_after_a_crash_the_others() {
        decides(|pair| pair.a_to_b.sibling = Answer::No, [Unsafe, Unsafe, Unsafe]);
        let mut pair = PairFacts::sound();
        pair.b_to_a.sibling = Answer::No;
        assert!(decide(&pair, JournalMode::Delete).reasons[0].text.contains("after a crash"));
    }

    #[test]
    fn three_mounted_files_hang_by_a_thread_in_wal() {
        let three_files = |facts: &mut SideFacts| {
            facts.sibling = Answer::No;
            facts.sidecars_mounted = Some(Answer::Yes);
            facts.sidecars_stay = Some(Answer::Yes);
            facts.new_file_seen = Answer::not_asked();
        };
        decides(
            |pair| {
                three_files(&mut pair.a_to_b);
                three_files(&mut pair.b_to_a);
                pair.b_to_a.sidecars_stay = Some(Answer::No);
            },
            [Unsafe, Unsafe, Unsafe],
        );
        decides(
            |pair| {
                three_files(&mut pair.a_to_b);
                three_files(&mut pair.b_to_a);
            },
            [Risky, Unsafe, Unsafe],
        );
        decides(
            |pair| {
                three_files(&mut pair.a_to_b);
                pair.a_to_b.store_seen = Answer::No;
            },
            [Unsafe, Unsafe, Unsafe],
        );
    }

    #[test]
    fn fact_2_unseen_locks_break_both() {
        decides(|pair| pair.b_to_a.lock_conflict_seen = Answer::No, [Unsafe, Unsafe, Unsafe]);
        decides(|pair| pair.b_to_a.lock_conflict_seen = Answer::Errno(37), [Refuses, Refuses, Refuses]);
    }

    #[test]
    fn fact_3_no_mapping_at_all_refuses_wal_only() {
        decides(fail_all_mappings, [Refuses, Safe, Safe]);
    }

    #[test]
    fn fact_3_one_side_without_mapping_refuses_and_the_other_goes_on() {
        decides(
            |pair| {
                fail_mappings(&mut pair.a_to_b);
                pair.b_to_a.mmap_other_party = Answer::Errno(ENODEV);
                pair.b_to_a.store_seen = Answer::not_asked();
            },
            [Refuses, Safe, Safe],
        );
    }

    #[test]
    fn fact_3_a_mapping_that_depends_on_the_open_is_no_refusal() {
        decides(|pair| pair.a_to_b.mmap_creator = Answer::Errno(ENODEV), [Unknown, Safe, Safe]);
        decides(
            |pair| {
                pair.a_to_b.mmap_creator = Answer::Errno(ENODEV);
                pair.a_to_b.store_seen = Answer::No;
            },
            [Unsafe, Safe, Safe],
        );
    }

    #[test]
    fn fact_3_an_unseen_store_breaks_wal_only() {
        decides(|pair| pair.a_to_b.store_seen = Answer::No, [Unsafe, Safe, Safe]);
    }

    #[test]
    fn what_was_not_answered_is_unknown() {
        decides(|pair| pair.b_to_a.unanswered = vec!["race `header`".into()], [Unknown, Unknown, Unknown]);
        let gone = || Some(Answer::Unknown("this party has ended".into()));
        decides(|pair| pair.b_to_a.unlink_seen = gone(), [Unknown, Unknown, Unknown]);
    }

    #[test]
    fn fact_3_a_store_that_a_write_back_brought_is_not_shared_memory() {
        decides(|pair| pair.a_to_b.stores_seen_in_turn = Answer::No, [Unsafe, Safe, Safe]);
        decides(|pair| pair.b_to_a.stores_seen_in_turn = Answer::not_asked(), [Unknown, Safe, Safe]);
    }

    #[test]
    fn fact_3_no_mapping_and_stale_hand_off() {
        decides(
            |pair| {
                fail_all_mappings(pair);
                pair.a_to_b.hand_off_fresh = Answer::No;
            },
            [Refuses, Unsafe, Unsafe],
        );
    }

    #[test]
    fn fact_4_stale_pages_or_sizes_break_both_although_locks_work() {
        decides(|pair| pair.a_to_b.hand_off_fresh = Answer::No, [Unsafe, Unsafe, Unsafe]);
        decides(|pair| pair.b_to_a.size_fresh = Answer::No, [Unsafe, Unsafe, Unsafe]);
    }

    #[test]
    fn fact_5_an_unseen_new_file_breaks_after_a_crash() {
        decides(|pair| pair.a_to_b.new_file_seen = Answer::No, [Unsafe, Unsafe, Unsafe]);
        decides(
            |pair| {
                pair.a_to_b.new_file_seen = Answer::No;
                pair.a_to_b.store_seen = Answer::No;
            },
            [Unsafe, Unsafe, Unsafe],
        );
    }

    #[test]
    fn fact_6_a_file_that_cannot_be_unlinked_refuses_delete_only() {
        decides(|pair| pair.a_to_b.unlink_while_open = Answer::Errno(16), [Safe, Refuses, Safe]);
    }

    #[test]
    fn silence_is_unknown() {
        let frozen = || Answer::Unknown("no answer within 1 s".to_owned());
        decides(|pair| pair.a_to_b.hand_off_fresh = frozen(), [Unknown, Unknown, Unknown]);
        decides(|pair| pair.a_to_b.store_seen = frozen(), [Unknown, Safe, Safe]);
        decides(|pair| *pair = PairFacts::default(), [Unknown, Unknown, Unknown]);
    }

    #[test]
    fn a_breakage_outweighs_silence() {
        decides(
            |pair| {
                pair.a_to_b.lock_conflict_seen = Answer::No;
                pair.b_to_a = SideFacts::default();
            },
            [Unsafe, Unsafe, Unsafe],
        );
    }

    #[test]
    fn one_broken_pair_breaks_the_boundary() {
        let mut broken = PairFacts::sound();
        broken.b_to_a.store_seen = Answer::No;
        let sound = PairFacts::sound();
        let pairs = [(&sound, ["A", "B"]), (&broken, ["A", "app"])];
        assert_eq!(decide_all(pairs, JournalMode::Wal).kind, Unsafe);
        assert!(decide_all(pairs, JournalMode::Wal).reasons[0].text.contains("app"));
        assert_eq!(decide_all(pairs, JournalMode::Persist).kind, Safe);
    }

    #[test]
    fn nothing_probed_is_unknown() {
        assert_eq!(decide_all([], JournalMode::Wal).kind, Unknown);
    }

    #[test]
    fn a_journal_in_memory_is_documented_as_unsafe() {
        assert_eq!(decide(&PairFacts::sound(), JournalMode::Memory).kind, Unsafe);
        assert_eq!(decide(&PairFacts::sound(), JournalMode::Off).kind, Unsafe);
    }
}
