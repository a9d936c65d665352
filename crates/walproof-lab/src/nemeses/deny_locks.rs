//! Nemesis `deny-locks`: `fcntl(F_SETLK)` fails on one side.

use walproof_format::protocol::Call;

use super::{Effect, Needs, Nemesis, Rhythm, Wound, refuse};
use crate::error::LabError;
use crate::run::fleet::Fleet;
use crate::run::plan::Strike;

/// `fcntl(F_SETLK)` fails on one side.
pub static NEMESIS: Nemesis = Nemesis {
    name: "deny-locks",
    explain: include_str!("deny_locks.md"),
    rhythm: Rhythm { first_ms: 300, interval_ms: 1000, for_ms_max: 900 },
    usual: false,
    needs: Needs::Nothing,
    wal: Effect::Loud,
    rollback: Effect::Loud,
    strike,
};

/// No permission, no lock manager (NFS without lockd), no such call (a FUSE server without locks).
const ERRNOS: [i32; 3] = [libc::EPERM, libc::ENOLCK, libc::ENOSYS];

fn strike<'f>(fleet: &'f Fleet<'f>, strike: &Strike) -> Result<Wound<'f>, LabError> {
    refuse(fleet, strike, Call::Lock, &ERRNOS)
}
