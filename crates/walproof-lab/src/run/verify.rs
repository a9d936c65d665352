//! `verify`, top down: look, probe, control, stress, judge.
//!
//! The probe and the control run side by side (the probe mostly waits), the stress follows; then the planted controls
//! go through a copy of the stress's own tail. Everything is noted in the run directory before it is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use walproof_format::plan::{OwnBoundary, StorageKnobs};
use walproof_format::protocol::{Call, Duty, Quirks, Reply, Workload};
use walproof_format::report::Replay;
use walproof_format::sqlite::error_code;
use walproof_judge::checkers::WitnessLine;
use walproof_judge::controls::{PlantedOutcome, planted_in};
use walproof_judge::verdict::{JournalMode, is_loud};

use crate::collect::databases::DatabaseFile;
use crate::collect::machine::Machine;
use crate::collect::programs;
use crate::collect::storage::Storage;
use crate::error::LabError;
use crate::nemeses::{self, Needs};
use crate::own::OwnReport;
use crate::probes::pair::{self, Probed};
use crate::run::fleet::Fleet;
use crate::run::leavings::{RunDirectory, RunId};
use crate::run::plan::{self, Chosen, Plan, Strike};
use crate::run::site::{
    FREE_BYTES_MIN, PROBED_MAX, Site, Tested, check_image, check_space, find_world, lift_file_size_limit, look,
    make_history, make_scratch, turn_knobs,
};
use crate::run::stress::{Progress, StressEnd, StressOptions, prepare, refused, stress};
use crate::runtimes::{self, Abilities, Runtime};
use crate::worlds::{Ground, HostMount, View};

/// How long the control may take to be caught.
const CONTROL_TIME: Duration = Duration::from_secs(8);
/// How long the stress goes on after the first anomaly: time for a fuller story.
const GRACE: Duration = Duration::from_millis(700);

/// What is asked of `verify`.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory whose storage is tested.
    pub directory: PathBuf,
    /// Length of the stress.
    pub time: Duration,
    /// Number of agents.
    pub agents: u16,
    /// Name of the world; [`own::NAME`] where the boundary is the user's own.
    pub world: String,
    /// The user's own boundary, instead of a directory and a world.
    pub own: Option<OwnBoundary>,
    /// The user's own image, into which agents are put.
    pub image: Option<String>,
    /// Containers of the user's that are struck as well.
    pub targets: Vec<String>,
    /// A runtime by name; `None`: the best that can serve.
    pub runtime: Option<String>,
    /// The workload.
    pub workload: Workload,
    /// The seed.
    pub seed: u64,
    /// What strikes, and in which rhythm; `None`: the usual nemeses and those of the world.
    pub nemeses: Option<Vec<Chosen>>,
    /// Strikes one by one, instead of those that the seed draws.
    pub strikes: Option<Vec<Strike>>,
    /// What the last agent does instead of the workload; `None`: the workload.
    pub last_duty: Option<Duty>,
    /// How the world's storage behaves throughout.
    pub storage: StorageKnobs,
    /// Commits that every writer must have made before the stress ends, within reason; 0: it ends when its time is over.
    pub commits_min: u64,
    /// After so long a loud no is enough: the stress ends with it.
    pub loud_is_enough_after: Option<Duration>,
    /// Whether two agents ask each other before the stress.
    pub probe: bool,
    /// Whether a broken world must be caught before the stress.
    pub control: bool,
    /// Folder for histories; `None`: the temporary directory.
    pub history: Option<PathBuf>,
    /// Another build of the agent; `None`: this program.
    pub program: Option<PathBuf>,
    /// Whether histories stay after the run.
    pub keep_history: bool,
    /// Whether the stress goes on after the first anomaly.
    pub keep_going: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: ".".into(),
            time: Duration::from_secs(30),
            agents: 3,
            world: "shared-directory".into(),
            own: None,
            image: None,
            targets: Vec::new(),
            runtime: None,
            workload: Workload::default(),
            seed: 0,
            nemeses: None,
            strikes: None,
            last_duty: None,
            storage: StorageKnobs::default(),
            commits_min: 0,
            loud_is_enough_after: None,
            probe: true,
            control: true,
            history: None,
            program: None,
            keep_history: false,
            keep_going: false,
        }
    }
}

impl Options {
    /// What is needed to do the same again.
    pub fn replay(&self, runtime: &str) -> Replay {
        Replay {
            seed: format!("{:016x}", self.seed),
            time_ms: self.time.as_millis() as u64,
            agents: self.agents,
            world: self.world.clone(),
            runtime: runtime.to_owned(),
            keep_going: self.keep_going,
            workload: self.workload.clone(),
            nemeses: self.nemeses.clone(),
            strikes: self.strikes.clone(),
            last_duty: self.last_duty,
            agent: self.program.as_ref().map(|program| program.display().to_string()),
            storage: self.storage,
            own: self.own.clone(),
            image: self.image.clone(),
            targets: self.targets.clone(),
        }
    }

    /// The plan that these options draw.
    pub fn plan(&self) -> Result<Plan, LabError> {
        let of_world = if self.own.is_some() { &[][..] } else { find_world(&self.world)?.nemeses };
        let of_targets = if self.targets.is_empty() { &[][..] } else { &["kill-target", "pause-target"] };
        let nemeses = self.nemeses.clone().unwrap_or_else(|| plan::usual_and(&[of_world, of_targets].concat()));
        let drawn = plan::draw(self.seed, self.time.as_millis() as u64, self.agents, &nemeses);
        let strikes = self.strikes.clone().unwrap_or(drawn.strikes);
        Ok(Plan { strikes, ..drawn })
    }
}

/// What the observer is told, in order.
pub enum Event<'a> {
    /// What is tested, where, through what.
    Boundary(&'a Boundary),
    /// What the probe gave; `None`: it takes two agents.
    Probe(Option<&'a Probed>),
    /// What the control gave.
    Control(&'a Control),
    /// The stress goes on.
    Stress(&'a Progress),
}

/// What is tested, where, through what.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// The run's id: the label on everything it makes.
    pub run: String,
    /// The directory, absolute.
    pub directory: PathBuf,
    /// The runtime's name.
    pub runtime: String,
    /// What it can do here.
    pub abilities: Abilities,
    /// Number of agents.
    pub agents: u16,
    /// The world's name.
    pub world: String,
    /// The storage.
    pub storage: Storage,
    /// The machine.
    pub machine: Machine,
    /// Databases found beside the test.
    pub databases: Vec<DatabaseFile>,
    /// The agents' SQLite, as their program says of itself.
    pub sqlite: String,
    /// Who opens what through what, where the boundary is the user's own.
    pub own: Option<OwnReport>,
}

/// The control: the world `fake-locks` on the same runtime, storage, mode and workload.
#[derive(Clone, Debug)]
pub struct Control {
    /// From the first commit to the moment at which it could be proved.
    pub caught_after: Option<Duration>,
    /// From the first commit to the moment at which it was announced.
    pub announced_after: Option<Duration>,
    /// Commits until then.
    pub commits: u64,
    /// The first anomaly's name.
    pub caught_as: Option<&'static str>,
    /// How long the control took.
    pub took: Duration,
    /// Why it could not be done.
    pub failed: Option<String>,
}

/// Everything that a run gave: what the verdict is made from.
pub struct Evidence {
    /// What was asked.
    pub options: Options,
    /// What was tested.
    pub boundary: Boundary,
    /// What the probe gave.
    pub probed: Option<Probed>,
    /// What the control gave.
    pub control: Control,
    /// What the planted controls gave.
    pub planted: Vec<PlantedOutcome>,
    /// What the stress gave.
    pub stress: StressEnd,
    /// Header bytes 18 and 19 of the database after the stress.
    pub header_mode: Option<&'static str>,
    /// The plan.
    pub plan: Plan,
    /// Whether boot id and clock agree among all agents.
    pub shared_clock: bool,
    /// Versions of SQLite that agents had, as each said of itself.
    pub sqlite: Vec<String>,
    /// Agents that were to commit.
    pub writers: Vec<u16>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Whether the storage was full in the end: errors and SIGBUS say nothing about the boundary then.
    pub ran_full: bool,
    /// What could not be removed, and why.
    pub left_behind: Vec<String>,
    /// From the start of the run to the first commit of the stress.
    pub first_commit_after: Option<Duration>,
}

/// Runs it. Everything that it made is gone when it returns.
pub fn verify(
    options: Options,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Evidence, LabError> {
    let runtime = runtime_for(&options)?;
    verify_through(runtime.as_ref(), options, interrupted, observe)
}

/// The asked runtime; for the user's own containers and images the engine of this machine, and no other one instead.
pub fn runtime_for(options: &Options) -> Result<Box<dyn Runtime>, LabError> {
    let wants_engine = options.own.is_some() || options.image.is_some() || !options.targets.is_empty();
    match &options.runtime {
        None if wants_engine => runtimes::choose_engine().map_err(|error| {
            let try_this =
                "start your engine, name another one by `--runtime`, or `--runtime embedded` for bind mounts alone";
            LabError::new("cannot ask your engine", error.because(), try_this).blind()
        }),
        name => Ok(runtimes::choose(name.as_deref())?),
    }
}

/// The same through a runtime that was found before.
pub fn verify_through(
    runtime: &dyn Runtime,
    mut options: Options,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Evidence, LabError> {
    let tested = Tested::find(&mut options, runtime)?;
    let places = tested.places(&options)?;
    places.iter().try_for_each(|place| check_space(place, &options.workload))?;
    lift_file_size_limit()?;
    tested.check_needs(runtime)?;
    check_image(&options, runtime)?;
    check_targets(&options, runtime)?;
    let run = RunDirectory::create(&RunId::random())?;
    let is_own = matches!(tested, Tested::Own(_));
    let outcome = carry_out(runtime, &run, (tested, places), options, interrupted, observe);
    let left = run.leave();
    let left_behind: Vec<String> = left.failed.into_iter().chain(left.kept).collect();
    match outcome {
        Ok(evidence) => Ok(Evidence { left_behind, ..evidence }),
        // What the user's own containers would have shown is not known then.
        Err(error) if is_own => Err(error.leaving(&left_behind).blind()),
        Err(error) => Err(error.leaving(&left_behind)),
    }
}

/// Everything that needs a run's folder.
fn carry_out(
    runtime: &dyn Runtime,
    run: &RunDirectory,
    (tested, places): (Tested, Vec<PathBuf>),
    options: Options,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Evidence, LabError> {
    let began_ns = crate::clock::monotonic_ns();
    let plan = options.plan()?;
    let sqlite = sqlite_of(options.program.as_deref())?;
    run.note_runtime(runtime.name())?;
    let scratch = make_scratch(run, &places)?;
    let history = make_history(run, &options, &places[0])?;
    let boundary = Boundary { sqlite, ..look(&options, &tested, runtime, &places, run.id()) };
    observe(Event::Boundary(&boundary));

    let site = Site { runtime, run, scratch: &scratch, history: &history, interrupted };
    let mut ground = site.ground(&tested, &options, "bang", options.agents)?;
    if let (Some(duty), Some(last)) = (options.last_duty, ground.views.last_mut()) {
        last.duty = duty;
    }
    turn_knobs(&mut ground, options.storage)?;
    check_nemeses(&plan, &ground, &options)?;
    let fleet = site.fleet(ground, &options, "bang", Some(site.folder(&history, "bang")?))?;
    let Prelude { probed, refusal, control, blind } = site.prelude(&tested, &options, &fleet)?;
    observe(Event::Probe(probed.as_ref()));
    observe(Event::Control(&control));

    let mut stress = match &refusal {
        Some(reply) => refused(reply),
        None => site.bang(&options, &plan, &fleet, observe)?,
    };
    stress.not_seen.extend(blind);
    fleet.disband();
    let ran_full = ran_full(&stress);
    let (shared_clock, header_mode) = (clocks_agree(&fleet), header_mode(&fleet.ground().database));
    let sqlite = versions_of(&fleet);
    let writers = writers(&fleet);
    drop(fleet);
    if options.keep_history {
        run.forget_history(&history)?;
    }
    let kept = stress.kept.take();
    let since_start = |ns: u64| Duration::from_nanos(ns.saturating_sub(began_ns));
    Ok(Evidence {
        planted: kept.map_or_else(Vec::new, |kept| planted_in(&kept.before, &kept.tail, &stress.finals)),
        first_commit_after: stress.exposures.first_commit_ns.map(since_start),
        interrupted: interrupted.load(Ordering::Relaxed),
        writers,
        options,
        boundary,
        probed,
        control,
        stress,
        header_mode,
        plan,
        shared_clock,
        sqlite,
        ran_full,
        left_behind: Vec::new(),
    })
}

/// What happens before the stress.
struct Prelude {
    probed: Option<Probed>,
    /// SQLite would not even create the database.
    refusal: Option<Reply>,
    control: Control,
    /// Why the probe saw nothing.
    blind: Option<String>,
}

/// What happens in a run before it ends.
impl Site<'_> {
    /// Probe, control and the start of the fleet, side by side: all of them mostly wait.
    fn prelude(&self, tested: &Tested, options: &Options, fleet: &Fleet<'_>) -> Result<Prelude, LabError> {
        let (probed, refusal, control) = std::thread::scope(|scope| {
            let probe = scope.spawn(|| self.probe(tested, options));
            let start = scope.spawn(|| prepare(fleet));
            let control = self.control(tested, options);
            (probe.join(), start.join(), control)
        });
        let refusal = refusal.unwrap_or_else(|_| Err(panic_error()))?;
        let (probed, blind) = match probed.unwrap_or_else(|_| Err(panic_error())) {
            Ok(probed) => (probed, None),
            Err(error) => (None, Some(format!("the probe: {}: {}", error.what, error.because))),
        };
        Ok(Prelude { probed, refusal, control, blind })
    }

    /// The stress itself.
    fn bang(
        &self,
        options: &Options,
        plan: &Plan,
        fleet: &Fleet<'_>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<StressEnd, LabError> {
        let stress_options = StressOptions {
            plan,
            history: &self.folder(self.history, "bang")?,
            scratch: &self.folder(self.scratch, "bang")?,
            keep_history: options.keep_history,
            keep_going: options.keep_going,
            grace: GRACE,
            commits_min: options.commits_min,
            loud_is_enough_after: options.loud_is_enough_after,
            shared_clock: true,
            account: true,
            storage_fails: options.storage.failing.is_some(),
            interrupted: self.interrupted,
        };
        stress(fleet, &stress_options, |progress| observe(Event::Stress(progress)))
    }

    /// Two agents of the world ask each other; of the user's own boundary one of every opener. `None`: it takes two.
    fn probe(&self, tested: &Tested, options: &Options) -> Result<Option<Probed>, LabError> {
        if options.agents < 2 || !options.probe {
            return Ok(None);
        }
        let parties = tested.openers().clamp(2, PROBED_MAX);
        let fleet = self.parties(tested, options, parties, |_| ())?;
        let mode = JournalMode::from_word(&options.workload.journal_mode).unwrap_or(JournalMode::Wal);
        let probed = pair::probe_all(&fleet, mode, self.interrupted);
        fleet.disband();
        probed.map(Some)
    }

    /// The same stress where locks are faked: it must be caught.
    fn control(&self, tested: &Tested, options: &Options) -> Control {
        let began = Instant::now();
        let mut control = Control {
            caught_after: None,
            announced_after: None,
            commits: 0,
            caught_as: None,
            took: Duration::ZERO,
            failed: None,
        };
        if !options.control {
            return control;
        }
        match self.faked_locks(tested, options) {
            Ok(end) => {
                // A loud no is no catch: a disk that fills says it as well.
                let caught = end.anomalies.iter().any(|anomaly| !is_loud(anomaly));
                control.caught_after = end.caught_after.filter(|_| caught);
                control.announced_after = end.announced_after.filter(|_| caught);
                control.commits = end.exposures.commits;
                let telling = end.anomalies.iter().find(|anomaly| !is_loud(anomaly));
                control.caught_as = telling.map(|anomaly| anomaly.kind.name());
                control.failed = end.first_refusal.map(|(_, why)| why);
            }
            Err(error) => control.failed = Some(format!("{}: {}", error.what, error.because)),
        }
        control.took = began.elapsed();
        control
    }

    fn faked_locks(&self, tested: &Tested, options: &Options) -> Result<StressEnd, LabError> {
        let agents = options.agents.max(2);
        let ground = match tested {
            Tested::World(_) => {
                let faked = Tested::World(find_world("fake-locks")?);
                self.ground(&faked, options, "control", agents)?
            }
            Tested::Own(_) => {
                let mut ground = self.ground(tested, options, "control", agents)?;
                let faked = |view: &mut View| view.quirks = Quirks::refusing(Call::Lock, 0);
                ground.views.iter_mut().chain(&mut ground.creators).for_each(faked);
                ground
            }
        };
        let history = self.folder(self.history, "control")?;
        let fleet = self.fleet(ground, options, "control", Some(history.clone()))?;
        let time_ms = CONTROL_TIME.as_millis() as u64;
        let plan = plan::draw(options.seed, time_ms, agents, &[]);
        let stress_options = StressOptions {
            plan: &plan,
            history: &history,
            scratch: &self.folder(self.scratch, "control")?,
            keep_history: false,
            keep_going: false,
            grace: Duration::ZERO,
            commits_min: 0,
            loud_is_enough_after: None,
            shared_clock: true,
            account: false,
            storage_fails: false,
            interrupted: self.interrupted,
        };
        match prepare(&fleet)? {
            Some(reply) => Ok(refused(&reply)),
            None => stress(&fleet, &stress_options, |_| ()),
        }
    }
}

/// Only what runs can be struck: afterwards it must run again.
fn check_targets(options: &Options, runtime: &dyn Runtime) -> Result<(), LabError> {
    for target in &options.targets {
        let what = format!("cannot strike `{target}`");
        let Some(engine) = runtime.engine() else {
            let because = format!("runtime `{}` has no containers of yours", runtime.name());
            return Err(LabError::new(what, because, "`--runtime docker`, or `--runtime podman`"));
        };
        let running = engine.ask(&["container", "inspect", "--format", "{{.State.Running}}", target]);
        match running.as_deref() {
            Ok("true") => {}
            Ok(_) => return Err(LabError::new(what, "it does not run", "start it first")),
            Err(error) => return Err(LabError::new(what, error.because(), "a name that `ps` lists")),
        }
    }
    Ok(())
}

/// A nemesis that the ground has nothing for would strike in vain until the end.
fn check_nemeses(plan: &Plan, ground: &Ground, options: &Options) -> Result<(), LabError> {
    let client = |mount: &HostMount| matches!(mount, HostMount::Client { .. });
    let met = |needs| match needs {
        Needs::Nothing | Needs::Limits => true,
        Needs::Target => !options.targets.is_empty(),
        Needs::Client => ground.host_mounts.iter().any(client),
        Needs::SmallDisk => ground.host_mounts.iter().any(|mount| !client(mount)),
    };
    let mut struck = plan.strikes.iter().filter_map(|strike| nemeses::find(&strike.nemesis));
    match struck.find(|nemesis| !met(nemesis.needs)) {
        None => Ok(()),
        Some(nemesis) if nemesis.needs == Needs::Target => Err(LabError::new(
            format!("cannot let `{}` strike", nemesis.name),
            "it strikes containers of yours, and none is named",
            "`--target NAME`",
        )),
        Some(nemesis) => Err(LabError::new(
            format!("cannot let `{}` strike", nemesis.name),
            "the world has no storage of ours that it could strike",
            format!("`--world {}`", nemesis.needs.world()),
        )),
    }
}

/// Whether the storage was full at some moment, by what was free or by SQLite's own word for it.
fn ran_full(stress: &StressEnd) -> bool {
    let word = error_code::quoted(13);
    let says_full = |line: &WitnessLine| line.extended_code.as_ref() == Some(&word);
    stress.lowest_free_bytes.is_some_and(|free| free < FREE_BYTES_MIN / 16)
        || stress.anomalies.iter().any(|anomaly| anomaly.witness.iter().any(says_full))
}

/// One boot id: one kernel, one CLOCK_MONOTONIC. No container of these runtimes has a time namespace of its own.
fn clocks_agree(fleet: &Fleet<'_>) -> bool {
    let mut boots: Vec<Option<String>> = fleet.hellos().into_iter().map(|hello| hello.boot_id).collect();
    boots.sort();
    boots.dedup();
    boots.len() <= 1
}

/// Every version of SQLite among the agents; a fleet has one unless somebody replaced a program while it ran.
fn versions_of(fleet: &Fleet<'_>) -> Vec<String> {
    let mut versions: Vec<String> = fleet.hellos().into_iter().map(|hello| hello.sqlite).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// The SQLite of the agents' program, before any of them was started.
fn sqlite_of(program: Option<&Path>) -> Result<String, LabError> {
    match program {
        Some(program) => programs::hello_of(program).map(|hello| hello.sqlite),
        None => Ok(walproof_agent::sqlite_version().to_owned()),
    }
}

/// Agents whose duty is to commit.
fn writers(fleet: &Fleet<'_>) -> Vec<u16> {
    let views = &fleet.ground().views;
    fleet.agents().filter(|&agent| views[usize::from(agent)].duty.writes()).collect()
}

/// Bytes 18 and 19 of our own scratch database: 1 rollback, 2 WAL.
fn header_mode(database: &Path) -> Option<&'static str> {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 2];
    fs::File::open(database).ok()?.read_exact_at(&mut bytes, 18).ok()?;
    match bytes {
        [2, 2] => Some("wal"),
        [1, 1] => Some("rollback"),
        _ => None,
    }
}

fn panic_error() -> LabError {
    LabError::new("a thread of ours panicked", "a bug in walproof", "report this with what was printed")
}
