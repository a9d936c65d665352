//! The fleet: the agents of one run, each in its container, with the line to it.
//!
//! What this room is: starting, asking, killing, pausing and reaping agents; who lived when ([`Lives`]).
//! What it must not do: decide when to strike (`nemeses`), read histories (`record.rs`), judge.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use walproof_format::history::{ACKNOWLEDGED_OFFSET, segment_file_name};
use walproof_format::protocol::{Command, Configuration, Hello, Reply, VERSION, Workload};
use walproof_judge::checkers::PowerLoss;

use crate::clients;
use crate::clock::monotonic_ns;
use crate::error::LabError;
use crate::run::host_mounts::HostMounts;
use crate::run::leavings::RunDirectory;
use crate::runtimes::engine::Client;
use crate::runtimes::process::Process;
use crate::runtimes::{Container, ContainerSpec, Exit, Line, Mount, Runtime, RuntimeError};
use crate::worlds::{Ground, View};

/// Where an agent finds its history folder.
const HISTORY_INSIDE: &str = "/walproof-history";
/// Memory limit of an agent.
const MEMORY_BYTES_MAX: u64 = 256 << 20;
/// Limit of tasks of an agent.
const PIDS_MAX: u32 = 32;
/// How long an agent may take for anything that must not wait for locks.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Silent agents replaced in a run: on storage that is slow throughout, everybody is silent, and nobody shall be killed
/// for ever.
const REPLACED_MAX: u32 = 6;
/// Unexpected deaths of one agent after which it stays dead.
const DEATHS_MAX: u16 = 30;

/// What all agents of a fleet have in common.
pub struct FleetPlan<'a> {
    /// The door to containers.
    pub runtime: &'a dyn Runtime,
    /// Where everything that is made is noted.
    pub run: &'a RunDirectory,
    /// What the agents see.
    pub ground: Ground,
    /// What they do.
    pub workload: Workload,
    /// The run's seed.
    pub seed: u64,
    /// Folder of the histories on the host; `None`: agents keep none.
    pub history: Option<PathBuf>,
    /// Another build of the agent; `None`: this program.
    pub program: Option<PathBuf>,
    /// Prefix of container names: `bang`, `control`, `probe`.
    pub prefix: &'static str,
    /// Containers of the user's that may be struck.
    pub targets: Vec<String>,
}

/// A container of the user's that may be struck.
pub struct Target<'f> {
    engine: &'f Client,
    run: &'f RunDirectory,
    name: &'f str,
}

impl Target<'_> {
    /// Strikes it; noted before, so that `clean` heals it when nobody else does.
    pub fn hurt(&self, words: &[&str]) -> Result<(), LabError> {
        self.run.note_engine(&self.engine.noted_with_target(self.name))?;
        Ok(self.engine.ask(&[words, &[self.name]].concat()).map(drop)?)
    }

    /// Heals it.
    pub fn heal(&self, words: &[&str]) -> Result<(), LabError> {
        self.engine.ask(&[words, &[self.name]].concat())?;
        Ok(self.run.notes().forget_target(self.name)?)
    }
}

/// The agents of one run.
pub struct Fleet<'a> {
    plan: FleetPlan<'a>,
    slots: Vec<Mutex<Slot>>,
    /// Who lived when.
    pub lives: Lives,
    /// What happened to whom, counted.
    pub tally: Tally,
    deaths: Mutex<Vec<Death>>,
    pauses: Mutex<Vec<(u64, u64)>>,
    hellos: Mutex<Vec<Hello>>,
    /// Somebody's CLOCK_MONOTONIC is not ours.
    other_clock: AtomicBool,
    /// Set when the stress ends: nobody waits for an agent that waits for a lock any more.
    stopping: AtomicBool,
    /// For who is no container.
    host: Process,
    /// What the ground has mounted on the host; last, so that it goes after the agents.
    mounts: HostMounts,
}

/// What happened to whom, counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// SIGKILLs sent.
    pub kills: AtomicU32,
    /// Of these, into a transaction that had spilled.
    pub kills_inside_spilled: AtomicU32,
    /// SIGSTOP and SIGCONT pairs.
    pub pauses: AtomicU32,
    /// Times that everybody had closed and no WAL was left.
    pub last_closes: AtomicU32,
    /// Times that everybody was asked to close.
    pub closings: AtomicU32,
    /// Openings that found a WAL nobody had open, or a hot journal.
    pub recoveries: AtomicU32,
    /// Agents that were silent for too long, killed and started again.
    pub replaced: AtomicU32,
    /// Agents that the kernel killed for want of memory, because a nemesis wanted it.
    pub starved: AtomicU32,
    /// Strikes that could not be carried out.
    pub missed: AtomicU32,
    /// CLOCK_MONOTONIC of the first SIGKILL, 0: none yet.
    pub first_kill_ns: AtomicU64,
}

/// An end that walproof did not cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Which agent.
    pub agent: u16,
    /// Which life.
    pub incarnation: u16,
    /// How.
    pub exit: Exit,
    /// CLOCK_MONOTONIC when it was noticed.
    pub at_ns: u64,
    /// Whether the kernel killed it for want of memory.
    pub out_of_memory: bool,
    /// The last lines of its standard error.
    pub last_words: String,
}

#[derive(Default)]
struct Slot {
    incarnation: u16,
    live: Option<Live>,
    deaths: u16,
    running: bool,
    /// What it sees instead of its own view.
    crippled: Option<Box<View>>,
}

struct Live {
    container: Box<dyn Container>,
    to_agent: fs::File,
    replies: Receiver<Result<Reply, String>>,
    /// SIGKILL was sent: its end is no surprise.
    killed: bool,
    /// Replies that nobody waited for and that still come.
    owed: u32,
}

impl<'a> Fleet<'a> {
    /// A fleet with nobody in it yet.
    pub fn new(mut plan: FleetPlan<'a>) -> Self {
        let agents = plan.ground.views.len();
        plan.workload.fit(agents as u16);
        Self {
            plan,
            slots: (0..agents).map(|_| Mutex::default()).collect(),
            lives: Lives::new(agents),
            tally: Tally::default(),
            deaths: Mutex::default(),
            pauses: Mutex::default(),
            hellos: Mutex::default(),
            other_clock: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            host: Process::default(),
            mounts: HostMounts::default(),
        }
    }

    /// The same with what its ground wants mounted on the host.
    pub fn mounted(plan: FleetPlan<'a>) -> Result<Self, LabError> {
        let mounts = HostMounts::mount(&plan.ground.host_mounts, plan.seed)?;
        Ok(Self { mounts, ..Self::new(plan) })
    }

    /// The clients that its ground has, and their knobs.
    pub fn clients(&self) -> &[clients::Client] {
        self.mounts.clients()
    }

    /// Where the small disks of its ground are mounted.
    pub fn disks(&self) -> impl Iterator<Item = &Path> {
        self.mounts.disks()
    }

    /// All agents.
    pub fn agents(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.slots.len() as u16
    }

    /// Processes of agents that live and that nobody is busy with.
    pub fn pids(&self) -> Vec<u32> {
        let live = |slot: &Mutex<Slot>| slot.try_lock().ok()?.live.as_ref()?.container.pid();
        self.slots.iter().filter_map(live).collect()
    }

    /// A container of the user's, in turn.
    pub fn target(&self, agent: u16) -> Result<Target<'_>, LabError> {
        let targets = &self.plan.targets;
        let name = targets.get(usize::from(agent) % targets.len().max(1));
        match (self.plan.runtime.engine(), name) {
            (Some(engine), Some(name)) => Ok(Target { engine, run: self.plan.run, name }),
            _ => Err(LabError::new("cannot strike a container of yours", "none is named", "`--target NAME`")),
        }
    }

    /// What the agents see.
    pub fn ground(&self) -> &Ground {
        &self.plan.ground
    }

    /// What the agents do.
    pub fn workload(&self) -> &Workload {
        &self.plan.workload
    }

    /// Starts an agent and tells it who it is. Does nothing when it lives.
    pub fn start(&self, agent: u16) -> Result<(), LabError> {
        let mut slot = self.slot(agent);
        if slot.live.is_some() {
            return Ok(());
        }
        let whole = &self.plan.ground.views[usize::from(agent)];
        let crippled = slot.crippled.clone();
        self.lives.set_abstains(agent, crippled.as_deref().unwrap_or(whole).duty.abstains());
        let incarnation = self.lives.begin(agent, crippled.is_some());
        slot.incarnation = incarnation;
        let view = crippled.as_deref().unwrap_or(whole);
        if let Some(folder) = view.lost_on_recreate.as_ref().filter(|_| incarnation > 0) {
            empty_folder(folder)?;
        }
        let started = self.enter(view, agent, incarnation);
        if started.is_err() {
            self.lives.seal(agent);
        }
        slot.live = Some(started?);
        Ok(())
    }

    /// Runs one agent apart from the fleet: it creates the database and ends.
    pub fn create_database(&self) -> Result<Result<String, Reply>, LabError> {
        let mut answered = String::new();
        for creator in &self.plan.ground.creators {
            let mut live = self.enter_with(creator, u16::MAX, 0, None)?;
            let reply = live.ask(&Command::Create, ANSWER_TIMEOUT, "the creator")?;
            live.end();
            match reply {
                Reply::Created { journal_mode } => answered = journal_mode,
                other => return Ok(Err(other)),
            }
        }
        Ok(Ok(answered))
    }

    /// Whether the stress has ended: who strikes stops waiting.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The stress ends (true), or the accounting begins (false).
    pub fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Ordering::Relaxed);
    }

    /// Sends a command and waits for the reply; when the stress ends meanwhile, it waits no longer.
    pub fn ask(&self, agent: u16, command: &Command, timeout: Duration) -> Result<Reply, LabError> {
        let mut slot = self.slot(agent);
        let name = format!("agent {agent}");
        let live = slot.live.as_mut().ok_or_else(|| gone(&name))?;
        if matches!(command, Command::Turn { .. }) {
            self.lives.set_abstains(agent, false);
        }
        let reply = live.ask_unless(command, timeout, &name, &self.stopping)?;
        match (command, &reply) {
            (Command::Turn { duty }, _) => self.lives.set_abstains(agent, duty.abstains()),
            (Command::Run, _) => slot.running = true,
            (Command::Halt | Command::Close | Command::Final, _) | (Command::Hold, Reply::Held) => slot.running = false,
            _ => {}
        }
        Ok(reply)
    }

    /// Lets an agent work.
    pub fn run(&self, agent: u16) -> Result<(), LabError> {
        self.ask(agent, &Command::Run, ANSWER_TIMEOUT).map(drop)
    }

    /// SIGKILL, waits for the end, removes the container; counted.
    pub fn kill(&self, agent: u16) -> Result<(), LabError> {
        if self.end_by_force(agent)? {
            self.tally.kills.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The state of an agent's process, as `/proc/PID/stat` has it, and where in the kernel it waits; `None`: it cannot be
    /// seen from here.
    pub fn state_of(&self, agent: u16) -> Option<(char, String)> {
        let pid = self.slot(agent).live.as_ref()?.container.pid()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        Some((state, fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default()))
    }

    /// SIGKILL, and nobody waits for the end: an agent inside a call of silent storage may not die before that answers.
    pub fn give_up_on(&self, agent: u16) {
        if let Some(live) = &mut self.slot(agent).live {
            live.killed = true;
            let _ = live.container.kill();
        }
    }

    /// True when it was us who ended it.
    fn end_by_force(&self, agent: u16) -> Result<bool, LabError> {
        self.end_slot(agent, &mut self.slot(agent))
    }

    fn end_slot(&self, agent: u16, slot: &mut Slot) -> Result<bool, LabError> {
        let Some(mut live) = slot.live.take() else { return Ok(false) };
        if !live.killed
            && let Some(exit) = live.container.wait(Duration::ZERO)?
        {
            return self.bury(agent, slot, &mut live, exit).map(|()| false);
        }
        let _ = self.tally.first_kill_ns.compare_exchange(0, monotonic_ns(), Ordering::Relaxed, Ordering::Relaxed);
        live.container.kill()?;
        live.container.wait(ANSWER_TIMEOUT)?;
        self.lives.seal(agent);
        live.container.remove()?;
        Ok(true)
    }

    /// Kills an agent that works without a record for too long, and starts it again. Whom a nemesis holds is let be.
    pub fn replace_silent(&self, agent: u16) -> Result<(), LabError> {
        let works = self.slots[usize::from(agent)].try_lock().is_ok_and(|slot| slot.running && slot.live.is_some());
        if !works || self.tally.replaced.fetch_add(1, Ordering::Relaxed) >= REPLACED_MAX {
            return Ok(());
        }
        self.end_by_force(agent)?;
        self.revive(agent)
    }

    /// SIGSTOP to everybody, for a moment.
    pub fn stop_everybody(&self) -> Result<(), LabError> {
        self.signal_everybody(|container| container.pause())
    }

    /// SIGCONT to everybody.
    pub fn resume_everybody(&self) -> Result<(), LabError> {
        self.signal_everybody(|container| container.resume())
    }

    fn signal_everybody(
        &self,
        signal: impl Fn(&mut dyn Container) -> Result<(), RuntimeError>,
    ) -> Result<(), LabError> {
        for agent in self.agents() {
            if let Some(live) = &mut self.slot(agent).live
                && live.container.wait(Duration::ZERO)?.is_none()
            {
                signal(live.container.as_mut())?;
            }
        }
        Ok(())
    }

    /// SIGKILL to everybody at once, so that nobody is left alone to close last; then as [`Self::kill`].
    pub fn kill_everybody(&self) -> Result<(), LabError> {
        for agent in self.agents() {
            if let Some(live) = &mut self.slot(agent).live
                && live.container.wait(Duration::ZERO)?.is_none()
            {
                live.killed = true;
                live.container.kill()?;
            }
        }
        self.agents().try_for_each(|agent| self.kill(agent))
    }

    /// SIGKILL to everybody, then the power of the storage is cut: what was not synced is gone. Nobody can come back in
    /// between, so every life is from before or from after the cut.
    pub fn cut_power(&self, loss: PowerLoss) -> Result<(), LabError> {
        let mut slots: Vec<MutexGuard<'_, Slot>> = self.agents().map(|agent| self.slot(agent)).collect();
        for live in slots.iter_mut().filter_map(|slot| slot.live.as_mut()) {
            if live.container.wait(Duration::ZERO)?.is_none() {
                live.killed = true;
                live.container.kill()?;
            }
        }
        for (agent, slot) in self.agents().zip(&mut slots) {
            let killed = self.end_slot(agent, slot)?;
            self.tally.kills.fetch_add(u32::from(killed), Ordering::Relaxed);
        }
        self.mounts.cut_power()?;
        self.lives.note_power_cut(loss);
        Ok(())
    }

    /// Notes an end that walproof did not cause.
    fn bury(&self, agent: u16, slot: &mut Slot, live: &mut Live, exit: Exit) -> Result<(), LabError> {
        self.lives.seal(agent);
        slot.deaths += 1;
        let out_of_memory = live.container.oom_killed() == Some(true);
        let (incarnation, last_words) = (slot.incarnation, live.container.stderr_tail());
        lock(&self.deaths).push(Death { agent, incarnation, exit, at_ns: monotonic_ns(), out_of_memory, last_words });
        Ok(live.container.remove()?)
    }

    /// Starts an agent again and lets it work.
    pub fn revive(&self, agent: u16) -> Result<(), LabError> {
        self.start(agent)?;
        self.run(agent)
    }

    /// SIGSTOP; answers with CLOCK_MONOTONIC of that moment, for [`Self::resume`].
    pub fn pause(&self, agent: u16) -> Result<u64, LabError> {
        let since_ns = monotonic_ns();
        if let Some(live) = &mut self.slot(agent).live {
            live.container.pause()?;
        }
        Ok(since_ns)
    }

    /// SIGCONT; notes the pause.
    pub fn resume(&self, agent: u16, since_ns: u64) -> Result<(), LabError> {
        if let Some(live) = &mut self.slot(agent).live {
            live.container.resume()?;
            self.tally.pauses.fetch_add(1, Ordering::Relaxed);
        }
        lock(&self.pauses).push((since_ns, monotonic_ns()));
        Ok(())
    }

    /// Stops an agent by its cgroup's freezer; answers with CLOCK_MONOTONIC of that moment, for [`Self::thaw`].
    pub fn freeze(&self, agent: u16) -> Result<u64, LabError> {
        let since_ns = monotonic_ns();
        if let Some(live) = &mut self.slot(agent).live {
            live.container.freeze()?;
        }
        Ok(since_ns)
    }

    /// Lets it go on; notes the pause.
    pub fn thaw(&self, agent: u16, since_ns: u64) -> Result<(), LabError> {
        if let Some(live) = &mut self.slot(agent).live {
            live.container.thaw()?;
            self.tally.pauses.fetch_add(1, Ordering::Relaxed);
        }
        lock(&self.pauses).push((since_ns, monotonic_ns()));
        Ok(())
    }

    /// Lets an agent close its connection and exit by itself, then starts another one.
    pub fn restart(&self, agent: u16) -> Result<(), LabError> {
        self.ask(agent, &Command::Close, ANSWER_TIMEOUT)?;
        if let Some(live) = self.slot(agent).live.take() {
            live.end();
            self.lives.seal(agent);
        }
        self.revive(agent)
    }

    /// Lets an agent take memory beyond its limit, and waits until the kernel has killed it: that death was asked for.
    pub fn starve(&self, agent: u16, bytes: u64) -> Result<(), LabError> {
        self.ask(agent, &Command::Starve { bytes }, ANSWER_TIMEOUT)?;
        let mut slot = self.slot(agent);
        let Some(mut live) = slot.live.take() else { return Ok(()) };
        let exit = live.container.wait(ANSWER_TIMEOUT)?;
        let starved = live.container.oom_killed() != Some(false);
        match exit {
            Some(Exit::Signal(libc::SIGKILL)) if starved => {
                self.lives.seal(agent);
                self.tally.starved.fetch_add(1, Ordering::Relaxed);
                Ok(live.container.remove()?)
            }
            Some(exit) => self.bury(agent, &mut slot, &mut live, exit),
            None => {
                slot.live = Some(live);
                Err(LabError::new(
                    format!("agent {agent} was not killed for want of memory"),
                    format!("it took {} MiB, and no limit stood in the way", bytes >> 20),
                    "a runtime with limits: root, and cgroups that can be written",
                ))
            }
        }
    }

    /// Kills an agent and brings it back with another view, until [`Self::make_whole`]; what it then reports is noted
    /// as that of a crippled side.
    pub fn cripple(&self, agent: u16, change: impl FnOnce(&mut View)) -> Result<(), LabError> {
        self.kill(agent)?;
        let mut view = self.plan.ground.views[usize::from(agent)].clone();
        change(&mut view);
        self.slot(agent).crippled = Some(Box::new(view));
        self.revive(agent)
    }

    /// Everybody who is still crippled, by a strike that failed half-way, is made whole.
    pub fn make_everybody_whole(&self) -> Result<(), LabError> {
        let crippled = |agent: &u16| self.slot(*agent).crippled.is_some();
        self.agents().filter(crippled).try_for_each(|agent| self.make_whole(agent))
    }

    /// Kills a crippled agent and brings it back with its own view.
    pub fn make_whole(&self, agent: u16) -> Result<(), LabError> {
        self.slot(agent).crippled = None;
        self.kill(agent)?;
        self.revive(agent)
    }

    /// Notices agents that ended by themselves, notes how, and brings those back that were working.
    pub fn reap(&self) -> Result<(), LabError> {
        for agent in self.agents() {
            let Ok(mut slot) = self.slots[usize::from(agent)].try_lock() else { continue };
            let Some(mut live) = slot.live.take_if(|live| !live.killed) else { continue };
            let Some(exit) = live.container.wait(Duration::ZERO)? else {
                slot.live = Some(live);
                continue;
            };
            self.bury(agent, &mut slot, &mut live, exit)?;
            let again = slot.running && slot.deaths < DEATHS_MAX;
            drop(slot);
            if again {
                self.revive(agent)?;
            }
        }
        Ok(())
    }

    /// Deaths noticed since the last call.
    pub fn take_deaths(&self) -> Vec<Death> {
        std::mem::take(&mut lock(&self.deaths))
    }

    /// Pauses that ended since the last call, as CLOCK_MONOTONIC intervals.
    pub fn take_pauses(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut lock(&self.pauses))
    }

    /// What the agents said of themselves when they came.
    pub fn hellos(&self) -> Vec<Hello> {
        lock(&self.hellos).clone()
    }

    /// Whether everybody said hello between our start of it and our hearing of it, by their own clock.
    pub fn clocks_agree(&self) -> bool {
        !self.other_clock.load(Ordering::Relaxed)
    }

    /// Commits acknowledged in an agent's current life, as its history says by now.
    pub fn acknowledged(&self, agent: u16) -> u64 {
        let Some(folder) = &self.plan.history else { return 0 };
        let incarnation = self.slot(agent).incarnation;
        let first = segment_file_name(agent, incarnation, 0);
        let life = &first[..first.len() - "00000.history".len()];
        // Segments that were read to their end are gone: the newest one counts on.
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let newest = names.filter(|name| name.to_string_lossy().starts_with(life)).max();
        let Some(file) = newest.and_then(|name| fs::File::open(folder.join(name)).ok()) else { return 0 };
        let mut bytes = [0; 8];
        match file.read_exact_at(&mut bytes, ACKNOWLEDGED_OFFSET as u64) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }

    /// The path of the database as an agent sees it.
    pub fn database_inside(&self, agent: u16) -> String {
        let view = &self.plan.ground.views[usize::from(agent)];
        self.runtime_of(view).path_for_agent(&view.mounts, &view.database).display().to_string()
    }

    /// What a party runs in.
    fn runtime_of(&self, view: &View) -> &dyn Runtime {
        if view.on_host { &self.host } else { self.plan.runtime }
    }

    /// Ends everybody by ending their standard input; kills who does not go.
    pub fn disband(&self) {
        std::thread::scope(|scope| {
            for agent in self.agents() {
                if let Some(live) = self.slot(agent).live.take() {
                    scope.spawn(|| live.end());
                }
            }
        });
        self.agents().for_each(|agent| self.lives.seal(agent));
        self.lives.close();
    }

    /// Starts everybody at once: containers take their time to start, together not longer.
    pub fn start_everybody(&self) -> Result<(), LabError> {
        let started: Vec<Result<(), LabError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = self.agents().map(|agent| scope.spawn(move || self.start(agent))).collect();
            threads.into_iter().map(|thread| thread.join().expect("starting an agent does not panic")).collect()
        });
        started.into_iter().collect()
    }

    fn slot(&self, agent: u16) -> MutexGuard<'_, Slot> {
        lock(&self.slots[usize::from(agent)])
    }

    /// What this program prints when it is run with these arguments where an agent would be. `{database}` in them stands
    /// for the database as the agent sees it.
    pub fn output_of(&self, agent: u16, arguments: &[&str]) -> Result<String, LabError> {
        let view = &self.plan.ground.views[usize::from(agent)];
        let database = self.database_inside(agent);
        let arguments = arguments.iter().map(|argument| argument.replace("{database}", &database)).collect();
        let who = format!("command-{agent}");
        let spec = ContainerSpec { arguments, ..self.spec_of(view, &who, view.mounts.clone()) };
        let mut container = self.runtime_of(view).start(self.plan.run, &spec)?;
        let Line { to_agent, mut from_agent } = container.take_line().ok_or_else(|| gone(&who))?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = from_agent.read_to_string(&mut text).map(|_| text);
            let _ = sender.send(read);
        });
        let heard = output.recv_timeout(ANSWER_TIMEOUT);
        drop(to_agent);
        let _ = container.kill();
        container.remove()?;
        match heard {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(LabError::new(format!("{who} could not be heard"), error, "run it again")),
            Err(_) => {
                Err(LabError::new(format!("{who} did not end"), "the storage hangs", "look at its server").blind())
            }
        }
    }

    fn spec_of(&self, view: &View, who: &str, mounts: Vec<Mount>) -> ContainerSpec {
        ContainerSpec {
            name: format!("{}-{who}", self.plan.prefix),
            mounts,
            arguments: vec!["agent".into()],
            memory_bytes_max: view.memory_bytes_max.unwrap_or(MEMORY_BYTES_MAX),
            pids_max: PIDS_MAX,
            user: view.user,
            program: self.plan.program.clone(),
            likeness: view.likeness.clone(),
        }
    }

    fn enter(&self, view: &View, agent: u16, incarnation: u16) -> Result<Live, LabError> {
        self.enter_with(view, agent, incarnation, self.plan.history.as_deref())
    }

    fn enter_with(&self, view: &View, agent: u16, incarnation: u16, history: Option<&Path>) -> Result<Live, LabError> {
        let who = if agent == u16::MAX { "creator".to_owned() } else { format!("agent-{agent}.life-{incarnation}") };
        let mut mounts = view.mounts.clone();
        mounts.extend(history.map(|folder| Mount::Bind {
            source: folder.to_owned(),
            destination: HISTORY_INSIDE.into(),
            read_only: false,
        }));
        let runtime = self.runtime_of(view);
        let inside = |path: &Path| runtime.path_for_agent(&mounts, path).display().to_string();
        let configuration = Configuration {
            agent,
            incarnation,
            database: inside(&view.database),
            history: history.map(|_| inside(Path::new(HISTORY_INSIDE))),
            seed: self.plan.seed,
            workload: self.plan.workload.clone(),
            duty: view.duty,
            quirks: view.quirks.clone(),
        };
        let spec = self.spec_of(view, &who, mounts.clone());
        if let (true, Some(folder)) = (view.user.is_some() || view.likeness.is_some(), history) {
            // Whoever is not root writes its history there as well.
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
                .map_err(|error| LabError::path("cannot open to others", folder, error, "another `--history`"))?;
        }
        let began_ns = monotonic_ns();
        let mut live = Live::begin(runtime.start(self.plan.run, &spec)?, &who)?;
        let hello = live.hear_hello(&who)?;
        if !(began_ns..=monotonic_ns()).contains(&hello.monotonic_ns) {
            self.other_clock.store(true, Ordering::Relaxed);
        }
        lock(&self.hellos).push(hello);
        match live.ask(&Command::Configure(Box::new(configuration)), ANSWER_TIMEOUT, &who)? {
            Reply::Configured => Ok(live),
            other => Err(LabError::new(
                format!("{who} could not prepare itself"),
                describe(&other),
                "free space where the history is kept, or name another folder with `--history`",
            )),
        }
    }
}

impl Live {
    fn begin(mut container: Box<dyn Container>, who: &str) -> Result<Self, LabError> {
        let Line { to_agent, from_agent } = container.take_line().ok_or_else(|| gone(who))?;
        let (sender, replies) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from_agent).lines() {
                let Ok(line) = line else { break };
                let reply = serde_json::from_str(&line).map_err(|error| format!("{error} in `{line}`"));
                if sender.send(reply).is_err() {
                    break;
                }
            }
        });
        Ok(Self { container, to_agent, replies, killed: false, owed: 0 })
    }

    fn hear_hello(&mut self, who: &str) -> Result<Hello, LabError> {
        match self.hear(ANSWER_TIMEOUT, who)? {
            Reply::Hello(hello) if hello.protocol == VERSION => Ok(hello),
            other => Err(LabError::new(format!("{who} speaks another language"), describe(&other), "use one binary")),
        }
    }

    fn ask(&mut self, command: &Command, timeout: Duration, who: &str) -> Result<Reply, LabError> {
        self.ask_unless(command, timeout, who, &AtomicBool::new(false))
    }

    fn ask_unless(
        &mut self,
        command: &Command,
        timeout: Duration,
        who: &str,
        stopping: &AtomicBool,
    ) -> Result<Reply, LabError> {
        let mut line = serde_json::to_vec(command).expect("a command is plain data");
        line.push(b'\n');
        self.to_agent.write_all(&line).map_err(|error| {
            LabError::new(format!("{who} does not listen"), error, "see its last words in the run folder")
        })?;
        let was_stopping = stopping.load(Ordering::Relaxed);
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.replies.recv_timeout(left.min(Duration::from_millis(50))) {
                Ok(_) if self.owed > 0 => self.owed -= 1,
                Err(RecvTimeoutError::Timeout) if !was_stopping && stopping.load(Ordering::Relaxed) => {
                    self.owed += 1;
                    return Err(LabError::new(format!("{who} was not waited for"), "the stress has ended", "nothing"));
                }
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                heard => return understand(heard, timeout, who),
            }
        }
    }

    fn hear(&mut self, timeout: Duration, who: &str) -> Result<Reply, LabError> {
        understand(self.replies.recv_timeout(timeout), timeout, who)
    }

    /// Ends its standard input, waits a moment, kills what is left.
    fn end(self) {
        let Self { mut container, to_agent, .. } = self;
        drop(to_agent);
        if !matches!(container.wait(Duration::from_secs(2)), Ok(Some(_))) {
            let _ = container.kill();
        }
        let _ = container.remove();
    }
}

/// What came over the line, or why nothing did.
fn understand(
    heard: Result<Result<Reply, String>, RecvTimeoutError>,
    timeout: Duration,
    who: &str,
) -> Result<Reply, LabError> {
    match heard {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(garbage)) => Err(LabError::new(format!("{who} said something unreadable"), garbage, "report this")),
        Err(RecvTimeoutError::Disconnected) => Err(gone(who)),
        Err(RecvTimeoutError::Timeout) => Err(LabError::new(
            format!("{who} did not answer"),
            format!("nothing came within {} s: the storage hangs, or the machine is overloaded", timeout.as_secs()),
            "look at the storage's server and at the kernel's log",
        )
        .blind()),
    }
}

/// Who lived when: the record reader asks it where a history ends.
pub struct Lives {
    agents: Vec<Mutex<AgentLives>>,
    crippled: Mutex<Vec<(u16, u16)>>,
    power_cuts: Mutex<Vec<PowerLoss>>,
}

#[derive(Clone, Default)]
struct AgentLives {
    begun: u16,
    sealed: u16,
    closed: bool,
    abstains: bool,
    /// How many power cuts there had been when each life began.
    power_cuts: Vec<usize>,
}

/// What is known of one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It lives, or nobody knows better: more may come.
    Open,
    /// It has ended: what is in its history is all.
    Sealed,
    /// It has not begun and may begin later.
    NotYet,
    /// It will never begin.
    Never,
}

impl Lives {
    pub(crate) fn new(agents: usize) -> Self {
        Self {
            agents: (0..agents).map(|_| Mutex::default()).collect(),
            crippled: Mutex::default(),
            power_cuts: Mutex::default(),
        }
    }

    /// A life begins. That it is crippled is known before anything of it can be read.
    pub(crate) fn begin(&self, agent: u16, crippled: bool) -> u16 {
        let mut lives = lock(&self.agents[usize::from(agent)]);
        if crippled {
            lock(&self.crippled).push((agent, lives.begun));
        }
        lives.begun += 1;
        lives.power_cuts.push(lock(&self.power_cuts).len());
        lives.begun - 1
    }

    /// Whether an agent does nothing from now on that has a place in commit order. Set to false before it is asked to
    /// do something else, to true after it has stopped.
    pub(crate) fn set_abstains(&self, agent: u16, abstains: bool) {
        lock(&self.agents[usize::from(agent)]).abstains = abstains;
    }

    /// Whether nobody has to wait for what an agent may record next.
    pub fn abstains(&self, agent: u16) -> bool {
        lock(&self.agents[usize::from(agent)]).abstains
    }

    /// Lives that began crippled since the last call: agent and incarnation.
    pub fn take_crippled(&self) -> Vec<(u16, u16)> {
        std::mem::take(&mut lock(&self.crippled))
    }

    /// The power was cut, and nobody lives.
    fn note_power_cut(&self, loss: PowerLoss) {
        lock(&self.power_cuts).push(loss);
    }

    /// What a power cut may have taken; they count from 0.
    pub fn power_cut(&self, cut: usize) -> Option<PowerLoss> {
        lock(&self.power_cuts).get(cut).copied()
    }

    /// How many power cuts there had been when a life began; `None`: it has not.
    pub fn power_cuts_before(&self, agent: u16, incarnation: u16) -> Option<usize> {
        lock(&self.agents[usize::from(agent)]).power_cuts.get(usize::from(incarnation)).copied()
    }

    fn seal(&self, agent: u16) {
        let mut lives = lock(&self.agents[usize::from(agent)]);
        lives.sealed = lives.begun;
    }

    /// No further life of anybody will begin.
    fn close(&self) {
        for lives in &self.agents {
            lock(lives).closed = true;
        }
    }

    /// What is known of a life now.
    pub fn of(&self, agent: u16, incarnation: u16) -> Life {
        let lives = lock(&self.agents[usize::from(agent)]);
        match incarnation {
            life if life < lives.sealed => Life::Sealed,
            life if life < lives.begun => Life::Open,
            _ if lives.closed => Life::Never,
            _ => Life::NotYet,
        }
    }
}

/// An agent's reply in words.
pub fn describe(reply: &Reply) -> String {
    match reply {
        Reply::Failed { place, extended_code, errno, message } => {
            format!("{place}: {message} (extended code {extended_code}, errno {errno})")
        }
        other => format!("it answered `{other:?}`"),
    }
}

fn gone(who: &str) -> LabError {
    LabError::new(format!("{who} is gone"), "its line is closed: it ended or was killed", "run it again")
}

/// Empties a folder without removing it.
fn empty_folder(folder: &Path) -> Result<(), LabError> {
    let empty = || -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    };
    empty().map_err(|error| LabError::path("cannot empty", folder, error, "see who holds files in it"))
}

/// A poisoned lock means that another thread panicked; its data are plain and still true.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
