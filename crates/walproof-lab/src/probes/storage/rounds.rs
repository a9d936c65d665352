//! `probe --storage`: rounds of short slices, in which calls made alone and SQLite's commits lie side by side, so that
//! whatever else the machine does meets both alike.
//!
//! A round goes through all journal modes and levels. In each it lets the agent make the
//! calls of a commit, and SQLite commit, in an order that turns from round to round. Slices are bounded by time; on slow
//! storage they hold one commit at least, and the first round is finished also when that takes up to three times as
//! long as asked. One round in two has checkpoints, one in three
//! the survey and the variants in it.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use walproof_format::measure::{CallTimes, CommitTimes, Measure, Measured, Settings, Step};
use walproof_judge::storage::predict::{HOT_PAGES, checkpoint_script, commit_script, restart_script, survey_script};
use walproof_judge::storage::settings::{PAGE_BYTES, Synchronous, modes, plain, variants};
use walproof_judge::storage::{Evidence, JournalMode, Measurements, Round, StorageReport, mount_options, weigh};

use super::Asked;
use super::session::{Refusal, Session, with_session};
use crate::collect::machine;
use crate::error::LabError;

/// How long it measures unless told otherwise.
const USUAL_TIME: Duration = Duration::from_secs(20);
/// Bytes that must be free: scratch takes less than 64 MiB of them.
const FREE_BYTES_MIN: u64 = 96 << 20;
/// A slice and one call that began in it. Longer: the storage is silent.
const SLICE_TIMEOUT: Duration = Duration::from_secs(8);
/// The making of files of a few MiB.
const LAY_OUT_TIMEOUT: Duration = Duration::from_secs(12);
/// Slices of a round, about.
const SLICES: u32 = 40;
/// Rounds that the time is cut into, where the storage is fast enough. Many short slices rather than few long ones: on
/// a busy disk an fsync takes five times as long in one moment as in the next, and only the median of many pairs is
/// steady (docs/decisions/0070).
const ROUNDS: u32 = 50;
/// Length of a slice in milliseconds, at least and at most.
const SLICE_MS: (u32, u32) = (2, 10);
/// One round in so many has the survey and the variants in it as well.
const RARE_EVERY: u32 = 3;
/// One round in so many has checkpoints in it: those in which SQLite goes first, so that its log is known.
const CHECKPOINT_EVERY: u32 = 2;
/// Repetitions and commits of a slice at most: more tell nothing new.
const REPETITIONS_MAX: u32 = 900;
/// A survey is so many times as long as another slice: its percentiles want numbers.
const SURVEY_SLICES: u32 = 8;
/// Repetitions of the scripts that are made once in so many commits.
const RARE_REPETITIONS_MAX: u32 = 1;

/// How far it is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since the first slice.
    pub elapsed: Duration,
    /// As asked.
    pub time: Duration,
    /// Which round, from 1.
    pub round: u32,
    /// What is being measured.
    pub what: String,
}

/// Measures a directory's storage. What Ctrl-C ends is weighed as far as it came.
pub fn measure(
    asked: &Asked,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(&Progress),
) -> Result<StorageReport, LabError> {
    let time = asked.time.unwrap_or(USUAL_TIME);
    let evidence =
        with_session(asked, FREE_BYTES_MIN, interrupted, |session| Rounds::begin(session, time, observe)?.drive())?;
    if evidence.modes.iter().all(|mode| mode.rounds.is_empty()) {
        return Err(nothing(&evidence, &asked.directory));
    }
    Ok(weigh(evidence))
}

/// SQLite would not work here at all, or nobody waited for it.
fn nothing(evidence: &Evidence, directory: &std::path::Path) -> LabError {
    match evidence.modes.iter().find_map(|mode| mode.refused.clone()) {
        Some(because) => LabError::path(
            "cannot measure SQLite in",
            directory,
            because,
            "see whether this user may create, write and lock files there, and whether space is free",
        ),
        None => LabError::new("nothing was measured", "it ended before the first commit", "let it run longer"),
    }
}

struct Rounds<'a> {
    session: &'a Session<'a>,
    observe: &'a mut dyn FnMut(&Progress),
    began: Instant,
    time: Duration,
    slice_ms: u32,
    round: u32,
    load_before: String,
    survey: Vec<Step>,
    surveyed: CallTimes,
    not_measured: Vec<String>,
    modes: Vec<Measurements>,
    variants: Vec<Measurements>,
}

impl<'a> Rounds<'a> {
    fn begin(
        session: &'a Session<'a>,
        time: Duration,
        observe: &'a mut dyn FnMut(&Progress),
    ) -> Result<Self, LabError> {
        let load_before = load();
        let laid_out = session.ask(Measure::LayOut { page_bytes: PAGE_BYTES }, LAY_OUT_TIMEOUT)?;
        laid_out.map_err(|refusal| {
            let remedy = "see whether this user may write there, and whether space is free";
            LabError::path("cannot measure", session.directory, refusal.words, remedy)
        })?;
        let slice_ms = time.as_millis() as u32 / (SLICES * ROUNDS);
        let none = |settings| Measurements { settings, rounds: Vec::new(), reads: Default::default(), refused: None };
        Ok(Self {
            session,
            observe,
            began: Instant::now(),
            time,
            slice_ms: slice_ms.clamp(SLICE_MS.0, SLICE_MS.1),
            round: 0,
            load_before,
            survey: survey_script(),
            surveyed: CallTimes::default(),
            not_measured: Vec::new(),
            modes: modes().into_iter().map(|(mode, level)| none(plain(mode, level))).collect(),
            variants: variants().into_iter().map(none).collect(),
        })
    }

    fn drive(mut self) -> Result<Evidence, LabError> {
        while !self.is_over() {
            self.round += 1;
            self.one_round().or_else(|error| if self.session.is_interrupted() { Ok(()) } else { Err(error) })?;
        }
        let conditions = self.conditions();
        let mount = self.session.storage.mount.as_ref();
        Ok(Evidence {
            directory: self.session.directory.display().to_string(),
            conditions,
            sqlite: self.session.fleet.hellos().first().map(|hello| hello.sqlite.clone()).unwrap_or_default(),
            survey: self.surveyed,
            not_measured: self.not_measured,
            modes: self.modes,
            variants: self.variants,
            mount_options: mount.map(mount_options::in_force).unwrap_or_default(),
        })
    }

    /// The first round is to be whole; a slow storage may take three times as long for it.
    fn is_over(&self) -> bool {
        let end = if self.round <= 1 && !self.is_whole() { self.time * 3 } else { self.time };
        self.began.elapsed() >= end || self.session.is_interrupted() || (self.round > 0 && !self.is_whole())
    }

    fn is_whole(&self) -> bool {
        let mut all = self.modes.iter().chain(&self.variants);
        all.all(|of| !of.rounds.is_empty() || of.refused.is_some())
    }

    /// Whether the time is over in the middle of a round.
    fn is_late(&self) -> bool {
        let end = if self.round <= 1 { self.time * 3 } else { self.time };
        self.began.elapsed() >= end || self.session.is_interrupted()
    }

    fn tell(&mut self, what: &str) {
        let (elapsed, time, round) = (self.began.elapsed(), self.time, self.round);
        (self.observe)(&Progress { elapsed, time, round, what: what.to_owned() });
    }

    fn one_round(&mut self) -> Result<(), LabError> {
        if self.is_rare() {
            self.tell("calls");
            self.survey()?;
        }
        for index in 0..self.modes.len() {
            if self.is_late() {
                return Ok(());
            }
            if self.modes[index].refused.is_none() {
                self.mode(index)?;
            }
        }
        for index in 0..if self.is_rare() { self.variants.len() } else { 0 } {
            if self.is_late() {
                return Ok(());
            }
            if self.variants[index].refused.is_none() {
                self.variant(index)?;
            }
        }
        Ok(())
    }

    fn is_rare(&self) -> bool {
        self.round % RARE_EVERY == 1
    }

    fn has_checkpoints(&self) -> bool {
        self.round % CHECKPOINT_EVERY == 1
    }

    /// A call that fails is told once and left out from then on.
    fn survey(&mut self) -> Result<(), LabError> {
        while !self.survey.is_empty() {
            match self.calls(self.survey.clone(), self.slice_ms * SURVEY_SLICES, REPETITIONS_MAX, 0)? {
                Ok(times) => {
                    self.surveyed.merge(&times);
                    return Ok(());
                }
                Err(refusal) => {
                    let before = self.survey.len();
                    self.survey.retain(|step| step.call.word() != refusal.place);
                    self.not_measured.push(refusal.words);
                    if self.survey.len() == before {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn calls(
        &self,
        script: Vec<Step>,
        for_ms: u32,
        repetitions_max: u32,
        frames_before: u32,
    ) -> Result<Result<CallTimes, Refusal>, LabError> {
        let slice = Measure::Calls { script, for_ms, repetitions_max, frames_before };
        Ok(self.session.ask(slice, SLICE_TIMEOUT)?.map(|measured| match measured {
            Measured::Calls(times) => times,
            _ => CallTimes::default(),
        }))
    }

    /// Calls and commits, which of them first turns from round to round.
    fn mode(&mut self, index: usize) -> Result<(), LabError> {
        let settings = self.modes[index].settings.clone();
        self.tell(&format!("{} {}", settings.journal_mode, settings.synchronous));
        if self.modes[index].rounds.is_empty()
            && let Err(refusal) = self.session.ask(Measure::OpenDatabase(settings.clone()), LAY_OUT_TIMEOUT)?
        {
            self.modes[index].refused = Some(refusal.words);
            return Ok(());
        }
        let mode = JournalMode::from_word(&settings.journal_mode).unwrap_or(JournalMode::Delete);
        let level = Synchronous::parse(&settings.synchronous).unwrap_or(Synchronous::Full);
        let mut round = Round::default();
        let is_turned = !self.round.is_multiple_of(2);
        if is_turned && !self.commits_of(&settings, &mut round, Side::Modes(index))? {
            return Ok(());
        }
        // At NORMAL nothing has synced the log when a checkpoint begins: SQLite's had these frames and those of the
        // transaction over all hot rows.
        let unsynced = round.commits.latency.count() as u32 + HOT_PAGES;
        let frames_before = if level == Synchronous::Normal { unsynced } else { 0 };
        let mut scripts = vec![(commit_script(mode, level), REPETITIONS_MAX, 0)];
        if mode == JournalMode::Wal && self.has_checkpoints() {
            scripts.push((restart_script(level), RARE_REPETITIONS_MAX, 0));
            scripts.push((checkpoint_script(level, HOT_PAGES as u16), RARE_REPETITIONS_MAX, frames_before));
        }
        let mut times = Vec::new();
        for (script, most, frames_before) in scripts {
            match self.calls(script, self.slice_ms, most, frames_before)? {
                Ok(of_script) => times.push(of_script),
                Err(refusal) => {
                    self.modes[index].refused = Some(refusal.words);
                    return Ok(());
                }
            }
        }
        let mut times = times.into_iter();
        round.calls = times.next().unwrap_or_default();
        round.restart_calls = times.next().unwrap_or_default();
        round.checkpoint_calls = times.next().unwrap_or_default();
        if !is_turned && !self.commits_of(&settings, &mut round, Side::Modes(index))? {
            return Ok(());
        }
        self.modes[index].rounds.push(round);
        Ok(())
    }

    fn variant(&mut self, index: usize) -> Result<(), LabError> {
        let settings = self.variants[index].settings.clone();
        self.tell("settings");
        if self.variants[index].rounds.is_empty()
            && let Err(refusal) = self.session.ask(Measure::OpenDatabase(settings.clone()), LAY_OUT_TIMEOUT)?
        {
            self.variants[index].refused = Some(refusal.words);
            return Ok(());
        }
        let mut round = Round::default();
        if self.commits_of(&settings, &mut round, Side::Variants(index))? {
            self.variants[index].rounds.push(round);
        }
        Ok(())
    }

    /// Commits and reads; false: SQLite refused, which is noted.
    fn commits_of(&mut self, settings: &Settings, round: &mut Round, side: Side) -> Result<bool, LabError> {
        let (settings, for_ms, checkpoint) = (settings.clone(), self.slice_ms, self.has_checkpoints());
        let commits = Measure::Commits { settings: settings.clone(), for_ms, commits_max: REPETITIONS_MAX, checkpoint };
        let commits = self.session.ask(commits, SLICE_TIMEOUT)?;
        let reads = match &commits {
            Ok(_) => self.session.ask(Measure::Reads { settings, for_ms: for_ms.div_ceil(3) }, SLICE_TIMEOUT)?,
            Err(refusal) => Err(refusal.clone()),
        };
        let of = match side {
            Side::Modes(index) => &mut self.modes[index],
            Side::Variants(index) => &mut self.variants[index],
        };
        match (commits, reads) {
            (Ok(Measured::Commits(times)), Ok(Measured::Reads { latency })) => {
                round.commits = times;
                of.reads.merge(&latency);
                Ok(true)
            }
            (Err(refusal), _) | (_, Err(refusal)) => {
                of.refused = Some(refusal.words);
                Ok(false)
            }
            _ => {
                round.commits = CommitTimes::default();
                Ok(false)
            }
        }
    }

    fn conditions(&self) -> Vec<String> {
        let machine = machine::look();
        let mount = match &self.session.storage.mount {
            Some(mount) => format!("{} at {} on {}", mount.fstype, mount.mount_point, mount.source),
            None => "a mount that mountinfo does not tell".to_owned(),
        };
        let mut conditions = vec![
            format!("storage {mount}"),
            format!(
                "kernel {}, {} processors, load {} before and {} after",
                machine.kernel,
                machine.processors,
                self.load_before,
                load()
            ),
            format!("one party, alone: {}", self.session.isolation),
            format!(
                "{} rounds of slices of {} ms in {:.1} s, everything in the page cache",
                self.round,
                self.slice_ms,
                self.began.elapsed().as_secs_f64()
            ),
        ];
        if self.session.is_interrupted() {
            conditions.push("ended early by a signal".to_owned());
        }
        conditions
    }
}

/// Where a round belongs.
#[derive(Clone, Copy)]
enum Side {
    Modes(usize),
    Variants(usize),
}

/// How many processes wanted a processor in the last minute, as the kernel says.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|word| !word.is_empty()).unwrap_or("unknown").to_owned()
}
