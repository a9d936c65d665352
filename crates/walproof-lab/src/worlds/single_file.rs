//! World `single-file`: only the database file is mounted; each container keeps its own sidecars.

use super::{Expectation, Fault, Needs, World, one_file_mounted};

/// only the database file is mounted; each container keeps its own sidecars.
pub static WORLD: World = World {
    name: "single-file",
    explain: include_str!("single_file.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::UnsafeAfterCrash,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| one_file_mounted(scratch, agents, false),
};
