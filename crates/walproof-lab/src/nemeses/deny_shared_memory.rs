//! Nemesis `deny-shared-memory`: `mmap` of the wal-index fails on one side.

use walproof_format::protocol::Call;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, refuse};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// `mmap` of the wal-index fails on one side.
pub static NEMESIS: Nemesis = Nemesis {
    name: "deny-shared-memory",
    explain: include_str!("deny_shared_memory.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 500 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Loud,
    rollback: Effect::Harmless,
    strike,
};

/// What file systems without shared writable mappings answer.
const ERRNOS: [i32; 3] = [libc::EPERM, libc::ENODEV, libc::EINVAL];

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    refuse(fleet, strike, Call::SharedMemory, &ERRNOS)
}
