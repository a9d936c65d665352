//! World `fake-locks`: locks are answered with success and not taken.

use walproof_format::protocol::{Call, Quirks};

use super::{Expectation, Fault, Needs, World, shared};

/// locks are answered with success and not taken.
pub static WORLD: World = World {
    name: "fake-locks",
    explain: include_str!("fake_locks.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Boundary,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| shared(scratch, agents, Quirks::refusing(Call::Lock, 0)),
};
