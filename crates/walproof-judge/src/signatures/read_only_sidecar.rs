//! Signature `read-only-sidecar`: a file beside the database may not be written: READONLY_CANTINIT, CANTLOCK, RECOVERY, ROLLBACK.

use super::{Gravity, Signature};

/// A file beside the database may not be written: READONLY_CANTINIT, CANTLOCK, RECOVERY, ROLLBACK.
pub static SIGNATURE: Signature = Signature {
    name: "read-only-sidecar",
    line: "A file beside the database may not be written: READONLY_CANTINIT, CANTLOCK, RECOVERY, ROLLBACK",
    explain: include_str!("read_only_sidecar.md"),
    gravity: Gravity::Loud,
    codes: &[264, 520, 776, 1288],
    ..Signature::NOTHING
};
