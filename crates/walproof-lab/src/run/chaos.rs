//! Carries out the plan: each strike at its time or as soon after as the one before is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::nemeses;
use crate::run::fleet::Fleet;
use crate::run::plan::Plan;

/// Strikes until the plan ends or `stop` is set. Returns what could not be carried out; a strike that fails because
/// its agent has just died by itself is no failure of ours: the fleet's reaper notes the death.
pub fn carry_out<'f>(plan: &Plan, fleet: &'f Fleet<'f>, stop: &AtomicBool) -> Vec<LabError> {
    let began = Instant::now();
    let mut failures = Vec::new();
    for strike in &plan.strikes {
        if !sleep_until(began + Duration::from_millis(strike.at_ms), stop) {
            break;
        }
        let Some(nemesis) = nemeses::find(&strike.nemesis) else { continue };
        let healed = (nemesis.strike)(fleet, strike).and_then(|wound| {
            sleep_until(Instant::now() + Duration::from_millis(strike.for_ms), stop);
            wound.heal()
        });
        if let Err(error) = healed {
            fleet.tally.missed.fetch_add(1, Ordering::Relaxed);
            if error.blind {
                failures.push(error);
            }
            if fleet.is_stopping() {
                break;
            }
            bring_back(fleet);
        }
    }
    failures
}

/// After a strike that failed half-way: whoever is crippled is whole again, whoever lives and idles works again.
fn bring_back(fleet: &Fleet<'_>) {
    let _ = fleet.make_everybody_whole();
    for agent in fleet.agents() {
        let _ = fleet.revive(agent);
    }
}

/// False when `stop` came first.
fn sleep_until(deadline: Instant, stop: &AtomicBool) -> bool {
    while !stop.load(Ordering::Relaxed) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
    false
}
