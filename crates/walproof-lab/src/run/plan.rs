//! The plan: what will be done to whom and when, drawn from one seed. Pure: the same seed and options give the same
//! bytes. What follows from timing (who commits when) is not in it.

use serde::{Deserialize, Serialize};
use walproof_format::ledger::mix;
pub use walproof_format::plan::{Chosen, Rhythm, Strike};

use crate::nemeses::{NEMESES, Nemesis};

/// Version of the plan's JSON.
pub const VERSION: u32 = 1;

/// What a run does, apart from what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// The seed, 16 hex digits.
    pub seed: String,
    /// Length of the stress in milliseconds.
    pub stress_ms: u64,
    /// How many agents.
    pub agents: u16,
    /// What strikes, in order of time.
    pub strikes: Vec<Strike>,
}

/// Draws the strikes of these nemeses, each in its rhythm.
pub fn draw(seed: u64, stress_ms: u64, agents: u16, nemeses: &[Chosen]) -> Plan {
    // Nothing strikes in the last tenth: agents come back and work before the run ends.
    let quiet_from = stress_ms - stress_ms / 10;
    // A nemesis keeps its moments when another one joins or leaves: its name is part of its seed.
    let of_one = |Chosen { nemesis, rhythm }: &Chosen| {
        beats(nemesis, *rhythm, mix(seed ^ name_seed(nemesis)), agents, quiet_from)
    };
    let mut strikes: Vec<Strike> = nemeses.iter().flat_map(of_one).collect();
    strikes.sort_by(|a, b| (a.at_ms, &a.nemesis).cmp(&(b.at_ms, &b.nemesis)));
    Plan { version: VERSION, seed: format!("{seed:016x}"), stress_ms, agents, strikes }
}

/// The usual nemeses and these, each in its own rhythm.
pub fn usual_and(more: &[&str]) -> Vec<Chosen> {
    let chosen = |nemesis: &&&Nemesis| nemesis.usual || more.contains(&nemesis.name);
    NEMESES
        .iter()
        .filter(chosen)
        .map(|nemesis| Chosen { nemesis: nemesis.name.to_owned(), rhythm: nemesis.rhythm })
        .collect()
}

fn name_seed(name: &str) -> u64 {
    name.bytes().fold(0, |seed, byte| mix(seed ^ u64::from(byte)))
}

fn beats(name: &str, rhythm: Rhythm, seed: u64, agents: u16, until_ms: u64) -> Vec<Strike> {
    let mut state = seed;
    let mut draw = move |bound: u64| {
        state = mix(state);
        state % bound.max(1)
    };
    let mut beats = Vec::new();
    let mut at_ms = rhythm.first_ms;
    while at_ms < until_ms {
        let for_ms = if rhythm.for_ms_max == 0 { 0 } else { 50 + draw(rhythm.for_ms_max.saturating_sub(50)) };
        let agent = draw(agents.into()) as u16;
        beats.push(Strike { at_ms, nemesis: name.to_owned(), agent, for_ms });
        at_ms += rhythm.interval_ms / 2 + draw(rhythm.interval_ms);
    }
    beats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let bytes =
            |seed| serde_json::to_vec(&draw(seed, 30_000, 3, &usual_and(&["unlink-sidecars"]))).expect("plain data");
        assert_eq!(bytes(7), bytes(7));
        assert_ne!(bytes(7), bytes(8));
    }

    #[test]
    fn ten_seconds_hold_every_nemesis() {
        for seed in 0..200 {
            let plan = draw(seed, 10_000, 3, &usual_and(&[]));
            for Chosen { nemesis: name, .. } in usual_and(&[]) {
                assert!(plan.strikes.iter().any(|s| s.nemesis == name), "{name} in seed {seed}");
            }
            assert!(plan.strikes.iter().all(|s| s.at_ms < 9_000 && s.agent < 3 && s.for_ms <= 500));
        }
    }

    #[test]
    fn a_moment_holds_nothing() {
        assert!(draw(1, 100, 3, &usual_and(&[])).strikes.is_empty());
    }
}
