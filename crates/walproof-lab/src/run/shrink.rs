//! From a run that failed to a smaller one that still fails: fewer nemeses, fewer agents, shorter.
//!
//! Greedy, the largest steps first; a step stays when the smaller run fails again. What follows from timing is not in a
//! plan, so that a smaller run gets several tries before it counts as one that does not fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use walproof_judge::checkers::AnomalyKind;

use crate::error::LabError;
use crate::run::outcome::{Outcome, outcome};
use crate::run::plan::{Chosen, usual_and};
use crate::run::verify::{Options, verify_through};
use crate::runtimes::Runtime;
use crate::worlds;

/// No run is made shorter than this: agents have to start.
const TIME_MIN: Duration = Duration::from_millis(200);

/// A smaller run and what it shows.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest run that failed.
    pub options: Options,
    /// What it showed.
    pub kinds: Vec<AnomalyKind>,
    /// Runs that were made.
    pub runs: u32,
    /// Whether Ctrl-C ended the search: a smaller run may fail as well.
    pub interrupted: bool,
}

/// A step that was tried.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// `without kill-agent`, `2 agents`, `1.0 s`.
    pub what: String,
    /// Whether it failed again: then it stays.
    pub fails: bool,
}

/// Makes a failing run smaller.
pub fn shrink(
    runtime: &dyn Runtime,
    failing: Options,
    tries: u32,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(&Attempt),
) -> Result<Shrunk, LabError> {
    let world = worlds::find(&failing.world).map_or(&[][..], |world| world.nemeses);
    let nemeses = failing.nemeses.clone().unwrap_or_else(|| usual_and(world));
    let options = Options { nemeses: Some(nemeses), probe: false, control: false, keep_going: false, ..failing };
    let mut search = Search { runtime, tries, interrupted, observe, runs: 0 };
    let Some(first) = search.fails("as it was", &options)? else {
        if interrupted.load(Ordering::Relaxed) {
            let because = "it was interrupted before the run had failed once";
            return Err(LabError::new("cannot shrink", because, "let it run"));
        }
        return Err(LabError::new(
            "cannot shrink a run that does not fail",
            format!("it came out without an anomaly {tries} times"),
            "more `--tries`, or a run that fails more often",
        ));
    };
    let mut best = Failing { options, ..first };
    search.drop_strikes(&mut best)?;
    search.fewer_nemeses(&mut best)?;
    search.fewer_agents(&mut best)?;
    search.shorter(&mut best)?;
    Ok(Shrunk {
        options: best.options,
        kinds: best.kinds,
        runs: search.runs,
        interrupted: interrupted.load(Ordering::Relaxed),
    })
}

struct Failing {
    options: Options,
    kinds: Vec<AnomalyKind>,
    /// From the start of the stress to the first anomaly.
    caught_after: Duration,
}

struct Search<'a> {
    runtime: &'a dyn Runtime,
    tries: u32,
    interrupted: &'a AtomicBool,
    observe: &'a mut dyn FnMut(&Attempt),
    runs: u32,
}

impl Search<'_> {
    /// What the run shows, if it fails in one of the tries.
    fn fails(&mut self, what: &str, options: &Options) -> Result<Option<Failing>, LabError> {
        let mut found = None;
        for _ in 0..self.tries {
            if found.is_some() || self.interrupted.load(Ordering::Relaxed) {
                break;
            }
            self.runs += 1;
            let evidence = verify_through(self.runtime, options.clone(), self.interrupted, &mut |_| ())?;
            if let Outcome::Broken(kinds) = outcome(&evidence) {
                let stress = &evidence.stress;
                let caught_ns = stress.caught_ns.unwrap_or(stress.began_ns);
                let caught_after = Duration::from_nanos(caught_ns.saturating_sub(stress.began_ns));
                found = Some(Failing { options: options.clone(), kinds, caught_after });
            }
        }
        // What was cut short or not begun says nothing.
        if found.is_none() && self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        (self.observe)(&Attempt { what: what.to_owned(), fails: found.is_some() });
        Ok(found)
    }

    fn step(&mut self, what: &str, best: &mut Failing, change: impl FnOnce(&mut Options)) -> Result<bool, LabError> {
        let mut smaller = best.options.clone();
        change(&mut smaller);
        let fails = self.fails(what, &smaller)?;
        let stays = fails.is_some();
        if let Some(failing) = fails {
            *best = failing;
        }
        Ok(stays)
    }

    /// Strikes spelled out one by one cannot be said in flags: what the seed draws is tried instead.
    fn drop_strikes(&mut self, best: &mut Failing) -> Result<(), LabError> {
        if best.options.strikes.is_some() {
            self.step("strikes as the seed draws them", best, |options| options.strikes = None)?;
        }
        Ok(())
    }

    fn fewer_nemeses(&mut self, best: &mut Failing) -> Result<(), LabError> {
        let all: Vec<Chosen> = best.options.nemeses.clone().unwrap_or_default();
        if all.is_empty() || self.step("no nemesis", best, |options| options.nemeses = Some(Vec::new()))? {
            return Ok(());
        }
        for one in all {
            self.step(&format!("without {}", one.nemesis), best, |options| {
                options.nemeses.iter_mut().for_each(|nemeses| nemeses.retain(|chosen| *chosen != one));
            })?;
        }
        Ok(())
    }

    fn fewer_agents(&mut self, best: &mut Failing) -> Result<(), LabError> {
        let mut tried = 2;
        while tried < best.options.agents {
            if self.step(&format!("{tried} agents"), best, |options| options.agents = tried)? {
                break;
            }
            tried = (tried * 2).min(best.options.agents);
        }
        Ok(())
    }

    /// First to little more than it took, then by halves.
    fn shorter(&mut self, best: &mut Failing) -> Result<(), LabError> {
        let enough = round_up(best.caught_after + best.caught_after / 2 + TIME_MIN);
        if enough < best.options.time && !self.step(&words(enough), best, |options| options.time = enough)? {
            return Ok(());
        }
        loop {
            let half = round_up(best.options.time / 2);
            if half < TIME_MIN || half >= best.options.time {
                return Ok(());
            }
            if !self.step(&words(half), best, |options| options.time = half)? {
                return Ok(());
            }
        }
    }
}

/// To tenths of a second.
fn round_up(time: Duration) -> Duration {
    Duration::from_millis((time.as_millis() as u64).div_ceil(100) * 100)
}

fn words(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
