//! The lock matrix: every pair of SQLite's locks between two parties, and how locks end.
//!
//! The acting party holds, the looking party wants. For holders that end, stand still or close, the acting party forks
//! children, so that its own locks are not touched.

use std::time::{Duration, Instant};

use walproof_format::probe_step::{ByteRange, Fate, LockKind, LockOwner, ProbeAnswer, ProbeStep};
use walproof_judge::probe::{Answer, LockCell, LockFacts, Release, SQLITE_LOCKS, SqliteLock};

use super::asking::Asking;

/// How long a lock may stay after its holder is gone.
const RELEASE_MAX: Duration = Duration::from_secs(2);
/// Between two tries to get it.
const BETWEEN_TRIES: Duration = Duration::from_millis(1);
/// How long a holder stands still.
const PAUSE: Duration = Duration::from_millis(30);
/// A byte that no other question uses.
const CHILDS_BYTE: ByteRange = ByteRange::byte(700);
const OPEN_FILE_BYTE: ByteRange = ByteRange::byte(710);

/// One direction of a pair, as far as locks go.
pub struct LockSide<'a> {
    /// Who can be asked.
    pub asking: &'a Asking<'a>,
    /// Who holds, and its handle of the file.
    pub actor: (u16, u32),
    /// Its path of the file.
    pub path: String,
    /// Who wants, and its handle of the same file.
    pub looker: (u16, u32),
}

impl LockSide<'_> {
    /// Everything about locks.
    pub fn facts(&self) -> LockFacts {
        let mut facts = LockFacts::default();
        self.matrix(&mut facts);
        self.upgrade(&mut facts);
        facts.open_file_locks = self.open_file_locks();
        facts.released_on_close = self.release(Fate::Close);
        facts.released_on_exit = self.release(Fate::Exit);
        facts.released_on_kill = self.release(Fate::Kill);
        facts.held_while_paused = self.pause();
        facts
    }

    fn matrix(&self, facts: &mut LockFacts) {
        for held in SQLITE_LOCKS {
            if is_got(self.actor(&[take(self.actor.1, held)])) != Answer::Yes {
                continue;
            }
            // Every try is undone before the next: what does not conflict is granted.
            let tries =
                SQLITE_LOCKS.iter().flat_map(|wanted| [take(self.looker.1, wanted), free(self.looker.1, wanted.range)]);
            let answers = self.asking.all(self.looker.0, tries.collect());
            if facts.holder_pid.is_none() && held.kind == LockKind::Write {
                let asked = ProbeStep::Holder { handle: self.looker.1, range: held.range, kind: LockKind::Write };
                facts.holder_pid = self.asking.one(self.looker.0, asked).ok().and_then(|answer| answer.pid);
            }
            let let_go = self.actor(&[free(self.actor.1, held.range)]);
            if let (Ok(answers), true) = (answers, still_there(&let_go)) {
                for (wanted, answer) in SQLITE_LOCKS.iter().zip(answers.into_iter().step_by(2)) {
                    facts.pairs_tried += 1;
                    facts.wrong.extend(wrong(held, wanted, answer));
                }
            }
        }
    }

    fn upgrade(&self, facts: &mut LockFacts) {
        let find = |name| SQLITE_LOCKS.iter().find(|lock| lock.name == name);
        let (Some(shared), Some(exclusive)) = (find("SHARED"), find("EXCLUSIVE")) else { return };
        let both_read = [self.actor(&[take(self.actor.1, shared)]), self.looker(&[take(self.looker.1, shared)])];
        if both_read.into_iter().any(|answer| is_got(answer) != Answer::Yes) {
            return;
        }
        let refused = is_refused(self.actor(&[take(self.actor.1, exclusive)]));
        if !still_there(&self.looker(&[free(self.looker.1, shared.range)])) {
            return;
        }
        facts.upgrade_refused = refused;
        let upgraded = is_got(self.actor(&[take(self.actor.1, exclusive)]));
        // Given back by a lock of the lesser kind over it, as SQLite does.
        let given_back = is_got(self.actor(&[take(self.actor.1, shared)]));
        let read_again = is_got(self.looker(&[take(self.looker.1, shared)]));
        facts.upgrade_granted =
            [upgraded, given_back, read_again].into_iter().find(|answer| *answer != Answer::Yes).unwrap_or(Answer::Yes);
        let _ = self.looker(&[free(self.looker.1, shared.range)]);
        let _ = self.actor(&[free(self.actor.1, shared.range)]);
    }

    /// A write lock of either kind of owner is refused to the other party's either kind.
    fn open_file_locks(&self) -> Answer {
        let lock = |handle, kind, owner| ProbeStep::Lock { handle, range: OPEN_FILE_BYTE, kind, owner };
        let owners = [LockOwner::OpenFile, LockOwner::Process];
        for held in owners {
            let taken = is_got(self.actor(&[lock(self.actor.1, LockKind::Write, held)]));
            if taken != Answer::Yes {
                return taken;
            }
            let refused = owners.map(|wanted| is_refused(self.looker(&[lock(self.looker.1, LockKind::Write, wanted)])));
            let let_go = self.actor(&[lock(self.actor.1, LockKind::None, held)]);
            match refused.into_iter().find(|refused| *refused != Answer::Yes) {
                Some(refused) if still_there(&let_go) => return refused,
                Some(_) => return Answer::Unknown("the holder has ended".into()),
                None => {}
            }
        }
        Answer::Yes
    }

    fn release(&self, fate: Fate) -> Release {
        let child = fate as u32;
        let held = self.hold(child);
        if held != Answer::Yes {
            return Release { released: held, after_us: None };
        }
        if let Err(failure) = self.actor(&[ProbeStep::Child { child, fate }]) {
            return Release { released: failure, after_us: None };
        }
        let began = Instant::now();
        let released = loop {
            let got = is_got(self.want());
            if got != Answer::No || began.elapsed() >= RELEASE_MAX {
                break got;
            }
            std::thread::sleep(BETWEEN_TRIES);
        };
        let after_us = (released == Answer::Yes).then(|| began.elapsed().as_micros() as u64);
        if fate == Fate::Close {
            let _ = self.actor(&[ProbeStep::Child { child, fate: Fate::Exit }]);
        }
        Release { released, after_us }
    }

    fn pause(&self) -> Answer {
        let child = Fate::Stop as u32;
        let held = self.hold(child);
        if held != Answer::Yes {
            return held;
        }
        if let Err(failure) = self.actor(&[ProbeStep::Child { child, fate: Fate::Stop }]) {
            return failure;
        }
        std::thread::sleep(PAUSE);
        let kept = is_refused(self.want());
        let ended = self.actor(&[ProbeStep::Child { child, fate: Fate::Kill }]);
        if still_there(&ended) { kept } else { Answer::Unknown("the holder has ended before".into()) }
    }

    /// A child of the acting party holds the byte, and the looking party is refused: otherwise nothing can be released.
    fn hold(&self, child: u32) -> Answer {
        let path = self.path.clone();
        let held = self.actor(&[ProbeStep::Hold { child, path, range: CHILDS_BYTE, kind: LockKind::Write }]);
        match is_got(held) {
            Answer::Yes => match is_refused(self.want()) {
                Answer::No => Answer::Unknown("the lock was never seen".into()),
                refused => refused,
            },
            Answer::No => Answer::Unknown("the child was refused".into()),
            other => other,
        }
    }

    /// Tries to get it, and lets it go again.
    fn want(&self) -> Result<ProbeAnswer, Answer> {
        let (handle, range, owner) = (self.looker.1, CHILDS_BYTE, LockOwner::Process);
        let got = self.looker(&[ProbeStep::Lock { handle, range, kind: LockKind::Write, owner }]);
        let _ = self.looker(&[free(handle, range)]);
        got
    }

    fn actor(&self, steps: &[ProbeStep]) -> Result<ProbeAnswer, Answer> {
        last(self.asking.all(self.actor.0, steps.to_vec()))
    }

    fn looker(&self, steps: &[ProbeStep]) -> Result<ProbeAnswer, Answer> {
        last(self.asking.all(self.looker.0, steps.to_vec()))
    }
}

fn last(answers: Result<Vec<Result<ProbeAnswer, Answer>>, Answer>) -> Result<ProbeAnswer, Answer> {
    answers?.pop().unwrap_or_else(|| Err(Answer::not_asked()))
}

/// Whether a holder answered after the others had tried: a lock of one that has ended says nothing.
fn still_there(answer: &Result<ProbeAnswer, Answer>) -> bool {
    !matches!(answer, Err(Answer::Unknown(_)))
}

fn take(handle: u32, lock: &SqliteLock) -> ProbeStep {
    ProbeStep::Lock { handle, range: lock.range, kind: lock.kind, owner: LockOwner::Process }
}

fn free(handle: u32, range: ByteRange) -> ProbeStep {
    ProbeStep::Lock { handle, range, kind: LockKind::None, owner: LockOwner::Process }
}

fn is_got(answer: Result<ProbeAnswer, Answer>) -> Answer {
    super::asking::is(answer, 1)
}

fn is_refused(answer: Result<ProbeAnswer, Answer>) -> Answer {
    super::asking::is(answer, 0)
}

/// `None`: as it must.
fn wrong(held: &SqliteLock, wanted: &SqliteLock, answer: Result<ProbeAnswer, Answer>) -> Option<LockCell> {
    let refused = is_refused(answer);
    let expected = if held.conflicts_with(wanted) { Answer::Yes } else { Answer::No };
    let cell = |refused| LockCell { held: held.name.into(), wanted: wanted.name.into(), place: wanted.place, refused };
    (refused != expected).then(|| cell(refused))
}
