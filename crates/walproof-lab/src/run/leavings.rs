//! What a run leaves in the world, written down before it is made, so that `clean` can remove it after a SIGKILL.
//!
//! What this file is: the state folder of a run with its `run.json`, and the one way everything noted there goes away
//! again: by [`RunDirectory::leave`], by drop, or by [`clean`] when the supervisor is dead.
//! What it must not do: remove or signal anything that does not carry this run's name; follow a symbolic link.
//! Where to look next: `runtimes/`, which note what they make; `verify.rs`, which owns a [`RunDirectory`].
//!
//! Folders: `/run/walproof/<run>` as root, `$XDG_RUNTIME_DIR/walproof/<run>` or `/tmp/walproof-<uid>/<run>` otherwise.

mod engines;
pub mod guard_files;

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clients::mounted::unmount;
use crate::runtimes::cgroups;
use crate::runtimes::pidfd::{Pidfd, is_zombie, start_ticks};

pub use engines::{IMAGE_PREFIX, NotedEngine, NotedTool};

/// Version of `run.json`.
const VERSION: u32 = 2;
const KILL_MAX: Duration = Duration::from_secs(5);
/// A folder that was made and not yet filled belongs to a run that is just beginning, for this long.
const BEGINNING_MAX: Duration = Duration::from_secs(60);

/// A run's name: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    /// A new one, from the kernel's randomness.
    pub fn random() -> RunId {
        let mut bytes = [0; 8];
        // SAFETY: the buffer is ours and as long as we say.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        if got != bytes.len() as isize {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            bytes = (since.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32)).to_le_bytes();
        }
        RunId(format!("{:016x}", u64::from_le_bytes(bytes)))
    }

    /// From 16 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<RunId> {
        let good = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| RunId(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<RunId, String> {
        RunId::parse(&text).ok_or_else(|| format!("`{text}` is not a run: 16 hexadecimal digits"))
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> String {
        run.0
    }
}

/// The state folder could not be made, written or trusted.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} `{}`", path.display())]
pub struct LeavingsError {
    /// What was tried.
    pub action: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl LeavingsError {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LeavingsError {
        let path = path.to_path_buf();
        move |source| LeavingsError { action, path, source }
    }

    /// Why it happened.
    pub fn because(&self) -> String {
        self.source.to_string()
    }

    /// What the user can try.
    pub fn remedy(&self) -> &'static str {
        "see who owns that folder and whether there is space; XDG_RUNTIME_DIR chooses another place (not as root)"
    }
}

/// A process as it was noted: a number alone could be somebody else's by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NotedProcess {
    pid: u32,
    start_ticks: u64,
}

impl NotedProcess {
    fn of(pid: u32) -> Option<NotedProcess> {
        Some(NotedProcess { pid, start_ticks: start_ticks(pid)? })
    }

    fn lives(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks) && !is_zombie(self.pid)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NotedContainer {
    name: String,
    process: Option<NotedProcess>,
}

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    run: RunId,
    supervisor: NotedProcess,
    boot_id: String,
    runtime: Option<String>,
    scratch: Vec<PathBuf>,
    history: Vec<PathBuf>,
    cgroups: Vec<String>,
    containers: Vec<NotedContainer>,
    engines: Vec<NotedEngine>,
    tools: Vec<NotedTool>,
}

impl Record {
    fn new(run: &RunId) -> Record {
        let pid = std::process::id();
        Record {
            version: VERSION,
            run: run.clone(),
            supervisor: NotedProcess { pid, start_ticks: start_ticks(pid).unwrap_or(0) },
            boot_id: boot_id(),
            runtime: None,
            scratch: Vec::new(),
            history: Vec::new(),
            cgroups: Vec::new(),
            containers: Vec::new(),
            engines: Vec::new(),
            tools: Vec::new(),
        }
    }

    fn holds_images(&self) -> bool {
        self.engines.iter().any(|engine| !engine.images.is_empty())
    }

    fn supervisor_lives(&self) -> bool {
        self.boot_id == boot_id() && self.supervisor.lives()
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The notes of a run, shared with the containers that remove themselves from it.
#[derive(Clone, Debug)]
pub struct RunNotes {
    folder: PathBuf,
    record: Arc<Mutex<Record>>,
}

impl RunNotes {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record and writes it before anything else happens; a record that did not change is not written.
    fn note(&self, change: impl FnOnce(&mut Record)) -> Result<(), LeavingsError> {
        let mut record = self.record();
        let before = record.clone();
        change(&mut record);
        if *record == before { Ok(()) } else { write_record(&self.folder, &record) }
    }

    /// A container of the user's that is well again.
    pub fn forget_target(&self, name: &str) -> Result<(), LeavingsError> {
        self.note(|record| {
            record.engines.iter_mut().for_each(|engine| engine.targets.retain(|target| target != name));
        })
    }

    /// A container that was removed needs no note any more.
    pub fn forget_container(&self, name: &str) -> Result<(), LeavingsError> {
        self.note(|record| record.containers.retain(|container| container.name != name))
    }
}

fn write_record(folder: &Path, record: &Record) -> Result<(), LeavingsError> {
    let (unfinished, file) = (folder.join("run.json.new"), folder.join("run.json"));
    serde_json::to_vec(record)
        .map_err(io::Error::from)
        .and_then(|text| fs::write(&unfinished, text))
        .and_then(|()| fs::rename(&unfinished, &file))
        .map_err(LeavingsError::at("write", &file))
}

/// A run's state folder. Dropping it removes everything that was noted.
#[derive(Debug)]
pub struct RunDirectory {
    id: RunId,
    folder: PathBuf,
    notes: RunNotes,
    left: bool,
}

impl RunDirectory {
    /// Makes the folder, with its `run.json`, in one step.
    pub fn create(run: &RunId) -> Result<RunDirectory, LeavingsError> {
        let base = base();
        let (beginning, folder) = (base.join(format!(".{run}")), base.join(run.as_str()));
        make_in(&base, &beginning)?;
        let record = Record::new(run);
        write_record(&beginning, &record)?;
        fs::rename(&beginning, &folder).map_err(LeavingsError::at("make the state folder", &folder))?;
        let notes = RunNotes { folder: folder.clone(), record: Arc::new(Mutex::new(record)) };
        Ok(RunDirectory { id: run.clone(), folder, notes, left: false })
    }

    /// The run.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The folder: bundles, standard error of the agents, state.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The notes, to be kept by a container.
    pub fn notes(&self) -> RunNotes {
        self.notes.clone()
    }

    /// The name that a scratch folder of this run must have: `.walproof-<run>`.
    pub fn scratch_name(&self) -> String {
        scratch_name(&self.id)
    }

    /// A scratch folder that will be made; its last part must be [`RunDirectory::scratch_name`], its parent must
    /// exist. Gives the path without symbolic links.
    pub fn note_scratch(&self, path: &Path) -> Result<PathBuf, LeavingsError> {
        let path = without_links(path).map_err(LeavingsError::at("note the scratch folder", path))?;
        self.notes.note(|record| add(&mut record.scratch, path.clone()))?;
        Ok(path)
    }

    /// A history folder that will be made; its last part must contain the run's digits.
    pub fn note_history(&self, path: &Path) -> Result<PathBuf, LeavingsError> {
        let path = without_links(path).map_err(LeavingsError::at("note the history folder", path))?;
        self.notes.note(|record| add(&mut record.history, path.clone()))?;
        Ok(path)
    }

    /// A history that is to be kept.
    pub fn forget_history(&self, path: &Path) -> Result<(), LeavingsError> {
        self.notes.note(|record| record.history.retain(|noted| noted != path))
    }

    /// A container that will be made.
    pub fn note_container(&self, name: &str) -> Result<(), LeavingsError> {
        let container = NotedContainer { name: name.to_owned(), process: None };
        self.notes.note(|record| add(&mut record.containers, container))
    }

    /// The process of a container that was made.
    pub fn note_process(&self, name: &str, pid: u32) -> Result<(), LeavingsError> {
        self.notes.note(|record| {
            let noted = record.containers.iter_mut().filter(|container| container.name == name);
            noted.for_each(|container| container.process = NotedProcess::of(pid));
        })
    }

    /// A cgroup that will be made, as a path below the hierarchies.
    pub fn note_cgroup(&self, path: &str) -> Result<(), LeavingsError> {
        self.notes.note(|record| add(&mut record.cgroups, path.to_owned()))
    }

    /// An engine that something will be made on; again, when more will be made.
    pub fn note_engine(&self, engine: &NotedEngine) -> Result<(), LeavingsError> {
        self.notes.note(|record| engines::note(&mut record.engines, engine))
    }

    /// An OCI command line that will keep state of its own below `state/`.
    pub fn note_tool(&self, tool: &NotedTool) -> Result<(), LeavingsError> {
        self.notes.note(|record| add(&mut record.tools, tool.clone()))
    }

    /// The runtime that makes the containers.
    pub fn note_runtime(&self, name: &str) -> Result<(), LeavingsError> {
        self.notes.note(|record| record.runtime = Some(name.to_owned()))
    }

    /// Removes everything that was noted, then the folder.
    pub fn leave(mut self) -> CleanReport {
        self.leave_now()
    }

    fn leave_now(&mut self) -> CleanReport {
        let mut report = CleanReport::default();
        if !self.left {
            self.left = true;
            let record = self.notes.record().clone();
            sweep(&self.folder, &record, &mut report);
        }
        report
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        self.leave_now();
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

fn scratch_name(run: &RunId) -> String {
    format!(".walproof-{run}")
}

/// The path with its parent's symbolic links resolved; the last part need not exist.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn user() -> u32 {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() }
}

/// Where this user's state folders are made.
fn base() -> PathBuf {
    let runtime_folder = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match (user(), runtime_folder) {
        (0, _) => PathBuf::from("/run/walproof"),
        (_, Some(folder)) if folder.is_absolute() && is_ours(&folder).is_ok() => folder.join("walproof"),
        (user, _) => PathBuf::from(format!("/tmp/walproof-{user}")),
    }
}

/// Everywhere they may be.
fn bases() -> Vec<PathBuf> {
    let mut all = vec![base()];
    add(&mut all, PathBuf::from(format!("/tmp/walproof-{}", user())));
    all
}

/// Makes a folder in the base; another run that just ended may remove the empty base in between, so again.
fn make_in(base: &Path, folder: &Path) -> Result<(), LeavingsError> {
    for _ in 0..100 {
        make_private(base)?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other.map_err(LeavingsError::at("make the state folder", folder)),
        }
    }
    Err(LeavingsError::at("make the state folder", folder)(io::ErrorKind::NotFound.into()))
}

fn make_private(folder: &Path) -> Result<(), LeavingsError> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(LeavingsError::at("make", parent))?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => is_ours(folder),
        Err(error) => Err(error),
    }
    .map_err(LeavingsError::at("trust the state folder", folder))
}

/// Somebody could have made the folder in `/tmp` before us.
fn is_ours(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    let good = found.is_dir() && found.uid() == user() && found.mode() & 0o022 == 0;
    if good { Ok(()) } else { Err(io::Error::other("it is not a folder of ours that nobody else can write")) }
}

/// What [`clean`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanReport {
    /// What was removed, a line each.
    pub removed: Vec<String>,
    /// What was kept, and why.
    pub kept: Vec<String>,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
}

/// Removes what dead runs of this user left: all of them, or only one.
pub fn clean(only: Option<&RunId>) -> CleanReport {
    let mut report = CleanReport::default();
    let bases = bases().into_iter().filter(|base| is_ours(base).is_ok());
    let mut folders: Vec<(PathBuf, RunId)> = bases.flat_map(|base| run_folders(&base)).collect();
    // An image is in use as long as a container of another run is made of it.
    folders.sort_by_key(|(folder, _)| read_record(folder).is_ok_and(|record| record.holds_images()));
    for (folder, run) in folders.iter().filter(|(_, run)| only.is_none_or(|only| run == only)) {
        clean_one(folder, run, &mut report);
    }
    for run in cgroups::runs().iter().filter_map(|digits| RunId::parse(digits)) {
        if only.is_none_or(|only| run == *only) {
            clean_orphan(&run, &mut report);
        }
    }
    if only.is_none() {
        let (removed, failed) = crate::watch::clean_traces();
        report.removed.extend(removed);
        report.failed.extend(failed);
    }
    for engine in engines::installed() {
        let wanted = engines::runs_on(&engine).into_iter().filter(|run| only.is_none_or(|only| run == only));
        wanted.filter(|run| !is_noted(run)).for_each(|run| engines::remove_orphan(&engine, &run, &mut report));
    }
    report
}

/// Whether a run has a state folder that can be seen from here.
fn is_noted(run: &RunId) -> bool {
    bases().iter().any(|base| base.join(run.as_str()).exists() || base.join(format!(".{run}")).exists())
}

/// A cgroup whose state folder is gone or in another mount namespace: removed when nobody lives in it.
fn clean_orphan(run: &RunId, report: &mut CleanReport) {
    if is_noted(run) {
        return;
    }
    let path = format!("{}{run}", cgroups::PREFIX);
    let living = cgroups::processes(&path).len();
    if living > 0 {
        report.kept.push(format!(
            "cgroup `{path}`: {living} processes live in it, and its state folder is not to be seen here"
        ));
        return;
    }
    match cgroups::remove(&path, Duration::ZERO) {
        Ok(_) => report.removed.push(format!("cgroup `{path}`")),
        Err((folder, error)) => report.failed.push(format!("cgroup `{}`: {error}", folder.display())),
    }
}

/// The state folders in a base, those of runs that are just beginning (`.<run>`) among them.
fn run_folders(base: &Path) -> Vec<(PathBuf, RunId)> {
    let mut all: Vec<(PathBuf, RunId)> = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((entry.path(), RunId::parse(name.trim_start_matches('.'))?))
        })
        .collect();
    all.sort();
    all
}

fn clean_one(folder: &Path, run: &RunId, report: &mut CleanReport) {
    match read_record(folder) {
        Ok(record) if record.run != *run => report.failed.push(format!("run {run}: its `run.json` names another run")),
        Ok(record) if record.supervisor_lives() => {
            report.kept.push(format!("run {run}: process {} still supervises it", record.supervisor.pid));
        }
        Ok(record) => sweep(folder, &record, report),
        Err(_) if age(folder).is_some_and(|age| age < BEGINNING_MAX) => {
            report.kept.push(format!("run {run}: it is just beginning"));
        }
        // Without a readable record the run's name alone tells what is its own: processes and cgroups by label.
        Err(_) => {
            sweep(folder, &Record { cgroups: vec![format!("{}{run}", cgroups::PREFIX)], ..Record::new(run) }, report)
        }
    }
}

fn read_record(folder: &Path) -> io::Result<Record> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join("run.json"))?)?;
    if record.version == VERSION { Ok(record) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn age(folder: &Path) -> Option<Duration> {
    fs::metadata(folder).ok()?.modified().ok()?.elapsed().ok()
}

/// Everything of one run: processes, cgroups, mounts, scratch, history, and the folder last, since it holds the notes.
fn sweep(folder: &Path, record: &Record, report: &mut CleanReport) {
    let failures_before = report.failed.len();
    record.scratch.iter().for_each(|path| abort_clients_below(path));
    engines::sweep(&record.run, &record.engines, report);
    let containers: Vec<&str> = record.containers.iter().map(|container| container.name.as_str()).collect();
    engines::delete(&record.run, folder, &record.tools, &containers);
    kill_all(record, report);
    remove_cgroups(record, report);
    for path in &record.scratch {
        remove_folder(path, |name| name == scratch_name(&record.run), "scratch", report);
    }
    for path in &record.history {
        remove_folder(path, |name| name.contains(record.run.as_str()), "history", report);
    }
    if report.failed.len() == failures_before {
        remove_folder(folder, |name| name.trim_start_matches('.') == record.run.as_str(), "state", report);
        // The base goes with the last run; while it holds another one this fails, as it should.
        let _ = folder.parent().map(fs::remove_dir);
    } else {
        report.kept.push(format!("`{}`: it holds the notes of what could not be removed", folder.display()));
    }
}

/// Kills what carries the run's label, again until nothing new appears.
fn kill_all(record: &Record, report: &mut CleanReport) {
    let end = Instant::now() + KILL_MAX;
    loop {
        let found = processes_of(record);
        let killed: Vec<(u32, io::Result<Pidfd>)> =
            found.iter().filter_map(|pid| Some((*pid, kill_labelled(record, *pid)?))).collect();
        let mut all_ended = true;
        for (pid, held) in killed {
            match held.and_then(|held| held.ended_within(end.saturating_duration_since(Instant::now()))) {
                Ok(true) => report.removed.push(format!("process {pid} of run {}", record.run)),
                Ok(false) => report.failed.push(format!("process {pid} of run {}: it does not die", record.run)),
                Err(error) => report.failed.push(format!("process {pid} of run {}: {error}", record.run)),
            }
            all_ended &= is_zombie(pid) || start_ticks(pid).is_none();
        }
        if found.is_empty() || !all_ended || Instant::now() >= end {
            return;
        }
    }
}

/// Holds the process first and looks at its label then, so that the signal cannot reach a stranger.
fn kill_labelled(record: &Record, pid: u32) -> Option<io::Result<Pidfd>> {
    let held = match Pidfd::open(pid) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return None,
        Err(error) => return Some(Err(error)),
        Ok(held) => held,
    };
    if !belongs(record, pid) {
        return None;
    }
    Some(held.signal(libc::SIGKILL).map(|()| held))
}

/// Living processes of a run: in its cgroups, with its label in their environment, or noted with their start.
fn processes_of(record: &Record) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let labelled =
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| labelled(record, *pid));
    let mut found: Vec<u32> = labelled.chain(in_cgroups(record)).chain(noted(record)).collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|pid| *pid != std::process::id() && !is_zombie(*pid));
    found
}

fn belongs(record: &Record, pid: u32) -> bool {
    labelled(record, pid) || in_cgroups(record).contains(&pid) || noted(record).any(|noted| noted == pid)
}

/// Whether a process was started with `WALPROOF_RUN=<run>`.
fn labelled(record: &Record, pid: u32) -> bool {
    let label = format!("WALPROOF_RUN={}", record.run);
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == label.as_bytes())
}

fn in_cgroups(record: &Record) -> Vec<u32> {
    let ours = record.cgroups.iter().filter(|path| is_run_cgroup(record, path));
    ours.flat_map(|path| cgroups::processes(path)).collect()
}

fn noted(record: &Record) -> impl Iterator<Item = u32> {
    let same_boot = record.boot_id == boot_id();
    let all = record.containers.iter().filter_map(|container| container.process.as_ref());
    all.filter(move |process| same_boot && process.lives()).map(|process| process.pid)
}

fn is_run_cgroup(record: &Record, path: &str) -> bool {
    path == format!("{}{}", cgroups::PREFIX, record.run)
}

fn remove_cgroups(record: &Record, report: &mut CleanReport) {
    for path in record.cgroups.iter().filter(|path| is_run_cgroup(record, path)) {
        match cgroups::remove(path, KILL_MAX) {
            Ok(folders) if folders.is_empty() => {}
            Ok(_) => report.removed.push(format!("cgroup `{path}`")),
            Err((folder, error)) => report.failed.push(format!("cgroup `{}`: {error}", folder.display())),
        }
    }
}

/// Removes a folder of ours: only when its name says so, it is a real directory, and no link leads to it.
fn remove_folder(path: &Path, is_our_name: impl Fn(&str) -> bool, kind: &str, report: &mut CleanReport) {
    match try_remove_folder(path, is_our_name) {
        Ok(true) => report.removed.push(format!("{kind} folder `{}`", path.display())),
        Ok(false) => {}
        Err(error) => report.failed.push(format!("{kind} folder `{}`: {error}", path.display())),
    }
}

fn try_remove_folder(path: &Path, is_our_name: impl Fn(&str) -> bool) -> io::Result<bool> {
    if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_our_name) {
        return Err(io::Error::other("its name is not one that walproof gives"));
    }
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    if !found.is_dir() || without_links(path)? != path {
        return Err(io::Error::other("it is not a real directory at this path any more"));
    }
    unmount_below(path)?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_searchable(path)?;
            fs::remove_dir_all(path)?;
        }
        other => other?,
    }
    Ok(true)
}

/// Overlay leaves folders that nobody may enter in its working directory; only root could remove them as they are.
fn make_searchable(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    if found.mode() & 0o700 != 0o700 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_searchable(&entry.path())?;
        }
    }
    Ok(())
}

/// Who waits for a client of ours whose server hangs can be killed only after its connection was aborted.
fn abort_clients_below(folder: &Path) {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let clients = mountinfo.lines().filter(|line| line.contains(" - fuse.walproof "));
    for point in clients.flat_map(|line| mount_points_below(line, folder)) {
        // What cannot be detached now is reported when the folder is removed.
        let _ = unmount(&point);
    }
}

/// Unmounts what is mounted at or below a folder of ours, the latest first; else removing would reach into it.
fn unmount_below(folder: &Path) -> io::Result<()> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
    for point in mount_points_below(&mountinfo, folder).iter().rev() {
        unmount(point)?;
    }
    Ok(())
}

fn mount_points_below(mountinfo: &str, folder: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    points.filter(|point| point.starts_with(folder)).collect()
}

/// `\040` and its like, as mountinfo writes blanks, tabs, line ends and backslashes.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use walproof_testbench::skip;

    use super::*;

    #[test]
    fn a_run_is_16_hexadecimal_digits() {
        assert!(RunId::parse(RunId::random().as_str()).is_some());
        for bad in ["", "12", "../../etc/passwd", "00000000000000000", "ABCDEFABCDEFABCD"] {
            assert_eq!(RunId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn mountinfo_escapes_are_read() {
        assert_eq!(unescaped("/a\\040b\\134c"), Path::new("/a b\\c"));
    }

    #[test]
    fn only_mounts_below_are_found() {
        let info =
            "1 2 0:1 / /run/x/a rw - tmpfs t rw\n1 2 0:1 / /run/xy rw - tmpfs t rw\n1 2 0:1 / /run/x rw - tmpfs t rw";
        assert_eq!(mount_points_below(info, Path::new("/run/x")), [Path::new("/run/x/a"), Path::new("/run/x")]);
    }

    #[test]
    fn what_was_noted_goes_away_and_nothing_else() {
        let place = std::env::temp_dir().join(format!("walproof-leavings-{}", std::process::id()));
        fs::create_dir_all(&place).expect("a temporary folder");
        fs::write(place.join("users.db"), "precious").expect("a user's file");
        let run = RunDirectory::create(&RunId::random()).expect("a state folder");
        let scratch = run.note_scratch(&place.join(run.scratch_name())).expect("noted");
        fs::create_dir(&scratch).expect("scratch");
        std::os::unix::fs::symlink(&place, scratch.join("out")).expect("a link out of it");
        let state = run.path().to_path_buf();
        let report = run.leave();
        assert_eq!(report.failed, Vec::<String>::new());
        assert!(!scratch.exists() && !state.exists());
        assert_eq!(fs::read_to_string(place.join("users.db")).expect("still there"), "precious");
        fs::remove_dir_all(&place).expect("our own folder");
    }

    /// A dead server's mount answers ENOTCONN to every call, a hanging one nothing at all.
    #[test]
    fn clients_are_taken_away_whatever_their_server_does() {
        if let Some(why) = crate::clients::why_not_here() {
            return skip("clients", "clients_are_taken_away_whatever_their_server_does", &why);
        }
        use crate::clients::{Client, ClientOptions, Pages, Server};
        let place = std::env::temp_dir().join(format!("walproof-client-{}", std::process::id()));
        fs::create_dir_all(place.join("backing")).expect("a temporary folder");
        fs::write(place.join("backing/file"), "content").expect("a file");
        for hangs in [true, false] {
            let run = RunDirectory::create(&RunId::random()).expect("a state folder");
            let scratch = run.note_scratch(&place.join(run.scratch_name())).expect("noted");
            let target = scratch.join("client");
            fs::create_dir_all(&target).expect("scratch");
            let server = Arc::new(Server::new(&place.join("backing"), false));
            let options = ClientOptions::believing(Pages::Cached, 0);
            let client = Client::mount(server, &target, options, 1).expect("mounted");
            // In a process of its own: ours must not wait for what it serves.
            let read = || {
                std::process::Command::new("cat")
                    .arg(target.join("file"))
                    .env("WALPROOF_RUN", run.id().as_str())
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .expect("cat")
            };
            let mut waiting = None;
            if hangs {
                client.knobs().stall(Duration::from_secs(600));
                waiting = Some(read());
                std::thread::sleep(Duration::from_millis(100));
            } else {
                client.abort_connection();
                assert!(!read().wait().expect("ours").success(), "nobody answers");
            }
            let report = run.leave();
            assert_eq!(report.failed, Vec::<String>::new());
            assert!(!scratch.exists());
            client.knobs().release();
            if let Some(mut child) = waiting {
                assert!(!child.wait().expect("ours").success());
            }
        }
        fs::remove_dir_all(&place).expect("our own folder");
    }

    #[test]
    fn a_scratch_folder_that_became_a_link_is_left_alone() {
        let place = std::env::temp_dir().join(format!("walproof-link-{}", std::process::id()));
        fs::create_dir_all(place.join("users")).expect("a user's folder");
        let run = RunDirectory::create(&RunId::random()).expect("a state folder");
        let scratch = run.note_scratch(&place.join(run.scratch_name())).expect("noted");
        std::os::unix::fs::symlink(place.join("users"), &scratch).expect("a link");
        let (state, report) = (run.path().to_path_buf(), run.leave());
        assert_eq!(report.failed.len(), 1);
        assert!(place.join("users").is_dir() && state.exists(), "the notes stay");
        fs::remove_dir_all(&state).and_then(|()| fs::remove_dir_all(&place)).expect("our own folders");
    }

    #[test]
    fn a_path_with_another_name_is_refused() {
        let run = RunId::random();
        assert!(try_remove_folder(Path::new("/tmp"), |name| name == scratch_name(&run)).is_err());
    }

    #[test]
    fn a_living_run_is_kept() {
        let run = RunDirectory::create(&RunId::random()).expect("a state folder");
        let report = clean(Some(run.id()));
        assert_eq!(report.removed, Vec::<String>::new());
        assert_eq!(report.kept.len(), 1);
        assert!(run.path().exists());
    }
}
