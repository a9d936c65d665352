//! Histories that were kept: judged again, and exported for other checkers.
//!
//! A folder that `--keep-history` left holds segments and, from a run that came to its end, `manifest.json`: what the
//! checker was told besides the records (the workload, whether agents shared a clock, pauses, deaths, what everybody
//! saw in the end). Without a manifest the records are judged by what stands in them, and what could not be judged is
//! said.

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walproof_format::history::{RECORD_SIZE, Record, SEGMENT_SIZE, SegmentHeader, VERSION};
use walproof_format::ledger::FinalState;
use walproof_format::protocol::{REGISTER, Workload};
use walproof_format::{elle, export};
use walproof_judge::checkers::merge::order_key;
use walproof_judge::checkers::{
    Anomaly, AnomalyKind, Checker, CheckerOptions, Exposures, Fairness, FairnessReport, Next, Source, Step,
};

use crate::error::LabError;

/// Its name in the folder.
const MANIFEST: &str = "manifest.json";

/// What the checker was told besides the records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the history.
    walproof_history: u32,
    agents: u16,
    workload: Workload,
    shared_clock: bool,
    /// Number and chain hash of each ledger before what was kept; empty: everything was.
    bases: Vec<(u64, u64)>,
    /// When agents were stopped.
    pauses: Vec<(u64, u64)>,
    /// Deaths that nobody caused: agent, life, signal, when.
    deaths: Vec<(u16, u16, i32, u64)>,
    /// Lives that a nemesis crippled: agent and life.
    #[serde(default)]
    crippled: Vec<(u16, u16)>,
    /// How often the power was cut.
    #[serde(default)]
    power_cuts: usize,
    finals: Vec<FinalState>,
}

impl Manifest {
    /// Of a run that has come to its end.
    pub fn new(
        agents: u16,
        workload: &Workload,
        shared_clock: bool,
        bases: &[(u64, u64)],
        finals: &[FinalState],
    ) -> Self {
        Self {
            walproof_history: VERSION,
            agents,
            workload: workload.clone(),
            shared_clock,
            bases: bases.to_vec(),
            pauses: Vec::new(),
            deaths: Vec::new(),
            crippled: Vec::new(),
            power_cuts: 0,
            finals: finals.to_vec(),
        }
    }

    /// With what happened to agents.
    pub fn with_events(self, pauses: Vec<(u64, u64)>, deaths: Vec<(u16, u16, i32, u64)>) -> Self {
        Self { pauses, deaths, ..self }
    }

    /// With what nemeses did to agents and storage.
    pub fn with_strikes(self, crippled: Vec<(u16, u16)>, power_cuts: usize) -> Self {
        Self { crippled, power_cuts, ..self }
    }

    /// Puts it beside the segments.
    pub fn write(&self, folder: &Path) -> Result<(), LabError> {
        let path = folder.join(MANIFEST);
        let text = serde_json::to_string(self).expect("plain data");
        fs::write(&path, text)
            .map_err(|error| LabError::path("cannot write", &path, error, "free space where histories are kept"))
    }

    /// `None`: there is none.
    fn read(folder: &Path) -> Result<Option<Self>, LabError> {
        let path = folder.join(MANIFEST);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
        let manifest: Self = serde_json::from_str(&text).map_err(|error| {
            LabError::path("cannot read", &path, error, "remove it: the records are judged without it")
        })?;
        match manifest.walproof_history {
            VERSION => Ok(Some(manifest)),
            other => {
                let why = format!("it has version {other}, this walproof reads {VERSION}");
                Err(LabError::path("cannot judge", &path, why, "the walproof that wrote it"))
            }
        }
    }
}

/// What came of judging a saved history.
#[derive(Clone, Debug, Serialize)]
pub struct SavedJudgement {
    /// Where it lies.
    pub folder: PathBuf,
    /// The workload's name; empty: not known.
    pub workload: String,
    /// How many agents.
    pub agents: u16,
    /// Segments read.
    pub segments: u64,
    /// How many anomalies of each kind.
    pub counts: Vec<(AnomalyKind, u64)>,
    /// Anomalies, the first of each kind.
    pub anomalies: Vec<Anomaly>,
    /// What was tried.
    pub exposures: Exposures,
    /// Who got a turn.
    pub fairness: FairnessReport,
    /// What could not be judged, and why.
    pub not_seen: Vec<String>,
}

/// How a saved history is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// One record a line (`walproof_format::export`).
    JsonLines,
    /// Elle's list-append EDN; only the workload `append` has lists.
    Elle,
}

/// Judges the history in a folder again; `paths` are the folder, or files in it. All of it is judged in any case.
pub fn judge_saved(paths: &[PathBuf]) -> Result<SavedJudgement, LabError> {
    let folder = one_folder(paths)?;
    let manifest = Manifest::read(&folder)?;
    let mut sources = sources(&folder)?;
    let mut not_seen = Vec::new();
    let manifest = match manifest {
        Some(manifest) => manifest,
        None => {
            not_seen.push("the last account, and whatever needs a shared clock: there is no `manifest.json`".into());
            guessed(&mut sources)?
        }
    };
    if !manifest.bases.is_empty() {
        let from: u64 = manifest.bases.iter().map(|(number, _)| number).sum();
        not_seen.push(format!("{from} commits at the beginning: they were clean and were dropped"));
    }
    if manifest.finals.len() < usize::from(manifest.agents) {
        not_seen.push("what every agent saw in the end".into());
    }
    if manifest.finals.len() == usize::from(manifest.agents) {
        let absent = (0..manifest.agents)
            .find(|agent| sources.get(usize::from(*agent)).is_none_or(|source| source.files.is_empty()));
        if let Some(agent) = absent {
            let why = format!("there is no segment of agent {agent}, and {} agents worked", manifest.agents);
            return Err(LabError::path("cannot judge", &folder, why, "the whole history"));
        }
    }
    let segments = sources.iter().map(|source| source.files.len() as u64).sum();
    sources.resize_with(usize::from(manifest.agents).max(sources.len()), Saved::default);
    if manifest.power_cuts > 0 {
        let because = "the power was cut in that run, and records alone do not tell before from after";
        return Err(LabError::path("cannot judge", &folder, because, "the run's own report"));
    }
    let (checker, fairness) = check(&manifest, sources);
    Ok(SavedJudgement {
        folder,
        workload: manifest.workload.name.clone(),
        agents: manifest.agents,
        segments,
        counts: AnomalyKind::ALL.iter().map(|&kind| (kind, checker.count(kind))).filter(|(_, n)| *n > 0).collect(),
        anomalies: checker.anomalies(),
        exposures: checker.exposures(),
        fairness: fairness.report(),
        not_seen,
    })
}

fn check(manifest: &Manifest, sources: Vec<Saved>) -> (Checker, Fairness) {
    let invariants = walproof_agent::workloads::invariants(&manifest.workload);
    let patience_ns = u64::from(manifest.workload.busy_timeout_ms) * 900_000;
    let shared_clock = manifest.shared_clock;
    let options = CheckerOptions { shared_clock, invariants, patience_ns, ..CheckerOptions::default() };
    let mut checker = Checker::starting_at(&manifest.workload, options, &manifest.bases);
    let mut fairness = Fairness::new(manifest.workload.busy_timeout_ms);
    manifest.crippled.iter().for_each(|(agent, life)| checker.note_crippled(*agent, *life));
    for (start_ns, end_ns) in &manifest.pauses {
        checker.note_pause(*start_ns, *end_ns);
        fairness.note_pause(*start_ns, *end_ns);
    }
    for (agent, life, signal, at_ns) in &manifest.deaths {
        checker.note_death(*agent, *life, *signal, *at_ns);
    }
    let mut merge = checker.merge(sources);
    while let Step::Record(record) = merge.step() {
        let base = manifest.bases.get(usize::from(record.key)).map_or(0, |(number, _)| *number);
        // What stands at or below the base was judged when the segments before it were dropped.
        if base > 0 && order_key(&record).is_some() && record.number <= base {
            continue;
        }
        fairness.feed(&record);
        checker.feed(&record);
    }
    checker.finish(&manifest.finals);
    (checker, fairness)
}

/// What the records themselves say of a run without a manifest: keys above 0 are those of a keyed workload.
fn guessed(sources: &mut [Saved]) -> Result<Manifest, LabError> {
    let mut keys = 0;
    for source in sources.iter() {
        for path in &source.files {
            keys = read_segment(path)?.iter().map(|record| record.key).max().unwrap_or(0).max(keys);
        }
    }
    let keyed = Workload { name: REGISTER.into(), keys: keys.saturating_add(1), ..Workload::default() };
    let workload = if keys > 0 { keyed } else { Workload { name: String::new(), ..Workload::default() } };
    Ok(Manifest::new(sources.len() as u16, &workload, false, &[], &[]))
}

/// Writes a saved history in another format; `path` is its folder, or a file in it.
pub fn export_saved(path: &Path, format: ExportFormat, out: &mut dyn Write) -> Result<(), LabError> {
    let folder = one_folder(std::slice::from_ref(&path.to_owned()))?;
    let written = match format {
        ExportFormat::JsonLines => json_lines(sources(&folder)?, out),
        ExportFormat::Elle => out.write_all(elle::export(&lists(&folder)?).as_bytes()),
    };
    written.map_err(|error| LabError::new("cannot write the export", error, "free space, or another file"))
}

/// All agents together, by the beginning of each record.
fn json_lines(mut sources: Vec<Saved>, out: &mut dyn Write) -> std::io::Result<()> {
    let mut heads: Vec<Option<Record>> = sources.iter_mut().map(Saved::take).collect();
    loop {
        let known = heads.iter().enumerate().filter_map(|(agent, head)| Some((agent, head.as_ref()?)));
        let first = known.min_by_key(|(_, record)| record.start_ns);
        let Some((agent, record)) = first else { return Ok(()) };
        out.write_all(export::json_line(record).as_bytes())?;
        heads[agent] = sources[agent].take();
    }
}

fn lists(folder: &Path) -> Result<Vec<Vec<elle::ListLine>>, LabError> {
    let names = file_names(folder)?.into_iter().filter(|name| name.starts_with("append-") && name.ends_with(".jsonl"));
    let files: Vec<Vec<elle::ListLine>> = names
        .map(|name| {
            let path = folder.join(name);
            // A torn tail may end in the middle of a letter.
            let bytes = fs::read(&path).map_err(|error| LabError::path("cannot read", &path, error, "its rights"))?;
            Ok(elle::parse(&String::from_utf8_lossy(&bytes)).0)
        })
        .collect::<Result<_, LabError>>()?;
    if files.is_empty() {
        return Err(LabError::path(
            "cannot export lists of",
            folder,
            "only the workload `append` keeps them, and only with `--keep-history`",
            "`--workload append --keep-history`",
        ));
    }
    Ok(files)
}

/// The segments of one agent, its lives one after another.
#[derive(Default)]
struct Saved {
    files: VecDeque<PathBuf>,
    records: std::vec::IntoIter<Record>,
}

impl Saved {
    /// The next record. A segment that has become unreadable since it was found ends as if it were empty.
    fn take(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.records.next() {
                return Some(record);
            }
            self.records = read_segment(&self.files.pop_front()?).unwrap_or_default().into_iter();
        }
    }
}

impl Source for Saved {
    fn next(&mut self) -> Next {
        self.take().map_or(Next::Ended, Next::Record)
    }
}

fn read_segment(path: &Path) -> Result<Vec<Record>, LabError> {
    let bytes = fs::read(path).map_err(|error| LabError::path("cannot read", path, error, "its rights"))?;
    if bytes.len() != SEGMENT_SIZE {
        let why = format!("it has {} bytes, a segment has {SEGMENT_SIZE}: it was cut or is no segment", bytes.len());
        return Err(LabError::path(
            "cannot judge",
            path,
            why,
            "the whole history; without it losses would be invented",
        ));
    }
    let mut slots = bytes.chunks_exact(RECORD_SIZE).map(|slot| slot.try_into().expect("one slot"));
    if slots.next().and_then(SegmentHeader::decode).is_none() {
        let why = format!("it is no segment of version {VERSION}");
        return Err(LabError::path("cannot judge", path, why, "the walproof that wrote it"));
    }
    Ok(slots.map_while(Record::decode).collect())
}

/// The segments in a folder, by agent, each agent's in order. All of them are readable now.
fn sources(folder: &Path) -> Result<Vec<Saved>, LabError> {
    let mut found: Vec<(u16, u16, u32, PathBuf)> = Vec::new();
    for name in file_names(folder)? {
        let Some((agent, life, segment)) = segment_of(&name) else { continue };
        let path = folder.join(name);
        read_segment(&path)?;
        found.push((agent, life, segment, path));
    }
    found.sort();
    let agents = found.iter().map(|(agent, ..)| usize::from(*agent) + 1).max().unwrap_or(0);
    if agents == 0 {
        let why = "there is no segment of a history in it";
        return Err(LabError::path("cannot judge", folder, why, "the folder that `--keep-history` named"));
    }
    let mut sources: Vec<Saved> = (0..agents).map(|_| Saved::default()).collect();
    for (agent, _, _, path) in found {
        sources[usize::from(agent)].files.push_back(path);
    }
    Ok(sources)
}

/// Agent, life and number of `agent-2.life-0.segment-00003.history`.
fn segment_of(name: &str) -> Option<(u16, u16, u32)> {
    let mut parts = name.strip_suffix(".history")?.split('.');
    let agent = parts.next()?.strip_prefix("agent-")?.parse().ok()?;
    let life = parts.next()?.strip_prefix("life-")?.parse().ok()?;
    Some((agent, life, parts.next()?.strip_prefix("segment-")?.parse().ok()?))
}

fn file_names(folder: &Path) -> Result<Vec<String>, LabError> {
    let entries = fs::read_dir(folder);
    let entries = entries.map_err(|error| LabError::path("cannot look into", folder, error, "a folder that exists"))?;
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// The one folder that the paths lie in; of a run's folder its `bang`.
fn one_folder(paths: &[PathBuf]) -> Result<PathBuf, LabError> {
    let of = |path: &PathBuf| match (path.is_dir(), path.join("bang")) {
        (true, bang) if bang.is_dir() => bang,
        (true, _) => path.clone(),
        (false, _) => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        },
    };
    let mut folders: Vec<PathBuf> = paths.iter().map(of).collect();
    folders.sort();
    folders.dedup();
    match folders.as_slice() {
        [one] if paths.iter().all(|path| path.exists()) => Ok(one.clone()),
        [_] => Err(LabError::new("there is no such history", "a path does not exist", "the folder of a kept history")),
        _ => Err(LabError::new(
            format!("cannot judge {} histories at once", folders.len()),
            "each is one run",
            "one folder",
        )),
    }
}
