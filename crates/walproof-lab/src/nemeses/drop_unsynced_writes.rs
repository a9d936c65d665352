//! Nemesis `drop-unsynced-writes`: everybody is killed, the power is cut, everybody comes back.

use std::sync::atomic::Ordering;

use walproof_judge::checkers::PowerLoss;
use walproof_judge::verdict::JournalMode;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, left_behind, with_clients};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// A power cut.
pub static NEMESIS: Nemesis = Nemesis {
    name: "drop-unsynced-writes",
    explain: include_str!("drop_unsynced_writes.md"),
    rhythm: Rhythm { first_ms: 1200, interval_ms: 2500, for_ms_max: 0 },
    usual: false,
    needs: Needs::Client,
    wal: Effect::Harmless,
    rollback: Effect::Harmless,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, _: &Strike) -> Result<Wound<'f>, LabError> {
    let cannot = |because: &str, remedy: &str| LabError::new("cannot cut the power", because, remedy).blind();
    if !with_clients(fleet)?.iter().all(|client| client.server().remembers_unsynced()) {
        return Err(cannot("the server does not remember what was not synced", "the world `one-client-shared`"));
    }
    let (mode, synchronous) = (&fleet.workload().journal_mode, &fleet.workload().synchronous);
    let loss = JournalMode::from_word(mode).and_then(|mode| PowerLoss::of(mode, synchronous));
    let loss = loss.ok_or_else(|| cannot("at synchronous=OFF SQLite promises nothing", "`--synchronous normal`"))?;
    fleet.cut_power(loss)?;
    fleet.tally.recoveries.fetch_add(u32::from(left_behind(fleet)), Ordering::Relaxed);
    Ok(Wound::new(move || fleet.agents().try_for_each(|agent| fleet.revive(agent))))
}
