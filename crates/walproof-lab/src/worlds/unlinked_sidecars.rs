//! World `unlinked-sidecars`: somebody deletes the `-wal` and `-shm` of a database in use.

use walproof_format::protocol::Quirks;

use super::{Expectation, Fault, Needs, World, shared};

/// somebody deletes the `-wal` and `-shm` of a database in use.
pub static WORLD: World = World {
    name: "unlinked-sidecars",
    explain: include_str!("unlinked_sidecars.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Safe,
    fault: Fault::Openers,
    needs: Needs::Nothing,
    nemeses: &["unlink-sidecars"],
    names: &[],
    prepare: |scratch, agents| shared(scratch, agents, Quirks::default()),
};
