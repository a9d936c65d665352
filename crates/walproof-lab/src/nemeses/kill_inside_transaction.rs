//! Nemesis `kill-inside-transaction`: the directed kill, in the middle of a transaction that has spilled.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use walproof_format::protocol::{Command, Reply};

use super::{Effect, Needs, Nemesis, Rhythm, Wound, has_content};
use crate::error::LabError;
use crate::run::fleet::{ANSWER_TIMEOUT, Fleet};
use crate::run::plan::Strike;

/// How long to wait for a peer's commit before the agent comes back.
const PEER_TIMEOUT: Duration = Duration::from_secs(3);

/// SIGKILL inside a spilled transaction; back after a peer has committed.
pub static NEMESIS: Nemesis = Nemesis {
    name: "kill-inside-transaction",
    explain: include_str!("kill_inside_transaction.md"),
    rhythm: Rhythm { first_ms: 1000, interval_ms: 3500, for_ms_max: 0 },
    usual: true,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    let Some(agent) = writer_from(fleet, strike.agent) else { return Ok(Wound::none()) };
    match fleet.ask(agent, &Command::Park, ANSWER_TIMEOUT)? {
        Reply::Parked { spilled_pages } if spilled_pages > 0 => {}
        // It could not get the lock, or nothing spilled: no transaction to kill it in.
        _ => {
            fleet.tally.missed.fetch_add(1, Ordering::Relaxed);
            fleet.kill(agent)?;
            return Ok(Wound::new(move || fleet.revive(agent)));
        }
    }
    fleet.kill(agent)?;
    fleet.tally.kills_inside_spilled.fetch_add(1, Ordering::Relaxed);
    if has_content(&fleet.ground().views[usize::from(agent)].sidecar("-journal")) {
        fleet.tally.recoveries.fetch_add(1, Ordering::Relaxed);
    }
    wait_for_a_peer(fleet, agent);
    Ok(Wound::new(move || fleet.revive(agent)))
}

/// This agent or the next one that writes: nobody else has a transaction to be killed in.
fn writer_from(fleet: &Fleet<'_>, agent: u16) -> Option<u16> {
    let views = &fleet.ground().views;
    let mut after = fleet.agents().skip(agent.into()).chain(fleet.agents());
    after.find(|agent| views[usize::from(*agent)].duty.writes())
}

/// Until somebody else's acknowledged commits have grown, or nobody commits for too long.
fn wait_for_a_peer(fleet: &Fleet<'_>, dead: u16) {
    let peers: Vec<u16> = fleet.agents().filter(|&agent| agent != dead).collect();
    let count = || peers.iter().map(|&agent| fleet.acknowledged(agent)).sum::<u64>();
    let before = count();
    let since = Instant::now();
    while !peers.is_empty() && !fleet.is_stopping() && count() <= before + 2 && since.elapsed() < PEER_TIMEOUT {
        std::thread::sleep(Duration::from_millis(5));
    }
}
