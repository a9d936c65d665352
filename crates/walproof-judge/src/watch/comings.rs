//! Containers that come and go: restarts, and processes that were killed because memory ran out.
//!
//! A restart is seen where the first process of a container (number 1 in its own namespace) is another one than before.
//! Behind a supervisor the first process stays, and what comes and goes below it is not told from programs that are
//! started for each piece of work: that is no restart.
//!
//! The cgroup of a container whose only process is killed is gone before it is read. Then the machine's own count rises
//! while a process of the container ends: whose kill it was is inferred where one container alone fits.
//!
//! What it must not do: take a container that closed its database for one that ended; remember what has been gone for an
//! hour.
//! Where to look next: `alarms/restart_loop.rs`, `alarms/out_of_memory_kill.rs`.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::moment::{Event, Moment, WatchedContainer, WatchedOpener};

/// What has not been seen for so long is forgotten.
const FORGET_MS: u64 = 60 * 60 * 1000;
/// Restarts that are remembered one by one.
const RESTARTS_MAX: usize = 32;
/// Containers that are remembered; those that were not seen for the longest time go first.
const CONTAINERS_MAX: usize = 1024;

/// A kill that the machine counts and a process that ends belong together within this time.
const TOGETHER_MS: u64 = 2_000;

/// A kill that was inferred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InferredKill {
    /// What the container used when it was last looked at.
    pub memory_bytes: Option<u64>,
    /// Its limit.
    pub limit_bytes: u64,
    /// How often kills of this container were inferred.
    pub times: u64,
}

impl InferredKill {
    /// Whether its memory was nearly used up, or chance would have had to strike twice.
    pub fn is_likely(&self) -> bool {
        self.times > 1 || self.was_near()
    }

    fn was_near(&self) -> bool {
        self.memory_bytes.is_some_and(|bytes| bytes >= self.limit_bytes / 4 * 3)
    }
}

/// What is remembered of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContainerPast {
    /// Times its first process was another one than before.
    pub restarts: u64,
    /// Processes that were killed because memory ran out, since the watch began.
    pub oom_kills: u64,
    /// When it restarted, oldest first, on the clock of `elapsed_ms`.
    pub restarts_ms: VecDeque<u64>,
    /// When memory last ran out, in the same way.
    pub oom_ms: Option<u64>,
    /// Why that is thought, where no cgroup told of it.
    pub inferred: Option<InferredKill>,
    /// What its first process runs, and where.
    pub command: String,
    /// The database that its first process has open.
    pub database: String,
    /// Its process at the last look that had one.
    pub pid: Option<u32>,
    #[serde(skip)]
    first: Option<(u32, u64)>,
    #[serde(skip)]
    counter: Option<u64>,
    /// Memory in use and the limit at the last look that told them.
    #[serde(skip)]
    memory: (Option<u64>, Option<u64>),
    /// When a process of it that had a database open ended, and whether that was its first one.
    #[serde(skip)]
    ended: Option<(u64, bool)>,
    #[serde(skip)]
    seen_ms: u64,
}

/// All containers.
#[derive(Clone, Debug, Default)]
pub struct Comings {
    containers: BTreeMap<String, ContainerPast>,
    /// Kills that no container accounts for, and when the last was counted.
    elsewhere: Option<(u64, u64)>,
}

impl Comings {
    /// Takes a moment in.
    pub fn take(&mut self, moment: &Moment) {
        for watched in &moment.databases {
            for opener in &watched.openers {
                if let Some(name) = moment.container_of(opener).map(|one| one.container.name.as_str()) {
                    self.opener(name, &watched.path, opener, moment.elapsed_ms);
                }
            }
        }
        for event in &moment.events {
            self.event(event, moment);
        }
        self.infer(moment.elapsed_ms);
        for one in &moment.containers {
            self.kills(one, moment.elapsed_ms);
        }
        self.forget(moment.elapsed_ms);
    }

    fn entry(&mut self, name: &str, now_ms: u64) -> &mut ContainerPast {
        let past = self.containers.entry(name.to_owned()).or_default();
        past.seen_ms = now_ms;
        past
    }

    fn opener(&mut self, name: &str, database: &str, opener: &WatchedOpener, now_ms: u64) {
        let past = self.entry(name, now_ms);
        if opener.pid_inside != Some(1) {
            return;
        }
        let is = (opener.pid, opener.started_ticks);
        // Two containers of one name (of two engines) take turns without one of them ending: time goes on only.
        let later = past.first.is_some_and(|first| is.1 > first.1);
        if later {
            past.restarts += 1;
            past.restarts_ms.push_back(now_ms);
            if past.restarts_ms.len() > RESTARTS_MAX {
                past.restarts_ms.pop_front();
            }
        }
        if later || past.first.is_none() {
            past.first = Some(is);
            (past.command, past.database) = (opener.command.clone(), database.to_owned());
            past.pid = Some(opener.pid);
        }
    }

    fn kills(&mut self, one: &WatchedContainer, now_ms: u64) {
        let past = self.entry(&one.container.name, now_ms);
        past.memory.0 = one.memory_bytes.or(past.memory.0);
        past.memory.1 = one.container.memory_limit_bytes;
        let Some(counter) = one.oom_kills else { return };
        if let Some(before) = past.counter {
            // A container that was made anew has a cgroup that counts from zero.
            let more = counter.checked_sub(before).unwrap_or(counter);
            past.killed(more, now_ms);
        }
        past.counter = Some(counter);
    }

    fn event(&mut self, event: &Event, moment: &Moment) {
        match event {
            // Events say what counters cannot: of a container that is not in the list any more, or was not before.
            Event::OutOfMemory { container, kills } => {
                let counts = |one: &WatchedContainer| one.container.name == *container && one.oom_kills.is_some();
                let past = self.entry(container, moment.elapsed_ms);
                if past.counter.is_none() || !moment.containers.iter().any(counts) {
                    past.killed(*kills, moment.elapsed_ms);
                }
            }
            Event::OutOfMemoryElsewhere { kills } => {
                let before = self.elsewhere.map_or(0, |(kills, _)| kills);
                self.elsewhere = Some((before.saturating_add(*kills), moment.elapsed_ms));
            }
            Event::Closed { pid, container: Some(container), ended: true, .. } => {
                let past = self.entry(container, moment.elapsed_ms);
                let was_first = past.first.is_some_and(|first| first.0 == *pid);
                let before = past.ended.is_some_and(|(at, first)| first && at == moment.elapsed_ms);
                past.ended = Some((moment.elapsed_ms, was_first || before));
            }
            _ => {}
        }
    }

    /// Whose kill it was that only the machine counted. It must have a limit, and have lost its first process or been near
    /// the limit; where two containers fit, nothing is said.
    fn infer(&mut self, now_ms: u64) {
        let recent = |at: u64| now_ms.saturating_sub(at) <= TOGETHER_MS;
        let Some((kills, _)) = self.elsewhere.filter(|(_, at)| recent(*at)) else {
            self.elsewhere = None;
            return;
        };
        let fits = |past: &ContainerPast| {
            let (at, was_first) = past.ended.filter(|(at, _)| recent(*at))?;
            let inferred = InferredKill { memory_bytes: past.memory.0, limit_bytes: past.memory.1?, times: 1 };
            let counted = past.oom_ms.is_some_and(|oom| oom >= at);
            (!counted && (was_first || inferred.was_near())).then_some(inferred)
        };
        let mut fitting: Vec<(&mut ContainerPast, InferredKill)> =
            self.containers.values_mut().filter_map(|past| fits(past).map(|inferred| (past, inferred))).collect();
        if let [(past, inferred)] = &mut fitting[..] {
            let before = past.inferred.as_ref().map_or(0, |before| before.times);
            past.killed(kills, now_ms);
            past.inferred = Some(InferredKill { times: before + 1, ..std::mem::take(inferred) });
            past.ended = None;
            self.elsewhere = None;
        }
    }

    fn forget(&mut self, now_ms: u64) {
        self.containers.retain(|_, past| now_ms.saturating_sub(past.seen_ms) < FORGET_MS);
        while self.containers.len() > CONTAINERS_MAX {
            let oldest = self.containers.iter().min_by_key(|(_, past)| past.seen_ms).map(|(name, _)| name.clone());
            self.containers.remove(&oldest.unwrap_or_default());
        }
    }

    /// One by its name.
    pub fn container(&self, name: &str) -> Option<&ContainerPast> {
        self.containers.get(name)
    }

    /// All, by name.
    pub fn containers(&self) -> impl Iterator<Item = (&str, &ContainerPast)> {
        self.containers.iter().map(|(name, past)| (name.as_str(), past))
    }
}

impl ContainerPast {
    fn killed(&mut self, more: u64, now_ms: u64) {
        self.oom_kills = self.oom_kills.saturating_add(more);
        if more > 0 {
            self.oom_ms = Some(now_ms);
            self.inferred = None;
        }
    }
}
