//! Every nemesis has the effect that its data says, on the sound world `shared-directory`, in WAL and in DELETE mode.
//!
//! What this file is: a test binary with its own main, because containers run this very binary: as helper and as agent.
//! What it must not do: retry. A run that surprises is printed with all that came, and fails.
//! Where to look next: `src/nemeses/`. An argument names one nemesis; WALPROOF_NEMESIS_MS sets the length of a run.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use walproof_format::protocol::Workload;
use walproof_judge::checkers::Outcome;
use walproof_judge::verdict::is_loud;
use walproof_lab::nemeses::{Effect, NEMESES, Needs, Nemesis, Rhythm};
use walproof_lab::run::verify::{Evidence, Options, verify};
use walproof_lab::runtimes::{HELPER, choose, helper_main};

/// How long one run lasts.
const TIME_MS: u64 = 2_200;
/// The same where it must break: it ends at the first anomaly, and `cancel-locks` needs a transaction to come across.
const BREAKING_TIME_MS: u64 = 8_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(HELPER) => std::process::exit(helper_main(&arguments[2..])),
        Some("agent") => std::process::exit(walproof_agent::agent_main()),
        Some("--list") => NEMESES.iter().for_each(|nemesis| println!("{}: test", nemesis.name)),
        filter => try_all(filter.filter(|word| !word.starts_with('-')).unwrap_or("")),
    }
}

fn try_all(filter: &str) {
    let containers = choose(None).is_ok_and(|runtime| runtime.abilities().containers && runtime.abilities().limits);
    if !containers {
        assert!(std::env::var("WALPROOF_REQUIRE").is_err(), "no containers with limits here");
        return println!("skipped: no containers with limits here");
    }
    let chosen = NEMESES.iter().filter(|nemesis| nemesis.name.contains(filter));
    let chosen = chosen.filter(|nemesis| matches!(nemesis.needs, Needs::Nothing | Needs::Limits));
    let surprises: Vec<String> = chosen.flat_map(|nemesis| try_one(nemesis)).collect();
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
}

/// Both journal families side by side: a run mostly waits.
fn try_one(nemesis: &'static Nemesis) -> Vec<String> {
    std::thread::scope(|scope| {
        let families = [("wal", nemesis.wal), ("delete", nemesis.rollback)];
        let runs = families.map(|(mode, effect)| (mode, effect, scope.spawn(move || run(nemesis, mode, effect))));
        let told = runs.map(|(mode, effect, run)| {
            let evidence = run.join().expect("a run does not panic");
            tell(nemesis, mode, effect, &evidence);
            surprise(effect, &evidence).map(|what| format!("{} in {mode}: {what}", nemesis.name))
        });
        told.into_iter().flatten().collect()
    })
}

fn run(nemesis: &Nemesis, mode: &str, effect: Effect) -> Evidence {
    let usual_ms = if matches!(effect, Effect::Breaks(_)) { BREAKING_TIME_MS } else { TIME_MS };
    let time_ms = std::env::var("WALPROOF_NEMESIS_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(usual_ms);
    let rhythm = Rhythm { first_ms: nemesis.rhythm.first_ms.min(400), ..nemesis.rhythm };
    let began = Instant::now();
    let options = Options {
        directory: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        time: Duration::from_millis(time_ms),
        agents: 3,
        world: "shared-directory".into(),
        runtime: None,
        workload: Workload { journal_mode: mode.into(), busy_timeout_ms: 500, ..Workload::default() },
        seed: 7,
        nemeses: Some(vec![(nemesis.name.to_owned(), rhythm)]),
        last_duty: None,
        probe: false,
        history: None,
        program: None,
        keep_history: false,
        keep_going: false,
    };
    let evidence = verify(options, &AtomicBool::new(false), &mut |_| ());
    let evidence = evidence.unwrap_or_else(|error| panic!("{} in {mode}: {error}", nemesis.name));
    println!("     {} in {mode} took {:.1} s", nemesis.name, began.elapsed().as_secs_f64());
    evidence
}

/// One line for a run: what came.
fn tell(nemesis: &Nemesis, mode: &str, effect: Effect, evidence: &Evidence) {
    let stress = &evidence.stress;
    let counts: Vec<String> = stress.counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    println!(
        "{:22} {mode:7} {:9} {} strikes, {} commits, missed {}, starved {}, [{}] caught {:?}",
        nemesis.name,
        effect.word(),
        evidence.plan.strikes.len(),
        stress.exposures.commits,
        stress.tally.missed,
        stress.tally.starved,
        counts.join(", "),
        stress.caught_after,
    );
    if let Some(conduct) = &stress.conduct {
        println!("     {}: crippled {:?}", conduct.outcome.words(), conduct.crippled);
        println!("     healthy {:?}", conduct.healthy);
    }
    stress.anomalies.iter().take(3).for_each(|anomaly| println!("     {}", anomaly.summary));
    stress.not_seen.iter().for_each(|why| println!("     not seen: {why}"));
}

/// What is not as the nemesis's data says.
fn surprise(effect: Effect, evidence: &Evidence) -> Option<String> {
    let stress = &evidence.stress;
    let outcome = stress.conduct.as_ref().map(|conduct| conduct.outcome);
    let named = |kinds: &[_]| stress.anomalies.iter().any(|anomaly| kinds.contains(&anomaly.kind) && !is_loud(anomaly));
    match effect {
        Effect::Breaks(kinds) => (!named(kinds)).then(|| "it did not break".to_owned()),
        _ if !stress.anomalies.iter().all(is_loud) => Some("it broke".to_owned()),
        _ if stress.finals.len() != 3 || !stress.not_seen.is_empty() => Some("not healed, or not seen".to_owned()),
        Effect::Harmless if !stress.anomalies.is_empty() => Some("it did harm".to_owned()),
        Effect::Harmless => {
            outcome.filter(|outcome| *outcome != Outcome::NotAtAll).map(|outcome| format!("failed {}", outcome.words()))
        }
        Effect::Loud => match outcome {
            Some(Outcome::LoudlyAlone | Outcome::LoudlyTogether) => None,
            other => Some(format!("it was not loud: {other:?}")),
        },
    }
}
