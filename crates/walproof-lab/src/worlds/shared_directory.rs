//! World `shared-directory`: everybody mounts the one directory at /db.

use walproof_format::protocol::Quirks;

use super::{Expectation, Fault, Needs, World, shared};

/// everybody mounts the one directory at /db.
pub static WORLD: World = World {
    name: "shared-directory",
    explain: include_str!("shared_directory.md"),
    wal: Expectation::Safe,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| shared(scratch, agents, Quirks::default()),
};
