//! Probes beside the stress: what a quick probe and the guard say of a world, and what must come of a crippled party.
//!
//! A world is probed once, for all its cases. The decision must be what the stress must come to; of a world that is
//! broken by what openers do, the probe must say that the boundary is sound.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use walproof_judge::verdict::{JournalMode, Verdict, VerdictKind};

use crate::probes::cripples::{Cripple, How, MIDDLE};
use crate::probes::pair::Depth;
use crate::run::probe::{Asked, ProbeReport, probe_through};
use crate::run::verify::Options;
use crate::runtimes::Runtime;
use crate::worlds::{Expectation, Fault, World};

/// How long a probe may take.
const TIME_MAX: Duration = Duration::from_secs(30);

/// A world's probe, asked by whichever case comes first.
#[derive(Debug, Default)]
pub struct Once(OnceLock<Result<ProbeReport, String>>);

impl Once {
    /// The probe of this world.
    pub fn of(&self, runtime: &dyn Runtime, options: &Options, interrupted: &AtomicBool) -> Result<&ProbeReport, &str> {
        let ask = || probe(runtime, asked(options, Depth::Quick, None), interrupted);
        self.0.get_or_init(ask).as_ref().map_err(String::as_str)
    }
}

/// The probe of a boundary with a crippled party, and whether it is what must come of it.
pub fn crippled(
    runtime: &dyn Runtime,
    options: &Options,
    cripple: &'static Cripple,
    interrupted: &AtomicBool,
) -> Result<ProbeReport, String> {
    let depth = if matches!(cripple.how, How::Strike(_)) { Depth::Full } else { Depth::Quick };
    let report = probe(runtime, asked(options, depth, Some(cripple)), interrupted)?;
    for (mode, expected) in [JournalMode::Wal, JournalMode::Delete].into_iter().zip(cripple.expected) {
        let verdict = verdict_of(&report, mode).ok_or("there is no verdict")?;
        // Storage of ours is never more than risky: another kernel could have it.
        let kind = if verdict.kind() == VerdictKind::Risky { VerdictKind::Safe } else { verdict.kind() };
        if kind != expected {
            return Err(format!("{} is {}, {}", mode.word(), verdict.kind().word(), verdict.reasons().join("; ")));
        }
        let says = expected == VerdictKind::Safe || verdict.reasons().iter().any(|text| text.contains(cripple.reason));
        if !says {
            return Err(format!("no reason says `{}`: {}", cripple.reason, verdict.reasons().join("; ")));
        }
    }
    match report.left_behind.first() {
        Some(left) => Err(format!("left behind: {left}")),
        None => Ok(report),
    }
}

fn asked(options: &Options, depth: Depth, cripple: Option<&'static Cripple>) -> Asked {
    Asked {
        options: options.clone(),
        depth,
        time_max: TIME_MAX,
        parties: 2,
        with_host: false,
        guards: cripple.is_none(),
        cripple,
        strike_after: MIDDLE,
        fail_on_risky: false,
    }
}

fn probe(runtime: &dyn Runtime, asked: Asked, interrupted: &AtomicBool) -> Result<ProbeReport, String> {
    probe_through(runtime, asked, interrupted).map_err(|error| format!("the probe: {}: {}", error.what, error.because))
}

/// What it says of a journal mode.
pub fn verdict_of(report: &ProbeReport, mode: JournalMode) -> Option<&Verdict> {
    report.verdicts.iter().find(|verdict| verdict.mode() == mode)
}

/// Whether what a probe says of a world is what its stress must come to.
pub fn agrees(world: &World, mode: JournalMode, said: VerdictKind) -> bool {
    let sound = matches!(said, VerdictKind::Safe | VerdictKind::Risky);
    match (world.fault, world.expectation(mode)) {
        (Fault::Openers, _) | (_, Expectation::Safe | Expectation::Starves) => sound,
        (Fault::Boundary, Expectation::Unsafe | Expectation::UnsafeAfterCrash) => said == VerdictKind::Unsafe,
        (Fault::Boundary, Expectation::Refuses) => said == VerdictKind::Refuses,
    }
}

/// Whether the guards keep to what one party can know: never all `safe` where WAL breaks between them, and no alarm where
/// it does not. A guard sees what its own process sees; of two overlays each sees one.
pub fn guards_keep_to_it(world: &World, report: &ProbeReport) -> Result<(), String> {
    let sound = world.fault == Fault::Openers || matches!(world.wal, Expectation::Safe | Expectation::Starves);
    let alarms = |verdict: &str| matches!(verdict, "unsafe" | "refuses");
    let guards = &report.guards;
    match guards.iter().find(|guard| sound && alarms(&guard.verdict)) {
        Some(guard) => Err(format!("the guard at {} says {}: {:?}", guard.party, guard.verdict, guard.reason)),
        None if !sound && !guards.is_empty() && guards.iter().all(|guard| guard.verdict == "safe") => {
            Err("every guard says safe".into())
        }
        None => Ok(()),
    }
}

/// What guards say, in a word or two.
pub fn guards_words(report: &ProbeReport) -> String {
    let mut words: Vec<&str> = report.guards.iter().map(|guard| guard.verdict.as_str()).collect();
    words.dedup();
    words.join("/")
}
