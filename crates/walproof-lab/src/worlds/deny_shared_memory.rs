//! World `deny-shared-memory`: shared mappings of the wal-index are refused.

use walproof_format::protocol::{Call, Quirks};

use super::{Expectation, Fault, Needs, World, shared};

/// shared mappings of the wal-index are refused.
pub static WORLD: World = World {
    name: "deny-shared-memory",
    explain: include_str!("deny_shared_memory.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Safe,
    fault: Fault::Boundary,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| shared(scratch, agents, Quirks::refusing(Call::SharedMemory, libc::EPERM)),
};
