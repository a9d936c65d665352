//! World `mixed-vfs-nolock`: every second agent opens the database with `nolock=1`.

use walproof_format::protocol::Quirks;

use super::{BROKEN, Expectation, Fault, Needs, World, every_second};

/// every second agent opens the database with `nolock=1`.
pub static WORLD: World = World {
    name: "mixed-vfs-nolock",
    explain: include_str!("mixed_vfs_nolock.md"),
    wal: Expectation::Refuses,
    rollback: Expectation::Unsafe,
    fault: Fault::Openers,
    needs: Needs::Nothing,
    nemeses: &[],
    names: BROKEN,
    prepare: |scratch, agents| every_second(scratch, agents, |view| view.quirks = quirks()),
};

fn quirks() -> Quirks {
    Quirks { nolock: true, ..Quirks::default() }
}
