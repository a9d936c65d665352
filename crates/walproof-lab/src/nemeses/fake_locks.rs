//! Nemesis `fake-locks`: locks are answered with success and not taken on one side.

use walproof_format::protocol::Call;

use super::{Effect, HARD, Needs, Nemesis, Rhythm, Wound, refuse};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// Locks are answered with success and not taken on one side.
pub static NEMESIS: Nemesis = Nemesis {
    name: "fake-locks",
    explain: include_str!("fake_locks.md"),
    rhythm: Rhythm { first_ms: 200, interval_ms: 600, for_ms_max: 700 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Breaks(HARD),
    rollback: Effect::Breaks(HARD),
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    refuse(fleet, strike, Call::Lock, &[0])
}
