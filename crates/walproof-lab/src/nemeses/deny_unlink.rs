//! Nemesis `deny-unlink`: `unlink` fails on one side.

use walproof_format::protocol::Call;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, refuse};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// `unlink` fails on one side.
pub static NEMESIS: Nemesis = Nemesis {
    name: "deny-unlink",
    explain: include_str!("deny_unlink.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 600 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Harmless,
    rollback: Effect::Loud,
    strike,
};

/// Some clients do not unlink what another process holds; a sticky directory does not let strangers.
const ERRNOS: [i32; 2] = [libc::EBUSY, libc::EPERM];

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    refuse(fleet, strike, Call::Unlink, &ERRNOS)
}
