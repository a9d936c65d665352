//! The pair probe: do two parties reach the same files, see each other's locks, stores, writes and new files?
//!
//! Both directions run side by side, so that the waits are spent once. Order matters: a looking party reads a page
//! 50 ms before the acting party changes it and again 100 ms after, so that a stale cache has something stale to
//! show; the lock is tested after the hand-off, since some clients flush at unlock.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde::Serialize;
use walproof_format::probe_step::{ByteRange, LitmusTest, LockKind, LockOwner, ProbeAnswer, ProbeStep};
use walproof_judge::mountinfo;
use walproof_judge::probe::{Answer, PairFacts, SideFacts, decide};
use walproof_judge::verdict::JournalMode;

use super::asking::{Asking, is, microseconds, yes};
use super::litmus::{self, Racer};
use super::locks::LockSide;
use super::visibility::{Changes, Sight};
use crate::error::LabError;
use crate::run::fleet::Fleet;

/// Between a read and the change it must not hide.
const BEFORE: Duration = Duration::from_millis(50);
/// Between a change and the look at it.
const AFTER: Duration = Duration::from_millis(100);
/// Caches that believe something for a second are common (FUSE's default among them): by then they may look fresh.
const LOOK_AGE_MAX: Duration = Duration::from_millis(900);
/// How long a store may take to be seen.
const STORE_WAIT: Duration = Duration::from_secs(1);

const SCRATCH_BYTES: u64 = 32 * 1024;
const MAGIC: u64 = 0x7761_6c70_726f_6f66;
/// Cells of these questions; the races have theirs below.
const STORE_AT: u64 = 24 * 1024;
const PAGE_AT: u64 = 28 * 1024;
const LOCK_AT: u64 = 120;
const HAND_OFF_LOCK_AT: u64 = 400;
/// SQLite's PENDING_BYTE: beyond it lie the lock bytes of a database.
const DATABASE_LOCK_AT: u64 = 0x4000_0001;

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// What decides.
    Quick,
    /// Also the lock matrix, names and sizes that are taken away, races on shared memory.
    Full,
}

/// How long `verify` lets a probe take.
pub const TIME_MAX: Duration = Duration::from_secs(30);

/// What a probe gave, and how long it took.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Both directions.
    pub facts: PairFacts,
    /// Between which agents.
    pub between: (u16, u16),
    /// Since its start.
    pub took: Duration,
}

/// Probes every pair of a fleet that has been started.
pub fn probe_pairs(asking: &Asking<'_>, depth: Depth) -> Vec<Probed> {
    let agents = || asking.fleet.agents();
    let pairs = agents().flat_map(|one| agents().filter(move |other| one < *other).map(move |other| (one, other)));
    pairs.map(|(one, other)| probe(asking, one, other, depth)).collect()
}

/// The same, quick; gives the one that does worst in a journal mode.
pub fn probe_all(fleet: &Fleet<'_>, mode: JournalMode, interrupted: &AtomicBool) -> Result<Probed, LabError> {
    let began = Instant::now();
    let probed = probe_pairs(&Asking::until(fleet, began + TIME_MAX, interrupted), Depth::Quick);
    // Of equals the first.
    let worst = probed.into_iter().rev().max_by_key(|probed| decide(&probed.facts, mode).kind);
    let nobody = || LabError::new("cannot probe", "it takes two agents", "more `--agents`");
    worst.map(|worst| Probed { took: began.elapsed(), ..worst }).ok_or_else(nobody)
}

/// Probes two agents.
fn probe(asking: &Asking<'_>, one: u16, other: u16, depth: Depth) -> Probed {
    let began = Instant::now();
    let side = |actor, looker| Side::new(asking, actor, looker);
    let sides = [side(one, other), side(other, one)];
    let mut facts = [SideFacts::default(), SideFacts::default()];
    let mut both = |stage: &dyn Fn(&Side<'_>, &mut SideFacts)| {
        sides.iter().zip(&mut facts).for_each(|(side, facts)| stage(side, facts));
    };
    both(&|side, facts| side.set_up(facts));
    both(&|side, facts| side.look_before(facts));
    std::thread::sleep(BEFORE);
    both(&|side, facts| side.act(facts));
    std::thread::sleep(AFTER);
    both(&|side, facts| side.look(facts));
    // Meanwhile stores may still be on their way.
    both(&|side, facts| side.race_reopening(facts));
    both(&|side, facts| side.look_for_store(facts));
    if facts.iter().all(|facts| facts.store_seen == Answer::Yes) {
        let in_turn = sides[0].stores_in_turn();
        facts.iter_mut().for_each(|facts| facts.stores_seen_in_turn = in_turn.clone());
    }
    let mut both = |stage: &dyn Fn(&Side<'_>, &mut SideFacts)| {
        sides.iter().zip(&mut facts).for_each(|(side, facts)| stage(side, facts));
    };
    if depth == Depth::Full {
        both(&|side, facts| side.ask_locks(facts));
        both(&|side, facts| side.when_shared(facts, |sight| sight.set_up()));
        std::thread::sleep(BEFORE);
        both(&|side, facts| side.when_shared(facts, |sight| side.changes.set(sight.act())));
        std::thread::sleep(AFTER);
        both(&|side, facts| side.look_again(facts));
        both(&|side, facts| side.race(facts));
    }
    sides.iter().for_each(Side::tidy);
    let [a_to_b, b_to_a] = facts;
    Probed { facts: PairFacts { a_to_b, b_to_a }, between: (one, other), took: began.elapsed() }
}

/// One direction: `actor` changes, `looker` looks. Handles: see the constants below.
struct Side<'a> {
    asking: &'a Asking<'a>,
    actor: u16,
    looker: u16,
    /// What is asked is asked of `-shm`, which both directions then have in common.
    by_sidecars: Cell<bool>,
    /// What the actor has done: where it did nothing, nothing can be seen of it, which is nobody's fault.
    acted: RefCell<Acted>,
    changes: Cell<Changes>,
    looked_before: Cell<Option<Instant>>,
}

/// Whether the actor's changes were made.
#[derive(Debug)]
struct Acted {
    store: Answer,
    stored_at: Option<Instant>,
    write: Answer,
    append: Answer,
    new_file: Answer,
}

impl Default for Acted {
    fn default() -> Self {
        let not_yet = Answer::not_asked;
        Self { store: not_yet(), stored_at: None, write: not_yet(), append: not_yet(), new_file: not_yet() }
    }
}

/// What was seen of a change, if it was made.
fn seen_of(change: &Answer, seen: Answer) -> Answer {
    match change {
        Answer::Yes => seen,
        Answer::No => Answer::Unknown("the other party could not change it".into()),
        Answer::Errno(errno) => Answer::Unknown(format!("the other party could not change it (errno {errno})")),
        Answer::Unknown(why) => Answer::Unknown(format!("the other party did not change it: {why}")),
    }
}

impl<'a> Side<'a> {
    fn new(asking: &'a Asking<'a>, actor: u16, looker: u16) -> Self {
        Self {
            asking,
            actor,
            looker,
            by_sidecars: Cell::default(),
            acted: RefCell::default(),
            changes: Cell::default(),
            looked_before: Cell::default(),
        }
    }

    /// Handle numbers, apart for each direction.
    fn handle(&self, which: u32) -> u32 {
        u32::from(self.actor) * 1000 + u32::from(self.looker) * 20 + which
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
    fn spare(&self) -> u32 {
        self.handle(6)
    }

    /// Offsets of the two directions lie apart, since they may have one file in common.
    fn at(&self, offset: u64) -> u64 {
        offset + u64::from(self.actor) * 8
    }

    fn lock_step(&self, handle: u32, offset: u64, kind: LockKind) -> ProbeStep {
        ProbeStep::Lock { handle, range: ByteRange::byte(offset), kind, owner: LockOwner::Process }
    }

    /// A file in the directory of the database, as `party` sees it.
    fn path(&self, party: u16, name: &str) -> String {
        let database = self.asking.fleet.database_inside(party);
        if name == "scratch" && self.by_sidecars.get() {
            return format!("{database}-shm");
        }
        let folder = Path::new(&database).parent().unwrap_or(Path::new("/")).to_owned();
        folder.join(format!("probe-{}-{}-{name}", self.actor, self.looker)).display().to_string()
    }

    fn actor(&self, step: ProbeStep) -> Result<ProbeAnswer, Answer> {
        self.asking.one(self.actor, step)
    }

    fn looker(&self, step: ProbeStep) -> Result<ProbeAnswer, Answer> {
        self.asking.one(self.looker, step)
    }

    /// Facts 0, 1 and 3's mappings.
    fn set_up(&self, facts: &mut SideFacts) {
        self.make_scratch(facts);
        if facts.sibling == Answer::No {
            self.look_for_sidecars(facts);
        }
        if self.shares_a_file(facts) {
            facts.mmap_other_party = yes(self.looker(ProbeStep::Map { handle: self.looked_at() }));
        }
    }

    /// The looking party looks at what will change, so that a stale cache has something to show.
    fn look_before(&self, facts: &SideFacts) {
        let path = |name| self.path(self.looker, name);
        let mut steps = vec![ProbeStep::Size { path: path("new") }];
        if self.shares_a_file(facts) {
            steps.push(ProbeStep::Read { handle: self.looked_at(), offset: self.at(PAGE_AT) });
            steps.push(ProbeStep::Size { path: path("scratch") });
        }
        if facts.mmap_other_party == Answer::Yes {
            // Faults in the page that is stored into: a page read later would be fresh on any storage.
            steps.push(ProbeStep::Load { handle: self.looked_at(), offset: self.at(STORE_AT), until: 0, wait_ms: 0 });
        }
        self.looked_before.set(Some(Instant::now()));
        let _ = self.asking.all(self.looker, steps);
    }

    /// `Yes` only where the look before is not so old that a cache may have expired meanwhile.
    fn fresh(&self, answer: Answer) -> Answer {
        let age = self.looked_before.get().map_or(LOOK_AGE_MAX, |at| at.elapsed());
        match answer {
            Answer::Yes if age >= LOOK_AGE_MAX => Answer::Unknown(format!(
                "{:.1} s lay between two looks, and a cache may have expired meanwhile: the storage is slow, or the \
                 machine is too busy",
                age.as_secs_f64()
            )),
            other => other,
        }
    }

    fn make_scratch(&self, facts: &mut SideFacts) {
        let created = self.created();
        let path = self.path(self.actor, "scratch");
        let create = !self.by_sidecars.get();
        let opened = self.actor(ProbeStep::Open { handle: created, path: path.clone(), create });
        let made = opened.and_then(|_| {
            self.actor(ProbeStep::Truncate { handle: created, size: SCRATCH_BYTES })?;
            self.actor(ProbeStep::Write { handle: created, offset: 0, value: MAGIC })
        });
        facts.creates = yes(made);
        if facts.creates != Answer::Yes {
            return;
        }
        let mapped = self.actor(ProbeStep::Map { handle: created });
        facts.times.map_us = microseconds(&mapped);
        facts.mmap_creator = yes(mapped);
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
        let wal = |party| format!("{}-wal", self.asking.fleet.database_inside(party));
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
        facts.sidecars_stay = Some(self.sidecars_are_mounts());
    }

    /// Whether nobody can unlink `-wal` and `-shm` at the acting party.
    fn sidecars_are_mounts(&self) -> Answer {
        let database = self.asking.fleet.database_inside(self.actor);
        match self.actor(ProbeStep::Mountinfo) {
            Err(failure) => failure,
            Ok(answer) => {
                let mounts = mountinfo::parse(&answer.text);
                let is_mount = |end| mounts.iter().any(|mount| mount.mount_point == format!("{database}{end}"));
                if ["-wal", "-shm"].into_iter().all(is_mount) { Answer::Yes } else { Answer::No }
            }
        }
    }

    fn look_for_sibling(&self, facts: &mut SideFacts) {
        let looked_at = self.looked_at();
        let path = self.path(self.looker, "scratch");
        let opened = self.looker(ProbeStep::Open { handle: looked_at, path, create: false });
        facts.times.open_us = microseconds(&opened);
        (facts.opens_read_write, facts.sibling) = match opened {
            Ok(_) => {
                let content = self.looker(ProbeStep::Read { handle: looked_at, offset: 0 });
                (Answer::Yes, is(content, MAGIC))
            }
            Err(Answer::Errno(libc::ENOENT)) => (Answer::Yes, self.unless_removed("scratch")),
            Err(Answer::Errno(errno)) => (Answer::Errno(errno), Answer::Unknown("it could not be opened".into())),
            Err(other) => (other.clone(), other),
        };
    }

    /// The acting party changes everything at once.
    fn act(&self, facts: &mut SideFacts) {
        let handle = self.created();
        let mut acted = self.acted.borrow_mut();
        if facts.mmap_creator == Answer::Yes {
            acted.store = yes(self.actor(ProbeStep::Store { handle, offset: self.at(STORE_AT), value: MAGIC + 1 }));
            acted.stored_at = Some(Instant::now());
        }
        let _ = self.actor(self.lock_step(handle, self.at(HAND_OFF_LOCK_AT), LockKind::Write));
        let written = self.actor(ProbeStep::Write { handle, offset: self.at(PAGE_AT), value: MAGIC + 2 });
        facts.times.write_us = microseconds(&written);
        acted.write = yes(written);
        let _ = self.actor(self.lock_step(handle, self.at(HAND_OFF_LOCK_AT), LockKind::None));
        acted.append = yes(self.actor(ProbeStep::Write { handle, offset: SCRATCH_BYTES, value: MAGIC }));
        let path = self.path(self.actor, "new");
        acted.new_file = yes(self.actor(ProbeStep::Open { handle: self.new_file(), path, create: true }));
    }

    /// The looking party looks; last the lock and the unlinking.
    fn look(&self, facts: &mut SideFacts) {
        if !self.shares_a_file(facts) {
            facts.lock_conflict_seen = self.conflict_on_database(facts);
            return;
        }
        let acted = self.acted.borrow();
        let handle = self.looked_at();
        let locked = self.looker(self.lock_step(handle, self.at(HAND_OFF_LOCK_AT), LockKind::Write));
        let content = self.looker(ProbeStep::Read { handle, offset: self.at(PAGE_AT) });
        let _ = self.looker(self.lock_step(handle, self.at(HAND_OFF_LOCK_AT), LockKind::None));
        (facts.times.lock_us, facts.times.read_us) = (microseconds(&locked), microseconds(&content));
        facts.hand_off_fresh =
            locked.err().unwrap_or_else(|| self.fresh(seen_of(&acted.write, is(content, MAGIC + 2))));
        let size = self.looker(ProbeStep::Size { path: self.path(self.looker, "scratch") });
        facts.size_fresh = self.fresh(seen_of(&acted.append, is(size, SCRATCH_BYTES + 8)));
        let new = self.path(self.looker, "new");
        let found = self.looker(ProbeStep::Open { handle: self.new_file(), path: new, create: false });
        let found = match found {
            Err(Answer::Errno(libc::ENOENT)) => self.unless_removed("new"),
            other => yes(other),
        };
        facts.new_file_seen = self.fresh(seen_of(&acted.new_file, found));
        facts.lock_conflict_seen = self.conflict(self.created(), handle, self.at(LOCK_AT));
        facts.unlink_while_open = yes(self.actor(ProbeStep::Unlink { path: self.path(self.actor, "new") }));
    }

    /// The store that was made before all this, in a page that was faulted in before that.
    fn look_for_store(&self, facts: &mut SideFacts) {
        if !self.shares_a_file(facts) {
            return;
        }
        let (acted, handle) = (self.acted.borrow(), self.looked_at());
        facts.store_seen = match (&facts.mmap_other_party, &acted.store) {
            (Answer::Yes, Answer::Yes) => {
                let (until, offset) = (MAGIC + 1, self.at(STORE_AT));
                // The wait of one direction is one of the other's as well.
                let waited = acted.stored_at.map_or(Duration::ZERO, |at| at.elapsed());
                let wait_ms = STORE_WAIT.saturating_sub(waited).as_millis() as u32;
                is(self.looker(ProbeStep::Load { handle, offset, until, wait_ms }), until)
            }
            (Answer::Yes, not_made) => seen_of(not_made, Answer::not_asked()),
            (other, _) => other.clone(),
        };
    }

    /// Stores of both parties in turn, on the file of this direction.
    fn stores_in_turn(&self) -> Answer {
        let racer = |party, handle| (party, handle, self.path(party, "scratch"));
        let (one, other) = (racer(self.actor, self.created()), racer(self.looker, self.looked_at()));
        litmus::in_turn(self.asking, &one, &other)
    }

    /// `No`, when the file that the looking party does not find is there for the acting party.
    fn unless_removed(&self, name: &str) -> Answer {
        match self.actor(ProbeStep::Size { path: self.path(self.actor, name) }) {
            Err(Answer::Errno(libc::ENOENT)) => Answer::Unknown("somebody else removed the scratch files".into()),
            _ => Answer::No,
        }
    }

    /// Where siblings are not seen, the one file that both may have is the database: here our own empty one.
    fn conflict_on_database(&self, facts: &mut SideFacts) -> Answer {
        let handle = self.database();
        for party in [self.actor, self.looker] {
            let path = self.asking.fleet.database_inside(party);
            if let Err(answer) = self.asking.one(party, ProbeStep::Open { handle, path, create: false }) {
                if party == self.looker {
                    facts.opens_read_write = answer.clone();
                }
                return Answer::Unknown("a party cannot open the database".into());
            }
        }
        self.conflict(handle, handle, DATABASE_LOCK_AT)
    }

    /// The actor holds a lock; is the looker's refused?
    fn conflict(&self, held: u32, wanted: u32, offset: u64) -> Answer {
        if let Err(answer) = self.actor(self.lock_step(held, offset, LockKind::Write)) {
            return answer;
        }
        let answer = is(self.looker(self.lock_step(wanted, offset, LockKind::Write)), 0);
        let _ = self.looker(self.lock_step(wanted, offset, LockKind::None));
        match self.actor(self.lock_step(held, offset, LockKind::None)) {
            // A lock of a holder that has ended says nothing.
            Err(Answer::Unknown(why)) => Answer::Unknown(why),
            _ => answer,
        }
    }

    /// Every pair of locks; where a single one fails already, that is the answer.
    fn ask_locks(&self, facts: &mut SideFacts) {
        let locks_work = matches!(facts.lock_conflict_seen, Answer::Yes | Answer::No);
        if self.shares_a_file(facts) && locks_work {
            let (actor, looker) = ((self.actor, self.created()), (self.looker, self.looked_at()));
            let path = self.path(self.actor, "scratch");
            facts.locks = Some(LockSide { asking: self.asking, actor, path, looker }.facts());
        }
    }

    /// Names and sizes that are taken away, where anything is shared.
    fn when_shared(&self, facts: &SideFacts, stage: impl FnOnce(&Sight<'_>)) {
        if self.shares_a_file(facts) {
            stage(&self.sight(&|party, name| self.path(party, name)));
        }
    }

    fn look_again(&self, facts: &mut SideFacts) {
        if !self.shares_a_file(facts) {
            return;
        }
        let path = |party, name: &str| self.path(party, name);
        let sight = self.sight(&path);
        if !sight.look(self.changes.get(), facts) {
            facts.unanswered.push("truncation, unlink, rename".into());
        }
        if facts.store_seen == Answer::Yes {
            sight.cut_under_mapping(facts);
        }
        sight.tidy();
    }

    fn sight<'s>(&'s self, path: &'s dyn Fn(u16, &str) -> String) -> Sight<'s> {
        Sight {
            asking: self.asking,
            actor: (self.actor, self.created()),
            looker: (self.looker, self.looked_at()),
            path,
            size: SCRATCH_BYTES,
            content: MAGIC,
            spare: self.spare(),
        }
    }

    /// On a file of its own: whoever reopens a file may drop what its client remembers of it, also what is mapped. Where
    /// only the sidecars are shared, on `-wal`.
    fn race_reopening(&self, facts: &mut SideFacts) {
        let (handle, name) =
            if self.by_sidecars.get() { (self.database(), "-wal") } else { (self.handle(19), "raced") };
        if !self.shares_a_file(facts) {
            return;
        }
        let path = |party| match self.by_sidecars.get() {
            true => format!("{}{name}", self.asking.fleet.database_inside(party)),
            false => self.path(party, name),
        };
        let racer = |party| (party, handle, path(party));
        let (writer, reader) = (racer(self.actor), racer(self.looker));
        let open = |(party, handle, path): &Racer, create| {
            self.asking.one(*party, ProbeStep::Open { handle: *handle, path: path.clone(), create })
        };
        let own = !self.by_sidecars.get();
        let opened = !own || (open(&writer, true).is_ok() && open(&reader, false).is_ok());
        let call_us = facts.times.open_us.unwrap_or(0.0) + facts.times.read_us.unwrap_or(0.0);
        match litmus::race_reopening(self.asking, &writer, &reader, call_us) {
            Ok(count) if opened && count.observed > 0 => facts.litmus.push(count),
            _ => facts.unanswered.push(format!("race `{}`", LitmusTest::WriteAgainstReopen.name())),
        }
        if own {
            let _ = self.actor(ProbeStep::Unlink { path: writer.2 });
        }
    }

    fn race(&self, facts: &mut SideFacts) {
        if !self.shares_a_file(facts) || facts.store_seen != Answer::Yes {
            return;
        }
        let racer = |party, handle| (party, handle, self.path(party, "scratch"));
        let (writer, reader) = (racer(self.actor, self.created()), racer(self.looker, self.looked_at()));
        for (test, count) in litmus::races(self.asking, &writer, &reader, self.actor < self.looker) {
            match count {
                Ok(count) => facts.litmus.push(count),
                Err(_) => facts.unanswered.push(format!("race `{}`", test.name())),
            }
        }
        facts.times.store_us = litmus::store_us(&facts.litmus);
    }

    /// A mounted `-shm` is not ours to unlink, and a party that has it by its directory could.
    fn tidy(&self) {
        let names: &[&str] = if self.by_sidecars.get() { &["new"] } else { &["scratch", "new"] };
        for name in names {
            let _ = self.actor(ProbeStep::Unlink { path: self.path(self.actor, name) });
        }
    }
}
