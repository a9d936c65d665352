//! World `mixed-vfs-excl`: every second agent opens the database with the VFS `unix-excl`.

use walproof_format::protocol::Quirks;

use super::{Expectation, Fault, Needs, World, every_second};

/// every second agent opens the database with the VFS `unix-excl`.
pub static WORLD: World = World {
    name: "mixed-vfs-excl",
    explain: include_str!("mixed_vfs_excl.md"),
    wal: Expectation::Starves,
    rollback: Expectation::Starves,
    fault: Fault::Openers,
    needs: Needs::Nothing,
    nemeses: &[],
    names: &[],
    prepare: |scratch, agents| every_second(scratch, agents, |view| view.quirks = quirks()),
};

fn quirks() -> Quirks {
    Quirks { vfs: Some("unix-excl".into()), ..Quirks::default() }
}
