//! Nemesis `close-all-connections`: everybody closes, and where their mounts differ each of them last in turn; who is
//! last checkpoints and deletes the WAL.

use std::sync::atomic::Ordering;

use walproof_format::protocol::Command;

use super::{Effect, Needs, Nemesis, Rhythm, Wound};
use crate::error::LabError;
use crate::run::fleet::{ANSWER_TIMEOUT, Fleet};
use crate::run::plan::Strike;

/// Everybody closes, then opens again.
pub static NEMESIS: Nemesis = Nemesis {
    name: "close-all-connections",
    explain: include_str!("close_all_connections.md"),
    rhythm: Rhythm { first_ms: 600, interval_ms: 2500, for_ms_max: 0 },
    usual: true,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    let mut order: Vec<u16> = fleet.agents().collect();
    let views = &fleet.ground().views;
    if views.iter().any(|view| view.folder != views[0].folder) {
        // Who closes last acts alone, through mounts of its own: everybody must, in turn, the last agent first.
        let strikes_before = fleet.tally.closings.fetch_add(1, Ordering::Relaxed) as usize;
        let agents = order.len();
        order.rotate_right(strikes_before % agents.max(1));
    }
    for &agent in &order {
        fleet.ask(agent, &Command::Close, ANSWER_TIMEOUT)?;
    }
    // A log that is a mount of its own cannot be deleted, and everybody has closed all the same.
    let last = order.last().map(|agent| &fleet.ground().views[usize::from(*agent)]);
    if last.is_some_and(|view| view.mounted("-wal").is_some() || !view.sidecar("-wal").exists()) {
        fleet.tally.last_closes.fetch_add(1, Ordering::Relaxed);
    }
    Ok(Wound::new(move || fleet.agents().try_for_each(|agent| fleet.run(agent))))
}
