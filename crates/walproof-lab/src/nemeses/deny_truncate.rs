//! Nemesis `deny-truncate`: `ftruncate` fails on one side.

use walproof_format::protocol::Call;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, refuse};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// `ftruncate` fails on one side.
pub static NEMESIS: Nemesis = Nemesis {
    name: "deny-truncate",
    explain: include_str!("deny_truncate.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 600 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Loud,
    rollback: Effect::Harmless,
    strike,
};

/// A failing disk, and an append-only one.
const ERRNOS: [i32; 2] = [libc::EIO, libc::EPERM];

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    refuse(fleet, strike, Call::Truncate, &ERRNOS)
}
