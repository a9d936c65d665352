//! Nemesis `deny-fsync`: `fsync` and `fdatasync` fail with EIO on one side.

use walproof_format::protocol::Call;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, refuse};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// `fsync` and `fdatasync` fail with EIO on one side.
pub static NEMESIS: Nemesis = Nemesis {
    name: "deny-fsync",
    explain: include_str!("deny_fsync.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 600 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Loud,
    rollback: Effect::Loud,
    strike,
};

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    refuse(fleet, strike, Call::Sync, &[libc::EIO])
}
