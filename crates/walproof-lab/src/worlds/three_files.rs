//! World `three-files`: database, `-wal` and `-shm` are mounted one by one into private directories.

use super::{Expectation, Fault, Needs, World, files_mounted};

/// database, `-wal` and `-shm` are mounted one by one into private directories.
pub static WORLD: World = World {
    name: "three-files",
    explain: include_str!("three_files.md"),
    wal: Expectation::Safe,
    rollback: Expectation::UnsafeAfterCrash,
    fault: Fault::Boundary,
    needs: Needs::BindMounts,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| files_mounted(scratch, agents, &["", "-wal", "-shm"]),
};
