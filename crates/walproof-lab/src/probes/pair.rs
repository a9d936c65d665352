//! The pair probe: do two parties reach the same files, see each other's locks, stores, writes and new files?
//!
//! Both directions run side by side, so that the waits are spent once. Order matters: a looking party reads a page
//! 50 ms before the acting party changes it and again 100 ms after, so that a stale cache has something stale to
//! show; the lock is tested after the hand-off, since some clients flush at unlock.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use walproof_format::protocol::{Command, ProbeAnswer, ProbeStep, Reply};
use walproof_judge::probe::{Answer, PairFacts, SideFacts, decide};
use walproof_judge::verdict::JournalMode;

use crate::error::LabError;
use crate::run::fleet::Fleet;

/// How long one system call may take before the storage counts as silent.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Between a read and the change it must not hide.
const BEFORE: Duration = Duration::from_millis(50);
/// Between a change and the look at it.
const AFTER: Duration = Duration::from_millis(100);
/// How long a store may take to be seen.
const STORE_WAIT_MS: u32 = 1000;

const SCRATCH_BYTES: u64 = 32 * 1024;
const MAGIC: u64 = 0x7761_6c70_726f_6f66;
const PAGE_AT: u64 = 4096;
const LOCK_AT: u64 = 120;
const HAND_OFF_LOCK_AT: u64 = 400;
/// SQLite's PENDING_BYTE: beyond it lie the lock bytes of a database.
const DATABASE_LOCK_AT: u64 = 0x4000_0001;

/// What a probe gave, and how long it took.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Both directions.
    pub facts: PairFacts,
    /// Between which agents.
    pub between: (u16, u16),
    /// Since its start.
    pub took: Duration,
    /// `/proc/self/mountinfo` as the first party sees it, when readable.
    pub mountinfo: Option<String>,
}

/// Probes every pair of a fleet that has been started, and gives the one that does worst in a journal mode.
pub fn probe_all(fleet: &Fleet<'_>, mode: JournalMode) -> Result<Probed, LabError> {
    let began = Instant::now();
    let pairs =
        fleet.agents().flat_map(|one| fleet.agents().filter(move |other| one < *other).map(move |other| (one, other)));
    let probed: Vec<Probed> = pairs.map(|(one, other)| probe(fleet, one, other)).collect::<Result<_, LabError>>()?;
    // Of equals the first.
    let worst = probed.into_iter().rev().max_by_key(|probed| decide(&probed.facts, mode).kind);
    let nobody = || LabError::new("cannot probe", "it takes two agents", "more `--agents`");
    worst.map(|worst| Probed { took: began.elapsed(), ..worst }).ok_or_else(nobody)
}

/// Probes two agents.
fn probe(fleet: &Fleet<'_>, one: u16, other: u16) -> Result<Probed, LabError> {
    let began = Instant::now();
    let side = |actor, looker| Side { fleet, actor, looker, by_sidecars: Cell::new(false) };
    let sides = [side(one, other), side(other, one)];
    let mut facts = [SideFacts::default(), SideFacts::default()];
    let mut both = |stage: &dyn Fn(&Side<'_>, &mut SideFacts)| {
        sides.iter().zip(&mut facts).for_each(|(side, facts)| stage(side, facts));
    };
    both(&|side, facts| side.set_up(facts));
    std::thread::sleep(BEFORE);
    both(&|side, facts| side.act(facts));
    std::thread::sleep(AFTER);
    both(&|side, facts| side.look(facts));
    sides.iter().for_each(Side::tidy);
    let mountinfo = sides[0].ask(one, ProbeStep::Mountinfo).ok().map(|answer| answer.text);
    let [a_to_b, b_to_a] = facts;
    Ok(Probed { facts: PairFacts { a_to_b, b_to_a }, between: (one, other), took: began.elapsed(), mountinfo })
}

/// One direction: `actor` changes, `looker` looks. Handles: see the constants below.
struct Side<'a> {
    fleet: &'a Fleet<'a>,
    actor: u16,
    looker: u16,
    /// What is asked is asked of `-shm`, which both directions then have in common.
    by_sidecars: Cell<bool>,
}

impl Side<'_> {
    /// Handle numbers, apart for each direction.
    fn handle(&self, which: u32) -> u32 {
        u32::from(self.actor) * 100 + which
    }
    fn created(&self) -> u32 {
        self.handle(1)
    }
    fn second_open(&self) -> u32 {
        self.handle(2)
    }
    fn looked_at(&self) -> u32 {
        self.handle(3)
    }
    fn new_file(&self) -> u32 {
        self.handle(4)
    }
    fn database(&self) -> u32 {
        self.handle(5)
    }

    /// Offsets of the two directions lie apart, since they may have one file in common.
    fn at(&self, offset: u64) -> u64 {
        offset + u64::from(self.actor) * 8
    }

    /// A file in the directory of the database, as `party` sees it.
    fn path(&self, party: u16, name: &str) -> String {
        let database = self.fleet.database_inside(party);
        if name == "scratch" && self.by_sidecars.get() {
            return format!("{database}-shm");
        }
        let folder = Path::new(&database).parent().unwrap_or(Path::new("/")).to_owned();
        folder.join(format!("probe-{}-{name}", self.actor)).display().to_string()
    }

    fn ask(&self, party: u16, step: ProbeStep) -> Result<ProbeAnswer, Answer> {
        match self.fleet.ask(party, &Command::Probe(step), CALL_TIMEOUT) {
            Ok(Reply::Probe(ProbeAnswer { errno: Some(errno), .. })) => Err(Answer::Errno(errno)),
            Ok(Reply::Probe(answer)) => Ok(answer),
            Ok(other) => Err(Answer::Unknown(format!("the agent answered `{other:?}`"))),
            Err(error) if error.blind => {
                // Its call hangs: nothing more will come from it.
                let _ = self.fleet.kill(party);
                Err(Answer::Unknown(format!("the storage did not answer within {} s", CALL_TIMEOUT.as_secs())))
            }
            Err(error) => Err(Answer::Unknown(error.what)),
        }
    }

    fn actor(&self, step: ProbeStep) -> Result<ProbeAnswer, Answer> {
        self.ask(self.actor, step)
    }

    fn looker(&self, step: ProbeStep) -> Result<ProbeAnswer, Answer> {
        self.ask(self.looker, step)
    }

    /// Facts 0, 1 and 3's mappings; then the looker reads what will change.
    fn set_up(&self, facts: &mut SideFacts) {
        self.make_scratch(facts);
        if facts.sibling == Answer::No {
            self.look_for_sidecars(facts);
        }
        if self.shares_a_file(facts) {
            facts.mmap_other_party = yes(self.looker(ProbeStep::Map { handle: self.looked_at() }));
            let _ = self.looker(ProbeStep::Read { handle: self.looked_at(), offset: self.at(PAGE_AT) });
            let _ = self.looker(ProbeStep::Size { path: self.path(self.looker, "scratch") });
        }
        let _ = self.looker(ProbeStep::Size { path: self.path(self.looker, "new") });
    }

    fn make_scratch(&self, facts: &mut SideFacts) {
        let created = self.created();
        let path = self.path(self.actor, "scratch");
        let create = !self.by_sidecars.get();
        let made = self.actor(ProbeStep::Open { handle: created, path: path.clone(), create }).and_then(|_| {
            self.actor(ProbeStep::Truncate { handle: created, size: SCRATCH_BYTES })?;
            self.actor(ProbeStep::Write { handle: created, offset: 0, value: MAGIC })
        });
        if let Err(answer) = made {
            facts.opens_read_write = answer;
            return;
        }
        facts.mmap_creator = yes(self.actor(ProbeStep::Map { handle: created }));
        let again = self.actor(ProbeStep::Open { handle: self.second_open(), path, create: false });
        facts.mmap_second_open = yes(again.and_then(|_| self.actor(ProbeStep::Map { handle: self.second_open() })));
        self.look_for_sibling(facts);
    }

    fn shares_a_file(&self, facts: &SideFacts) -> bool {
        facts.sibling == Answer::Yes || facts.sidecars_mounted == Some(Answer::Yes)
    }

    /// A file that is not found may still lie beside ones that are: where `-wal` and `-shm` are mounts of their own,
    /// everything is asked of `-shm` instead.
    fn look_for_sidecars(&self, facts: &mut SideFacts) {
        let wal = |party| format!("{}-wal", self.fleet.database_inside(party));
        let handle = self.database();
        // A mounted one is there before anybody comes.
        let written = self.actor(ProbeStep::Open { handle, path: wal(self.actor), create: false });
        let written = written.and_then(|_| self.actor(ProbeStep::Write { handle, offset: self.at(0), value: MAGIC }));
        let read = self.looker(ProbeStep::Open { handle, path: wal(self.looker), create: false });
        let read = read.and_then(|_| self.looker(ProbeStep::Read { handle, offset: self.at(0) }));
        let wal_is_shared = written.is_ok() && is(read, MAGIC) == Answer::Yes;
        if !wal_is_shared {
            return;
        }
        self.by_sidecars.set(true);
        let not_found = facts.sibling.clone();
        self.make_scratch(facts);
        facts.sidecars_mounted = Some(std::mem::replace(&mut facts.sibling, not_found));
    }

    fn look_for_sibling(&self, facts: &mut SideFacts) {
        let looked_at = self.looked_at();
        let path = self.path(self.looker, "scratch");
        let opened = self.looker(ProbeStep::Open { handle: looked_at, path, create: false });
        (facts.opens_read_write, facts.sibling) = match opened {
            Ok(_) => {
                let content = self.looker(ProbeStep::Read { handle: looked_at, offset: 0 });
                (Answer::Yes, is(content, MAGIC))
            }
            Err(Answer::Errno(libc::ENOENT)) => (Answer::Yes, Answer::No),
            Err(Answer::Errno(errno)) => (Answer::Errno(errno), Answer::Unknown("it could not be opened".into())),
            Err(other) => (other.clone(), other),
        };
    }

    /// The acting party changes everything at once.
    fn act(&self, facts: &mut SideFacts) {
        let handle = self.created();
        if facts.mmap_creator == Answer::Yes {
            let _ = self.actor(ProbeStep::Store { handle, offset: self.at(64), value: MAGIC + 1 });
        }
        let _ = self.actor(ProbeStep::Lock { handle, offset: self.at(HAND_OFF_LOCK_AT) });
        let _ = self.actor(ProbeStep::Write { handle, offset: self.at(PAGE_AT), value: MAGIC + 2 });
        let _ = self.actor(ProbeStep::Unlock { handle, offset: self.at(HAND_OFF_LOCK_AT) });
        let _ = self.actor(ProbeStep::Write { handle, offset: SCRATCH_BYTES, value: MAGIC });
        let path = self.path(self.actor, "new");
        let _ = self.actor(ProbeStep::Open { handle: self.new_file(), path, create: true });
    }

    /// The looking party looks; last the lock and the unlinking.
    fn look(&self, facts: &mut SideFacts) {
        if !self.shares_a_file(facts) {
            facts.lock_conflict_seen = self.conflict_on_database();
            return;
        }
        let handle = self.looked_at();
        let locked = self.looker(ProbeStep::Lock { handle, offset: self.at(HAND_OFF_LOCK_AT) });
        let content = self.looker(ProbeStep::Read { handle, offset: self.at(PAGE_AT) });
        let _ = self.looker(ProbeStep::Unlock { handle, offset: self.at(HAND_OFF_LOCK_AT) });
        facts.hand_off_fresh = locked.err().unwrap_or_else(|| is(content, MAGIC + 2));
        let size = self.looker(ProbeStep::Size { path: self.path(self.looker, "scratch") });
        facts.size_fresh = is(size, SCRATCH_BYTES + 8);
        let new = self.path(self.looker, "new");
        let found = self.looker(ProbeStep::Open { handle: self.new_file(), path: new, create: false });
        facts.new_file_seen = match found {
            Err(Answer::Errno(libc::ENOENT)) => Answer::No,
            other => yes(other),
        };
        facts.store_seen = match &facts.mmap_other_party {
            Answer::Yes => {
                let until = MAGIC + 1;
                is(self.looker(ProbeStep::Load { handle, offset: self.at(64), until, wait_ms: STORE_WAIT_MS }), until)
            }
            other => other.clone(),
        };
        facts.lock_conflict_seen = self.conflict(self.created(), handle, self.at(LOCK_AT));
        facts.unlink_while_open = yes(self.actor(ProbeStep::Unlink { path: self.path(self.actor, "new") }));
    }

    /// Where siblings are not seen, the one file that both may have is the database: here our own empty one.
    fn conflict_on_database(&self) -> Answer {
        let handle = self.database();
        for party in [self.actor, self.looker] {
            let path = self.fleet.database_inside(party);
            if let Err(answer) = self.ask(party, ProbeStep::Open { handle, path, create: false }) {
                return answer;
            }
        }
        self.conflict(handle, handle, DATABASE_LOCK_AT)
    }

    /// The actor holds a lock; is the looker's refused?
    fn conflict(&self, held: u32, wanted: u32, offset: u64) -> Answer {
        if let Err(answer) = self.actor(ProbeStep::Lock { handle: held, offset }) {
            return answer;
        }
        let answer = is(self.looker(ProbeStep::Lock { handle: wanted, offset }), 0);
        let _ = self.looker(ProbeStep::Unlock { handle: wanted, offset });
        let _ = self.actor(ProbeStep::Unlock { handle: held, offset });
        answer
    }

    fn tidy(&self) {
        for name in ["scratch", "new"] {
            let _ = self.actor(ProbeStep::Unlink { path: self.path(self.actor, name) });
        }
    }
}

fn yes(answer: Result<ProbeAnswer, Answer>) -> Answer {
    answer.map_or_else(|failure| failure, |_| Answer::Yes)
}

fn is(answer: Result<ProbeAnswer, Answer>, expected: u64) -> Answer {
    match answer {
        Ok(answer) if answer.value == expected => Answer::Yes,
        Ok(_) => Answer::No,
        Err(failure) => failure,
    }
}
