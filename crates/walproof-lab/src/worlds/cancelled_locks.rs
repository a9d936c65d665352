//! World `cancelled-locks`: a process opens and closes the database file beside SQLite.

use walproof_format::protocol::Quirks;

use super::{Expectation, Fault, Needs, World, shared};

/// a process opens and closes the database file beside SQLite.
pub static WORLD: World = World {
    name: "cancelled-locks",
    explain: include_str!("cancelled_locks.md"),
    wal: Expectation::Unsafe,
    rollback: Expectation::Unsafe,
    fault: Fault::Openers,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| shared(scratch, agents, Quirks { cancel_locks: true, ..Quirks::default() }),
};
