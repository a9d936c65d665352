//! Reads histories while they are written, feeds the checker, drops what was read.
//!
//! Bounded: segments are removed once they were read to their end; for the planted controls the last records and a
//! clone of the checker from before them are kept. Whoever wants to keep the history gets all of it from a run of
//! minutes, and what stands around the first anomaly from one of hours ([`Keep`]).
//!
//! Where to look next: `walproof_judge::checkers` for the checker, `walproof-agent/src/history.rs` for the writer.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use walproof_format::history::{Operation, PHASE_OFFSET, Phase, RECORD_SIZE, Record, SegmentHeader, segment_file_name};
use walproof_format::protocol::Workload;
use walproof_judge::checkers::{Checker, CheckerOptions, Fairness, Next, RunMerge, Source, Step};
use walproof_judge::controls;

use crate::run::fleet::{Life, Lives};

/// Records read from a segment at once.
const READ_RECORDS: usize = 1024;
/// Records after which the kept tail moves on.
const TAIL_RECORDS: usize = 50_000;
/// Records fed before the supervisor looks at other things.
const FEED_AT_ONCE: usize = 200_000;

/// What stays of segments that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Of each agent the segment in hand and the one before, and from the first anomaly on everything.
    Around,
    /// Everything.
    All,
}

/// A run that lasts longer keeps only what stands around an anomaly.
const KEEP_ALL_MS_MAX: u64 = 10 * 60 * 1000;
/// Segments that were read and stay until the next one was.
const CLEAN_SEGMENTS_KEPT: usize = 1;

impl Keep {
    /// What a run of this length keeps, when its history is wanted.
    pub fn of(wanted: bool, stress_ms: u64) -> Self {
        match wanted {
            false => Self::Nothing,
            true if stress_ms > KEEP_ALL_MS_MAX => Self::Around,
            true => Self::All,
        }
    }
}

/// The growing history of one agent, its lives one after another.
pub struct Tail<'a> {
    folder: PathBuf,
    lives: &'a Lives,
    agent: u16,
    incarnation: u16,
    segment: u32,
    index: u32,
    open: Option<OpenSegment>,
    /// Power cuts passed.
    power_cuts: usize,
    keep: Keep,
    /// Segments that were read and wait to be known clean.
    left: Vec<PathBuf>,
    /// Since when nothing came.
    silent_since: Option<Instant>,
}

struct OpenSegment {
    file: File,
    capacity: u32,
    buffer: Vec<u8>,
    /// Index of the first record in the buffer.
    first: u32,
}

impl<'a> Tail<'a> {
    /// The history of `agent` in `folder`, from its beginning.
    pub fn new(folder: &Path, lives: &'a Lives, agent: u16, keep: Keep) -> Self {
        Self {
            folder: folder.to_owned(),
            lives,
            agent,
            incarnation: 0,
            segment: 0,
            index: 0,
            open: None,
            keep,
            power_cuts: 0,
            left: Vec::new(),
            silent_since: None,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(segment_file_name(self.agent, self.incarnation, self.segment))
    }

    /// Goes on to another segment and removes the one that was read.
    fn leave_segment(&mut self) {
        if self.open.take().is_some() {
            match self.keep {
                // Whoever still maps it keeps it alive; a name that is gone already is as good.
                Keep::Nothing => drop(std::fs::remove_file(self.path())),
                Keep::Around => self.left.push(self.path()),
                Keep::All => {}
            }
        }
        self.index = 0;
    }

    fn next_record(&mut self) -> Option<Record> {
        if self.open.is_none() {
            self.open = OpenSegment::open(&self.path());
        }
        self.open.as_mut()?.record(self.index)
    }

    fn segment_is_full(&self) -> bool {
        self.open.as_ref().is_some_and(|open| self.index == open.capacity)
    }
}

impl Source for Tail<'_> {
    fn next(&mut self) -> Next {
        loop {
            // Asked before reading: what a life that had ended by then left behind is complete.
            let (life, abstains) = (self.lives.of(self.agent, self.incarnation), self.lives.abstains(self.agent));
            if self.lives.power_cuts_before(self.agent, self.incarnation).is_some_and(|cuts| cuts > self.power_cuts) {
                self.power_cuts += 1;
                self.silent_since = None;
                return Next::Barrier;
            }
            if self.segment_is_full() {
                self.leave_segment();
                self.segment += 1;
            }
            match (self.next_record(), life) {
                (Some(record), life) if life == Life::Sealed || is_final(record.phase) => {
                    self.index += 1;
                    self.silent_since = None;
                    return Next::Record(record);
                }
                (unfinished, Life::Open | Life::NotYet) => {
                    self.silent_since.get_or_insert_with(Instant::now);
                    return if abstains && unfinished.is_none() { Next::Idle } else { Next::Pending };
                }
                (_, Life::Never) => return Next::Ended,
                (_, Life::Sealed) => {
                    self.leave_segment();
                    self.segment = 0;
                    self.incarnation += 1;
                }
            }
        }
    }
}

/// Whether a living agent will not touch the record any more.
fn is_final(phase: Phase) -> bool {
    !matches!(phase, Phase::Began | Phase::Committing)
}

impl OpenSegment {
    fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut bytes = [0; RECORD_SIZE];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let header = SegmentHeader::decode(&bytes)?;
        Some(Self { file, capacity: header.capacity, buffer: Vec::new(), first: 0 })
    }

    /// The record at `index`, read anew when what is buffered was not final yet.
    fn record(&mut self, index: u32) -> Option<Record> {
        match self.buffered(index) {
            Some(record) if is_final(record.phase) => Some(record),
            _ if self.begun(index) => {
                self.fill(index);
                self.buffered(index)
            }
            _ => None,
        }
    }

    /// Whether anything stands there, by its phase alone: who waits for a record asks often, and a block is long.
    fn begun(&self, index: u32) -> bool {
        let mut phase = [0];
        let offset = (u64::from(index) + 1) * RECORD_SIZE as u64 + PHASE_OFFSET as u64;
        index < self.capacity && self.file.read_at(&mut phase, offset).is_ok_and(|read| read == 1 && phase != [0])
    }

    fn buffered(&self, index: u32) -> Option<Record> {
        let at = index.checked_sub(self.first)? as usize * RECORD_SIZE;
        let bytes = self.buffer.get(at..at + RECORD_SIZE)?;
        Record::decode(bytes.try_into().expect("64 bytes"))
    }

    /// Reads twice. The agent stores a record's body first and its phase last, but one read copies bytes in any order
    /// and may hold a body from before that store with a phase from after it. A body that is read after its phase was
    /// seen to be final is whole.
    fn fill(&mut self, index: u32) {
        self.first = index;
        let count = READ_RECORDS.min((self.capacity - index.min(self.capacity)) as usize);
        self.buffer.resize(count * RECORD_SIZE, 0);
        let offset = (u64::from(index) + 1) * RECORD_SIZE as u64;
        let read = self.file.read_at(&mut self.buffer, offset).unwrap_or(0);
        self.buffer.truncate(read / RECORD_SIZE * RECORD_SIZE);
        fence(Ordering::SeqCst);
        let done = self.buffer.chunks_exact(RECORD_SIZE).take_while(|record| has_final_phase(record)).count();
        if self.file.read_exact_at(&mut self.buffer[..done * RECORD_SIZE], offset).is_err() {
            self.buffer.clear();
        }
    }
}

fn has_final_phase(record: &[u8]) -> bool {
    Phase::from_byte(record[PHASE_OFFSET]).is_some_and(is_final)
}

/// A segment that was read, and number and chain hash of each ledger's tip by then.
type ReadSegment = (PathBuf, Vec<(u64, u64)>);

/// Feeds the checker and keeps the tail for the planted controls.
pub struct Recorder<'a> {
    lives: &'a Lives,
    merge: RunMerge<Tail<'a>>,
    /// The checker of this run.
    pub checker: Checker,
    /// Who got a turn.
    pub fairness: Fairness,
    older: Kept,
    newer: Kept,
    power_cuts: usize,
    crippled: Vec<(u16, u16)>,
    /// By agent, segments that were read and are still there.
    clean: Vec<VecDeque<ReadSegment>>,
    /// Tips of the checker when the last segment was dropped: what is kept begins after them.
    bases: Vec<(u64, u64)>,
}

struct Kept {
    before: Checker,
    records: Vec<Record>,
}

/// What the planted controls need: the checker from before the last records, and these.
pub struct KeptTail {
    /// The checker from before the tail.
    pub before: Checker,
    /// The last records.
    pub tail: controls::Tail,
}

impl<'a> Recorder<'a> {
    /// Reads the histories of all agents in `folder`, of a run of this workload.
    pub fn new(
        folder: &Path,
        lives: &'a Lives,
        agents: u16,
        keep: Keep,
        workload: &Workload,
        options: CheckerOptions,
    ) -> Self {
        let checker = Checker::of(workload, options);
        let tails = (0..agents).map(|agent| Tail::new(folder, lives, agent, keep)).collect();
        let kept = || Kept { before: checker.clone(), records: Vec::new() };
        let (older, newer, fairness) = (kept(), kept(), Fairness::new(workload.busy_timeout_ms));
        let clean = vec![VecDeque::new(); usize::from(agents)];
        Self {
            merge: checker.merge(tails),
            older,
            newer,
            checker,
            fairness,
            clean,
            bases: Vec::new(),
            lives,
            crippled: Vec::new(),
            power_cuts: 0,
        }
    }

    /// Feeds what is there; true when all agents have ended and everything was fed.
    pub fn advance(&mut self) -> bool {
        let ended = self.feed();
        self.drop_clean_segments();
        ended
    }

    /// Segments that were read, were clean and have a clean one after them are not needed any more.
    fn drop_clean_segments(&mut self) {
        let tips = self.checker.tips();
        for (tail, clean) in self.merge.sources_mut().iter_mut().zip(&mut self.clean) {
            clean.extend(tail.left.drain(..).map(|path| (path, tips.clone())));
        }
        if self.checker.anomaly_count() > 0 {
            return;
        }
        for clean in &mut self.clean {
            while clean.len() > CLEAN_SEGMENTS_KEPT {
                let Some((path, tips)) = clean.pop_front() else { break };
                let _ = std::fs::remove_file(path);
                self.bases.resize(tips.len(), (0, 0));
                self.bases.iter_mut().zip(tips).for_each(|(base, tip)| *base = (*base).max(tip));
            }
        }
    }

    /// Number and chain hash of each ledger before what was kept; empty: everything was.
    pub fn bases(&self) -> &[(u64, u64)] {
        &self.bases
    }

    fn feed(&mut self) -> bool {
        for _ in 0..FEED_AT_ONCE {
            match self.merge.step() {
                Step::Ended => return true,
                Step::Pending => return false,
                Step::Record(record) => {
                    self.note_crippled();
                    self.keep(record);
                    self.fairness.feed(&record);
                    let awaits = self.checker.awaits_consequences();
                    self.checker.feed(&record);
                    if awaits && !self.checker.awaits_consequences() {
                        self.keep_from_here();
                    }
                }
                Step::Barrier => self.power_was_cut(),
            }
        }
        false
    }

    /// Before the first record of a crippled life is fed, the checker knows; so do those it may be cloned from later.
    pub fn note_crippled(&mut self) {
        for (agent, life) in self.lives.take_crippled() {
            self.crippled.push((agent, life));
            for checker in [&mut self.checker, &mut self.older.before, &mut self.newer.before] {
                checker.note_crippled(agent, life);
            }
        }
    }

    /// Lives that were crippled so far.
    pub fn crippled(&self) -> &[(u16, u16)] {
        &self.crippled
    }

    /// How often the power was cut so far.
    pub fn power_cuts(&self) -> usize {
        self.power_cuts
    }

    fn power_was_cut(&mut self) {
        if let Some(loss) = self.lives.power_cut(self.power_cuts) {
            self.checker.note_power_cut(loss);
        }
        self.power_cuts += 1;
        self.keep_from_here();
    }

    /// The planted controls know nothing of power cuts: no tail holds one.
    fn keep_from_here(&mut self) {
        let fresh = || Kept { before: self.checker.clone(), records: Vec::new() };
        (self.older, self.newer) = (fresh(), fresh());
    }

    /// Agents whose next record has been awaited longer than `patience`: they hold the checker up.
    pub fn silent(&mut self, patience: Duration) -> Vec<u16> {
        let silent = |tail: &&mut Tail<'_>| tail.silent_since.is_some_and(|since| since.elapsed() > patience);
        self.merge.sources_mut().iter_mut().filter(silent).map(|tail| tail.agent).collect()
    }

    fn keep(&mut self, record: Record) {
        // Nothing is planted on a checkpoint, and an agent that only checkpoints would push all the others out.
        if record.operation == Operation::Checkpoint {
            return;
        }
        if self.newer.records.len() >= TAIL_RECORDS {
            let fresh = Kept { before: self.checker.clone(), records: Vec::with_capacity(TAIL_RECORDS) };
            self.older = std::mem::replace(&mut self.newer, fresh);
        }
        self.newer.records.push(record);
    }

    /// What the planted controls need.
    pub fn kept_tail(&self) -> KeptTail {
        let mut tail = controls::Tail::default();
        self.older.records.iter().chain(&self.newer.records).for_each(|record| tail.push(record));
        KeptTail { before: self.older.before.clone(), tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use walproof_agent::history::{CAPACITY, HistoryWriter};

    /// A reader beside a writer sees whole records only. Failed with one read a fill: bodies of zeros, marked done.
    #[test]
    fn records_read_while_they_are_written_are_whole() {
        let folder = std::env::temp_dir().join(format!("walproof-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        let count = u64::from(CAPACITY) * 40;
        let lives = Lives::new(1);
        lives.begin(0, false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = HistoryWriter::create(Some(folder.clone()), 0, 0).expect("segment");
                for number in 1..=count {
                    let slot = writer.append(&Record::BLANK).expect("room");
                    let whole = Record { start_ns: number, end_ns: number, number, hash: number, ..Record::BLANK };
                    writer.update(slot, &Record { phase: Phase::Done, ..whole });
                }
            });
            let mut tail = Tail::new(&folder, &lives, 0, Keep::Nothing);
            let mut number = 0;
            while number < count {
                let Next::Record(record) = tail.next() else { continue };
                number += 1;
                let seen = (record.start_ns, record.end_ns, record.number, record.hash);
                assert_eq!(seen, (number, number, number, number), "of {count}");
            }
        });
        std::fs::remove_dir_all(folder).expect("removes");
    }

    /// Of a long clean run two segments of an agent stay, and what is kept begins where the last dropped one ended.
    #[test]
    fn clean_segments_are_dropped_and_those_after_an_anomaly_stay() {
        for broken in [false, true] {
            let folder = std::env::temp_dir().join(format!("walproof-keep-{}-{broken}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("temporary folder");
            let lives = Lives::new(1);
            lives.begin(0, false);
            let mut writer = HistoryWriter::create(Some(folder.clone()), 0, 0).expect("segment");
            let options = CheckerOptions { shared_clock: true, ..CheckerOptions::default() };
            let mut recorder = Recorder::new(&folder, &lives, 1, Keep::Around, &Workload::default(), options);
            let (mut hash, mut dropped_at) = (walproof_format::ledger::GENESIS, 0);
            for number in 1..=u64::from(CAPACITY) * 6 {
                hash = walproof_format::ledger::chain(hash, number, 0, number as u32, number);
                let torn = broken && number == u64::from(CAPACITY) * 4;
                let hash = if torn { hash ^ 1 } else { hash };
                let record = Record { start_ns: number, end_ns: number, number, hash, ..Record::BLANK };
                let record = Record { token: number, counter: number as u32, phase: Phase::Done, ..record };
                writer.append(&record).expect("room");
                if number.is_multiple_of(1000) {
                    recorder.advance();
                    dropped_at = recorder.bases().first().map_or(0, |base| base.0);
                }
            }
            let names = std::fs::read_dir(&folder).expect("folder").count();
            assert_eq!(names, if broken { 4 } else { 2 }, "broken: {broken}");
            assert!(dropped_at >= u64::from(CAPACITY) * 2, "what is kept begins after {dropped_at}");
            std::fs::remove_dir_all(folder).expect("removes");
        }
    }
}
