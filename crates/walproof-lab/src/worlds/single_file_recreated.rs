//! World `single-file-recreated`: only the database file is mounted; sidecars are lost with their container.

use super::{Expectation, Fault, Needs, World, one_file_mounted};

/// only the database file is mounted; sidecars are lost with their container.
pub static WORLD: World = World {
    name: "single-file-recreated",
    explain: include_str!("single_file_recreated.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::UnsafeAfterCrash,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| one_file_mounted(scratch, agents, true),
};
